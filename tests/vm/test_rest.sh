#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Threads without a role are no worse off than under the kernel's own scheduler: a few of the bars of
# bench/run-sched --table rest, in the deterministic lab, where they are the same on a busy machine.
cd "$(dirname "$0")/../.." || exit 1

. tests/vm/lib.sh

check_bars() { # MACHINE TEST...
	local test options=(--machine "$1")

	for test in "${@:2}"; do
		options+=(--test "$test")
	done
	if bench/run-sched --table rest --boots 1 --only eevdf --only scx_gamerd "${options[@]}" \
		--build "$(dirname "${GAMERD:-build/release/scx_gamerd}")"; then
		CHECKS_PASSED=$((CHECKS_PASSED + 1))
		echo "ok machine $1: the bars of ${*:2} hold"
	else
		CHECKS_FAILED=$((CHECKS_FAILED + 1))
		echo "not ok machine $1: the bars of ${*:2} hold"
	fi
}

for program in perf bpftool; do
	command -v $program >/dev/null || skip "$program is not installed"
done
check_bars 1 light light100 light_idle frame game
check_bars nohz ticks
finish
