#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Where the scheduler can't be attached: another one is there, the kernel's BTF is incomplete, memory is
# short. One sentence, status 1 or observing, as asked, and nothing half attached.
cd "$(dirname "$0")/../.." || exit 1

STATE=/sys/kernel/sched_ext/state

# Runs the daemon with --require-sched: status 1, one sentence.
refused() { # NAME PATTERN
	local output status

	daemon_prepare
	output=$(timeout 60 "$GAMERD" --require-sched --config "$DAEMON_CONFIG" 2>&1 </dev/null)
	status=$?
	check_equal "$1: --require-sched: status" 1 "$status"
	check_equal "$1: --require-sched: one line" 1 "$(wc -l <<<"$output")"
	check "$1: --require-sched: says why" grep -qE "$2" <<<"$output"
	echo "# $output"
}

# Without it, the daemon observes and says why, once.
observes() { # NAME PATTERN
	start_daemon --sched || { not_ok "$1: the daemon gets ready"; return; }
	check_equal "$1: says once why it observes" 1 "$(grep -cE "observing, not scheduling: $2" "$DAEMON_LOG")"
	check_within 10 "$1: observes" holds '.mode == "observe" and (.sched.enabled | not)'
	check "$1: visible in /health" eval "http /health | jq -e '.features[] |
		select(.name == \"scheduler\") | (.available | not) and (.detail | startswith(\"observing: \"))'"
	sed 's/^/# /' "$DAEMON_LOG"
}

beside_another() {
	local other

	start_daemon --no-api --sched --require-sched || { not_ok "the other scheduler gets ready"; return; }
	other=$DAEMON_PID
	refused "another scheduler" 'the scheduler gamerd_[^ ]* is attached already'
	observes "another scheduler" 'the scheduler gamerd_[^ ]* is attached already'
	check "its name is shown" holds '.sched.ops | startswith("gamerd_")'
	check "so is what the kernel counts of it" holds '.sched.events | length > 0'
	stop_daemon
	check_equal "the other scheduler is untouched" enabled "$(<$STATE)"
	DAEMON_PID=$other
	stop_daemon
	check_equal "and ends well: exit status" 0 "$DAEMON_STATUS"
}

# The BTF of Debian's 7.1.13 lacks some of sched_ext's functions.
btf_incomplete() {
	local reason="the kernel refuses the scheduler: .*scx_bpf_.*Its BTF lacks .*pahole 1.26 or newer"

	refused "incomplete BTF" "$reason"
	observes "incomplete BTF" "$reason"
	check "--check says the same" eval "'$GAMERD' --check --config '$DAEMON_CONFIG' | grep -qE 'not schedule: $reason'"
	stop_daemon
	check_equal "nothing is attached" disabled "$(<$STATE)"
}

# From too little for the kernel's types to enough for all: the steps between fail one after the other,
# the scheduler's last. Where only that one fails, a daemon that need not schedule observes: the
# limit for that is looked for between the last refusal and the first success. On 7.2 and 7.3 there is
# none: the detect thread's stack needs as much.
memory_short() {
	local mib

	FAILED_MIB=0 ENOUGH_MIB=0 OBSERVED=0
	for mib in {8..72..8}; do
		try_limit $mib
	done
	check "some limits were too small, and some large enough" test $FAILED_MIB -gt 0 -a $ENOUGH_MIB -gt 0
	for ((mib = ENOUGH_MIB - 1; !OBSERVED && mib > FAILED_MIB; mib--)); do
		try_limit $mib
	done
	[[ $(uname -r) == 7.[23].* ]] || check "and one for the scheduler only" test $OBSERVED -gt 0
}

try_limit() { # MIB
	start_in "$1" --require-sched
	if grep -qw ready "$DAEMON_LOG"; then
		((ENOUGH_MIB && ENOUGH_MIB < $1)) || ENOUGH_MIB=$1
		stop_daemon
		check_equal "$1 MiB: it ends well: exit status" 0 "$DAEMON_STATUS"
	else
		((FAILED_MIB > $1)) || FAILED_MIB=$1
		wait_daemon 30
		check_equal "$1 MiB: refused: exit status" 1 "$DAEMON_STATUS"
		check_equal "$1 MiB: refused with one sentence" 1 "$(grep -c . "$DAEMON_LOG")"
		check "$1 MiB: nothing else is blamed" eval "! grep -q pahole '$DAEMON_LOG'"
		sed "s/^/# $1 MiB: /" "$DAEMON_LOG"
		if grep -q -- '--require-sched: ' "$DAEMON_LOG"; then
			OBSERVED=$((OBSERVED + 1))
			observes_in "$1"
		fi
	fi
	check_equal "$1 MiB: nothing is left attached" disabled "$(<$STATE)"
}

# Starts the daemon with no more address space than that, and waits until it is ready or gone.
start_in() { # MIB ARGS...
	local mib=$1

	shift
	daemon_prepare
	(
		ulimit -v $((mib * 1024))
		exec "$GAMERD" --config "$DAEMON_CONFIG" "$@"
	) </dev/null >"$DAEMON_OUT" 2>"$DAEMON_LOG" &
	DAEMON_PID=$!
	DAEMON_PIDS+=("$DAEMON_PID")
	wait_until 30 daemon_is_ready_or_gone
}

observes_in() { # MIB
	start_in "$1"
	check "$1 MiB: it observes if it may" grep -q 'ready: observing' "$DAEMON_LOG"
	check_equal "$1 MiB: and says once why" 1 "$(grep -c 'warning: observing, not scheduling: ' "$DAEMON_LOG")"
	stop_daemon
	check_equal "$1 MiB: it ends well, too: exit status" 0 "$DAEMON_STATUS"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/system/lib.sh
	daemon_prepare
	if "$GAMERD" --check --config "$DAEMON_CONFIG" | grep -q 'can schedule here'; then
		beside_another
		memory_short
	else
		btf_incomplete
	fi
	finish
fi

. tests/vm/lib.sh
in_guests "7.3 7.2 7.1 7.0 6.19"
finish
