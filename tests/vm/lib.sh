# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
# Harness of the tests in virtual machines. Such a test is one script with two halves:
#
#   if [[ -n ${VM_KERNEL:-} ]]; then     # in the guest; VM_NUMBER is 1 in the first
#           . tests/vm/guest.sh
#           ...
#           finish
#   fi
#   . tests/vm/lib.sh                    # on this machine
#   in_guests "7.3 6.19" --cpus 2
#   finish
#
# Its lines are the guests' `ok NAME` and `not ok NAME`, with the kernel in front of the name; it exits
# 0, 1, or 77 if it could not run.
#
#   GAMERD_VM_KERNELS      series of kernels instead of the test's own
#   GAMERD                 the daemon under test; default build/release/scx_gamerd
#   GAMERD_TEST_REQUIRE=1  what cannot run is a failure
set -uo pipefail
export LC_ALL=C.UTF-8 # bash reads and writes fractions as the locale does

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TEST=$ROOT/tests/vm/${0##*/}
CHECKS_FAILED=0
CHECKS_PASSED=0
GUEST=             # pid of the tools/vm that runs
export VM_NUMBER=0 # of guests so far

skip() { # REASON
	if [[ ${GAMERD_TEST_REQUIRE:-} == 1 ]]; then
		echo "not ok can run here: $1"
		exit 1
	fi
	echo "skip $1"
	exit 77
}

# Runs the test's other half in a guest of each kernel; of those that GAMERD_VM_KERNELS names, with
# --one, only on the first: for what has little to do with the kernel; with --last, only on the last. A
# kernel that the mirror no longer has is named and left out.
in_guests() { # [--one|--last] "KERNEL..." VM_OPTIONS...
	local kernel kernels=${GAMERD_VM_KERNELS:-}

	case $1 in
	--one) kernels=${kernels%% *} ;;
	--last) kernels=${kernels##* } ;;
	esac
	[[ $1 != --* ]] || shift
	for kernel in ${kernels:-$1}; do
		VM_NUMBER=$((VM_NUMBER + 1))
		if "$ROOT/tools/vm" --fetch --kernel "$kernel"; then
			in_guest "$kernel" "${@:2}"
		else
			echo "# $kernel: there is no such kernel to be had"
		fi
	done
}

in_guest() { # KERNEL VM_OPTIONS...
	local kernel=$1 name=$* line status lines

	shift
	exec {lines}< <(exec "$ROOT/tools/vm" --kernel "$kernel" --timeout 3600 "$@" -- "$TEST" 2>&1)
	GUEST=$!
	while IFS= read -r line; do
		case $line in
		"ok "*)
			CHECKS_PASSED=$((CHECKS_PASSED + 1))
			echo "ok $name: ${line#ok }"
			;;
		"not ok "*)
			CHECKS_FAILED=$((CHECKS_FAILED + 1))
			echo "not ok $name: ${line#not ok }"
			;;
		"skip "*) echo "# $name: $line" ;;
		*) echo "$line" ;;
		esac
	done <&"$lines"
	exec {lines}<&-
	wait "$GUEST"
	status=$?
	GUEST=
	case $status in
	0 | 1 | 77) ;;
	*)
		CHECKS_FAILED=$((CHECKS_FAILED + 1))
		echo "not ok $name: the guest ends with the test's verdict: status $status"
		;;
	esac
}

# A guest runs in the background, where Ctrl-C is ignored: it is told, and waited for.
cleanup() {
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	[[ -z $GUEST ]] || { kill -TERM "$GUEST" 2>/dev/null && wait "$GUEST"; }
	exit "$status"
}

finish() {
	((CHECKS_PASSED + CHECKS_FAILED)) || skip "no guest ran a check"
	echo "# $CHECKS_PASSED ok, $CHECKS_FAILED not ok"
	exit $((CHECKS_FAILED > 0))
}

# --- here every test begins ------------------------------------------------------------------------

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$ROOT" || exit 1
((EUID == 0)) || skip "only root can share this machine's root file system with a guest"
for program in qemu-system-x86_64 busybox; do
	command -v $program >/dev/null || skip "$program is not installed: tools/setup vm"
done
