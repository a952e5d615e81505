#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tools/perf-profile: a run makes a folder with all its parts, which agree with each other, and leaves
# nothing behind; a second one is compared with it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

need perf python3 wrk
perf record --quiet --all-cpus --event cpu-clock --output "$TEST_DIR/try" true &>/dev/null ||
	skip "perf may not watch this system"

profile() { # ARGS...
	GAMERD=$GAMERD TMPDIR=$TEST_DIR "$ROOT/tools/perf-profile" --seconds 1 --observe "$@" >"$TEST_DIR/out" 2>&1 && return
	tail -n 3 "$TEST_DIR/out"
	return 1
}

figure() { # NAME
	jq --arg name "$1" '.figures[$name][0]' "$folder/profile.json"
}

is_svg() { # FILE
	python3 -c 'import sys, xml.etree.ElementTree as t; sys.exit(not t.parse(sys.argv[1]).getroot().tag.endswith("}svg"))' "$1"
}

# Everything that every folder has.
check_folder() { # LOAD
	local part

	for part in flame.svg functions.txt threads.txt runqueue.txt bpf.txt memory.txt summary.txt profile.json daemon.log; do
		check "$1: $part is there" test -s "$folder/$part"
	done
	check "$1: flame.svg is an SVG" is_svg "$folder/flame.svg"
	check_equal "$1: it prints the ten lines" 10 \
		"$(grep -cE '^(load|daemon|threads|function|BPF|programs|run queue|memory) ' "$folder/summary.txt")"
	check "$1: threads.txt has the daemon's threads" \
		test "$(grep -cE '^(scx_gamerd|aggregate|ring|detect|ctl|rcu) ' "$folder/threads.txt")" = 6
	check "$1: the busiest BPF program ran" jq -e '.figures["bpf on_sched_switch runs"][0] > 0' "$folder/profile.json"
	check "$1: no figure is negative" jq -e '[.figures[][0]] | min >= 0' "$folder/profile.json"
}

folder=$TEST_DIR/idle
check "a run at rest" profile --load idle --out "$folder"
check_folder idle
check "at rest nobody reads, and the flame graph says what was met, or that nothing was" \
	grep -qE 'no samples|BPF in|<g ' "$folder/flame.svg"

folder=$TEST_DIR/http
check "a run with readers, compared with the first" profile --load http --out "$folder" --compare "$TEST_DIR/idle"
check_folder http
check "http: the workers have samples" grep -q '^civetweb-worker: ' "$folder/functions.txt"
check "http: the flame graph has as many samples as its stacks" \
	grep -q "http: $(awk '{ sum += $NF } END { print sum }' "$folder/stacks.txt") samples" "$folder/flame.svg"
check "http: the comparison says that the loads differ" grep -q '^not the same load: idle before, http now' "$folder/compare.txt"
check "http: the comparison has the daemon's CPU" grep -q '^daemon cpu ' "$folder/compare.txt"
check "http: requests were made, and each took CPU" jq -e '[.figures["requests rate"][0], .figures["requests cpu"][0]] | min > 0' \
	"$folder/profile.json"
cpu=$(figure "daemon cpu")
check "http: the threads' CPU adds up to the daemon's" jq -e --argjson cpu "$cpu" \
	'[.figures | to_entries[] | select(.key | test("^thread .* cpu$")) | .value[0]] | (add - $cpu | fabs) < 0.001' \
	"$folder/profile.json"

check "a load that is none is refused" grep -q "there is no load 'x'" <("$ROOT/tools/perf-profile" --load x 2>&1)
check_equal "bpf_stats are off again" 0 "$(</proc/sys/kernel/bpf_stats_enabled)"
check_equal "nothing is left behind" "" "$(find "$TEST_DIR" -maxdepth 1 -name 'gamerd-audio.*')"
finish
