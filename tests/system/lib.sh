# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
# Harness of the system tests: the real daemon, real servers, real sockets.
#
# A test sources this file, calls the functions below and ends with `finish`. It prints one line per
# check, `ok NAME` or `not ok NAME`, and exits 0, 1, or 77 if it could not run. Everything is private:
# each daemon has its own directory, sockets and port, so tests don't meet each other or a daemon of
# the machine. The EXIT trap ends the processes started here, by pid, and removes the directory.
#
#   GAMERD                 the daemon under test; default build/release/scx_gamerd
#   GAMERD_TEST_REQUIRE=1  what cannot run is a failure
#   GAMERD_TEST_KEEP=1     keeps the directory, for a look at the logs
set -uo pipefail
export LC_ALL=C.UTF-8 # bash reads and writes fractions as the locale does

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
GAMERD=${GAMERD:-$ROOT/build/release/scx_gamerd}
# shellcheck source=tools/audio-world.sh
. "$ROOT/tools/audio-world.sh"

# No test fails because all is slow: in a guest without KVM, or on a machine that is busy with something
# else. What holds holds at once, so this costs time only where a check fails.
PATIENCE=10

TEST_DIR=
CHECKS_FAILED=0
CHECKS_PASSED=0
DAEMON_COUNT=0
DAEMON_PIDS=()

# --- results ---------------------------------------------------------------------------------------

ok() { # NAME
	CHECKS_PASSED=$((CHECKS_PASSED + 1))
	echo "ok $1"
}

not_ok() { # NAME [WHY]
	CHECKS_FAILED=$((CHECKS_FAILED + 1))
	echo "not ok $1${2:+: $2}"
}

# CMD must succeed; on failure its output is shown.
check() { # NAME CMD...
	local name=$1 output

	shift
	if output=$("$@" 2>&1); then
		ok "$name"
	else
		not_ok "$name" "'$*' said: ${output:-nothing}"
	fi
}

check_equal() { # NAME EXPECTED ACTUAL
	if [[ $2 == "$3" ]]; then
		ok "$1"
	else
		not_ok "$1" "expected '$2', got '$3'"
	fi
}

# Lets time pass: for what is measured over a time, never for what can be waited for.
pause() { # SECONDS
	read -rt "$1" <> <(:)
}

# CMD must succeed within SECONDS.
check_within() { # SECONDS NAME CMD...
	local seconds=$1 name=$2

	shift 2
	if wait_until "$seconds" "$@"; then
		ok "$name"
	else
		not_ok "$name" "not within $seconds s: $*"
	fi
}

# Ends the test as not runnable here. Where the platform must have it, that is a failure, unless the
# test calls may_skip, for what the test machines are known to lack.
skip() { # REASON
	if [[ ${GAMERD_TEST_REQUIRE:-} == 1 ]]; then
		not_ok "can run here" "$1"
		exit 1
	fi
	may_skip "$1"
}

may_skip() { # REASON
	echo "skip $1"
	exit 77
}

