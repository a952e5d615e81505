# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
# What the parts of bench/run-sched that run in the guest share: the programs, the schedulers, and how a
# result is passed on. The file that sources it has set boot, binaries, schedulers, tests, seconds,
# repeats and AUDIO_TESTS (a pattern); it has functions test_NAME, and ends with `run_tests`.
#
# What runs while something is measured is copied to the guest's tmpfs: a guest that waits for a file of
# the host has a clock that jumps.

STATE=/sys/kernel/sched_ext/state
# At 48000 Hz three periods are two of the kernel's ticks (250 Hz), so that each wake-up of a test would
# meet its tick at the same distance: p99 would be the luck of the start. A device's clock is not the
# CPU's; at this rate the wake-ups of each 1.3 s have passed through all distances.
PARAMETERS=(-f 128 -r 48032 -b 100)

dir=/run/tmp/bench
mkdir -p $dir/gone-wild
cd $dir || exit
mkfifo never && exec {never}<>never
# The names decide what scx_gamerd takes them for: a server and what is none.
install -m 0755 "$binaries/audio_probe" pipewire
install -m 0755 "$binaries/audio_probe" client
install -m 0755 "$binaries/normal_probe" app
install -m 0755 "$binaries/sched_load" load
install -m 0755 "$binaries/sched_load" gone-wild/pipewire
for program in scx_simple scx_qmap scx_gamerd; do
	[[ ! -e $binaries/$program ]] || install -m 0755 "$binaries/$program" $program
done
# The kernel shares the CPU between sessions first; here all are to compete with all.
echo 0 >/proc/sys/kernel/sched_autogroup_enabled
echo '{ "runtime_dir": "/run/tmp/gamerd", "scx_stats_path": "" }' >gamerd.json
echo '{ "runtime_dir": "/run/tmp/gamerd", "scx_stats_path": "", "measure": "none" }' >off.json

pause() { # SECONDS
	read -rt "$1" -u "$never"
}

line() { # TEST KEY VALUE
	printf '{"machine":"%s","boot":%d,"scheduler":"%s","mode":"%s","test":"%s","%s":%s}\n' "${machine:-1}" \
		"$boot" "$scheduler" "$mode" "$1" "$2" "$3"
}

emit() { # TEST FILE
	line "$1" result "$(tr -d '\n' <"$2")"
}

# A test that has no result is one that says why.
fail() { # TEST SENTENCE
	line "$1" failure "\"${2//[\"$'\n']/ }\""
}

note() { # SENTENCE
	line start note "\"${1//[\"$'\n']/ }\""
}

# Ends process groups that `background` started.
end() { # PID...
	local pid

	for pid; do
		kill -KILL -- "-$pid"
		wait "$pid"
	done 2>/dev/null
}

background() { # PROGRAM ARGS...
	setsid "$@" >background.out 2>&1 &
	pids+=($!)
}

# --- schedulers -------------------------------------------------------------------------------------

start_scheduler() {
	policy=other
	mode=kernel
	server=
	case $scheduler in
	eevdf) return ;;
	nice) policy=nice:-11 ;;
	rr) policy=rr:20 ;;
	scx_gamerd) ./scx_gamerd --config gamerd.json >scheduler.log 2>&1 & ;;
	off) ./scx_gamerd --config off.json >scheduler.log 2>&1 & ;;
	observe) ./scx_gamerd --config gamerd.json --observe >scheduler.log 2>&1 & ;;
	*) "./$scheduler" >scheduler.log 2>&1 & ;;
	esac
	[[ $policy == other ]] || return 0
	server=$!
	mode=starting
	for _ in {1..200}; do
		kill -0 $server 2>/dev/null || break
		if [[ $scheduler =~ ^(scx_gamerd|off|observe)$ ]]; then
			# It schedules before it knows any server.
			grep -q 'ready:' scheduler.log || { pause 0.05; continue; }
			mode=observe
		fi
		[[ $(<$STATE) != enabled ]] || mode=sched
		if [[ $mode == observe && $scheduler != observe ]]; then
			note "$(sed -n 's/.*warning: \(observing\)/\1/p' scheduler.log | head -n 1)"
		fi
		[[ $mode != starting ]] && return
		pause 0.05
	done
	fail start "it did not start: $(tail -n 1 scheduler.log)"
	return 1
}

