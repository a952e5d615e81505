# SPDX-License-Identifier: GPL-2.0-only
# From the lines of bench/run-sched.d/guest (slurped) to {schedulers, rows, failures, notes, raw}; with $text, to text.
#
# Of several boots the worst latency counts, every missed period, the mean share and the shortest
# time. A row's bar is tested for scx_gamerd, and only where it scheduled; that of a row in OFF, for
# scx_gamerd without instruments.

def mean: if length == 0 then null else add / length end;
def worst(f): map(f) | max;
def of($test): [.[] | select(.test == $test and has("result")) | .result];
def sum_of(f): if length == 0 then null else map(f) | add end;
def spread: (map(.chunks) | (max - min) / max * 100);
def per($a; $b): if $a == null or $b == null or $b == 0 then null else $a / $b end;

# Each loop of the pipe benchmark is two wake-ups and two switches.
def is_of_wakeup: test("select_c|enqueue|runnable|wak");
def hooks_per_event($wakeup):
	([.programs[] | select((.name | is_of_wakeup) == $wakeup) | .ns] | add // 0) / (2 * .loops);

# All figures of one scheduler, from its lines.
def figures: {
	wake_p50: (of("audio") | worst(.wake.p50_ns / 1e3)),
	wake_p99: (of("audio") | worst(.wake.p99_ns / 1e3)),
	wake_p999: (of("audio") | worst(.wake.p999_ns / 1e3)),
	wake_max: (of("audio") | worst(.wake.max_ns / 1e3)),
	wake_missed: (of("audio") | sum_of(.missed)),
	chain_p50: (of("chain") | worst(.done.p50_ns / 1e3)),
	chain_p99: (of("chain") | worst(.done.p99_ns / 1e3)),
	chain_max: (of("chain") | worst(.done.max_ns / 1e3)),
	chain_missed: (of("chain") | sum_of(.missed)),
	eight_p99: (of("eight") | worst(.wake.p99_ns / 1e3)),
	eight_max: (of("eight") | worst(.wake.max_ns / 1e3)),
	eight_missed: (of("eight") | sum_of(.missed)),
	spin_share: (of("spin") | map(.cpu_ns / .seconds / 1e7) | mean),
	spin_hogs: (of("spin_hogs") | map((.hogs | map(.cpu_ns) | add) / .seconds / 1e7) | mean),
	fair: (of("fair") | worst(.hogs | spread)),
	nice: (of("nice") | map(.hogs | per(.[0].chunks; .[1].chunks)) | mean),
	joined: (of("joined") | worst(.hogs | map(.gap_ns_max) | max / 1e6)),
	sleepers: (of("sleepers") | worst(.hogs | map(.gap_ns_max) | max / 1e6)),
	crowd: (of("crowd") | worst(.late_ns_mean / 1e6)),
	messaging: (of("messaging") | min),
	exec: (of("exec") | map(. / 1e9) | min),
	pipe: (of("pipe") | min),
	switch: (of("pipe") | if length == 0 then null else min * 1e9 / 40000 end),
	wake_hooks: (of("hooks") | map(hooks_per_event(true)) | mean),
	switch_hooks: (of("hooks") | map(hooks_per_event(false)) | mean)
};

# [figure, title, digits, scheduler of the ratio, bar in words]
def rows: [
	["wake_p50", "wake-up, 4 hogs: p50 us", 1, "rr", ""],
	["wake_p99", "  p99 us", 1, "rr", "<= 1.5 RR, EEVDF >= 100"],
	["wake_p999", "  p99.9 us", 1, "rr", ""],
	["wake_max", "  max us", 1, "rr", "<= 3 RR"],
	["wake_missed", "  missed periods", 0, null, "0"],
	["chain_p50", "chain of 3, 4 hogs: p50 us", 1, "rr", ""],
	["chain_p99", "  p99 us", 1, "rr", "<= 2 RR"],
	["chain_max", "  max us", 1, "rr", "<= 2 RR"],
	["chain_missed", "  missed periods", 0, null, "0"],
	["eight_p99", "8 threads, messages, hogs: p99 us", 1, "rr", ""],
	["eight_max", "  max us", 1, "rr", ""],
	["eight_missed", "  missed periods", 0, null, "0"],
	["spin_share", "server that spins, 4 hogs: its CPU %", 1, "eevdf", ""],
	["spin_hogs", "  the hogs' CPU %", 1, "eevdf", ">= 0.7 EEVDF"],
	["fair", "4 equal hogs: spread %", 2, null, "<= 3"],
	["nice", "nice 0 : nice 10", 2, null, "9.31 +- 10 %"],
	["joined", "nice 19, joined by nice -20: wait max ms", 1, null, "<= 3000"],
	["sleepers", "4 hogs, 100 sleepers: wait max ms", 1, null, "<= 100"],
	["crowd", "900 hogs, 4 sleepers: wait mean ms", 1, "eevdf", "<= 1.10 EEVDF"],
	["messaging", "perf bench messaging: s", 3, "eevdf", "<= 1.10 EEVDF"],
	["exec", "150 fork+exec+2 ms: s", 3, "eevdf", "<= 1.10 EEVDF"],
	["pipe", "perf bench pipe: s", 3, "eevdf", "<= 1.15 EEVDF"],
	["messaging_off", "instruments off: messaging: s", 3, "scx_simple", "<= 1.02 scx_simple"],
	["exec_off", "  fork+exec: s", 3, "scx_simple", "<= 1.02 scx_simple"],
	["pipe_off", "  pipe: s", 3, "scx_simple", "<= 1.02 scx_simple"],
	["switch", "pipe: instructions per wake-up + switch", 0, "scx_simple", ""],
	["wake_hooks", "  of them in BPF, per wake-up", 0, "scx_simple", ""],
	["switch_hooks", "  of them in BPF, per switch", 0, "scx_simple", ""]
];

def is_off: endswith("_off");
def key_of: rtrimstr("_off");

# Does it hold? null: can't be said.
def at_most($x; $factor; $base): if $x == null or $base == null then null else $x <= $factor * $base end;
def holds($f; $key): (if $key | is_off then $f.off else $f.scx_gamerd end) as $our |
	if $our == null or $our[$key | key_of] == null then null else
	if $key | is_off then at_most($our[$key | key_of]; 1.02; $f.scx_simple[$key | key_of])
	elif $key == "wake_p99" then [at_most($our.wake_p99; 1.5; $f.rr.wake_p99),
				    at_most($our.wake_p99; 0.01; $f.eevdf.wake_p99)] |
				   if any(. == false) then false elif any(. == null) then null else true end
	elif $key == "wake_max" then at_most($our.wake_max; 3; $f.rr.wake_max)
	elif $key == "chain_p99" or $key == "chain_max" then at_most($our[$key]; 2; $f.rr[$key])
	elif $key | endswith("_missed") then $our[$key] == 0
	elif $key == "spin_hogs" then
		if $f.eevdf.spin_hogs == null then null else $our[$key] >= 0.7 * $f.eevdf[$key] end
	elif $key == "fair" then $our.fair <= 3
	elif $key == "nice" then ($our.nice * 110 / 1024 - 1 | fabs) <= 0.1
	elif $key == "joined" then $our.joined <= 3000
	elif $key == "sleepers" then $our.sleepers <= 100
	elif $key == "crowd" or $key == "messaging" or $key == "exec" then at_most($our[$key]; 1.1; $f.eevdf[$key])
	elif $key == "pipe" then at_most($our.pipe; 1.15; $f.eevdf.pipe)
	else null end end;

def table:
	. as $lines |
	([$lines[].scheduler] | reduce .[] as $s ([]; if index([$s]) then . else . + [$s] end)) as $names |
	(reduce $names[] as $s ({}; .[$s] = ($lines | map(select(.scheduler == $s)) | figures))) as $f |
	def schedules($name): $lines | map(select(.scheduler == $name)) | length > 0 and all(.mode == "sched");
	{
		schedulers: [$names[] | . as $s | {name: $s,
			mode: ($lines | map(select(.scheduler == $s).mode) | last)}],
		rows: [rows[] | . as [$key, $title, $digits, $base, $bar] | {
			key: $key, title: $title, digits: $digits, bar: $bar,
			holds: (if $bar != "" and schedules(if $key | is_off then "off" else "scx_gamerd" end)
				then holds($f; $key) else null end),
			values: ($f | with_entries(.key as $name | .value = {
				value: (if ($key | is_off) and ([$name] | inside([$base, "off"]) | not) then null
					else .value[$key | key_of] end)} |
				.value.ratio = if $base == null then null
					       else per(.value.value; $f[$base][$key | key_of]) end))
		}],
		failures: [$lines[] | select(has("failure")) | {boot, scheduler, test, failure}],
		notes: [$lines[] | select(has("note")) | "\(.scheduler): \(.note)"] | unique,
		raw: $lines
	};

# --- text ---------------------------------------------------------------------------------------------

def pad($width): tostring | . + (" " * ([$width - length, 0] | max) // "");
def pad_left($width): tostring | (" " * ([$width - length, 0] | max) // "") + .;
def fixed($digits):
	pow(10; $digits) as $scale | (. * $scale | round) as $n |
	if $digits == 0 then "\($n)" else
		"\($n / $scale | floor).\("000\($n % $scale)" | .[length - $digits:])" end;
def title: {eevdf: "EEVDF", nice: "nice -11", rr: "RR 20"}[.name] //
	   if .name == "off" then "instruments off"
	   elif .name == "scx_gamerd" and .mode != "sched" then "gamerd, observing" else .name end;
def cell($digits):
	if .value == null then "-"
	elif .ratio == null then (.value | fixed($digits)) + "         "
	else (.value | fixed($digits)) + ("(\(.ratio | fixed(if . < 99.5 then 2 else 0 end)))" | pad_left(9)) end;

def text:
	. as $t |
	("" | pad(37)) + ([.schedulers[] | title | pad_left(18)] | add) + "  bar",
	(.rows[] | . as $row | select([.values[].value] | any(. != null)) |
		(.title | pad(37)) + ([$t.schedulers[].name | $row.values[.] | cell($row.digits) | pad_left(18)] | add) +
		"  " + (.bar | pad(23)) + ({"true": " ok", "false": " MISSED"}[.holds | tostring] // "") |
		sub(" +$"; "")),
	.notes[],
	(.failures[] | "\(.scheduler), \(.test), boot \(.boot): \(.failure)");

table | if $text then text else . end
