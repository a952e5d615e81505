#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A service manager that wants to hear of the daemon hears that all is well, and nothing while a thread
# hangs, even if all others run.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need socat

HANG=$(dirname "$GAMERD")/tests/hang
notified=$TEST_DIR/notified
: >"$notified"
socat -u "UNIX-RECV:$TEST_DIR/notify,mode=666" "OPEN:$notified,append" &
DAEMON_PIDS+=($!)
wait_until 10 test -S "$TEST_DIR/notify" || skip "socat receives no datagrams"

count() {
	grep -ao 'WATCHDOG=1' "$notified" | wc -l
}

# From now on.
is_heard() { # TIMES
	local start=${START:=$(count)}

	(($(count) >= start + $1)) && START=
}

START=
AS_FOREGROUND+=("NOTIFY_SOCKET=$TEST_DIR/notify" WATCHDOG_USEC=1000000)
start_daemon --no-api || exit 1
check_within 20 "all is well, again and again" is_heard 4

for thread in /proc/"$DAEMON_PID"/task/*; do
	[[ $(<"$thread/comm") != ctl ]] || tid=${thread##*/}
done
"$HANG" "$tid" >"$TEST_DIR/hang" &
hang=$!
DAEMON_PIDS+=("$hang")
until grep -q hangs "$TEST_DIR/hang" || ! is_alive "$hang"; do
	timeout 1 socat -u OPEN:/dev/null "UNIX-CONNECT:$DAEMON_RUNTIME/stats"
done
check_within 20 "a thread that hangs is named in the log" \
	grep -qE 'thread ctl neither beats nor sleeps for [0-9]+ ms' "$DAEMON_LOG"
before=$(count)
pause 3
check_equal "and nothing is heard while it does" "$before" "$(count)"
kill "$hang"
wait "$hang" 2>/dev/null
check_within 20 "it is heard again once the thread goes on" is_heard 2
stop_daemon
check_equal "it ends on SIGTERM" 0 "$DAEMON_STATUS"

AS_FOREGROUND+=(WATCHDOG_PID=1)
before=$(count)
start_daemon --no-api || exit 1
pause 2
check_equal "what is meant for another process is none of its business" "$before" "$(count)"
finish
