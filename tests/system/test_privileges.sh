#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the daemon gives up once it has started: its user, its capabilities and most system calls, in each
# thread; that it works all the same; and what it does where there is no such user.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need socat setpriv unshare python3

STORM=$(dirname "$GAMERD")/tests/storm
KEPT=000000c000881000 # net_admin, sys_ptrace, sys_nice, perfmon, bpf

# The values of KEY in /proc/PID/task/*/status, each once, of threads whose name matches PATTERN.
of_threads() { # KEY [PATTERN]
	awk -v key="$1:" -v pattern="${2:-.}" '
		$1 == "Name:" { is_wanted = $2 ~ pattern }
		is_wanted && $1 == key { $1 = ""; print substr($0, 2) }' /proc/"$DAEMON_PID"/task/*/status | sort -u
}

# What holds in each thread, whoever it is.
check_threads() { # NAME UID
	local caps

	check_equal "$1: every thread is of uid $2" "$2 $2 $2 $2" "$(of_threads Uid)"
	caps=$(of_threads CapPrm | tr '\n' ' ')
	check_equal "$1: five capabilities are left, and none where requests are read" "0000000000000000 $KEPT " "$caps"
	check_equal "$1: effective are the same" "$caps" "$(of_threads CapEff | tr '\n' ' ')"
	check_equal "$1: none to inherit" 0000000000000000 "$(of_threads CapInh)"
	check_equal "$1: none is ambient" 0000000000000000 "$(of_threads CapAmb)"
	check_equal "$1: an exec brings none back" 1 "$(of_threads NoNewPrivs)"
	check_equal "$1: the threads that read requests have none" 0000000000000000 "$(of_threads CapPrm '^(ctl|civetweb.*)$')"
	if ((is_filtered)); then
		check_equal "$1: system calls are filtered in every thread" 2 "$(of_threads Seccomp)"
		check_equal "$1: more narrowly where requests are read" 2 "$(of_threads Seccomp_filters '^(ctl|civetweb.*)$')"
	fi
	check "$1: /health says so" jq -e \
		'.features | any(.name == "privileges" and (.detail | test("uid '"$2"', no capabilities but bpf")))' <(http /health)
}

is_listed() { # PID
	holds ".audio.servers | any(.pid == $1)"
}

# Detection, both ways to ask, and the flood of process events that makes it read /proc again.
check_works() { # NAME
	local pid

	check "$1: the stats socket answers" grep -q '"errno": *0' <(stats_request '{"req":"stats"}')
	check "$1: HTTP answers" holds '.http.requests_total >= 0'
	"$STORM" -n 2000 -k 4 "$short" >/dev/null 2>&1
	setpriv --reuid 65533 --regid 65533 --clear-groups "$server" 1000 &
	pid=$!
	check_within 10 "$1: a server of another user is found after a storm of execs" is_listed "$pid"
	check_equal "$1: and its executable is read" "$server" "$(metrics ".audio.servers[] | select(.pid == $pid) | .exe")"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	check_within 10 "$1: it goes" holds '.audio.servers == []'
}

# Not in a build with a sanitizer, and not in a kernel without.
is_filtered=$("$GAMERD" --check 2>/dev/null | grep -c '^  yes  seccomp ')
((is_filtered)) || grep -aqE '__(asan|tsan)_init' "$GAMERD" || ! grep -q ^Seccomp_filters: /proc/self/status ||
	not_ok "system calls are filtered" "--check says that they are not"
server=$(fake_server pipewire)
short=$(fake_server pulseaudio /bin/true)
nobody=$(id -u nobody)

# A user that the configuration names.
export CONFIG_EXTRA='{"user": "nobody"}'
start_daemon || exit 1
check_works "nobody"
check_threads "nobody" "$nobody"
check_equal "nobody: its group, and no other" "$(id -g nobody) " \
	"$(awk '/^Gid:/ { print $2 }' "/proc/$DAEMON_PID/status") $(of_threads Groups)"
check_equal "nobody: nothing may be gained by exec" 0000000000000000 "$(of_threads CapBnd)"
check_equal "nobody: the threads have their names" "aggregate ctl detect rcu ring scx_gamerd" \
	"$(cat /proc/"$DAEMON_PID"/task/*/comm | grep -v civetweb | sort | tr '\n' ' ' | sed 's/ $//')"
check_equal "nobody: the log has no warning of it" $((1 - is_filtered)) "$(grep -cE 'privileges|seccomp' "$DAEMON_LOG")"
check "nobody: --check says so" grep -q "yes  privileges  *uid $nobody, no capabilities but bpf" \
	<("$GAMERD" --config "$DAEMON_CONFIG" --check 2>/dev/null)

