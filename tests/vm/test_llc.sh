#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Four CPUs under two last-level caches: the scheduler knows them, every affinity mask gets what it
# may have, no CPU stays idle while another cache's queue is long, and CPUs may come and go, even while
# it attaches.
cd "$(dirname "$0")/../.." || exit 1

GROUP=/sys/fs/cgroup/hogs
USED=()

# The caches of the CPUs, as the scheduler has them: "0 0 1 1".
known_llcs() {
	bpftool -j map dump name sched_cpus | jq -r '[.[].formatted.value.llc] | join(" ")'
}

# Those of sysfs, numbered as they come.
real_llcs() {
	local cpu leader count=0
	local -A llc

	for cpu in 0 1 2 3; do
		leader=$(</sys/devices/system/cpu/cpu$cpu/cache/index3/shared_cpu_list)
		llc[$leader]=${llc[$leader]:-$((count++))}
		echo "${llc[$leader]}"
	done | paste -sd ' '
}

# All hogs of now may run on CPUS only, as far as their own masks have any of those. One write for all:
# where CPUs are short, a process for each would take its time.
confine() { # CPUS
	local pid

	mkdir -p $GROUP
	for pid in "${HOGS[@]}"; do
		echo "$pid" >$GROUP/cgroup.procs
	done
	echo "$1" >$GROUP/cpuset.cpus
}

# Is none on a CPU that its mask lacks, as often as one looks?
check_places() { # NAME MASK...
	local name=$1 i pid masks=("${@:2}") strays=()

	for _ in {1..10}; do
		for i in "${!HOGS[@]}"; do
			pid=${HOGS[i]}
			read_last_cpu "$pid"
			((masks[i] >> LAST_CPU & 1)) || strays+=("${HOG_NAME[$pid]} on $LAST_CPU")
		done
	done
	check_equal "$name" "" "${strays[*]}"
}

every_affinity() {
	local mask halved=()

	for ((mask = 1; mask < 16; mask++)); do
		hog "mask $mask" taskset "$(printf %x $mask)"
		halved+=($((mask & 12 ? mask & 12 : 12)))
	done
	check_running "a thread of each affinity mask runs" "${HOGS[@]}"
	check_places "none where it may not" {1..15}
	confine 2-3
	check_running "all run on when their masks are cut to a cache's CPUs" "${HOGS[@]}"
	check_places "none where it no longer may" "${halved[@]}"
	confine 0-3
	check_running "and when they have their masks back" "${HOGS[@]}"
	end_hogs
}

# Has each CPU been seen with a hog? Never all at once: one of them looks.
all_cpus_used() {
	local pid

	for pid in "${HOGS[@]}"; do
		read_last_cpu "$pid"
		USED[$LAST_CPU]=1
	done
	((${#USED[@]} == 4))
}

# More threads than CPUs begin under one cache, and may then run under both.
steal() {
	start_load
	confine 0-1
	check_running "threads bound to the first cache run" "${HOGS[@]}"
	check_places "there" 3 3 3 3 3 3 3 3
	confine 0-3
	USED=()
	check_within 30 "set free, they spread over all CPUs" all_cpus_used
	check_running "and all of them run" "${HOGS[@]}"
	confine 2-3
	check_running "bound to the second cache, too" "${HOGS[@]}"
	check_places "there, too" 12 12 12 12 12 12 12 12
	end_hogs
}

# A cache whose CPUs are all gone, and what was bound to it.
cache_gone() {
	start_load
	hog "bound to cache 1" taskset c
	check_running "threads run that are bound to a cache, or to none" "${HOGS[@]}"
	check "all CPUs of a cache go off line under load" cpu_set_online 2 0
	check "the last one, too" cpu_set_online 3 0
	check_running "all threads run on under the other" "${HOGS[@]}"
	check "they come back" cpu_set_online 2 1
	check "the other one, too" cpu_set_online 3 1
	check "what was bound there can be again" taskset -p c "${HOGS[-1]}"
	check_running "and all threads run" "${HOGS[@]}"
	check "no restart was needed" is_undisturbed
	end_hogs
}

toggle_cpu() {
	while cpu_set_online 3 0 && cpu_set_online 3 1; do :; done
}

# CPUs that come and go while the scheduler is being loaded make its picture of them wrong: the
# kernel ends it and asks for another try, until one was in time.
restart() {
	local toggler

	toggle_cpu &
	toggler=$!
	start_daemon --sched || not_ok "the daemon gets ready while a CPU comes and goes"
	check_within 60 "it restarts as the kernel asks" grep -q 'the kernel asks for a restart' "$DAEMON_LOG"
	kill -TERM $toggler
	wait $toggler 2>/dev/null
	cpu_set_online 3 1
	check_within 30 "it schedules again" is_settled
	check "in /metrics, too" holds '.mode == "sched" and .sched.enabled'
	sed 's/^/# /' "$DAEMON_LOG"
}

is_settled() {
	is_state enabled && (($(grep -c 'ended the scheduler' "$DAEMON_LOG") == $(grep -c 'scheduling again' "$DAEMON_LOG")))
}

# CPUs that were off line at the attach, so that sysfs did not tell under which cache they are: they serve
# when they come, and under their own cache.
late_cpus() {
	start_daemon --sched --require-sched || not_ok "the daemon starts with a whole cache off line"
	check_equal "CPUs of which nothing is known count to the first cache" "0 0 0 0" "$(known_llcs)"
	cpu_set_online 3 1
	hog "bound to CPU 3" taskset 8
	check_running "a CPU that was off line at the attach serves when it comes" "${HOGS[@]}"
	check_within 60 "and is under its own cache" knows_llcs "0 0 0 1"
	cpu_set_online 2 1
	check_within 60 "so is the next one" knows_llcs "$(real_llcs)"
	hog "bound to CPU 2" taskset 4
	check_running "what is bound to them runs" "${HOGS[@]}"
	check "without a failure" eval '! grep -qE "ended (the scheduler|itself)|failure" "$DAEMON_LOG"'
	sed 's/^/# /' "$DAEMON_LOG"
	end_hogs
}

knows_llcs() { # LLCS
	[[ $(known_llcs) == "$1" ]]
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	need taskset bpftool
	if grep -q maxcpus /proc/cmdline; then
		check_equal "CPUs 2 and 3 have never been on line" 0-1 "$(</sys/devices/system/cpu/online)"
		late_cpus
		stop_daemon
		finish
	fi
	if ! start_daemon --sched; then
		not_ok "the daemon gets ready"
		finish
	fi
	if ! is_state enabled; then
		not_ok "it schedules"
		finish
	fi
	check_equal "the guest has two last-level caches" "0 0 1 1" "$(real_llcs)"
	check_equal "the scheduler knows them" "$(real_llcs)" "$(known_llcs)"
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	every_affinity
	steal
	cache_gone
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
	restart
	stop_daemon
	cpu_set_online 2 0
	cpu_set_online 3 0
	late_cpus
	stop_daemon
	check_kernel_log
	finish
fi

. tests/vm/lib.sh
in_guests --one "7.3 7.2 7.0 6.19" --cpus 4 --sockets 2
in_guests --one "7.3" --smp 4,sockets=2 --append maxcpus=2
finish
