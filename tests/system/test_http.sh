#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The debug API against real clients, friendly and hostile.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need socat wrk

status() { # PATH [CURL OPTIONS...]
	local path=$1

	shift
	http "$path" --path-as-is -o /dev/null -w '%{http_code}' "$@"
}

# Sends the bytes as they are; prints the status of the answer, or "closed".
raw_status() { # BYTES
	local line

	line=$(printf '%b' "$1" | timeout 60 socat -t 30 - "TCP:127.0.0.1:$DAEMON_PORT" 2>/dev/null | head -n 1 | tr -d '\r\0')
	if [[ $line =~ ^HTTP/1\.[01]\ ([0-9]+) ]]; then
		echo "${BASH_REMATCH[1]}"
	else
		echo closed
	fi
}

# An answer of that status, or no answer at all: both refuse.
check_refused() { # NAME STATUS BYTES
	local got

	got=$(raw_status "$3")
	if [[ $got == "$2" || $got == closed ]]; then
		ok "$1 ($got)"
	else
		not_ok "$1" "expected $2, got $got"
	fi
}

start_daemon || exit 1

check_equal "/metrics" 200 "$(status /metrics)"
check_equal "/health" 200 "$(status /health)"
check_equal "/" 200 "$(status /)"
for path in /nothing /metricsfoo /metrics/ //metrics /metrics%00 /../metrics /health/x; do
	check_equal "$path is not there" 404 "$(status "$path")"
done
check_equal "an unknown format" 400 "$(status '/metrics?format=xml')"
for method in POST PUT DELETE OPTIONS PATCH; do
	check_equal "$method is not allowed" 405 "$(status /metrics -X $method)"
done
check_equal "a method that civetweb does not know" 400 "$(status /metrics -X TRACE)"
check_equal "HEAD has no body" "200 0" "$(http /metrics --head -o /dev/null -w '%{http_code} %{size_download}')"
check_equal "a foreign Host" 403 "$(status /metrics -H 'Host: evil.example')"
check_equal "a Host that only looks local" 403 "$(status /metrics -H 'Host: localhost.evil.example')"
check_equal "Host localhost" 200 "$(status /metrics -H "Host: localhost:$DAEMON_PORT")"
check_equal "Host [::1]" 200 "$(status /metrics -H 'Host: [::1]')"
check "no CORS header, even when asked" \
	test -z "$(http /metrics -D - -o /dev/null -H 'Origin: http://evil.example' | grep -i access-control)"
check "none for a preflight" test -z "$(http /metrics -X OPTIONS -D - -o /dev/null \
	-H 'Origin: http://evil.example' -H 'Access-Control-Request-Method: GET' | grep -i access-control)"

check_equal "JSON by default" application/json "$(http /metrics -o /dev/null -w '%{content_type}' | cut -d';' -f1)"
check_equal "Prometheus by Accept" text/plain \
	"$(http /metrics -o /dev/null -w '%{content_type}' -H 'Accept: text/plain' | cut -d';' -f1)"
check_equal "format wins over Accept" application/json \
	"$(http '/metrics?format=json' -o /dev/null -w '%{content_type}' -H 'Accept: text/plain' | cut -d';' -f1)"
etag=$(http /metrics -D - -o /dev/null | sed -n 's/^[Ee][Tt]ag: *//p' | tr -d '\r')
check "an ETag" test -n "$etag"
check_equal "304 for the same one" 304 "$(status /metrics -H "If-None-Match: $etag")"

# kept connections; not each, after all the clients above that did not come back
connects() { # EXPECTED [CURL OPTIONS...]
	local expected=$1

	shift
	[[ $(curl -sf "$@" -o /dev/null -o /dev/null -w '%{num_connects} ' \
		"http://127.0.0.1:$DAEMON_PORT"/{health,metrics}) == "$expected" ]]
}
check_within 10 "two requests of a client go over one connection" connects "1 0 "
check "now that one came back, the next is kept at once" connects "1 0 "
check "but for one that asks to close it" connects "1 1 " -H 'Connection: close'

