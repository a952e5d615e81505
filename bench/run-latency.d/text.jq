# SPDX-License-Identifier: GPL-2.0-only
# The object of table.jq as a table to read.

include "figure";

def pad($n): . + " " * ([$n - length, 0] | max);
def lpad($n): " " * ([$n - length, 0] | max) + .;

.host as $h
| "\($h.cpu), \($h.cpus) CPUs\(if $h.is_virtual then ", virtual" else "" end); kernel \($h.kernel), \($h.system); governor \($h.governor); load \($h.load); clock \($h.clock_ns | short) ns",
  "\(.command), commit \($h.commit): \(.repeats) repeats, \(.seconds) s",
  (.lines as $lines | $lines | benches[] as $bench | [$lines[] | select(.bench == $bench)]
   | "", ("\(.[0].bench)" | pad(52)) + ("review" | lpad(16)) + (["p50", "p99", "max"] | map(lpad(11)) | add)
     + ("unit" | lpad(9)) + ("spread" | lpad(8)) + ("ratio" | lpad(9)) + "  to",
     (.[] | ("  " + .title | pad(52)) + (.claim // "-" | lpad(16)) + ([.p50, .p99, .max] | map(short | lpad(11)) | add)
      + (.unit | lpad(9)) + ((if .spread then "\(.spread * 100 | round)%" else "-" end) | lpad(8))
      + (.ratio | short | lpad(9)) + "  " + (if .ratio then .ratio_to | sub("^[^/]*/"; "") else "" end))),
  (if .bars == [] then empty else "", "what it must show",
   (.bars[] | "  \(if .met then "met   " else "MISSED" end) \(.what): \(.value | short) (\(.bar))") end),
  (if .left_out == [] then empty else "", "left out", (.left_out[] | "  " + .) end)
