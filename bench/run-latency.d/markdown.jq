# SPDX-License-Identifier: GPL-2.0-only
# The object of table.jq as docs/performance.md.

include "figure";

def at($k): .by_name[$k];
def shown: if . == null then "not measured" else "\(.p50 | short) \(.unit)" end;
def percent: if . == null then "-" else "\(. * 100 | round) %" end;

# The review's own summary: what it said before and after its changes, and the lines that are ours.
def review: [
	["a reader gets the metrics", "100-200 us (copy)", "1-2 ns (`Arc`)",
	 ["a copy", "clone/mutex_copy.1"], ["counted pointer, 2 readers", "clone/rwlock_counted.2"],
	 ["RCU get and put, 2 readers", "clone/rcu_get_put.2"], ["RCU read section", "clone/rcu_section.2"]],
	["an update publishes them", "two copies, 100-200 us each", "one copy, 100-200 us",
	 ["two copies", "update/two_copies"], ["one copy", "update/one_copy"], ["in place", "update/in_place"]],
	["JSON for a request", "50-200 us", "50-200 us (\"acceptable\")",
	 ["rendered for it", "render/per_request.pretty"], ["shared", "render/later.pretty"]],
	["a wake-up and a stop look up the TGID", "20-40 ns for the second one", "the same (\"rare\")",
	 ["one lookup, hit", "lookup/hit.16"], ["miss", "lookup/miss.16"], ["cached verdict", "lookup/cached"],
	 ["lookups in the steady state", "lookup/steady"]],
	["audio servers are found", "full /proc scan, 5-20 ms each 5 s", "the same each 30 s, or \"0 ms, event-driven\" (inotify on /proc, which never fires)",
	 ["a scan of 2000 processes", "scan/time.2000"], ["exec to role", "detect/role.bpf_idle"],
	 ["exec to role, CPUs loaded", "detect/role.bpf_loaded"], ["confirmed by user space", "detect/confirmed.bpf_idle"]],
	["CPU a second, without the debug API", "170-670 us", "30-130 us",
	 ["a scan of 2000 processes each 5 s", "scan/cpu_5s.2000"], ["each 30 s", "scan/cpu_30s.2000"], ["the daemon", "rest/cpu.nobody"]],
	["CPU a second, with the debug API", "270-870 us", "30-140 us",
	 ["nobody reads", "rest/cpu.api"], ["a reader each second", "rest/cpu.reader"], ["Prometheus each second", "rest/cpu.prometheus"]],
	["memory for the debug API", "1-2 MB", "1-2 MB (\"acceptable\")", ["added", "rest/rss.added"]]
];

. + {by_name: INDEX(.lines[]; "\(.bench)/\(.name)")}
| .host as $h | . as $all
| "# Performance",
  "",
  "Written by `\(.command)` from one run of \(.repeats) repeats. Nothing here is written by hand.",
  "",
  "Machine: \($h.cpu), \($h.cpus) CPUs\(if $h.is_virtual then ", virtual" else "" end); \($h.system), kernel \($h.kernel); governor \($h.governor); load \($h.load) at the start; a reading of the clock takes \($h.clock_ns | short) ns (taken off). Commit \($h.commit).",
  "",
  "## The review's table",
  "",
  "The review of an older scheduler that this project began with names these costs and never measured them ([review.md](review.md)). Its patterns are in the benches in C, as good as they can be.",
  "",
  "| what | the review: before | after its changes | measured here |",
  "|---|---|---|---|",
  (review[] | . as $r | "| \($r[0]) | \($r[1]) | \($r[2]) | \($r[3:] | map(.[1] as $k | "\(.[0]): \($all | at($k) | shown)") | join("<br>")) |"),
  "",
  "## What it must show",
  "",
  "| what | bar | measured | |",
  "|---|---|---|---|",
  (.bars[] | "| \(.what) | \(.bar) | \(.value | short) | \(if .met then "met" else "missed" end) |"),
  "",
  "## Every line",
  "",
  "p50: median of the repeats' medians; p99: median of the repeats' 99th percentiles; max: the greatest of all; spread: from the least to the greatest median of a repeat; ratio: how many times better than the line in the last column.",
  (.lines as $lines | $lines | benches[] as $bench
   | "", "### \($bench)", "", "| what | review | p50 | p99 | max | unit | spread | ratio | to |", "|---|---|---|---|---|---|---|---|---|",
     ($lines[] | select(.bench == $bench)
      | "| \(.title) | \(.claim // "") | \(.p50 | short) | \(.p99 | short) | \(.max | short) | \(.unit) | \(.spread | percent) | \(.ratio | short) | \(if .ratio then .ratio_to | sub("^[^/]*/"; "") else "" end) |")),
  (if .left_out == [] then empty else "", "Left out in this run:", "", (.left_out[] | "- " + .) end)
