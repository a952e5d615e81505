#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A real Prometheus scrapes the daemon; promtool finds nothing to complain about.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need prometheus promtool python3

start_daemon || exit 1
http '/metrics?format=prometheus' >"$TEST_DIR/metrics"
check "promtool accepts the text" promtool check metrics <"$TEST_DIR/metrics"
check "no pid and no comm in a label" test -z "$(grep -E '(pid|comm)="' "$TEST_DIR/metrics")"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$TEST_DIR/prometheus.yml" <<YAML
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: gamerd
    static_configs: [ { targets: [ "127.0.0.1:$DAEMON_PORT" ] } ]
YAML
prometheus --config.file="$TEST_DIR/prometheus.yml" --storage.tsdb.path="$TEST_DIR/data" \
	--web.listen-address="127.0.0.1:$port" >"$TEST_DIR/prometheus.log" 2>&1 &
DAEMON_PIDS+=($!)

query() { # EXPRESSION
	curl -s -G "http://127.0.0.1:$port/api/v1/query" --data-urlencode "query=$1"
}
answers() { # EXPRESSION JQ
	query "$1" | jq -e "$2" >/dev/null 2>&1
}
check_within 30 "the target is up" answers 'up{job="gamerd"}' '.data.result[0].value[1] == "1"'
check_within 10 "build_info arrived" answers scx_gamerd_build_info '.data.result[0].value[1] == "1"'
check_within 10 "a quantile can be computed from the histogram" answers \
	'histogram_quantile(0.99, sum by (le) (rate(scx_gamerd_wait_seconds_bucket{class="normal"}[10s])))' \
	'.data.result[0].value[1] | tonumber > 0'
check_within 10 "counters are counters" answers \
	'rate(scx_gamerd_class_wakeups_total{class="normal"}[10s])' '.data.result[0].value[1] | tonumber > 0'
finish
