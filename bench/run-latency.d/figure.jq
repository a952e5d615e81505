# SPDX-License-Identifier: GPL-2.0-only
# What text.jq and markdown.jq share.

# Three significant digits, no exponent.
def short: if . == null then "-" elif . == 0 then "0"
	elif fabs >= 99.95 then round | tostring
	else (fabs | log10 | floor) as $e | pow(10; 2 - $e) as $f | (. * $f | round) / $f | tostring end;

# The benches that lines are of, in their order.
def benches: reduce .[].bench as $b ([]; if index([$b]) then . else . + [$b] end);
