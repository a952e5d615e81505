#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Starts that must be refused: one sentence, status 2 if it is the command line or the configuration, else
# status 1, nothing left behind.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need unshare socat python3 flock prlimit

statuses=() # with which the program has ended here

# Runs the daemon so that it must refuse, and checks how.
refused() { # STATUS NAME PATTERN CMD...
	local expected=$1 name=$2 pattern=$3 output status

	shift 3
	output=$(timeout 20 "$@" 2>&1 </dev/null)
	status=$?
	statuses+=("$status")
	# A machine's own audio servers may be found before that.
	output=$(grep -v ' info: audio_server ' <<<"$output")
	check_equal "$name: status" "$expected" "$status"
	check_equal "$name: one line" 1 "$(printf '%s\n' "$output" | wc -l)"
	check "$name: says why" grep -qiE "$pattern" <<<"$output"
	echo "#   $output"
}

daemon_prepare
run=("$GAMERD" --config "$DAEMON_CONFIG")
chmod -R a+rX "$TEST_DIR"

refused 2 "unknown option" "unknown option '--nonsense'" "${run[@]}" --nonsense
refused 2 "stray argument" "unexpected argument" "${run[@]}" now
refused 2 "missing value" "needs a value" "$GAMERD" --stats
refused 2 "bad interval" "stats takes seconds" "${run[@]}" --stats soon
refused 2 "bad port" "port from 0 to 65535" "${run[@]}" --debug-api 65536
refused 2 "contradiction" "exclude each other" "${run[@]}" --observe --require-sched
[[ -e /sys/kernel/sched_ext ]] || refused 1 "no scheduler to require" "no sched_ext" "${run[@]}" --require-sched
refused 2 "no such file" "No such file" "$GAMERD" --config /nonexistent/gamerd.json
echo '{ "roles_maxx": 3 }' >"$TEST_DIR/bad.json"
refused 2 "unknown key" "roles_maxx" "$GAMERD" --config "$TEST_DIR/bad.json"
echo '{ "roles_max": "many" }' >"$TEST_DIR/bad.json"
refused 2 "wrong type" "roles_max" "$GAMERD" --config "$TEST_DIR/bad.json"
echo '{ "roles_max": 100000000 }' >"$TEST_DIR/bad.json"
refused 2 "out of range" "roles_max" "$GAMERD" --config "$TEST_DIR/bad.json"
echo '{ "roles_max": ' >"$TEST_DIR/bad.json"
refused 2 "broken JSON" "bad.json" "$GAMERD" --config "$TEST_DIR/bad.json"
for command in --help --help-stats --help-config --version; do
	check "$command all the same" grep -q . <("$GAMERD" --config "$TEST_DIR/bad.json" $command 2>/dev/null)
done
echo '{ "stats_group": "no-such-group" }' >"$TEST_DIR/bad.json"
refused 2 "unknown group" 'stats_group: there is no group "no-such-group"' "$GAMERD" --config "$TEST_DIR/bad.json"
refused 2 "timeout in the environment" "SCX_TIMEOUT_MS must be from 1000 to 30000 milliseconds, not 'never'" \
	env SCX_TIMEOUT_MS=never "${run[@]}"
refused 2 "slice out of range" "slice-us takes a number from 1000 to 20000, not '20001'" "${run[@]}" --slice-us 20001

check "the unit does not restart for those" grep -qx 'RestartPreventExitStatus=2' "$ROOT/dist/scx_gamerd.service.in"

for files in 5 8 12 14 16; do
	refused 1 "$files open files" "error: at most $files files may be open \(RLIMIT_NOFILE\), and scx_gamerd needs" \
		prlimit --nofile="$files" "${run[@]}"
	output=$(prlimit --nofile="$files" "${run[@]}" --check 2>/dev/null)
	check_equal "$files open files: --check ends with status 1" 1 $?
	check "$files open files: --check says it, too" grep -q "can't run here: at most $files files" <<<"$output"
done

"${run[@]}" --check >/dev/null 2>&1
check_equal "--check where it can run: status" 0 $?

full() { # ARGS...
	"$GAMERD" --config "$DAEMON_CONFIG" "$@" >/dev/full
}
export -f full
export GAMERD DAEMON_CONFIG
for command in --help --help-stats --help-config --version --check; do
	refused 1 "$command to a full disk" "can't write to standard output: No space left" bash -c 'full "$@"' bash $command
done

refused 1 "an ordinary user" "root|CAP_BPF" "${AS_USER[@]}" "${run[@]}"
# In a chroot / is no mount point, and only /sys can be made private.
refused 1 "no BTF" "BTF" unshare --mount --propagation unchanged sh -c \
	'mount --make-rprivate /sys && mount -t tmpfs none /sys/kernel/btf && exec "$@"' sh "${run[@]}"
check "nothing is left behind" test ! -e "$DAEMON_RUNTIME" -a ! -e "$DAEMON_SOCKET"