need() { # PROGRAM...
	local program

	for program in "$@"; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

finish() {
	if ((CHECKS_FAILED)) && [[ -s ${DAEMON_LOG:-} ]]; then
		echo "# the end of the last daemon's log:"
		tail -n 30 "$DAEMON_LOG" | sed 's/^/# /'
	fi
	echo "# $CHECKS_PASSED ok, $CHECKS_FAILED not ok"
	exit $((CHECKS_FAILED > 0))
}

# --- the daemon ------------------------------------------------------------------------------------

# Before a command: in the same process with SIGINT and SIGQUIT as in a terminal. A script's shell lets
# what runs in its background ignore them.
AS_FOREGROUND=(env "--default-signal=INT,QUIT")

# Starts a daemon with ARGS in observe mode (with --sched: scheduling) and returns when it says that it is ready. Sets
# DAEMON_PID, DAEMON_LOG, DAEMON_OUT, DAEMON_RUNTIME, DAEMON_CONFIG, DAEMON_SOCKET and DAEMON_PORT (""
# without API). `start_daemon --no-api` leaves the debug API off; otherwise it gets a free port.
# CONFIG_EXTRA is a JSON object merged into the configuration.
start_daemon() { # [--no-api] [--sched] ARGS...
	local api=(--debug-api 0) mode=(--observe)

	while [[ ${1:-} == --no-api || ${1:-} == --sched ]]; do
		[[ $1 == --sched ]] && mode=() || api=()
		shift
	done
	daemon_prepare
	"${AS_FOREGROUND[@]}" "$GAMERD" "${mode[@]}" --config "$DAEMON_CONFIG" "${api[@]}" "$@" \
		</dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
	DAEMON_PID=$!
	DAEMON_PIDS+=("$DAEMON_PID")
	if ! wait_until 20 daemon_is_ready_or_gone || ! grep -qw ready "$DAEMON_LOG"; then
		echo "# the daemon did not get ready:"
		sed 's/^/# /' "$DAEMON_LOG"
		return 1
	fi
	DAEMON_PORT=$(sed -nE 's/.*127\.0\.0\.1:([0-9]+).*/\1/p' "$DAEMON_LOG" | head -n 1)
	if ((${#api[@]})) && [[ -z $DAEMON_PORT ]]; then
		echo "# the daemon printed no port"
		return 1
	fi
}

# A fresh directory and configuration for a daemon that a test starts in its own way.
daemon_prepare() {
	local dir

	DAEMON_COUNT=$((DAEMON_COUNT + 1))
	dir=$TEST_DIR/daemon.$DAEMON_COUNT
	mkdir -p "$dir"
	# Its user's, if there is one, as systemd's RuntimeDirectory= is: so it can remove what it makes there.
	chown scx_gamerd "$dir" 2>/dev/null
	DAEMON_RUNTIME=$dir/run
	DAEMON_SOCKET=$dir/scx_stats
	DAEMON_LOG=$dir/stderr
	DAEMON_OUT=$dir/stdout
	DAEMON_CONFIG=$dir/config.json
	: >"$DAEMON_LOG"
	DAEMON_PORT=
	# A guest's emulated CPU takes a hundred times as long for a request as a real one.
	jq -n --arg run "$DAEMON_RUNTIME" --arg socket "$DAEMON_SOCKET" --argjson extra "${CONFIG_EXTRA:-{\}}" \
		--argjson guest "$([[ -z ${VM_KERNEL:-} ]] && echo '{}' || echo '{"requests_cpu_percent": 0}')" \
		'{runtime_dir: $run, scx_stats_path: $socket} + $guest + $extra' >"$DAEMON_CONFIG"
}

daemon_is_ready_or_gone() {
	grep -qw ready "$DAEMON_LOG" || ! is_alive "$DAEMON_PID"
}

# Ends the daemon and sets DAEMON_STATUS to its exit status (124: it had to be killed).
stop_daemon() { # [SIGNAL]
	kill -"${1:-TERM}" "$DAEMON_PID" 2>/dev/null
	wait_daemon 10
}

# Waits for the daemon's own end, at most SECONDS; sets DAEMON_STATUS.
wait_daemon() { # SECONDS
	if wait_until "$1" is_gone "$DAEMON_PID"; then
		wait "$DAEMON_PID" 2>/dev/null
		DAEMON_STATUS=$?
	else
		kill -KILL "$DAEMON_PID"
		wait "$DAEMON_PID" 2>/dev/null
		DAEMON_STATUS=124
	fi
}

http() { # PATH [CURL OPTIONS...]
	local path=$1

	shift
	curl --silent --show-error --max-time 60 "$@" "http://127.0.0.1:$DAEMON_PORT$path"
}

# JQ on GET /metrics, raw; with -e as the last argument a false or null result is a failure.
metrics() { # JQ_EXPR [JQ OPTIONS...]
	local expression=$1

	shift
	http '/metrics?format=json' | jq -r "$@" "$expression"
}

# Does JQ_EXPR hold for GET /metrics?
holds() { # JQ_EXPR [JQ OPTIONS...]
	metrics "$@" -e >/dev/null
}

# One request to the scx_stats socket; prints the answer.
stats_request() { # JSON [SOCKET]
	printf '%s\n' "$1" | socat -t 5 - "UNIX-CONNECT:${2:-$DAEMON_RUNTIME/stats}"
}

# Times that the daemon's threads went to sleep, summed: grows with each wake-up.
daemon_switches() {
	cat /proc/"$DAEMON_PID"/task/*/status | awk '/^voluntary_ctxt_switches/ { sum += $2 } END { print sum }'
}

# CPU time of all threads so far, in ns: the scheduler's own sum, not the tick's samples.
daemon_cpu_ns() {
	cat /proc/"$DAEMON_PID"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d", sum }'
}

# --- processes -------------------------------------------------------------------------------------

# A real, harmless binary under another name in a directory that root owns and others can't write:
# what a server's executable looks like. Prints its path.
fake_server() { # NAME [SOURCE]
	local dir=$TEST_DIR/bin

	mkdir -p "$dir"
	install -o root -g root -m 0755 "${2:-$(command -v sleep)}" "$dir/$1"
	echo "$dir/$1"
}

# What fake_server made, in the background; its pid is in $started.
start_server() { # PATH
	"$1" 1000 &
	started=$!
	disown "$started"
}

# Before a command: runs it as an ordinary user without any capability, in the same process.
AS_USER=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all)

private_audio_world() {
	need dbus-daemon setsid
	world_open || skip "no private directory for the audio servers"
}

cleanup() {
	local status=$? pid

	trap - EXIT
	world_close
	for pid in "${DAEMON_PIDS[@]}"; do
		is_alive "$pid" || continue
		kill -CONT "$pid"
		kill -TERM "$pid"
		wait_until 5 is_gone "$pid" || kill -KILL "$pid"
	done
	if [[ ${GAMERD_TEST_KEEP:-} == 1 ]]; then
		echo "# kept $TEST_DIR"
	else
		[[ -z $TEST_DIR ]] || rm -rf "$TEST_DIR"
	fi
	exit "$status"
}

# --- here every test begins ------------------------------------------------------------------------

((EUID == 0)) || skip "only root can load BPF programs"
[[ -r /sys/kernel/btf/vmlinux ]] || skip "this kernel has no BTF"
[[ -x $GAMERD ]] || {
	echo "not ok $GAMERD is not built: tools/build"
	exit 1
}
need jq curl
TEST_DIR=$(mktemp -d "${TMPDIR:-/tmp}/gamerd-test.XXXXXX")
chmod 0755 "$TEST_DIR"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
