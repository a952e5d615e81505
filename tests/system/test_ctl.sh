#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The stats socket and its clients: --stats, --monitor across a restart, --watch-input, --check, and
# that nothing of the debug API exists without --debug-api.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need socat ss prlimit setpriv python3

lines_of() { # FILE PATTERN COUNT
	[[ $(grep -cE "$2" "$1") -ge $3 ]]
}

start_daemon --no-api || exit 1
check_equal "no HTTP thread" "" "$(cat /proc/"$DAEMON_PID"/task/*/comm | grep -i civetweb)"
check_equal "no TCP socket" "" "$(ss -tlnpH | grep "pid=$DAEMON_PID,")"
socat -u /dev/null "UNIX-CONNECT:$DAEMON_RUNTIME/stats"
published() {
	stats_request '{"req":"stats"}' | jq .args.resp.self_snapshots_published_total
}

# Deltas are per connection: the first answer is the baseline.
answers=$({
	printf '{"req":"stats"}\n'
	pause 1.5
	printf '{"req":"stats","args":{"target":"top"}}\n'
	pause 0.3
} | socat -t 2 - "UNIX-CONNECT:$DAEMON_RUNTIME/stats")
check_equal "two answers" 2 "$(wc -l <<<"$answers")"
check_equal "the first is the baseline" 0 "$(head -n 1 <<<"$answers" | jq .args.resp.classes.normal.wakeups)"
check "the second counts from there" \
	test "$(tail -n 1 <<<"$answers" | jq .args.resp.classes.normal.wakeups)" -gt 0
check_equal "bad JSON: errno 22" 22 "$(stats_request '{"req":' | jq .errno)"
check_equal "an unknown request: errno 22" 22 "$(stats_request '{"req":"levels"}' | jq .errno)"
check_equal "an unknown target: errno 22" 22 "$(stats_request '{"req":"stats","args":{"target":"x"}}' | jq .errno)"
check_equal "the connection survives it" 0 \
	"$(printf 'rubbish\n{"req":"stats_meta"}\n' | socat -t 2 - "UNIX-CONNECT:$DAEMON_RUNTIME/stats" | tail -n 1 | jq .errno)"
# Every field of the answer is in the schema, and the other way round.
meta=$(stats_request '{"req":"stats_meta"}')
top=$(jq -r '.args.resp | to_entries[] | select(.value.top == "true") | .key' <<<"$meta")
check_equal "the schema names the fields of the answer" \
	"$(jq -c ".args.resp[\"$top\"].fields | keys" <<<"$meta")" "$(jq -c '.args.resp | keys' <<<"$(tail -n 1 <<<"$answers")")"

# --monitor waits for a daemon and survives its restart.
"$GAMERD" --config "$DAEMON_CONFIG" --monitor 0.3 >"$TEST_DIR/monitor" 2>"$TEST_DIR/monitor.err" &
monitor=$!
DAEMON_PIDS+=("$monitor")
check_within 10 "--monitor prints" lines_of "$TEST_DIR/monitor" normal 3
config=$DAEMON_CONFIG
stop_daemon
check "it outlives the daemon" is_alive "$monitor"
: >"$TEST_DIR/monitor"
"$GAMERD" --observe --config "$config" </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
check_within 20 "the daemon is back" grep -qw ready "$DAEMON_LOG"
check_within 10 "--monitor goes on" lines_of "$TEST_DIR/monitor" normal 3
kill -INT "$monitor"
wait "$monitor"
check_equal "--monitor ends with status 0" 0 $?

"$GAMERD" --config "$config" --watch-input 0.3 >"$TEST_DIR/input" 2>"$TEST_DIR/input.err" &
watch=$!
DAEMON_PIDS+=("$watch")
if "$GAMERD" --config "$config" --check 2>/dev/null | grep -qE 'yes +input_hook'; then
	check_within 10 "--watch-input prints" \
		lines_of "$TEST_DIR/input" '^\[[0-9:]{8}\].*KBD:.*MOUSE:.*OTHER:' 2
else # a kernel that refuses fentry: tests/vm shows the lines
	check_within 10 "--watch-input says that there is no input hook" \
		lines_of "$TEST_DIR/input.err" "input events can't be seen here" 1
