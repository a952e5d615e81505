#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Real keyboard events: counted as a keyboard's, shown by --watch-input, and the thread that reads the
# keyboard, and no other, is of class input for as long as it lives: observed, and scheduled under load.
cd "$(dirname "$0")/../.." || exit 1

READER=

show_input() {
	metrics '"# \(.classes.input | {threads, wakeups_total}) \(.input)"'
	ps -eLo pid,tid,cls,ni,stat,pcpu,comm | sed 's/^/# /'
}

watch_input() {
	local log=$TEST_DIR/watch watcher

	"$GAMERD" --config "$DAEMON_CONFIG" --watch-input 0.5 >"$log" 2>&1 &
	watcher=$!
	DAEMON_PIDS+=("$watcher")
	check_within 15 "--watch-input shows the keyboard on" grep -q 'KBD:ON ' "$log"
	check "--watch-input shows mouse and others off" grep -qE 'KBD:ON .*MOUSE:off .*OTHER:off' "$log"
	kill -INT $watcher
	wait $watcher
	check_equal "--watch-input ends on SIGINT: exit status" 0 $?
	sed 's/^/# /' "$log"
}

count_events() {
	check_within 15 "events are counted as a keyboard's" holds '.input.keyboard_events_total > 10'
	check "no event is counted as a pointer's" holds '.input.pointer_events_total == 0'
}

classify_reader() {
	cat /dev/input/event0 >/dev/null &
	READER=$!
	DAEMON_PIDS+=("$READER")
	check_within 15 "the thread that reads the keyboard is of class input" holds '.classes.input.threads == 1'
	check_within 15 "its waits are counted" holds '.classes.input.wait.count > 5'
	check "it is counted as a reader" holds '.input.readers == 1'
	kill $READER
	wait $READER 2>/dev/null
	check_within 15 "its class goes with it" holds '.classes.input.threads == 0'
}

# Sleeps for ever, a moment at a time: while a key is pressed it is likely to wake.
restless() {
	local silence

	exec {silence}<> <(:)
	while :; do
		read -rt 0.0002 -u "$silence"
	done
}

# The same twice: observed, and scheduled beside hogs.
life() { # MODE ARGS...
	local mode=$1 sleeper

	# While the hooks are put in place, too, whoever wakes beside a key is no reader.
	restless &
	sleeper=$!
	DAEMON_PIDS+=("$sleeper")
	start_daemon "${@:2}" || { not_ok "the daemon gets ready"; finish; }
	sed 's/^/# /' "$DAEMON_LOG"
	check_within 10 "mode $mode" holds '.mode == $mode' --arg mode "$mode"
	count_events
	# The kernel's own workers, woken for the console, are no readers.
	check "nobody reads: no thread is of class input" holds '.input.readers_total == 0'
	holds '.input.readers_total == 0' || show_input
	kill $sleeper
	wait $sleeper 2>/dev/null
	if [[ $mode == sched ]]; then
		start_load
	else
		watch_input
	fi
	if [[ -c /dev/input/event0 ]]; then
		classify_reader
	else
		echo "# no package of this kernel's modules: nobody can read the keyboard"
	fi
	check_equal "mode $mode to the end" "$mode" "$(metrics .mode)"
	end_hogs
	stop_daemon
	check_equal "the daemon ends on SIGTERM: exit status" 0 "$DAEMON_STATUS"
}

if [[ -n ${VM_KERNEL:-} ]]; then
	. tests/vm/guest.sh
	life observe
	life sched --sched
	check_kernel_log
	finish
fi

. tests/vm/lib.sh
in_guests --one "7.3 7.2 6.19" --keys
finish
