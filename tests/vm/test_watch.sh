#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A thread that gets no CPU is told early, with what holds the CPU; and the scheduler ends itself before
# the kernel throws it out.
cd "$(dirname "$0")/../.." || exit 1

is_back() {
	[[ $(<$STATE) == enabled ]] && holds '.mode == "sched"'
}

said() { # PATTERN
	grep -qE "$1" "$DAEMON_LOG"
}

show_log() {
	grep -v ' dump: ' "$DAEMON_LOG" | sed 's/^/# /'
}

early_warning() {
	local waiting="normal thread sh\[[0-9]+\] has waited [0-9.]+ s for CPU 1"

	CONFIG_EXTRA='{"timeout_ms": 20000}'
	start_daemon --sched --require-sched || { not_ok "the daemon gets ready"; return; }
	check "nobody has starved yet" holds '.sched.stalls_total == 0'
	check "the kernel's own counters are shown" holds '.sched.events | has("SCX_EV_SELECT_CPU_FALLBACK")'
	starve 8
	check "a starving thread is told, and the real-time thread that holds its CPU" \
		said "$waiting, held by the real-time thread sh\[[0-9]+\]; after 12.0 s the scheduler ends itself"
	check "it is counted" holds '.sched.stalls_total >= 1'
	check_equal "the scheduler stays" enabled "$(<$STATE)"
	show_log
	stop_daemon
	check_equal "the daemon ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
}

# With two that share a CPU one always waits.
ages() {
	local pids=()

	CONFIG_EXTRA=
	start_daemon --sched --require-sched || { not_ok "the daemon gets ready once more"; return; }
	for _ in 1 2; do
		taskset 2 sh -c 'while :; do :; done' &
		pids+=("$!")
	done
	DAEMON_PIDS+=("${pids[@]}")
	check_within 20 "the age of what waits is shown" holds '[.classes[].oldest_runnable_ns] | max > 0'
	check "--monitor shows the scheduler's figures" \
		grep -q 'dispatched/s direct' <(timeout 20 "$GAMERD" --monitor 0.5 --config "$DAEMON_CONFIG")
	kill -KILL "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null
	stop_daemon
}

own_end() {
	export SCX_TIMEOUT_MS=3000
	start_daemon --sched || { not_ok "the daemon gets ready with SCX_TIMEOUT_MS"; return; }
	starve 180 "failure 3 in a row"
	check "the scheduler ends itself, and is back at once the first time" said \
		'the scheduler ended itself: .* thread .* held by the real-time thread sh\[.*: attaching once more'
	check "the second time it comes back after 10 s" said \
		'observing for now: ended itself: .*, failure 2 in a row: next try in 10 s'
	check "it has tried that" said 'failure 3 in a row: next try in 1 min'
	check_equal "meanwhile the kernel is on its own scheduler" disabled "$(<$STATE)"
	check "the daemon observes" holds '.mode == "observe" and (.sched.enabled | not)'
	check "visible in /health, with the next try and the reason" eval "http /health | jq -e '.features[] |
		select(.name == \"scheduler\") | (.available | not) and
		(.detail | test(\"^next try in [0-9]+ (s|min); .*ended itself: .* has waited\"))'"
	check_within 120 "when nobody starves it is there again, a minute later" is_back
	check "the kernel has thrown out nothing" eval "! dmesg | grep -q 'failed to run for'"
	show_log
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
	unset SCX_TIMEOUT_MS
}

required() {
	CONFIG_EXTRA='{"timeout_ms": 3000}'
	start_daemon --no-api --sched --require-sched || { not_ok "the daemon gets ready once more"; return; }
	starve 30
	wait_daemon 10
	check_equal "with --require-sched it ends: exit status" 1 "$DAEMON_STATUS"
	check "and says why" said '\-\-require-sched: ended itself'
	check_equal "nothing is left attached" disabled "$(<$STATE)"
	show_log
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	need taskset chrt
	servers_off
	early_warning
	ages
	own_end
	required
	finish
fi

. tests/vm/lib.sh
in_guests "7.3 7.2 7.0 6.19"
finish
