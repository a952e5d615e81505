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

# bench, name, title, claim of the review, bench/name of the old pattern, is less better?
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
	["queue", "drain", "evq: splice 16 batches, for one", null, null, true];

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
			    | if $lower then [.p50, $m.p50] else [$m.p50, .p50] end
			    | select(.[0] > 0 and .[1] > 0) | .[0] / .[1]] | median)}
		| .spread = (if .p50 > 0 then ($samples | (max - min)) / .p50 else null end)
	  end;

# what, value ($l: the lines by bench/name), limit, "most" or "least", unit
def bars($l):
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
	["lookups for each verdict in the steady state", p50("lookup/steady"), 0, "most", ""];

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
