#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The daemon is stopped while 20,000 processes that matter come and go: more events than the receive
# buffer holds. Afterwards its table must equal the truth, and it must say what happened.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

STORM=$(dirname "$GAMERD")/tests/storm

start_daemon || exit 1
server=$(fake_server pipewire)
short=$(fake_server jackd /bin/true)

"$server" 1000 &
before_pid=$!
"$server" 1001 &
ended_pid=$!
check_within 5 "two servers are listed" holds '.audio.servers | length == 2'
check "nothing overran yet" holds '.proc_events.overruns_total == 0 and .proc_events.resyncs_total == 0'

kill -STOP "$DAEMON_PID"
"$STORM" -n 20000 -k 8 -w "$short" | sed 's/^/# /'
kill -KILL "$ended_pid"
wait "$ended_pid" 2>/dev/null
"$server" 1002 &
after_pid=$!
kill -CONT "$DAEMON_PID"

check_within 20 "the overrun is counted" holds '.proc_events.overruns_total >= 1'
check_within 20 "the resync is counted" holds '.proc_events.resyncs_total >= 1'
expected=$(printf '%s\n' "$before_pid" "$after_pid" | sort -n | tr '\n' ' ')
table_is_true() {
	[[ $(metrics '[.audio.servers[].pid] | sort | join(" ")') == "${expected% }" ]]
}
check_within 20 "the table equals the truth" table_is_true
check_within 10 "so does the BPF table" holds '.roles.entries == 2'
check_within 10 "the ledger holds" holds '.pipeline | .attempted_total == .submitted_total + .dropped_total
	and .consumed_total == .aggregated_total + .queued and .submitted_total == .consumed_total'
metrics '"# overruns \(.proc_events.overruns_total), messages lost \(.proc_events.lost_total), resyncs " +
	"\(.proc_events.resyncs_total), scans \(.proc_events.scans_total), BPF records dropped " +
	"\(.pipeline.dropped_total)"'
check "the daemon is healthy" http /health --fail

"$server" 1003 &
late_pid=$!
check_within 5 "and knows new servers at once" holds ".audio.servers | any(.pid == $late_pid)"
kill -KILL "$before_pid" "$after_pid" "$late_pid"
wait "$before_pid" "$after_pid" "$late_pid" 2>/dev/null
check_within 5 "all gone in the end" holds '.audio.servers == [] and .roles.entries == 0'
finish