# malformed
host='Host: localhost\r\n'
check_equal "no Host" 400 "$(raw_status 'GET /metrics HTTP/1.1\r\n\r\n')"
check_refused "two Hosts" 400 "GET /metrics HTTP/1.1\r\n${host}Host: evil.example\r\n\r\n"
check_refused "no request line" 400 '\r\n\r\n'
check_refused "binary rubbish" 400 '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'
check_refused "no version" 400 "GET /metrics\r\n${host}\r\n"
check_refused "a body" 400 "GET /metrics HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello"
check_refused "two lengths" 400 "GET /metrics HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello"
check_refused "an endless length" 400 "GET /metrics HTTP/1.1\r\n${host}Content-Length: 99999999999999999999\r\n\r\n"
long=$(head -c 20000 /dev/zero | tr '\0' a)
check_refused "a request line of 20 kB" 431 "GET /$long HTTP/1.1\r\n${host}\r\n"
check_refused "a header of 20 kB" 431 "GET /metrics HTTP/1.1\r\n${host}X: $long\r\n\r\n"
check_equal "all that did no harm" 200 "$(status /metrics)"

# many readers: one rendering per snapshot, shared by all
counts='"\(.http.requests_total) \(.http.bodies_rendered_total) \(.sequence)"' # of one snapshot
read -r requests_before rendered_before published_before < <(metrics "$counts")
wrk -t1 -c4 -d3s --timeout 20s "http://127.0.0.1:$DAEMON_PORT/metrics?format=json" >"$TEST_DIR/wrk"
pause 1.2 # the next snapshot counts what the last one still got
read -r requests rendered published < <(metrics "$counts")
requests=$((requests - requests_before))
rendered=$((rendered - rendered_before))
published=$((published - published_before))
echo "# $requests requests, $published snapshots, $rendered bodies rendered"
check "wrk got through" test "$requests" -gt 100
check "no errors" test -z "$(grep -E 'Non-2xx|Socket errors' "$TEST_DIR/wrk")"
check "a body is rendered at most once per snapshot" test "$rendered" -le $((published + 1))

# Slow clients: half-open connections, some of which drip. Their own time is a minute, so that whoever had
# to wait for one of them would wait longer than any machine is slow.
stop_daemon
check_equal "the daemon ends with status 0" 0 "$DAEMON_STATUS"
CONFIG_EXTRA='{"http_timeout_ms": 60000}'
start_daemon || exit 1
check_equal "another daemon answers" 200 "$(status /metrics)"
rss_before=$(awk '/^VmRSS:/ { print $2 }' "/proc/$DAEMON_PID/status")
need python3
python3 - "$DAEMON_PORT" "$TEST_DIR/open" "$TEST_DIR/stop" <<'PY' &
import os, select, socket, sys
port, ready, stop = int(sys.argv[1]), sys.argv[2], sys.argv[3]
clients = []
for i in range(100):
    c = socket.create_connection(("127.0.0.1", port), 5)
    if i % 2:
        c.send(b"GET /metrics HTTP/1.1\r\n")
    clients.append(c)
open(ready, "w").close()
for turn in range(40):
    if os.path.exists(stop):
        break
    for c in clients[1::2]:
        try:
            c.send(b"X")
        except OSError:
            pass
    select.select([], [], [], 0.5)
PY
slow=$!
check_within 10 "100 connections are half open" test -e "$TEST_DIR/open"
for attempt in 1 2 3; do
	check_equal "a healthy client does not wait for them ($attempt)" 200 "$(status /health --max-time 30)"
done
rss=$(awk '/^VmRSS:/ { print $2 }' "/proc/$DAEMON_PID/status")
touch "$TEST_DIR/stop"
wait "$slow"
echo "# $((rss - rss_before)) KiB for them"
check "memory is bounded" test $((rss - rss_before)) -lt 4096
check_equal "and afterwards all is well" 200 "$(status /metrics)"

stop_daemon
check_equal "the daemon ends with status 0" 0 "$DAEMON_STATUS"
finish