# Has it been thrown out? Then what was measured is not its.
check_scheduler() { # TEST
	[[ $mode != sched || $(<$STATE) == enabled ]] && return
	for _ in {1..30}; do # until it has said why
		kill -0 "$server" 2>/dev/null || break
		pause 0.1
	done
	fail "$1" "it was thrown out: $(grep -m 1 '^EXIT' scheduler.log || grep -m 1 -iE 'stall|error|ended' scheduler.log)"
	return 1
}

stop_scheduler() {
	[[ -n $server ]] || return 0
	kill -TERM "$server" 2>/dev/null
	wait "$server"
	[[ $(<$STATE) == disabled ]] || fail stop "the scheduler is still $(<$STATE)"
}

# --- tests ------------------------------------------------------------------------------------------

probe() { # TEST OPTION...
	local test=$1 pid

	shift
	rm -f probe.json
	./pipewire "${PARAMETERS[@]}" -c ./client -p "$policy" -t "$seconds" -j probe.json "$@" >probe.out 2>&1 &
	pid=$!
	wait $pid
	if [[ -s probe.json ]]; then
		emit "$test" probe.json
	else
		fail "$test" "the probe has no result: $(tail -n 1 probe.out)"
	fi
}

load() { # TEST LOAD ARGS...
	local test=$1

	shift
	if ./load "$@" >load.json 2>load.err; then
		emit "$test" load.json
	else
		fail "$test" "sched_load: $(tail -n 1 load.err)"
	fi
}

# The fastest of some runs: the first one of a boot is cold.
fastest() { # TEST PROGRAM ARGS...
	local test=$1 i

	shift
	rm -f times.out
	for ((i = 0; i < repeats; i++)); do
		"$@" >>times.out 2>>load.err
	done
	sed -nE 's/^[[:space:]]*([0-9.]+)$|.*"ns": ([0-9]+).*/\1\2/p' times.out | sort -g | head -n 1 >fastest
	if [[ -s fastest ]]; then
		emit "$test" fastest
	else
		fail "$test" "$(tail -n 1 load.err)"
	fi
}

test_messaging() {
	fastest messaging perf bench --format simple sched messaging -g 2 -l 100
}

test_pipe() {
	fastest pipe perf bench --format simple sched pipe -l 20000
}

test_exec() {
	fastest exec ./load exec -n 150
}

# --- main -------------------------------------------------------------------------------------------

run_tests() {
	# What a kernel does in the second after its start is none of the schedulers' doing; what a program
	# reads from the host when it first runs is none, either.
	pause 1
	./pipewire -t 0.1 -C 3 -c ./client >/dev/null
	./app -t 0.1 -C 2 -j warm-up.json >/dev/null
	./load exec -n 3 >/dev/null
	perf bench sched messaging -g 1 -l 1 >/dev/null 2>&1
	perf bench sched pipe -l 10 >/dev/null 2>&1
	for scheduler in "${schedulers[@]}"; do
		if ! start_scheduler; then
			stop_scheduler
			continue
		fi
		for test in "${tests[@]}"; do
			# What one thread is worth doesn't change how the kernel shares the CPU among others.
			[[ $scheduler =~ ^(nice|rr)$ && ! $test =~ $AUDIO_TESTS ]] && continue
			pids=()
			"test_$test" 2>/dev/null
			end "${pids[@]}"
			check_scheduler "$test" && continue
			stop_scheduler
			start_scheduler || break
		done
		stop_scheduler
	done
}
