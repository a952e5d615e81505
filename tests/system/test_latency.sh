#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bench/run-latency: its benches keep their invariants, and what it writes has the form that other tools
# read. Not the figures: this machine may be busy.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

TABLE=$TEST_DIR/table.json
TEXT=$TEST_DIR/text

latency() {
	"$ROOT/bench/run-latency" --build "$(dirname "$GAMERD")" "$@"
}

table() { # JQ_EXPR
	jq -e "$1" "$TABLE" >/dev/null
}

check "a quick run of three benches" latency --quick --only clone --only update --only render --json "$TABLE" \
	--markdown "$TEST_DIR/page.md"
# Two readers on a busy machine may never run at the same time: then their lines are left out.
check "the repeats have brought the lines their figures" table \
	'.repeats == 2 and (.lines | length > 20 and all(.samples | length > 0 and all(. >= 0)))
	 and (.lines[] | select(.name == "mutex_copy.1") | .samples | length == 2)'
check "p50, p99 and max are in order" table '.lines | all(.p50 <= .max and .p99 <= .max)'
check "a ratio names a line that is there" table \
	'(.lines | map(.bench + "/" + .name)) as $names | .lines | all(.ratio == null or (.ratio_to | IN($names[])))'
check "the bars that these benches can answer are answered" table '.bars | length >= 2 and all(.met | type == "boolean")'
check "the host is described" table '.host | .cpu != "" and .kernel != "" and .clock_ns > 0'
check "the page shows all three columns" grep -q '^| .* | .* | .* | .* |$' "$TEST_DIR/page.md"

check "the benches in the kernel keep their invariants" latency --quick --repeats 1 --only queue --only lookup \
	--only pipeline --only detect --only storm --json "$TABLE"
check "no verdict in the steady state made a lookup" table '.lines[] | select(.name == "steady") | .max == 0'

latency --quick --only render --repeats 1 >"$TEXT" 2>/dev/null
check "the text has title, claim and unit of a line" grep -qE 'pretty: rendered for the request +50-200 us +.* us ' "$TEXT"
check_equal "only what was asked for is measured" "" "$(grep -E '^(clone|update) ' "$TEXT")"

if latency --only nonsense >/dev/null 2>"$TEXT"; then
	not_ok "an unknown bench is refused"
else
	check "an unknown bench is refused, and the known ones are named" grep -q 'clone update render' "$TEXT"
fi
finish
