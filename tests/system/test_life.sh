#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The life of a role: it goes with exit and with exec into something else, follows a fork, survives
# nothing. tests/bpf proves that the kernel side has dropped it before the parent can notice the end.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

STORM=$(dirname "$GAMERD")/tests/storm

listed() { # PID
	holds ".audio.servers | any(.pid == $1)"
}

not_listed() { # PID
	holds ".audio.servers | any(.pid == $1) | not"
}

start_daemon || exit 1
server=$(fake_server pipewire)
shell=$(fake_server pulseaudio "$(command -v bash)")

mkfifo "$TEST_DIR/go"

# exec into another program
"$shell" -c "read -r _ <'$TEST_DIR/go'; exec sleep 1000" &
pid=$!
check_within 5 "a server is listed" listed "$pid"
echo >"$TEST_DIR/go"
check_within 5 "it is not after exec into another program" not_listed "$pid"
check "the process itself lives on" is_alive "$pid"
check "the BPF table agrees" holds '.roles.entries == 0'
kill -KILL "$pid"
wait "$pid" 2>/dev/null

# fork without exec, as a daemonising server does: the child inherits, then the parent goes
"$shell" -c "{ echo \$BASHPID >'$TEST_DIR/child'; exec 3<>'$TEST_DIR/go'; read -r _ <&3; } & exit 0" &
wait $! 2>/dev/null
check_within 5 "a forked child has written its pid" test -s "$TEST_DIR/child"
child=$(<"$TEST_DIR/child")
check_within 5 "it inherited the role" listed "$child"
check_equal "by fork" fork "$(metrics ".audio.servers[] | select(.pid == $child) | .source")"
kill -KILL "$child"
check_within 5 "its role went with it" not_listed "$child"

# a crash
"$server" 1000 &
pid=$!
check_within 5 "a server is listed again" listed "$pid"
kill -SEGV "$pid"
wait "$pid" 2>/dev/null
check_within 5 "it is not after a crash" not_listed "$pid"
"$server" 1000 &
pid=$!
check_within 5 "and is after a restart" listed "$pid"
kill -TERM "$pid"
wait "$pid" 2>/dev/null

# many, at random, with the same few PIDs
output=$("$STORM" -n 1000 -k 8 -r -s 7 "$server" 1000) || skip "PIDs can't be forced: $output"
echo "# $output"
check "PIDs were reused" test "${output##* }" -gt 100
check_within 10 "no role is left in the BPF table" holds '.roles.entries == 0'
check_within 10 "no server is left in the list" holds '.audio.servers == []'
check_within 10 "no thread is left in the class" holds '.classes.audio_server.threads == 0'
check "every registration ended" holds '.audio.registered_total == .audio.unregistered_total'
check "the ledger holds" holds '.pipeline | .attempted_total == .submitted_total + .dropped_total
	and .consumed_total == .aggregated_total + .queued'
finish
