#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The proc connector falls silent while the daemon runs. The kernel side sees processes start of which
# the connector says nothing: the daemon subscribes anew, and finds what it has missed.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

DEAFEN=$(dirname "$GAMERD")/tests/deafen

listed() { # PID
	holds ".audio.servers | any(.pid == $1)"
}

start_daemon || exit 1
server=$(fake_server pipewire)
check_equal "the proc connector is the source" netlink "$(metrics .proc_events.source)"
for _ in {1..20}; do /bin/true; done
check "nothing is silent yet" holds '.proc_events.silences_total == 0'

check_equal "its one socket is made deaf" 1 "$("$DEAFEN" "$DAEMON_PID")"
start_server "$server"
missed=$started
# To ask is to start processes.
check_within 20 "the silence is noticed" holds '.proc_events.silences_total == 1'
check_within 10 "the server that was missed is listed" listed "$missed"
check "a scan has found it" holds '.proc_events | .resyncs_total == 1 and .scans_total == 2'
check_equal "the log says so once" 1 "$(grep -c 'has fallen silent' "$DAEMON_LOG")"
check_equal "the proc connector still is the source" netlink "$(metrics .proc_events.source)"

start_server "$server"
heard=$started
check_within 10 "another server is listed" listed "$heard"
check "no scan was needed for it" holds '.proc_events.scans_total == 2'
for _ in {1..20}; do /bin/true; done
check "nothing is silent any more" holds '.proc_events.silences_total == 1'
check "the daemon is healthy" http /health --fail

check_equal "the new socket is made deaf" 1 "$("$DEAFEN" "$DAEMON_PID")"
check_within 20 "a connector that falls silent again is given up" holds '.proc_events.source == "bpf"'
kill -KILL "$missed"
check_within 10 "the end of a server is seen" holds ".audio.servers | any(.pid == $missed) | not"
start_server "$server"
check_within 10 "and the start of one" listed "$started"
check_within 10 "the ledger holds" holds '.pipeline |
	.attempted_total == .submitted_total + .dropped_total
	and .consumed_total == .aggregated_total + .queued and .submitted_total == .consumed_total'
kill -KILL "$heard" "$started"
stop_daemon
check_equal "the daemon ends with status 0" 0 "$DAEMON_STATUS"
finish
