#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The scheduler on stock kernels: it comes and goes, carries every kind of load, survives what may
# happen to it and its daemon, and leaves the kernel on its own scheduler.
cd "$(dirname "$0")/../.." || exit 1

STATE=/sys/kernel/sched_ext/state
LOAD=()

is_state() {
	[[ $(<$STATE) == "$1" ]]
}

# Two hogs for each CPU.
start_load() {
	local i

	for ((i = 0; i < 2 * $(nproc); i++)); do
		sh -c 'while :; do :; done' &
		LOAD+=($!)
	done
}

end_load() {
	kill -KILL "${LOAD[@]}"
	wait "${LOAD[@]}" 2>/dev/null
	LOAD=()
}

# A piece of work that needs a CPU, run by PREFIX; 60 s are far more than its share of one.
work() { # PREFIX...
	# shellcheck disable=SC2016
	timeout 60 "$@" sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done'
}

come_and_go() {
	local i

	for ((i = 0; i < 20; i++)); do
		start_daemon --no-api --sched --require-sched || break
		is_state enabled || break
		stop_daemon
		[[ $DAEMON_STATUS == 0 ]] || break
		is_state disabled || break
	done
	check_equal "attached and detached 20 times" 20 $i
}

refuse() {
	local said other=$TEST_DIR/other.json

	jq -n --arg run "$TEST_DIR/other" '{runtime_dir: $run, scx_stats_path: ""}' >"$other"
	said=$("$GAMERD" --require-sched --config "$other" 2>&1)
	check_equal "--require-sched beside another scheduler: exit status" 1 $?
	check "it says which one" grep -q 'scheduler gamerd_.* is attached already' <<<"$said"
	said=$("$GAMERD" --slice-us 500 2>&1)
	check_equal "--slice-us 500: exit status" 1 $?
}

every_affinity() {
	local mask

	for ((mask = 1; mask < 1 << $(nproc); mask++)); do
		check "affinity mask $mask under load" work taskset "$(printf %x $mask)"
	done
}

every_policy() {
	check "SCHED_BATCH under load" work chrt -b 0
	check "nice -20 under load" work nice -n -20
	# Their weight is about a hundredth: they get their turn, and not much more.
	check "SCHED_IDLE under load" timeout 60 chrt -i 0 true
	check "nice 19 under load" timeout 60 nice -n 19 true
}

hotplug() {
	local cpu=/sys/devices/system/cpu/cpu1/online

	check "a CPU goes off line under load" tee $cpu <<<0
	check "work goes on with one CPU" work env
	check "it comes back" tee $cpu <<<1
	check "work goes on there" work taskset 2
	check "no restart was needed" holds '.sched.enabled'
}

realtime_hog() {
	timeout 4 chrt -f 50 taskset 2 sh -c 'while :; do :; done' &
	check "work goes on beside a real-time hog" work taskset 1
	check "and what may run on both CPUs" work env
	wait $!
	check "what is bound to the hog's CPU runs afterwards" work taskset 2
	check "still attached after the real-time hog" is_state enabled
}

stopped_daemon() {
	kill -STOP "$DAEMON_PID"
	check "a stopped daemon keeps scheduling" work env
	check "still attached with the daemon stopped" is_state enabled
	kill -CONT "$DAEMON_PID"
}

stress() {
	local said

	said=$(stress-ng --cpu 2 --fork 1 --affinity 2 --mmap 1 --mmap-bytes 8M --switch 2 \
		--timeout 30 2>&1)
	check_equal "30 s of stress-ng: exit status" 0 $?
	grep -iE 'fail|error' <<<"$said" | sed 's/^/# /'
	check "still attached after stress-ng" is_state enabled
}

sysrq() {
	echo 1 >/proc/sys/kernel/sysrq
	echo S >/proc/sysrq-trigger
	check_within 10 "SysRq-S ends the scheduler" is_state disabled
	check_within 10 "the daemon says so" grep -q 'ended by SysRq-S' "$DAEMON_LOG"
	check_within 10 "and observes" holds '.mode == "observe" and (.sched.enabled | not)'
	check "visible in /health" eval "http /health | jq -e '.features[] | select(.name == \"scheduler\") | .available == false'"
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
}

kill_hard() {
	start_daemon --no-api --sched --require-sched || not_ok "the daemon starts once more"
	kill -KILL "$DAEMON_PID"
	wait "$DAEMON_PID" 2>/dev/null
	check_within 10 "kill -9 under load leaves the kernel's scheduler" is_state disabled
	check "work goes on" work env
}

kernel_log() {
	local bad

	bad=$(dmesg | grep -iE 'sched_ext.*(error|stall|fail)|BUG:|WARNING:|Call Trace|soft lockup|rcu.*stall')
	check_equal "nothing bad in the kernel's log" "" "$bad"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/system/lib.sh
	need stress-ng taskset chrt
	if ! start_daemon --sched; then
		not_ok "the daemon gets ready"
		finish
	fi
	check "it schedules" holds '.mode == "sched" and .sched.enabled'
	sed 's/^/# /' "$DAEMON_LOG"
	refuse
	start_load
	every_affinity
	every_policy
	hotplug
	realtime_hog
	stopped_daemon
	end_load
	stress
	metrics '.sched' | tr -d '\n' | sed 's/^/# /; s/$/\n/'
	start_load
	sysrq
	kill_hard
	end_load
	come_and_go
	kernel_log
	finish
fi

. tests/vm/lib.sh
in_guests "7.3 6.19" --timeout 600
finish
