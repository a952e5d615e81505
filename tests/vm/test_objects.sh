#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every kernel takes every BPF object: the daemon finds its features, the programs of tests/bpf pass.
cd "$(dirname "$0")/../.." || exit 1

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
	check_equal "no scheduler is attached" disabled "$(cat /sys/kernel/sched_ext/state)"
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
	. tests/system/lib.sh
	check_features
	observe
	bpf_programs
	finish
fi

. tests/vm/lib.sh
in_guests "7.3 7.2 7.1 7.0 6.19"
finish
