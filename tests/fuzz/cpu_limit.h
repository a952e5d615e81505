/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPU limit: an input that takes more than FUZZ_CPU_S seconds of CPU time is a failure, and
 * libFuzzer keeps it like one that crashes.
 *
 * libFuzzer's own limit (-timeout) is of wall time: on a machine that is busy with something else,
 * an input that needs 0.05 s of CPU can take longer than any limit that is of use.
 *
 * Threads: call cpu_limit_restart() at the beginning of each input, from one thread.
 */
#ifndef FUZZ_CPU_LIMIT_H
#define FUZZ_CPU_LIMIT_H

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#define FUZZ_CPU_S 5

static void cpu_limit_passed(int sig)
{
	static const char text[] = "ERROR: this input has taken more than 5 s of CPU time\n";

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	abort();
}

static inline void cpu_limit_restart(void)
{
	const struct itimerval limit = {.it_value.tv_sec = FUZZ_CPU_S};

	signal(SIGPROF, cpu_limit_passed);
	setitimer(ITIMER_PROF, &limit, NULL);
}

#endif
