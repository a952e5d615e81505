#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What CPU-bound threads get of the CPUs beside each other: by cgroup (cpu.weight, cpu.idle, cpu.max), by
# session, beside SCHED_IDLE, and three of them on two CPUs under two caches. The bounds are wide: the
# guest's CPUs take turns of a tenth of a second on a machine that does other things, too.
# bench/run-sched --table rest measures the same exactly.
cd "$(dirname "$0")/../.." || exit 1

ROOT_GROUP=/sys/fs/cgroup

group() { # NAME [FILE VALUE]
	mkdir -p "$ROOT_GROUP/$1"
	[[ $# == 1 ]] || echo "$3" >"$ROOT_GROUP/$1/$2"
}

# It begins outside: with a small quota that alone would take minutes.
hog_in_group() { # GROUP
	hog "in $1" env
	wait_until 60 have_begun "${HOGS[-1]}"
	echo "${HOGS[-1]}" >"$ROOT_GROUP/$1/cgroup.procs"
}

# Sets SHARE to the percentages of all that the hogs ran in SECONDS, in their order.
measure() { # SECONDS
	local pid sum=0 ran=()

	wait_until 60 have_begun "${HOGS[@]}"
	mark "${HOGS[@]}"
	pause "$1"
	for pid in "${HOGS[@]}"; do
		read_cpu_time "$pid"
		ran+=($((CPU_TIME - HOG_RAN[$pid])))
		sum=$((sum + ran[-1]))
	done
	SHARE=()
	for pid in "${ran[@]}"; do
		SHARE+=($((sum ? pid * 100 / sum : 0)))
	done
	echo "# shares: ${SHARE[*]}"
}

check_between() { # NAME LEAST MOST VALUE
	if (($4 >= $2 && $4 <= $3)); then
		ok "$1"
	else
		not_ok "$1" "expected $2 to $3, got $4"
	fi
}

weights() {
	group heavy cpu.weight 1000
	group light cpu.weight 10
	hog_in_group heavy
	hog_in_group light
	measure 6
	check_between "cpu.weight 1000 beside 10 has 99 % of the CPU" 95 100 "${SHARE[0]}"
	group heavy cpu.weight 100
	group light cpu.weight 100
	pause 1
	measure 6
	check_between "weights that are made equal count at once" 40 60 "${SHARE[0]}"
	group light cpu.idle 1
	pause 1
	measure 6
	check_between "cpu.idle leaves nearly all to the others" 95 100 "${SHARE[0]}"
	end_hogs
}

nested() {
	group upper
	echo +cpu >$ROOT_GROUP/upper/cgroup.subtree_control
	group upper/a
	group upper/b
	group beside
	hog_in_group upper/a
	hog_in_group upper/b
	hog_in_group beside
	measure 8
	check_between "a group has its share beside one that two groups share" 40 60 "${SHARE[2]}"
	check_between "and those two have half of theirs each" 17 33 "${SHARE[0]}"
	end_hogs
}

limit() {
	local free

	group limited cpu.max "20000 100000"
	hog_in_group limited
	hog "free" env
	measure 8
	free=${SHARE[1]}
	check_between "cpu.max of 20 % is kept" 14 24 $((100 - free))
	end_hogs
	group limited cpu.max "1000 100000"
	for _ in {1..8}; do
		hog_in_group limited
	done
	hog "free" env
	measure 10
	check_between "and one of 1 % among eight threads" 0 4 $((100 - SHARE[8]))
	check "nobody who waits for a quota is taken for a stall" is_undisturbed
	end_hogs
}

# More sessions than there are places for. sessions() shows that the places come back.
too_many_sessions() {
	local pid

	"${GAMERD%/*}/tests/sessions" 4200 >"$TEST_DIR/sessions" 2>&1 &
	pid=$!
	check_within 120 "4,200 sessions are there" grep -q ready "$TEST_DIR/sessions"
	check_within 10 "those without a place are counted" holds '.sched.groupless_total > 0'
	check_within 10 "and that is said once" eval \
		'(($(grep -c "more than 4095 cgroups and sessions have threads" "$DAEMON_LOG") == 1))'
	kill "$pid"
	wait "$pid" 2>/dev/null
}

# A session has a group of its own only if that was wanted when it began.
sessions() {
	hog "alone in its session" setsid
	# All of one session: the first shell's children.
	setsid bash -c 'for i in 1 2 3 4; do sh -c "while :; do :; done" & echo $!; done; wait' >"$TEST_DIR/crowd" &
	wait_until 30 eval '(($(wc -l <"$TEST_DIR/crowd") == 4))'
	while read -r pid; do
		HOGS+=("$pid")
		HOG_NAME[$pid]=crowd
	done <"$TEST_DIR/crowd"
	measure 8
	check_between "a session of one has half of the CPU beside one of four" 40 60 "${SHARE[0]}"
	end_hogs
}

idle_policy() {
	hog "nice 0" env
	for _ in 1 2 3 4; do
		hog "SCHED_IDLE" chrt --idle 0
	done
	echo 0 >/proc/sys/kernel/sched_autogroup_enabled
	measure 6
	check_between "a thread of nice 0 beside four of SCHED_IDLE has nearly all" 95 100 "${SHARE[0]}"
	end_hogs
}

odd() {
	local share

	for _ in 1 2 3; do
		hog "one of three" env
	done
	measure 12
	for share in "${SHARE[@]}"; do
		check_between "each of three threads has its third of two CPUs" 28 39 "$share"
	done
	end_hogs
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	need chrt setsid
	if ! start_daemon --sched --require-sched; then
		not_ok "the daemon schedules"
		finish
	fi
	if (($(nproc) == 1)); then
		echo +cpu >$ROOT_GROUP/cgroup.subtree_control
		idle_policy
		weights
		nested
		limit
		echo 1 >/proc/sys/kernel/sched_autogroup_enabled
		too_many_sessions
		sessions
	else
		odd
	fi
	check "attached all the time" is_undisturbed
	stop_daemon
	check_kernel_log
	finish
fi

. tests/vm/lib.sh
in_guests --one 7.3 --cpus 1
in_guests --one 7.3 --cpus 2 --sockets 2
finish
