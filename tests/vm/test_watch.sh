#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A thread that gets no CPU is told early, with what holds the CPU; and the scheduler ends itself before
# the kernel throws it out.
cd "$(dirname "$0")/../.." || exit 1

STATE=/sys/kernel/sched_ext/state
HOG=
WAITER=

# From 7.0 on a deadline server gives threads of sched_ext a twentieth of a CPU that real-time threads
# would have for themselves.
servers_off() {
	local runtime

	echo -1 >/proc/sys/kernel/sched_rt_runtime_us
	for runtime in /sys/kernel/debug/sched/ext_server/cpu*/runtime; do
		[[ ! -e $runtime ]] || echo 0 >"$runtime"
	done
}

starve() {
	taskset 2 sh -c 'while :; do :; done' &
	WAITER=$!
	chrt -f 50 taskset 2 sh -c 'while :; do :; done' &
	HOG=$!
	DAEMON_PIDS+=($WAITER $HOG)
}

relent() {
	kill -KILL $HOG $WAITER
	wait $HOG $WAITER 2>/dev/null
}

said() { # PATTERN
	grep -qE "$1" "$DAEMON_LOG"
}

early_warning() {
	CONFIG_EXTRA='{"timeout_ms": 20000}'
	start_daemon --sched --require-sched || { not_ok "the daemon gets ready"; return; }
	check_within 10 "it looks at the run queues" holds '[.classes[].oldest_runnable_ns] | max >= 0'
	check "nobody has starved yet" holds '.sched.stalls_total == 0'
	starve
	check_within 30 "a starving thread is told" said "normal thread .*\[[0-9]+\] has waited [0-9.]+ s for CPU 1"
	relent
	check "what holds the CPU is told, and that it is real-time" \
		said "for CPU 1, held by the real-time thread sh\[$HOG\]; after 12.0 s the scheduler ends itself"
	check "its age is shown" holds '[.classes[].oldest_runnable_ns] | max >= 0'
	check "it is counted" holds '.sched.stalls_total >= 1'
	check_equal "the scheduler stays" enabled "$(<$STATE)"
	check_within 10 "and nobody starves afterwards" holds '.classes.normal.oldest_runnable_ns < 2500000000'
	grep -v dump: "$DAEMON_LOG" | sed 's/^/# /'
	stop_daemon
	check_equal "the daemon ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
}

own_end() {
	export SCX_TIMEOUT_MS=1000
	start_daemon --sched || { not_ok "the daemon gets ready with a short timeout"; return; }
	starve
	check_within 60 "the scheduler ends itself, and not for good the first time" \
		said 'ended itself before the kernel would: .* thread .* the real-time thread sh\[.*: attaching once more'
	check_within 60 "the second time it is for good" said 'observing from now on: ended itself, the second'
	relent
	check_equal "the kernel is on its own scheduler" disabled "$(<$STATE)"
	check_within 10 "the daemon observes" holds '.mode == "observe" and (.sched.enabled | not)'
	check "visible in /health, with the reason" eval "http /health | jq -e '.features[] |
		select(.name == \"scheduler\") | (.available | not) and (.detail | test(\"real-time thread\"))'"
	check "the kernel has thrown out nothing" eval "! dmesg | grep -q 'failed to run for'"
	grep -v dump: "$DAEMON_LOG" | sed 's/^/# /'
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
	unset SCX_TIMEOUT_MS
}

required() {
	start_daemon --no-api --sched --require-sched || { not_ok "the daemon gets ready once more"; return; }
	starve
	wait_daemon 60
	relent
	check_equal "with --require-sched it ends: exit status" 1 "$DAEMON_STATUS"
	check "and says why" said '\-\-require-sched: ended itself'
	check_equal "nothing is left attached" disabled "$(<$STATE)"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/system/lib.sh
	need taskset chrt
	servers_off
	early_warning
	own_end
	CONFIG_EXTRA='{"timeout_ms": 1000}'
	required
	finish
fi

. tests/vm/lib.sh
in_guests "7.3 6.19"
finish
