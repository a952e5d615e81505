#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In the deterministic lab, where a result is the same on a busy machine: threads without a role are no
# worse off than under the kernel's own scheduler (a few of the bars of bench/run-sched --table rest), and
# none of them goes before an urgent one that has been promised the CPU.
cd "$(dirname "$0")/../.." || exit 1

# Both preempt the hog that runs.
woken_together() {
	local said

	install -m 0755 "${GAMERD%/*}/tests/wake_order" "$TEST_DIR/pipewire"
	said=$("${GAMERD%/*}/tests/wake_order" "$TEST_DIR/pipewire" 200)
	echo "# the urgent one: $said"
	check "of two threads that one interrupt wakes, the urgent one runs first" grep -q '^later 0 of 200' <<<"$said"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	if ! start_daemon --sched --require-sched; then
		not_ok "the daemon gets ready"
		finish
	fi
	start_load
	woken_together
	end_hogs
	check "attached all the time" is_undisturbed
	finish
fi
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
in_guests --one 7.3 --deterministic --cpus 1
in_guests --one 7.3 --deterministic --cpus 2
finish
