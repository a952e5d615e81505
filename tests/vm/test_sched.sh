#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The scheduler on stock kernels: it comes and goes, carries every kind of load, survives what may
# happen to it and its daemon, and leaves the kernel on its own scheduler.
cd "$(dirname "$0")/../.." || exit 1

come_and_go() {
	local i times=20

	is_short && times=5
	for ((i = 0; i < times; i++)); do
		start_daemon --no-api --sched --require-sched || break
		is_state enabled || break
		stop_daemon
		[[ $DAEMON_STATUS == 0 ]] || break
		is_state disabled || break
	done
	check_equal "attached and detached $times times" $times $i
}

# Beside one that is active a second one gives in, as it is told to.
refuse() {
	local said other=$TEST_DIR/other.json pid

	jq -n --arg run "$TEST_DIR/other" '{runtime_dir: $run, scx_stats_path: ""}' >"$other"
	said=$("$GAMERD" --require-sched --config "$other" 2>&1)
	check_equal "--require-sched beside another scheduler: exit status" 1 $?
	check_equal "it says so in one line" 1 "$(wc -l <<<"$said")"
	check "it says which one" grep -q 'scheduler gamerd_.* is attached already' <<<"$said"
	"$GAMERD" --config "$other" 2>"$TEST_DIR/other.log" &
	pid=$!
	DAEMON_PIDS+=("$pid")
	check_within 20 "without, it observes" grep -q 'ready: observing' "$TEST_DIR/other.log"
	check "and says why" grep -q 'observing, .*gamerd_.* is attached already' "$TEST_DIR/other.log"
	kill -TERM $pid
	wait $pid
	check_equal "it ends on SIGTERM: exit status" 0 $?
	check "the first one is untouched" is_state enabled
	"$GAMERD" --slice-us 500 2>/dev/null
	check_equal "--slice-us 500: exit status" 2 $?
}

# All at once, so that the lightest has to get its turn beside the heaviest.
every_priority() {
	local nice heaviest lightest heavy light

	for nice in {-20..19..3}; do
		hog "nice $nice" nice -n "$nice"
	done
	heaviest=${HOGS[0]} lightest=${HOGS[-1]}
	hog SCHED_BATCH chrt -b 0
	hog SCHED_IDLE chrt -i 0
	hog "with CPUs that do not exist" taskset ffff0001
	check_running "nice -20 to 19, SCHED_BATCH, SCHED_IDLE and a mask with unknown CPUs all run" "${HOGS[@]}"
	mark "$heaviest"
	check_running "the lightest of them again" "$lightest"
	read_cpu_time "$heaviest"
	heavy=$((CPU_TIME - HOG_RAN[$heaviest]))
	read_cpu_time "$lightest"
	light=$((CPU_TIME - HOG_RAN[$lightest]))
	check "the heaviest gets more: $heavy and $light hundredths of a second" test $heavy -gt $light
	end_hogs
}

# What is bound to a CPU that goes is moved by the kernel, and runs there again when told to.
hotplug() {
	local i bound

	hog "bound to CPU 1" taskset 2
	bound=${HOGS[-1]}
	check_running "a thread bound to a CPU runs under load" "$bound"
	for i in 1 2 3; do
		cpu_set_online 1 0 || break
		cpu_set_online 1 1 || break
	done
	check_equal "a CPU goes off line and comes back three times under load" 3 "$i"
	check "and once more off" cpu_set_online 1 0
	check "work goes on with one CPU" work env
	check_running "what was bound to the other one runs" "$bound"
	check "the CPU comes back" cpu_set_online 1 1
	check "what was bound there can be again" taskset -p 2 "$bound"
	check_running "and runs there" "$bound"
	check "no restart was needed" is_undisturbed
}

realtime_hog() {
	local here there both

	hog "bound to CPU 0" taskset 1
	here=${HOGS[-1]}
	hog "bound to CPU 1" taskset 2
	there=${HOGS[-1]}
	hog "bound to none" env
	both=${HOGS[-1]}
	timeout 4 chrt -f 50 taskset 2 sh -c 'while :; do :; done' &
	check_running "work goes on beside a real-time hog" "$here" "$both"
	wait $!
	check_running "what is bound to the hog's CPU runs afterwards" "$there"
	check "still attached after the real-time hog" is_state enabled
}

stopped_daemon() {
	kill -STOP "$DAEMON_PID"
	check "a stopped daemon keeps scheduling what comes and goes" work env
	check_running "and what runs on and on" "${HOGS[@]}"
	check "still attached with the daemon stopped" is_state enabled
	kill -CONT "$DAEMON_PID"
	check_within 10 "it answers when it goes on" holds '.sched.enabled'
}

stress() {
	local seconds=60 said idle

	is_short && seconds=15
	said=$(stress-ng --cpu 2 --fork 1 --affinity 2 --mmap 1 --mmap-bytes 8M --switch 2 \
		--timeout $seconds --metrics-brief 2>&1)
	check_equal "$seconds s of stress-ng: exit status" 0 $?
	sed 's/^/# /' <<<"$said"
	idle=$(awk '/metrc:|info:/ && $4 ~ /^(cpu|fork|affinity|mmap|switch)$/ && $5 > 0 { done[$4] }
		END { n = split("cpu fork affinity mmap switch", all); for (i = 1; i <= n; i++) if (!(all[i] in done)) print all[i] }' <<<"$said")
	check_equal "each of its loads got on" "" "$idle"
	check "attached all the time" is_undisturbed
	grep -v ' dump: ' "$DAEMON_LOG" | sed 's/^/# /'
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
	start_load
	check_running "load runs" "${HOGS[@]}"
	kill -KILL "$DAEMON_PID"
	wait "$DAEMON_PID" 2>/dev/null
	check_within 10 "kill -9 under load leaves the kernel's scheduler" is_state disabled
	check_running "what ran runs on" "${HOGS[@]}"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	need stress-ng taskset chrt
	if ! start_daemon --sched; then
		not_ok "the daemon gets ready"
		finish
	fi
	check_within 10 "it schedules" holds '.mode == "sched" and .sched.enabled'
	sed 's/^/# /' "$DAEMON_LOG"
	refuse
	every_priority
	start_load
	hotplug
	realtime_hog
	stopped_daemon
	end_hogs
	stress
	metrics '.sched' | tr -d '\n' | sed 's/^/# /; s/$/\n/'
	sysrq
	kill_hard
	end_hogs
	come_and_go
	check_kernel_log
	finish
fi

# CI has each number of CPUs on one of its kernels.
. tests/vm/lib.sh
if [[ ${CI:-} == true ]]; then
	in_guests --one 7.3
	in_guests --last 6.19 --cpus 4
else
	in_guests "7.3 7.2 7.0 6.19"
	in_guests "7.3 7.2 7.0 6.19" --cpus 4
fi
finish
