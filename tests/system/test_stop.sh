#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The daemon ends on SIGTERM, on a busy machine too, whether it is being read or not. How long that takes
# is shown and not judged, unless a limit is given: each step of it may wait for a CPU. Of a stop that has
# not come to its end after two seconds it is shown what every thread is doing.
#
#   GAMERD_STOPS=N         so many stops; default 6
#   GAMERD_STOP_MS=N       none may take longer than this
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

STOPS=${GAMERD_STOPS:-6}
STOP_MS=${GAMERD_STOP_MS:-}
HOGS=$((2 * $(nproc)))
# Hogs, sleepers that wake each other, forks, and page faults.
STRESS=(--cpu "$HOGS" --switch 2 --fork 1 --vm 1 --vm-bytes 32m)

show_threads() {
	local task

	for task in /proc/"$DAEMON_PID"/task/*; do
		echo "# $(<"$task/comm"): $(awk '/^State|ctxt_switches/ { printf "%s %s  ", $1, $2 }' "$task/status")"
		sed 's/^/#    /' "$task/stack"
	done 2>/dev/null
	! command -v gdb >/dev/null || gdb -p "$DAEMON_PID" -batch -ex 'thread apply all bt 12' 2>/dev/null | sed 's/^/#  /'
}

now_ms() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

slowest=0
need stress-ng chrt
stress-ng "${STRESS[@]}" --temp-path "$TEST_DIR" >"$TEST_DIR/stress" 2>&1 &
stress=$!
DAEMON_PIDS+=("$stress")
ended=0
for ((stop = 0; stop < STOPS; stop++)); do
	start_daemon || exit 1
	if ((stop % 2)); then
		for _ in {1..3}; do metrics .sequence >/dev/null; done
	fi
	# Who measures must not wait for a CPU.
	chrt --fifo --pid 2 $$
	begin=$(now_ms)
	kill -TERM "$DAEMON_PID"
	PATIENCE=1 wait_until 2 is_gone "$DAEMON_PID" || show_threads
	wait_daemon 10
	took=$(($(now_ms) - begin))
	chrt --other --pid 0 $$
	((took <= slowest)) || slowest=$took
	if ((DAEMON_STATUS == 0)); then
		ended=$((ended + 1))
	else
		echo "# stop $stop: status $DAEMON_STATUS after $took ms"
	fi
done
echo "# the slowest of $STOPS stops beside stress-ng ${STRESS[*]} took $slowest ms"
check "stress-ng ran to the end" is_alive "$stress"
[[ -z $STOP_MS ]] || check "no stop took longer than $STOP_MS ms" test "$slowest" -le "$STOP_MS"
check_equal "every daemon ends with status 0" "$STOPS" "$ended"
finish
