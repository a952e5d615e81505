# SPDX-License-Identifier: GPL-2.0-only
# From the lines of the benches (bench/line.h, with the number of the repeat) to one object:
#
#   { "host": { "cpu", "cpus", "kernel", "machine", "governor", "load", "is_virtual", "system",
#               "commit", "clock_ns" },
#     "command", "quick", "repeats", "seconds",
#     "lines": [ { "bench", "name", "title", "claim", "unit", "lower_is_better",
#                  "samples": [ the median of each repeat, in their order ],
#                  "p50", "p99", "max", "count", "spread", "ratio_to", "ratio" } ],
#     "bars": [ { "what", "bar", "value", "unit", "met" } ],
#     "left_out": [ "sentence" ] }
#
# p50 is the median of `samples`, p99 the median of the repeats' 99th percentiles, max the greatest of
# all; count is the number of samples behind them in all repeats. spread is (greatest - least) / p50 of
# `samples`. ratio says how many times better the line is than the one named in ratio_to ("bench/name"):
# the median of the ratios in each repeat; null if there is none, or one of them is 0.

def median: sort | if length == 0 then null
	elif length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# bench, name, title, claim of the review (docs/review.md), bench/name of the old pattern, is less better?
def rows:
	(["", "w"][] as $w | ["1", "2"][] as $n
	 | "\($n) reader\(if $n == "2" then "s" else "" end)\(if $w == "w" then ", 1 kHz writer" else "" end)" as $who
	 | ["clone", "mutex_copy.\($n)\($w)", "copy under a mutex, \($who)", "100-200 us", null, true],
	   ["clone", "rwlock_counted.\($n)\($w)", "rwlock, counted pointer, \($who)", "1-2 ns",
	    "clone/mutex_copy.\($n)\($w)", true],
	   ["clone", "rcu_get_put.\($n)\($w)", "RCU get and put, \($who)", null,
	    "clone/rwlock_counted.\($n)\($w)", true],
	   ["clone", "rcu_section.\($n)\($w)", "RCU read section, \($who)", null,
	    "clone/rwlock_counted.\($n)\($w)", true]),
	["clone", "size", "size of the metrics", null, null, true],
	["update", "two_copies", "publish: zero, two copies, lock", "100-200 us each", null, true],
	["update", "one_copy", "publish: zero, one copy, lock", "100-200 us", "update/two_copies", true],
	["update", "in_place", "publish: zero, exchange, wake readers", null, "update/two_copies", true],
	(["pretty", "json", "prometheus"][] as $f
	 | ["render", "per_request.\($f)", "\($f): rendered for the request", "50-200 us", null, true],
	   ["render", "first.\($f)", "\($f): first reader of a snapshot", null, "render/per_request.\($f)", true],
	   ["render", "later.\($f)", "\($f): every later reader", null, "render/per_request.\($f)", true],
	   ["render", "bytes.\($f)", "\($f): the body", null, null, true]),
	["lookup", "hit.16", "TGID in the hash map, hit, 16 entries", "20-40 ns", null, true],
	["lookup", "miss.16", "TGID in the hash map, miss, 16 entries", "20-40 ns", null, true],
	["lookup", "hit.1024", "TGID in the hash map, hit, 1024 entries", "20-40 ns", null, true],
	["lookup", "miss.1024", "TGID in the hash map, miss, 1024 entries", "20-40 ns", null, true],
	["lookup", "storage", "a thread's state in task storage", null, null, true],
	["lookup", "cached", "cached verdict, by generation", "<1 ns (rare)", "lookup/miss.16", true],
	["lookup", "stale", "verdict anew: the table has changed", null, null, true],
	["lookup", "both_lookup", "runnable and stopping: state and lookup, twice", "20-40 ns more", null, true],
	["lookup", "both_cached", "runnable and stopping: state and verdict, twice", null, "lookup/both_lookup", true],
	["lookup", "steady", "lookups for each verdict, steady state", "rare", null, true],
	["pipeline", "latency", "BPF record to aggregator, all asleep", null, null, true],
	["pipeline", "rate", "records until the first is dropped", null, null, false],
	["queue", "push", "evq: get a batch and push it", null, null, true],
	["queue", "push_wake", "evq: the same, and wake the consumer", null, null, true],
	["queue", "drain", "evq: splice 16 batches, for one", null, null, true],
	(["200", "2000", "5000"][] as $n
	 | ["scan", "time.\($n)", "full /proc scan, \($n) processes", "5-20 ms", null, true],
	   ["scan", "cpu_5s.\($n)", "  each 5 s: CPU a second", "170-670 us", null, true],
	   ["scan", "cpu_30s.\($n)", "  each 30 s: CPU a second", "30-130 us", null, true]),
	(["bpf", "netlink"][] as $by | ["idle", "loaded"][] as $load
	 | "\(if $by == "bpf" then "BPF at exec" else "proc connector alone" end), \($load)" as $how
	 | ["detect", "role.\($by)_\($load)", "exec to role: \($how)", "<1 ms", null, true],
	   ["detect", "before.\($by)_\($load)", "  counted from before execve()", "<1 ms", null, true],
	   (select($by == "bpf") | ["detect", "confirmed.\($by)_\($load)", "  exec to confirmed by the detect thread", "<1 ms",
	    null, true])),
	["storm", "without", "fork, exit, wait: without the daemon", null, null, true],
	["storm", "with", "fork, exit, wait: with it", null, "storm/without", true],
	["storm", "cpu", "  the daemon's CPU for each", null, null, true],
	["storm", "wakeups", "  the daemon's wake-ups", null, null, true],
	(["prometheus", "json", "pretty", "exporter"][] as $t | ["", ".close"][] as $kept
	 | (if $t == "exporter" then "node_exporter" else $t end + if $kept == "" then ", kept alive" else ", closed" end) as $how
	 | (if $t == "exporter" then null else "exporter" + $kept end) as $to
	 | ["http", "rate.\($t)\($kept)", "\($how): requests", null, if $to then "http/rate.\($to)" else null end, false],
	   ["http", "latency.\($t)\($kept)", "\($how): latency", null, if $to then "http/latency.\($to)" else null end, true]),
	["rest", "wakeups.nobody", "wake-ups: no debug API", "0", null, true],
	["rest", "cpu.nobody", "CPU: no debug API", "30-130 us/s", "scan/cpu_30s.2000", true],
	["rest", "wakeups.api", "wake-ups: debug API, nobody reads", null, null, true],
	["rest", "cpu.api", "CPU: debug API, nobody reads", "30-140 us/s", null, true],
	["rest", "wakeups.reader", "wake-ups: a reader each second", null, null, true],
	["rest", "cpu.reader", "CPU: a reader each second", "270-870 us/s", null, true],
	["rest", "wakeups.prometheus", "wake-ups: Prometheus each second", null, null, true],
	["rest", "cpu.prometheus", "CPU: Prometheus each second", "270-870 us/s", null, true],
	["rest", "lookups", "verdicts with a lookup, whole machine", "rare", null, true],
	["rest", "rss.without", "resident: no debug API", null, null, true],
	["rest", "rss.with", "resident: debug API, after requests", null, null, true],
	["rest", "rss.added", "resident: added by the debug API", "1-2 MB", null, true],
	["rest", "startup", "start until ready", null, null, true],
	["rest", "first_read", "first GET after it, to its last byte", null, null, true],
	["rest", "binary", "what is loaded of the executable", null, null, true];

