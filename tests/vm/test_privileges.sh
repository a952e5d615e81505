#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the daemon has given up does not keep it from scheduling: it attaches the scheduler as an ordinary
# user, again after its end, and under the filter of its system calls. And it needs root for nothing, as the
# systemd unit has it.
cd "$(dirname "$0")/../.." || exit 1

CAPS=+bpf,+perfmon,+net_admin,+sys_ptrace,+sys_nice

is_back() {
	is_state enabled && holds '.mode == "sched"'
}

# The uids, capabilities and filters of all threads, each once.
threads_have() { # KEY VALUE...
	local key=$1

	shift
	check_equal "every thread has $key $*" "$*" "$(awk -v key="$key:" '$1 == key { print $2 }' \
		/proc/"$DAEMON_PID"/task/*/status | sort -u | tr '\n' ' ' | sed 's/ $//')"
}

as_nobody() {
	CONFIG_EXTRA='{"user": "nobody", "timeout_ms": 3000}'
	start_daemon --sched || { not_ok "the daemon gets ready"; return; }
	check_within 10 "as an ordinary user it schedules" holds '.mode == "sched" and .sched.enabled'
	threads_have Uid "$(id -u nobody)"
	threads_have CapEff 0000000000000000 000000c000881000
	threads_have Seccomp 2
	check "the thread that reads process events is real-time" \
		jq -e '.features | any(.name == "detect_priority" and (.detail | test("SCHED_FIFO 1")))' <(http /health)
	starve 60 "attaching once more"
	check_within 20 "after its end the scheduler is attached again" is_back
	echo 1 >/proc/sys/kernel/sysrq
	echo S >/proc/sysrq-trigger
	check_within 10 "SysRq-S ends it" is_state disabled
	grep -v ' dump: ' "$DAEMON_LOG" | sed 's/^/# /'
	check "no attachment failed for a missing right" eval '! grep -qi "not permitted\|permission denied" "$DAEMON_LOG"'
	stop_daemon
	check_equal "it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
}

# Root has no part in it, not even at the start.
never_root() {
	local user=(setpriv --reuid 64999 --regid 64999 --clear-groups "--inh-caps=-all,$CAPS"
		"--ambient-caps=-all,$CAPS" "--bounding-set=-all,$CAPS")

	CONFIG_EXTRA=
	daemon_prepare
	chown 64999 "$(dirname "$DAEMON_RUNTIME")"
	check "never root: --check says that it can schedule" grep -q '^scx_gamerd can schedule here' \
		<("${user[@]}" "$GAMERD" --check --config "$DAEMON_CONFIG" 2>/dev/null)
	check_equal "never root: it has every feature that root has" \
		"$("$GAMERD" --check --config "$DAEMON_CONFIG" 2>/dev/null | grep -oE '^  (yes|no ) +[a-z_]+' | grep -v privileges)" \
		"$("${user[@]}" "$GAMERD" --check --config "$DAEMON_CONFIG" 2>/dev/null | grep -oE '^  (yes|no ) +[a-z_]+' | grep -v privileges)"
	"${user[@]}" "$GAMERD" --require-sched --config "$DAEMON_CONFIG" </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
	DAEMON_PID=$!
	DAEMON_PIDS+=("$DAEMON_PID")
	check_within 60 "never root: it schedules" grep -q 'ready: scheduling' "$DAEMON_LOG"
	sed 's/^/# /' "$DAEMON_LOG"
	check "never root: it is attached" is_state enabled
	stop_daemon
	check_equal "never root: it ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	need taskset chrt setpriv
	servers_off
	as_nobody
	never_root
	finish
fi

. tests/vm/lib.sh
in_guests "7.3 7.2 7.0 6.19"
finish
