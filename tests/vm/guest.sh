# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
# What the guests' halves of these tests share besides the harness of the system tests: hogs, what
# they got of the CPUs, and the kernel's word on the scheduler.
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

STATE=/sys/kernel/sched_ext/state
# The kernel's own patience. Without KVM a guest's CPUs take turns of 100 ms, all of them on one of a machine
# that may be busy: one slice may last half a second, and dozens of hogs wait for theirs in turn.
CONFIG_EXTRA='{"timeout_ms": 30000}'
HOGS=()                # pids
declare -A HOG_NAME=() # pid -> what it stands for
declare -A HOG_RAN=()  # pid -> CPU time when it was last marked

is_state() {
	[[ $(<$STATE) == "$1" ]]
}

kernel_series() {
	uname -r | grep -oE '^[0-9]+\.[0-9]+'
}

# Has the kernel never ended the daemon's scheduler, not even for a restart?
is_undisturbed() {
	is_state enabled && ! grep -qE 'ended (the scheduler|itself)' "$DAEMON_LOG"
}

# CI gives everything its full time on one kernel.
is_short() {
	[[ ${CI:-} == true && $VM_NUMBER != 1 ]]
}

# A thread that wants a CPU for ever, run by PREFIX.
hog() { # NAME PREFIX...
	local name=$1

	shift
	"$@" sh -c 'while :; do :; done' &
	HOGS+=($!)
	HOG_NAME[$!]=$name
}

start_load() { # [HOGS PER CPU]
	local i

	for ((i = 0; i < ${1:-2} * $(nproc); i++)); do
		hog load env
	done
}

# From 7.0 on a deadline server gives threads of sched_ext a twentieth of a CPU that real-time threads
# would have for themselves.
servers_off() {
	local runtime

	echo -1 >/proc/sys/kernel/sched_rt_runtime_us
	for runtime in /sys/kernel/debug/sched/ext_server/cpu*/runtime; do
		[[ ! -e $runtime ]] || echo 0 >"$runtime"
	done
}

# A thread that waits for CPU 1, and for SECONDS a real-time thread that does not let it, or until the log
# has WORDS. Meanwhile nothing of this script may need a file that isn't in the guest's memory: the answers
# of the host come through a kernel thread of either CPU.
starve() { # SECONDS [WORDS]
	local waiter hog

	taskset 2 sh -c 'while :; do :; done' &
	waiter=$!
	timeout --signal=KILL "$1" chrt -f 50 taskset 2 sh -c 'while :; do :; done' &
	hog=$!
	DAEMON_PIDS+=("$waiter" "$hog")
	if [[ -n ${2:-} ]]; then
		until log_has "$2" || ! kill -0 "$hog" 2>/dev/null; do
			pause 0.2
		done
		kill -TERM "$hog" 2>/dev/null
	fi
	wait "$hog" 2>/dev/null
	kill -KILL "$waiter"
	wait "$waiter" 2>/dev/null
}

log_has() { # WORDS
	local lines

	mapfile -t lines <"$DAEMON_LOG"
	[[ ${lines[*]} == *"$1"* ]]
}

end_hogs() {
	((${#HOGS[@]})) || return 0
	kill -KILL "${HOGS[@]}"
	wait "${HOGS[@]}" 2>/dev/null
	HOGS=()
}

# Sets STAT to the fields of /proc/PID/stat from the third on (STAT[0]); no process is started, for
# where CPUs are short. One that is gone has run for no time.
read_stat() { # PID
	local line="" none="X 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"

	{ read -r line </proc/"$1"/stat; } 2>/dev/null
	line=${line:-$none}
	read -ra STAT <<<"${line##*) }"
}

# Sets CPU_TIME to the hundredths of a second that it ran.
read_cpu_time() { # PID
	read_stat "$1"
	CPU_TIME=$((STAT[11] + STAT[12]))
}

# Sets LAST_CPU to the one it runs on, or ran on.
read_last_cpu() { # PID
	read_stat "$1"
	LAST_CPU=${STAT[36]}
}

mark() { # PID...
	local pid

	for pid; do
		read_cpu_time "$pid"
		HOG_RAN[$pid]=$CPU_TIME
	done
}

# Is each its loop by now, and no longer the shell or the prefix that becomes it?
have_begun() { # PID...
	local pid comm

	for pid; do
		comm=
		{ read -r comm </proc/"$pid"/comm; } 2>/dev/null
		[[ $comm == sh ]] || return
	done
}

# Has each run for more than a hundredth of a second since it was marked?
have_run() { # PID...
	local pid

	for pid; do
		read_cpu_time "$pid"
		((CPU_TIME > HOG_RAN[$pid] + 1)) || return
	done
}

# Every one of them gets a CPU again, however small its share; those that don't are named.
check_running() { # NAME PID...
	local name=$1 pid starved=

	shift
	wait_until 60 have_begun "$@"
	mark "$@"
	wait_until 60 have_run "$@"
	for pid; do
		have_run "$pid" || starved+=" ${HOG_NAME[$pid]}"
	done
	check_equal "$name" "" "$starved"
}

# A piece of work with processes that come and go; 60 s are far more than its share of a CPU.
work() { # PREFIX...
	# shellcheck disable=SC2016
	timeout 60 "$@" sh -c 'i=0; while [ $i -lt 20 ]; do i=$((i + 1)); (:); done'
}

cpu_set_online() { # CPU 0|1
	echo "$2" >/sys/devices/system/cpu/cpu"$1"/online
}

# Nothing that the kernel said of us, or of itself, is bad.
check_kernel_log() {
	local pattern='sched_ext.*([Ee]rror|[Ss]tall|[Ff]ail)|BUG:|WARNING:|Call Trace|soft lockup|hung task|rcu.*stall'
	local bad

	bad=$(dmesg | grep -E "$pattern")
	check_equal "nothing bad in the kernel's log" "" "$bad"
	[[ -z $bad ]] || dmesg | grep -E -m 1 -A 60 "$pattern" | sed 's/^/# /'
}

# khugepaged (nice 19) copies a huge page within an RCU read section. Without KVM that takes so long that,
# under load, its weight does not let it finish within the 21 s after which the kernel cries stall.
echo never >/sys/kernel/mm/transparent_hugepage/enabled

# The test looks on, and must not wait for what it tests; whatever it starts is an ordinary process.
chrt --reset-on-fork --rr --pid 1 $$