python3 -c 'import socket, sys, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True)
time.sleep(60)' >"$TEST_DIR/port" &
DAEMON_PIDS+=($!)
check_within 5 "a port is taken" test -s "$TEST_DIR/port"
refused 1 "taken port" "port|address" "${run[@]}" --debug-api "$(<"$TEST_DIR/port")"
first_port=$(</proc/sys/net/ipv4/ip_unprivileged_port_start)
if ((first_port > 1)); then
	refused 1 "port of root's" "127.0.0.1:$((first_port - 1)): a port below $first_port \(net.ipv4.ip_unprivileged_port_start\) takes a right" \
		"${run[@]}" --debug-api "$((first_port - 1))"
fi
check "nothing is left behind by it" test ! -e "$DAEMON_RUNTIME" -a ! -e "$DAEMON_SOCKET"

start_daemon --no-api || exit 1
refused 1 "second instance" "$DAEMON_PID" "$GAMERD" --config "$DAEMON_CONFIG"
check "no other user can hold its lock" eval \
	"! ${AS_USER[*]} flock --nonblock --shared '$DAEMON_RUNTIME/pid' true 2>/dev/null"
check "the first one is untouched" grep -q '"errno": *0' <(stats_request '{"req":"stats"}')
stop_daemon
check_equal "and ends well" 0 "$DAEMON_STATUS"
statuses+=("$DAEMON_STATUS")
check_equal "the man page has these statuses" "$(printf '%s\n' "${statuses[@]}" | sort -u)" \
	"$(sed -n '/^\.SH EXIT STATUS/,/^\.SH PRIV/s/^\.B \([0-9]*\)$/\1/p' "$ROOT/docs/scx_gamerd.8")"

# Accepted, with a warning each: files that are in the hands of somebody else.
daemon_prepare
mkdir "$DAEMON_RUNTIME"
chown 65534 "$DAEMON_RUNTIME"
chmod 0666 "$DAEMON_CONFIG"
"$GAMERD" --observe --config "$DAEMON_CONFIG" </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
check_within 20 "in others' files it starts" grep -qw ready "$DAEMON_LOG"
check_equal "and warns of the configuration" 1 "$(grep -cF "every user can change $DAEMON_CONFIG" "$DAEMON_LOG")"
check_equal "and of the directory" 1 "$(grep -cF "$DAEMON_RUNTIME belongs to uid 65534" "$DAEMON_LOG")"
stop_daemon
check_equal "it ends with status 0" 0 "$DAEMON_STATUS"

# Degraded, not refused: no proc connector in another network namespace.
daemon_prepare
unshare --net "$GAMERD" --observe --config "$DAEMON_CONFIG" </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
check_within 20 "without the proc connector it starts" grep -qw ready "$DAEMON_LOG"
check "and says what it uses instead" grep -q 'BPF records' "$DAEMON_LOG"
server=$(fake_server pipewire)
"$server" 1000 &
pid=$!
servers_by_socket() {
	stats_request '{"req":"stats"}' | jq -e ".args.resp.servers | has(\"$pid\")" >/dev/null
}
check_within 5 "it knows a server all the same" servers_by_socket
kill -KILL "$pid"
wait "$pid" 2>/dev/null
stop_daemon
check_equal "and ends with status 0" 0 "$DAEMON_STATUS"

# In another pid namespace, or without /proc, the kernel side's numbers mean nothing to the daemon.
other_numbers() { # NAME PATTERN CMD...
	local name=$1 pattern=$2 entries

	shift 2
	check "$name: --check says so" grep -qE "no +process_numbers .*$pattern" \
		<("$@" "$GAMERD" --check --config "$DAEMON_CONFIG" 2>/dev/null)
	daemon_prepare
	"$@" "$GAMERD" --observe --config "$DAEMON_CONFIG" --debug-api 0 </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
	DAEMON_PIDS+=($!)
	check_within 20 "$name: it starts" grep -qw ready "$DAEMON_LOG"
	DAEMON_PID=$(pgrep -P $! || echo $!)
	DAEMON_PIDS+=("$DAEMON_PID")
	DAEMON_PORT=$(sed -nE 's/.*127\.0\.0\.1:([0-9]+).*/\1/p' "$DAEMON_LOG" | head -n 1)
	check_equal "$name: one warning says so" 1 "$(grep -cE "warning: .*$pattern" "$DAEMON_LOG")"
	check "$name: /health says so" jq -e '.features | any(.name == "process_numbers" and (.available | not))' <(http /health)
	entries=$(metrics .roles.entries)
	"$server" 1000 &
	pid=$!
	check_within 5 "$name: a server has the kernel side's role" holds ".roles.entries == $entries + 1"
	pause 0.5
	check "$name: and keeps it" holds ".roles.entries == $entries + 1 and .audio.servers == []"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	check_within 5 "$name: until it ends" holds ".roles.entries == $entries"
	kill -TERM "$DAEMON_PID"
	check_within 10 "$name: it ends" is_gone "$DAEMON_PID"
}
other_numbers "pid namespace" "another pid namespace" \
	unshare --pid --fork --propagation unchanged --mount-proc
other_numbers "no /proc" "no /proc of this" unshare --mount --propagation unchanged sh -c \
	'mount --make-rprivate /proc && mount -t tmpfs none /proc && exec "$@"' sh
finish
