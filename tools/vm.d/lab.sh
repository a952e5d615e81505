# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# The deterministic lab with several CPUs, for tools/vm.
#
# QEMU executes the CPUs of such a guest one after the other on one clock of instructions. A CPU hands
# its turn on when a timer of that clock is due, which by itself is only each tick of the guest: turns
# of milliseconds, in which latencies mean nothing. A timer of QEMU's own that is due more often makes
# the turns short; the guest has no device that goes with it:
#
#   CPU 0  ####            ####            ####          one turn: turn_us
#   CPU 1      ####            ####            ####
#   CPU 2          ####            ####                  a CPU that gets an interrupt executes after
#   CPU 3              ####            ####              at most (CPUs - 1) turns

# How long a turn is unless the user says so. Shorter turns make latencies truer and the guest slower
# for the host.
turn_us() {
	echo 20
}

# Prints QEMU's options for turns of US with CPUS. From 8.1 on QEMU divides the time to the next timer
# by the number of CPUs itself.
turn_options() { # CPUS US
	local version

	version=$(qemu-system-x86_64 --version | sed -nE 's/^QEMU emulator version ([0-9]+\.[0-9]+).*/\1/p')
	printf '%s\n' -netdev hubport,id=turns,hubid=0 -object \
		"filter-buffer,id=turn,netdev=turns,interval=$((${version/./} >= 81 ? $1 * $2 : $2))"
}
