#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The daemon is stopped while 20,000 processes that matter come and go: more events than the receive
# buffer of the proc connector, or the BPF ring buffer, holds. Afterwards its table must equal the
# truth, and it must say what happened.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

STORM=$(dirname "$GAMERD")/tests/storm

end_server() { # PID
	kill -KILL "$1"
	wait_until 5 is_gone "$1"
}

overrun() { # SOURCE
	local source=$1 before ended after late expected

	start_server "$server"
	before=$started
	start_server "$server"
	ended=$started
	check_within 5 "$source: two servers are listed" holds '.audio.servers | length == 2'
	check_equal "$source: it is the source" "$source" "$(metrics .proc_events.source)"
	check "$source: nothing overran yet" \
		holds '.proc_events.overruns_total == 0 and .proc_events.resyncs_total == 0'

	kill -STOP "$DAEMON_PID"
	"$STORM" -n 20000 -k 8 -w "$short" | sed 's/^/# /'
	end_server "$ended"
	start_server "$server"
	after=$started
	kill -CONT "$DAEMON_PID"

	check_within 20 "$source: the overrun is counted" holds '.proc_events.overruns_total >= 1'
	check_within 20 "$source: the resync is counted" holds '.proc_events.resyncs_total >= 1'
	expected=$(printf '%s\n' "$before" "$after" | sort -n | paste -sd ' ')
	check_within 20 "$source: the table equals the truth" \
		holds "[.audio.servers[].pid] | sort | join(\" \") == \"$expected\""
	check_within 10 "$source: so does the BPF table" holds '.roles.entries == 2'
	check_within 10 "$source: the ledger holds" holds '.pipeline |
		.attempted_total == .submitted_total + .dropped_total
		and .consumed_total == .aggregated_total + .queued and .submitted_total == .consumed_total'
	check "$source: a connector that overran is not taken for a silent one" \
		holds '.proc_events.silences_total == 0'
	metrics '"# overruns \(.proc_events.overruns_total), messages lost \(.proc_events.lost_total), " +
		"resyncs \(.proc_events.resyncs_total), scans \(.proc_events.scans_total), " +
		"BPF records dropped \(.pipeline.dropped_total), pipeline \(.pipeline)"'
	check "$source: the daemon is healthy" http /health --fail

	start_server "$server"
	late=$started
	check_within 5 "$source: and knows new servers at once" holds ".audio.servers | any(.pid == $late)"
	end_server "$before"
	end_server "$after"
	end_server "$late"
	check_within 5 "$source: all gone in the end" holds '.audio.servers == [] and .roles.entries == 0'
}

server=$(fake_server pipewire)
short=$(fake_server jackd /bin/true)
for source in netlink bpf; do
	CONFIG_EXTRA="{\"source\": \"$source\"}"
	start_daemon || exit 1
	overrun "$source"
	stop_daemon
	check_equal "$source: the daemon ends with status 0" 0 "$DAEMON_STATUS"
done
finish
