#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The deterministic guest with several CPUs: each CPU executes as much as the others, latencies are those
# of its turns, and what was measured once is measured again within a turn, whatever else this machine
# does. Not to the microsecond: how long the guest waits for this machine's files while it boots decides
# at which point of its turn each CPU is when something is measured.
cd "$(dirname "$0")/../.." || exit 1
BENCH=${GAMERD_BENCH:-$PWD/build/release/bench}
CPUS=2
TURN_US=20

# In the guest: the chunks of one hog on each CPU, then how late SCHED_RR is beside hogs. It begins at
# given times of the guest's clock: what was read from this machine until then took any time.
if [[ -n ${VM_KERNEL:-} ]]; then
	cd "$TMPDIR" || exit
	cp "$BENCH/bench_sched_load" load && cp "$BENCH/bench_normal_probe" app || exit
	./app -t 0.1 >/dev/null
	for ((cpu = 0; cpu < CPUS; cpu++)); do
		taskset -c $cpu ./load hogs -a 10 -t 0.2 0 >chunks.$cpu &
	done
	wait
	for ((cpu = 0; cpu < CPUS; cpu++)); do
		sed -E 's/.*"chunks": ([0-9]+).*/chunks \1/' chunks.$cpu
	done
	./load hogs -t 600 0 0 0 0 >/dev/null &
	./app -p rr:20 -a 12 -t 0.5 | sed -E 's/.*wake p50 ([0-9.]+) .* p99 ([0-9.]+) max ([0-9.]+) us; done.*/late \1 \2 \3/'
	exit
fi
# shellcheck source=tests/vm/lib.sh
. tests/vm/lib.sh

check() { # NAME CMD...
	if "${@:2}"; then
		CHECKS_PASSED=$((CHECKS_PASSED + 1))
		echo "ok $1"
	else
		CHECKS_FAILED=$((CHECKS_FAILED + 1))
		echo "not ok $1"
	fi
}

# Prints the figures of one guest in one line.
measure() {
	tools/vm --deterministic --cpus $CPUS --turn $TURN_US --timeout 600 -- "$TEST" | tr '\n' ' '
}

# Are both lists complete, their chunks within 1 % and their times within a turn of each other?
are_same() { # LIST LIST
	awk -v a="$1" -v b="$2" -v turn=$TURN_US 'BEGIN {
		if (split(a, x) != 8 || split(b, y) != 8)
			exit 1
		for (i in x) {
			difference = x[i] > y[i] ? x[i] - y[i] : y[i] - x[i]
			if (i > 1 && difference > (i < 5 ? x[i] / 100 : turn))
				exit 1
		}
	}'
}

# Has each CPU executed within 2 % of the other?
are_equal() { # chunks A chunks B late ...
	((100 * $2 < 102 * $4 && 100 * $4 < 102 * $2))
}

# A CPU waits for at most one turn of the other, and does some work of its own.
are_short() { # chunks A chunks B late P50 P99 MAX
	awk -v p99="$7" 'BEGIN { exit !(p99 > 0 && p99 < 100) }'
}

[[ -x $BENCH/bench_normal_probe ]] || skip "$BENCH has no bench_normal_probe: tools/build release"
tools/vm --fetch || skip "there is no kernel to be had"
first=$(measure)
second=$(measure)
echo "# $first"
echo "# $second"
read -ra figures <<<"$first"
check "two guests measure the same within a turn" are_same "$first" "$second"
check "each CPU executes as much as the other" are_equal "${figures[@]}"
check "SCHED_RR is late by the turns of the CPUs only" are_short "${figures[@]}"
finish
