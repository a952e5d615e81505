#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Threads without a role are no worse off than under the kernel's own scheduler: a few of the bars of
# bench/run-sched --table rest, in the deterministic lab, where they are the same on a busy machine.
cd "$(dirname "$0")/../.." || exit 1

. tests/vm/lib.sh
for program in perf bpftool; do
	command -v $program >/dev/null || skip "$program is not installed"
done
tests=(light light100 light_idle frame game)
for test in "${tests[@]}"; do
	options+=(--test "$test")
done
if bench/run-sched --table rest --machine 1 --boots 1 --only eevdf --only scx_gamerd "${options[@]}" \
	--build "$(dirname "${GAMERD:-build/release/scx_gamerd}")"; then
	echo "ok the bars of ${tests[*]} hold"
	CHECKS_PASSED=1
else
	echo "not ok the bars of ${tests[*]} hold"
	CHECKS_FAILED=1
fi
finish
