#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A kernel with isolcpus= runs no sched_ext scheduler: --check and the daemon say so, and what to use
# instead. With that the scheduler runs.
cd "$(dirname "$0")/../.." || exit 1

REASON='this kernel runs no sched_ext scheduler beside isolcpus= on its command line \(CPUs 1\); nohz_full='

isolated() {
	start_daemon --sched || { not_ok "the daemon gets ready"; finish; }
	check "--check says why it can't schedule" eval "'$GAMERD' --check --config '$DAEMON_CONFIG' | grep -qE 'not schedule: $REASON'"
	check "so does the daemon, and observes" grep -qE "observing, not scheduling: $REASON" "$DAEMON_LOG"
	check "visible in /health" eval "http /health | jq -e '.features[] |
		select(.name == \"scheduler\") | (.available | not) and (.detail | test(\"isolcpus\"))'"
	sed 's/^/# /' "$DAEMON_LOG"
	stop_daemon
}

free_otherwise() {
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	mkdir /sys/fs/cgroup/alone
	echo 1 >/sys/fs/cgroup/alone/cpuset.cpus
	echo isolated >/sys/fs/cgroup/alone/cpuset.cpus.partition
	check_equal "the guest has a tickless CPU" 1 "$(</sys/devices/system/cpu/nohz_full)"
	check_equal "and an isolated partition of cpuset" isolated "$(</sys/fs/cgroup/alone/cpuset.cpus.partition)"
	start_daemon --sched --require-sched || { not_ok "the daemon gets ready beside them"; finish; }
	check "it schedules beside them" is_state enabled
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	if grep -q isolcpus /proc/cmdline; then
		isolated
	else
		free_otherwise
	fi
	finish
fi

. tests/vm/lib.sh
in_guests --one "7.3 6.19" --append isolcpus=1
in_guests --one "7.3 6.19" --append nohz_full=1
finish
