#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The smallest Debian 13: both commands of the README from a clean clone, and all the circumstances in
# which somebody may type them.
# shellcheck source=tests/fresh/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/fresh/lines.sh
. "$(dirname "$0")/lines.sh"

fresh_open trixie
run_lines "$@"
finish
