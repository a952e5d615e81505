#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The static markers of src/base/probe.h: the file names them, and perf attaches to a running daemon
# and sees them.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need readelf perf
[[ -e /usr/include/sys/sdt.h || -e /usr/include/$(uname -m)-linux-gnu/sys/sdt.h ]] ||
	skip "there is no sys/sdt.h, without which no marker is built in"

check_equal "the binary has the five markers" "detect drain drop publish render" \
	"$(readelf -n "$GAMERD" | awk '/Provider: scx_gamerd$/ { ours = 1; next } ours && /Name:/ { print $2 } { ours = 0 }' |
		sort -u | xargs)"

[[ -w /sys/kernel/tracing/uprobe_events ]] || may_skip "this kernel has no uprobes, or no tracefs is mounted"

# Uprobes belong to the whole system: somebody else's are not touched, ours are taken away whatever
# happens.
GROUP=sdt_scx_gamerd
! grep -q ":$GROUP/" /sys/kernel/tracing/uprobe_events || may_skip "somebody is tracing a daemon already"
remove_probes() {
	perf probe --quiet --del "$GROUP:*"
	cleanup
}
trap remove_probes EXIT

# perf finds markers by way of its cache of binaries.
perf_here() {
	HOME=$TEST_DIR perf --buildid-dir "$TEST_DIR/buildid" "$@"
}
perf_here buildid-cache --add "$GAMERD"
for probe in detect drain drop publish render; do
	check "perf sets a probe on $probe" perf_here probe --exec "$GAMERD" --add "%$GROUP:$probe"
done

# Somebody reads, and a server comes.
make_events() {
	local pid

	http /metrics -o /dev/null
	"$SERVER" 60 &
	pid=$!
	wait_until 20 holds ".audio.servers | map(.pid) | index($pid)"
	kill $pid
}

start_daemon || exit 1
SERVER=$(fake_server pipewire)
export DAEMON_PORT SERVER
export -f make_events wait_until holds metrics http
check "perf attaches to the running daemon" perf_here record --quiet --output "$TEST_DIR/perf.data" \
	--pid "$DAEMON_PID" --event "$GROUP:*" -- bash -c make_events
perf_here script --input "$TEST_DIR/perf.data" --fields comm,event,trace >"$TEST_DIR/events"
for probe in publish render detect drain; do
	check "$probe was seen" grep -q "$GROUP:$probe" "$TEST_DIR/events"
done
check "publish belongs to the aggregator" grep -qE "^ *aggregate +$GROUP:publish" "$TEST_DIR/events"
check "detect belongs to the detect thread" grep -qE "^ *detect +$GROUP:detect" "$TEST_DIR/events"

stop_daemon
check_equal "it ends with status 0" 0 "$DAEMON_STATUS"
finish
