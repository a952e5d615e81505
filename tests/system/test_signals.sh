#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The end of the daemon: by signal in the middle of load, by SIGKILL, and what stays behind.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need wrk socat stress-ng

# One second where CPUs are free. A beat is this script's own sleep of 10 ms: where everybody waits for a
# CPU the script does as well, so that beats measure what the daemon itself makes of its time.
BEATS_MAX=100

# Sets beats to how many the daemon took to end.
await_end() {
	for ((beats = 0; beats < BEATS_MAX; beats++)); do
		is_alive "$DAEMON_PID" || return
		pause 0.01
	done
}

for signal in TERM INT; do
	start_daemon || exit 1
	runtime=$DAEMON_RUNTIME socket=$DAEMON_SOCKET
	short=$(fake_server pipewire /bin/true)
	wrk -t1 -c8 -d20s "http://127.0.0.1:$DAEMON_PORT/metrics" >/dev/null 2>&1 &
	load=($!)
	"$(dirname "$GAMERD")/tests/storm" -n 100000 -k 8 -w "$short" >/dev/null 2>&1 &
	load+=($!)
	stress-ng --cpu 2 --timeout 20 >/dev/null 2>&1 &
	load+=($!)
	check_within 10 "SIG$signal: the load is on" holds '.proc_events.received_total > 500 and .http.requests_total > 100'
	kill -"$signal" "$DAEMON_PID"
	await_end
	wait_daemon 10
	kill "${load[@]}" 2>/dev/null
	wait "${load[@]}" 2>/dev/null
	echo "# it took $beats beats of 10 ms"
	check_equal "SIG$signal under load: status" 0 "$DAEMON_STATUS"
	check "SIG$signal under load: within $BEATS_MAX beats" test "$beats" -lt $BEATS_MAX
	check "SIG$signal: no socket is left" test ! -e "$runtime/stats" -a ! -e "$socket"
	check "SIG$signal: no pid file is left" test ! -e "$runtime/pid"
	check "SIG$signal: nothing but the start and the end in the log" \
		test -z "$(grep -iE 'error|fail|sanitizer' "$DAEMON_LOG")"
done

# Killed: the kernel takes the BPF programs away; the next start finds dead sockets and replaces them.
start_daemon --no-api || exit 1
kill -KILL "$DAEMON_PID"
wait "$DAEMON_PID" 2>/dev/null
check "a killed daemon leaves its socket file" test -e "$DAEMON_RUNTIME/stats"
: >"$DAEMON_LOG" # the word that is waited for is in there
"$GAMERD" --observe --config "$DAEMON_CONFIG" </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
check_within 20 "the next start replaces it" grep -qw ready "$DAEMON_LOG"
check "and answers on it" grep -q '"errno": *0' <(stats_request '{"req":"stats"}')
check "on the ecosystem's socket, too" grep -q '"errno": *0' <(stats_request '{"req":"stats"}' "$DAEMON_SOCKET")
stop_daemon
check_equal "and ends on SIGTERM" 0 "$DAEMON_STATUS"

# As under nohup: what was ignored at the start stays ignored. Ctrl-Z and Ctrl-\ are left to the kernel.
is_stopped() {
	grep -q '^State:.*stopped' "/proc/$DAEMON_PID/status"
}

is_answering() {
	grep -q '"errno": *0' <(stats_request '{"req":"stats"}')
}

AS_FOREGROUND=(env "--default-signal=INT,QUIT" --ignore-signal=HUP)
ulimit -c 0 # Ctrl-\ would leave a core file
set -m # Ctrl-Z stops only what a shell of the same session can continue
start_daemon --no-api || exit 1
set +m
kill -HUP "$DAEMON_PID"
check "SIGHUP that was ignored does nothing" is_answering
check_equal "main blocks only what it waits for" 0000000000004002 \
	"$(awk '/^SigBlk/ { print $2 }' "/proc/$DAEMON_PID/status")"
kill -TSTP "$DAEMON_PID"
check_within 10 "Ctrl-Z stops it" is_stopped
kill -CONT "$DAEMON_PID"
check_within 10 "and it goes on" is_answering
stop_daemon QUIT
check_equal "Ctrl-\\ ends it" $((128 + $(kill -l QUIT))) "$DAEMON_STATUS"
finish
