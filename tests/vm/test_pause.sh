#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest that stands still for longer than the kernel's patience, as a virtual machine does while the
# laptop it runs on is suspended: nobody is to blame, and the scheduler is there afterwards. The daemon
# runs with --require-sched, so that it ends if the pauses are counted as failures.
cd "$(dirname "$0")/../.." || exit 1

PAUSE=25
PAUSES=3
NUMBER=0

# Sets UPTIME to the seconds of the guest's clock.
read_uptime() {
	read -r UPTIME _ </proc/uptime
	UPTIME=${UPTIME%.*}
}

# Has the guest's clock jumped since the last look, a moment ago?
clock_has_jumped() {
	local before=$UPTIME

	read_uptime
	((UPTIME - before > PAUSE / 2))
}

stand_still() {
	NUMBER=$((NUMBER + 1))
	read_uptime
	: >"$VM_PAUSE.$NUMBER"
	check_within 60 "the guest stands still for $PAUSE s, time $NUMBER" clock_has_jumped
}

# Something may have ended the scheduler, but by now it is attached again.
is_settled() {
	is_state enabled && holds '.mode == "sched" and .sched.enabled' &&
		(($(grep -c 'the kernel ended the scheduler' "$DAEMON_LOG") == $(grep -c 'scheduling again' "$DAEMON_LOG")))
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	CONFIG_EXTRA='{"timeout_ms": 10000}'
	start_daemon --sched --require-sched || { not_ok "the daemon gets ready"; finish; }
	start_load 2
	check_running "threads run that wait for each other" "${HOGS[@]}"
	for ((i = 0; i < PAUSES; i++)); do
		stand_still
		check_within 30 "the scheduler is attached afterwards" is_settled
		check_running "and all threads run" "${HOGS[@]}"
	done
	check "no pause was taken for a failure" eval '! grep -q "failure\|attaching once more" "$DAEMON_LOG"'
	check "no thread was blamed" eval '! grep -q "has waited" "$DAEMON_LOG"'
	check "nor counted" holds '.sched.stalls_total == 0'
	grep -v ' dump: ' "$DAEMON_LOG" | sed 's/^/# /'
	end_hogs
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
	finish
fi

. tests/vm/lib.sh
in_guests "7.3 6.19" --pause 25
finish