fi
kill -TERM "$watch"
wait "$watch"
check_equal "--watch-input ends with status 0" 0 $?
stop_daemon

# Standard descriptors that are closed are not taken for sockets and the like.
standard_fds_are_null() { # PID
	local fd

	for fd in 0 1 2; do
		[[ $(readlink "/proc/$1/fd/$fd") == /dev/null ]] || return
	done
}

daemon_prepare
"$GAMERD" --observe --config "$DAEMON_CONFIG" --stats 0.1 <&- >&- 2>&- &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
check_within 20 "without standard descriptors it starts" test -S "$DAEMON_RUNTIME/stats"
check_within 10 "and opens /dev/null in their place" standard_fds_are_null "$DAEMON_PID"
stats_only() {
	[[ $(stats_request '{"req":"stats"}' | jq .errno) == 0 ]]
}
check_within 10 "it answers" stats_only
stop_daemon
check_equal "and ends with status 0" 0 "$DAEMON_STATUS"

# --stats prints from within.
start_daemon --no-api --stats 0.3 || exit 1
check_within 10 "--stats prints" lines_of "$DAEMON_OUT" normal 3
stop_daemon
check_equal "--stats ends with status 0" 0 "$DAEMON_STATUS"

# A reader that is stuck, as `less` left at a page, keeps no signal from being served.
mkfifo "$TEST_DIR/stuck"
exec {stuck}<>"$TEST_DIR/stuck"
python3 -c 'import fcntl, sys
fcntl.fcntl(int(sys.argv[1]), fcntl.F_SETPIPE_SZ, 4096)' "$stuck"
daemon_prepare
"$GAMERD" --observe --config "$DAEMON_CONFIG" --stats 0.1 </dev/null >"$TEST_DIR/stuck" 2>"$DAEMON_LOG" &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
pipe_is_full() { # poll(2) for writing
	python3 -c 'import select, sys
sys.exit(bool(select.select([], [int(sys.argv[1])], [], 0)[1]))' "$stuck"
}
check_within 20 "--stats fills a pipe that nobody reads" pipe_is_full
pause 1
stop_daemon
check_equal "SIGTERM ends it all the same" 0 "$DAEMON_STATUS"
exec {stuck}<&-

# A full disk is said once; only a reader that is gone ends it.
daemon_prepare
"$GAMERD" --observe --config "$DAEMON_CONFIG" --stats 0.1 </dev/null >/dev/full 2>"$DAEMON_LOG" &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
check_within 20 "--stats to a full disk says so" grep -q "can't write the statistics: No space left" "$DAEMON_LOG"
pause 1
check "and goes on" is_alive "$DAEMON_PID"
check_equal "saying it once" 1 "$(grep -c "can't write" "$DAEMON_LOG")"
stop_daemon
check_equal "until it is told to stop" 0 "$DAEMON_STATUS"
daemon_prepare
"$GAMERD" --observe --config "$DAEMON_CONFIG" --stats 0.1 </dev/null 2>"$DAEMON_LOG" | head -n 1 >/dev/null
check_equal "--stats ends with its reader" 0 "${PIPESTATUS[0]}"
check "and says so" grep -q "nobody reads" "$DAEMON_LOG"

check "--help-stats explains" grep -q wakeups <("$GAMERD" --help-stats)
check "--version names it" grep -qE '^scx_gamerd [0-9.]+ [a-z0-9_]+-' <("$GAMERD" --version)
daemon_prepare
check "--check says what it can" grep -q proc_connector <("$GAMERD" --config "$DAEMON_CONFIG" --check)
check "--check leaves nothing behind" test ! -e "$DAEMON_RUNTIME"

# A user of its own who may have one thread only: the RCU thread can't start.
caps=+bpf,+perfmon,+net_admin,+sys_ptrace,+dac_read_search
lonely=$(prlimit --nproc=1 setpriv --reuid 64999 --regid 64999 --clear-groups "--inh-caps=-all,$caps" \
	"--ambient-caps=-all,$caps" "$GAMERD" --config "$DAEMON_CONFIG" --check)
check_equal "--check where no thread can start: status" 1 $?
check "and it says why" grep -q 'no   process_events .*cannot start the RCU thread: ' <<<"$lonely"
finish