# Comparable, whatever the unit.
def seconds: .p50 * ({"ns": 1e-9, "us": 1e-6, "ms": 1e-3}[.unit] // 1);

# A line of all repeats together; null if the bench has not run.
def line($rows; $all):
	. as [$bench, $name, $title, $claim, $to, $lower]
	| ($all["\($bench)/\($name)"] // []) as $mine
	| (if $to then $all[$to] // [] else [] end) as $theirs
	| if $mine == [] then empty else
		($mine | map(.p50)) as $samples
		| {bench: $bench, name: $name, title: $title, claim: $claim, unit: $mine[0].unit,
		   lower_is_better: $lower, samples: $samples, p50: ($samples | median),
		   p99: ($mine | map(.p99) | median), max: ($mine | map(.max) | max),
		   count: ($mine | map(.count) | add), ratio_to: $to,
		   ratio: ([$mine[] as $m | $theirs[] | select(.repeat == $m.repeat)
			    | if $lower then [seconds, ($m | seconds)] else [$m.p50, .p50] end
			    | select(.[0] > 0 and .[1] > 0) | .[0] / .[1]] | median)}
		| .spread = (if .p50 > 0 then ($samples | (max - min)) / .p50 else null end)
	  end;

# what, value ($l: the lines by bench/name), limit, "most" or "least", unit
def bars($l):
	def per($a; $b): if $a and $b and $b > 0 then $a / $b else null end;
	def p50($k): $l[$k].p50;
	def worst(f): [f | values] | if length == 0 then null else max end;
	def least(f): [f | values] | if length == 0 then null else min end;
	["RCU read section, the slowest of all", worst($l[] | select(.name | startswith("rcu_section.")) | .p50),
	 3, "most", "ns"],
	["RCU get and put, two readers, against the counted pointer",
	 least($l["clone/rcu_get_put.2", "clone/rcu_get_put.2w"].ratio), 3, "least", "times cheaper"],
	["shared body against rendering per request, the least of all formats",
	 least($l[] | select(.name | startswith("later.")) | .ratio), 200, "least", "times cheaper"],
	["cached verdict against a lookup that misses", $l["lookup/cached"].ratio, 3, "least", "times cheaper"],
	["lookups for each verdict in the steady state", p50("lookup/steady"), 0, "most", ""],
	["wake-ups a second at rest, detection's included", p50("rest/wakeups.nobody"), 0, "most", ""],
	["CPU at rest, detection's included", p50("rest/cpu.nobody"), 0, "most", "us/s"],
	["CPU with the debug API and a reader each second (0.05 % of a core)", p50("rest/cpu.reader"), 500, "most", "us/s"],
	["memory that the debug API adds", p50("rest/rss.added"), 2048, "most", "KiB"],
	["Prometheus format against node_exporter: requests a second", $l["http/rate.prometheus"].ratio, 3, "least", "times as many"],
	["Prometheus format against node_exporter: p99", per($l["http/latency.exporter"].p99; $l["http/latency.prometheus"].p99),
	 3, "least", "times shorter"];

INDEX($lines | group_by([.bench, .name])[]; "\(.[0].bench)/\(.[0].name)") as $all
| [rows] as $rows
| [$rows[] | line($rows; $all)] as $out
| INDEX($out[]; "\(.bench)/\(.name)") as $by_name
| ($all | keys - ($by_name | keys)) as $unknown
| if $unknown != [] then error("no row for \($unknown)") else . end
| {host: $host[0], command: $command, quick: ($quick == 1),
   repeats: $repeats, seconds: $seconds, lines: $out,
   bars: [bars($by_name) as [$what, $value, $limit, $kind, $unit] | select($value != null)
	  | {what: $what, bar: ("at \($kind) \($limit) \($unit)" | rtrimstr(" ")), value: $value, unit: $unit,
	     met: (if $kind == "most" then $value <= $limit else $value >= $limit end)}],
   left_out: ($left_out | split("\n") | map(select(. != "")))}
