# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# The deterministic lab with several CPUs, for tools/vm.
#
# QEMU executes the CPUs of such a guest one after the other on one clock of instructions. A CPU hands
# its turn on when a timer of that clock is due, which by itself is only each tick of the guest: turns
# of milliseconds, in which latencies mean nothing. A timer of QEMU's own that is due more often makes
# the turns short (turn_options).
#
# Up to QEMU 8.0 the next CPU in QEMU's list then serves the timer, and that was its turn: of two CPUs
# the second would never execute, and of four two at a time. So after each CPU there is one that the
# guest's kernel does not know (nr_cpus=), which always sleeps, and serves the timers (cpu_options):
#
#   CPU 0    ####            ####                one turn: turn_us
#   asleep      |               |
#   CPU 1        ####            ####            a CPU that gets an interrupt executes after at most
#   asleep          |               |            (CPUs - 1) turns
#   CPU 2            ####            ####
#   asleep              |               |
#
# Later ones divide the time to the next timer by the number of CPUs, and do it again for what is left:
# after each round, and for each CPU that the timer interrupted, which are all that have not served it.
# Of two CPUs the second would get 3/8 of the time. With one that sleeps behind all, turns get ever
# shorter, the first CPU takes what can't be divided, the second serves the timer, and both have the same
# turns again. More CPUs than two are interrupted from the third on, and get up to twice as much as the
# first two. No number of sleepers mends that, so what each CPU gets is measured as well (say_trust).

# How long a turn is unless the user says so. Shorter turns make latencies truer and the guest slower
# for the host.
turn_us() {
	echo 20
}

# What a SCHED_RR thread may be late at p99, in us, for a guest's latencies to be trusted: a tenth of
# the 2.67 ms after which an audio thread with 128 frames at 48 kHz is due again.
TRUSTED_US=266

qemu_version() {
	qemu-system-x86_64 --version | sed -nE 's/^QEMU emulator version ([0-9]+\.[0-9]+).*/\1/p'
}

# By how many percent one CPU may execute less than another for shares to be trusted.
TRUSTED_PERCENT=2

# Says how late SCHED_RR is in a guest with CPUs like these, and whether they execute as much as each
# other, which is measured once for each version of QEMU; status 0 if latencies are to be trusted there,
# 1 if not.
say_trust() { # SMP TURN_US VM_OPTIONS...
	local answer p50 p99 max less latencies="are trusted" shares="are trusted"

	answer=$CACHE/lab/$(qemu_version).$1.$2
	if ! read -r p50 p99 max less 2>/dev/null <"$answer" || [[ -z $less ]]; then
		mkdir -p "$CACHE/lab"
		say "measuring how late SCHED_RR is with --smp $1 and turns of $2 us"
		"$HERE/vm" --deterministic --smp "$1" --turn "$2" "${@:3}" -- "$(python)" -I -S "$HERE/vm.d/calibrate.py" \
			>"$answer.$$" || { rm -f "$answer.$$"; die "the calibration of the lab failed"; }
		mv "$answer.$$" "$answer"
		read -r p50 p99 max less <"$answer"
	fi
	((p99 <= TRUSTED_US)) || latencies="are not trusted"
	((less <= TRUSTED_PERCENT)) || shares="are not trusted"
	echo "latencies $latencies: SCHED_RR is late by $p50 us at p50, $p99 at p99, $max at most;" \
		"shares $shares: no CPU executes more than $less % less than another"
	((p99 <= TRUSTED_US))
}

# The system's own, if there is one: a user's may be a script that needs a home.
python() {
	PATH=/usr/bin:$PATH command -v python3 || die "python3 is not installed"
}

divides_turns() {
	local version

	version=$(qemu_version)
	((${version/./} >= 81))
}

# Prints QEMU's options for turns of US with CPUS.
turn_options() { # CPUS US
	printf '%s\n' -netdev hubport,id=turns,hubid=0 -object \
		"filter-buffer,id=turn,netdev=turns,interval=$(divides_turns && echo $(($1 * $2)) || echo "$2")"
}

# Prints QEMU's options for the CPUs of SMP, and for those that sleep, which are in sockets of their own,
# behind those of SMP.
cpu_options() { # SMP
	local parts part cpu
	local -A count=([cpus]=1 [sockets]=1 [dies]=1 [threads]=1)

	IFS=, read -ra parts <<<"cpus=${1#cpus=}"
	for part in "${parts[@]}"; do
		count[${part%=*}]=${part#*=}
	done
	: "${count[cores]:=$((count[cpus] / (count[sockets] * count[dies] * count[threads])))}"
	((count[cpus] == count[sockets] * count[dies] * count[cores] * count[threads])) ||
		die "the deterministic guest's CPUs are sockets * dies * cores * threads, not '$1'"
	echo -smp
	echo "1,sockets=$((2 * count[sockets])),dies=${count[dies]},cores=${count[cores]},threads=${count[threads]},maxcpus=$((2 * count[cpus]))"
	for ((cpu = 0; cpu < count[cpus]; cpu++)); do
		((cpu == 0)) || cpu_device "$cpu"
		if ((cpu == count[cpus] - 1)) || ! divides_turns; then
			cpu_device $((count[cpus] + cpu))
		fi
	done
}

cpu_device() { # NUMBER; with the array count
	local thread=$(($1 % count[threads])) core=$(($1 / count[threads] % count[cores]))
	local die=$(($1 / count[threads] / count[cores] % count[dies]))

	echo -device
	echo "max-x86_64-cpu,socket-id=$(($1 / count[threads] / count[cores] / count[dies])),die-id=$die,core-id=$core,thread-id=$thread"
}