# It removes what is in a directory of its own; a directory of root's keeps a dead socket, which the next
# start replaces.
stop_daemon
check_equal "nobody: it ends with status 0" 0 "$DAEMON_STATUS"
check_equal "nobody: its own directory is empty" "" "$(ls -A "$DAEMON_RUNTIME")"
mkdir "$TEST_DIR/roots"
jq --arg path "$TEST_DIR/roots/stats" '.scx_stats_path = $path' "$DAEMON_CONFIG" >"$TEST_DIR/config.json"
for round in first second; do
	: >"$DAEMON_LOG" # the word that is waited for is in there
	"$GAMERD" --observe --config "$TEST_DIR/config.json" </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
	DAEMON_PID=$!
	DAEMON_PIDS+=("$DAEMON_PID")
	check_within 20 "a directory of root's: the $round start" grep -qw ready "$DAEMON_LOG"
	check "a directory of root's: the $round answers" grep -q '"errno": *0' \
		<(stats_request '{"req":"stats"}' "$TEST_DIR/roots/stats")
	stop_daemon
	check_equal "a directory of root's: the $round ends with status 0" 0 "$DAEMON_STATUS"
done

# A name that nobody has is refused.
echo '{ "user": "no-such-user" }' >"$TEST_DIR/bad.json"
output=$("$GAMERD" --config "$TEST_DIR/bad.json" 2>&1 </dev/null)
check_equal "a user that is missing: status" 2 $?
check_equal "a user that is missing: one line" 1 "$(wc -l <<<"$output")"
check "a user that is missing: says why" grep -q 'user: there is no user "no-such-user"' <<<"$output"

# None: root, but with no more than it needs.
CONFIG_EXTRA='{"user": ""}'
start_daemon || exit 1
check_works "root by configuration"
check_threads "root by configuration" 0
check_equal "root by configuration: no warning" $((1 - is_filtered)) "$(grep -cE 'privileges|seccomp' "$DAEMON_LOG")"
stop_daemon
check_equal "root by configuration: it ends with status 0" 0 "$DAEMON_STATUS"

# The default: the user of the package, where there is one.
CONFIG_EXTRA='{}'
if id scx_gamerd >/dev/null 2>&1; then
	start_daemon || exit 1
	check_threads "the user of the package" "$(id -u scx_gamerd)"
	stop_daemon
	check "the user of the package: nothing is left" test ! -e "$DAEMON_RUNTIME" -a ! -e "$DAEMON_SOCKET"
fi

# Where there is none. In a chroot / is no mount point, and nothing can be put in the place of a file.
daemon_prepare
chown root "$(dirname "$DAEMON_RUNTIME")"
grep -v '^scx_gamerd:' /etc/passwd >"$TEST_DIR/passwd"
hide_user=(unshare --mount --propagation private sh -c 'mount --bind "$0" /etc/passwd && exec "$@"' "$TEST_DIR/passwd")
if ! grep -q '^scx_gamerd:' /etc/passwd; then
	hide_user=()
elif ! "${hide_user[@]}" true 2>/dev/null; then
	echo "# the user of the package can't be hidden here"
	finish
fi
"${hide_user[@]}" "$GAMERD" --observe --config "$DAEMON_CONFIG" --debug-api 0 </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
check_within 20 "no user: it starts" daemon_is_ready_or_gone
DAEMON_PORT=$(sed -nE 's/.*127\.0\.0\.1:([0-9]+).*/\1/p' "$DAEMON_LOG" | head -n 1)
check_threads "no user" 0
check_equal "no user: one warning" 1 \
	"$(grep -c 'warning: privileges: there is no user scx_gamerd: uid 0, no capabilities but bpf' "$DAEMON_LOG")"
stop_daemon
check "no user: nothing is left" test ! -e "$DAEMON_RUNTIME" -a ! -e "$DAEMON_SOCKET"

# Started by somebody else who has ambient capabilities, as a unit with User= does.
daemon_prepare
chown 64999 "$(dirname "$DAEMON_RUNTIME")"
caps=+bpf,+perfmon,+net_admin,+sys_ptrace,+sys_nice,+chown
setpriv --reuid 64999 --regid 64999 --clear-groups "--inh-caps=-all,$caps" "--ambient-caps=-all,$caps" \
	"$GAMERD" --observe --config "$DAEMON_CONFIG" --debug-api 0 </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
DAEMON_PID=$!
DAEMON_PIDS+=("$DAEMON_PID")
check_within 20 "another user: it starts" daemon_is_ready_or_gone
grep -qw ready "$DAEMON_LOG" || finish
DAEMON_PORT=$(sed -nE 's/.*127\.0\.0\.1:([0-9]+).*/\1/p' "$DAEMON_LOG" | head -n 1)
check_works "another user"
check_threads "another user" 64999
stop_daemon
check_equal "another user: it ends with status 0" 0 "$DAEMON_STATUS"
check "another user: nothing is left" test ! -e "$DAEMON_RUNTIME" -a ! -e "$DAEMON_SOCKET"
finish
