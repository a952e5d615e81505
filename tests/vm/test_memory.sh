#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Memory is short, so that what can't wait for it gets none at times: processes start all the same, as they
# do under the kernel's own scheduler, and all of them run.
cd "$(dirname "$0")/../.." || exit 1

COUNT=300 ROUNDS=25

# Leaves 45 MiB, through which three readers push the files of this machine.
fill_memory() {
	local i

	mkdir -p /mnt/fill
	mount -t tmpfs -o size=100% none /mnt/fill
	dd if=/dev/zero of=/mnt/fill/block bs=1M status=none \
		count=$(($(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) / 1024 - 45))
	for ((i = 0; i < 3; i++)); do
		while :; do cat /usr/bin/* >/dev/null 2>&1; done &
	done
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	start_daemon --sched || { not_ok "the daemon gets ready"; finish; }
	check_within 10 "it schedules" holds '.mode == "sched"'
	install -m 0755 "${GAMERD%/*}/tests/forks" "$TEST_DIR/forks"
	fill_memory
	check_equal "of $((COUNT * ROUNDS)) processes" "0 failed: none" "$("$TEST_DIR/forks" $COUNT $ROUNDS)"
	check "it schedules still" is_state enabled
	finish
fi
# shellcheck source=tests/vm/lib.sh
. tests/vm/lib.sh
in_guests --last 6.19 --memory 400M
finish
