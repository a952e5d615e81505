-- SPDX-License-Identifier: GPL-2.0-only
-- One line for bench/http.c: requests, microseconds, p50, p99 and max of a request in microseconds,
-- failures.
function done(summary, latency, requests)
	local e = summary.errors
	io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
		latency:percentile(50), latency:percentile(99), latency.max,
		e.connect + e.read + e.write + e.status + e.timeout))
end
