#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every kernel takes every BPF object: the daemon finds its features, the programs of tests/bpf pass,
# and what the verifier had to walk through for each program is what tests/data/verified_insns says:
# lines "KERNEL PROGRAM INSTRUCTIONS". A count that differs is shown, and so is a program that is new;
# one that is gone is a failure.
#
# usage: tests/vm/test_objects.sh [--update]      (does nothing but write the counts there)
cd "$(dirname "$0")/../.." || exit 1

RECORD=tests/data/verified_insns

# What --check says is shown: it differs from kernel to kernel.
check_features() {
	local report status

	report=$("$GAMERD" --check 2>&1)
	status=$?
	sed 's/^/# /' <<<"$report"
	check_equal "--check: exit status" 0 "$status"
}

# Observing needs no scheduler, and it leaves none.
observe() {
	if start_daemon --no-api; then
		ok "the daemon gets ready"
		sed 's/^/# /' "$DAEMON_LOG"
		stop_daemon
		check_equal "the daemon ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
	else
		not_ok "the daemon gets ready"
	fi
	check_equal "no scheduler is attached" disabled "$(<$STATE)"
}

# With all programs loaded. What one kernel of the series gets along without is 7.1's scheduler.
schedule() {
	start_daemon --sched || not_ok "the daemon gets ready to schedule"
	if [[ $(kernel_series) == 7.1 ]] && ! is_state enabled; then
		no_scheduler
	else
		check_within 10 "it schedules" holds '.mode == "sched" and .sched.enabled'
	fi
	"${GAMERD%/*}/tests/verified_insns" | sort >"$TEST_DIR/insns"
	if [[ ${GAMERD_UPDATE:-} == 1 ]]; then
		record_insns
	else
		compare_insns
	fi
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
	check_equal "its scheduler goes with it" disabled "$(<$STATE)"
}

# The BTF of Debian's 7.1.13 lacks what is needed to call some of the kernel's functions.
no_scheduler() {
	local said

	check_equal "one sentence says why it does not schedule" 1 "$(grep -c 'warning: observing, not scheduling: ' "$DAEMON_LOG")"
	check "the sentence names the cause" grep -q 'Its BTF lacks' "$DAEMON_LOG"
	check_within 10 "it observes" holds '.mode == "observe" and (.sched.enabled | not)'
	stop_daemon
	daemon_prepare
	said=$("$GAMERD" --require-sched --config "$DAEMON_CONFIG" 2>&1)
	check_equal "--require-sched: exit status" 1 $?
	check_equal "it says so in one line" 1 "$(wc -l <<<"$said")"
	start_daemon --sched || not_ok "the daemon gets ready once more"
}

record_insns() {
	local kernel

	kernel=$(kernel_series)
	{
		grep -v "^$kernel " $RECORD
		sed "s/^/$kernel /" "$TEST_DIR/insns"
	} | sort -V >"$TEST_DIR/record"
	cat "$TEST_DIR/record" >$RECORD
	ok "$(wc -l <"$TEST_DIR/insns") programs recorded"
}

compare_insns() {
	local differences

	differences=$(awk -v kernel="$(kernel_series)" '
		NR == FNR { if ($1 == kernel) recorded[$2] = $3; next }
		!($1 in recorded) { print "new: " $1 ", " $2; next }
		recorded[$1] != $2 { printf "changed: %s, from %d to %d\n", $1, recorded[$1], $2 }
		{ delete recorded[$1] }
		END { for (name in recorded) print "gone: " name }' $RECORD "$TEST_DIR/insns")
	awk '{ sum += $2 } END { printf "# the verifier walked through %d instructions of %d programs\n", sum, NR }' "$TEST_DIR/insns"
	[[ -z $differences ]] || sed 's/^/# /' <<<"$differences"
	check_equal "each program recorded for this kernel is loaded" "" "$(grep ^gone <<<"$differences")"
	check "there is a record for it" grep -q "^$(kernel_series) " $RECORD
}

bpf_programs() {
	local program output status

	for program in "${GAMERD%/*}"/tests/bpf_test_*; do
		[[ -x $program ]] || continue
		output=$("$program" 2>&1)
		status=$?
		case $status in
		0) ok "${program##*/}" ;;
		77) echo "# ${program##*/} was skipped: $(tail -n 1 <<<"$output")" ;;
		*)
			not_ok "${program##*/}" "status $status"
			sed 's/^/# /' <<<"$output"
			;;
		esac
	done
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	if [[ ${GAMERD_UPDATE:-} == 1 ]]; then
		schedule
		finish
	fi
	check_features
	observe
	schedule
	bpf_programs
	finish
fi

[[ ${1:-} != --update ]] || export GAMERD_UPDATE=1
. tests/vm/lib.sh
in_guests "7.3 7.2 7.1 7.0 6.19"
finish
