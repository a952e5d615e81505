// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a periodic detection costs (docs/review.md, 2): one scan of /proc, with 200, 2000 and
 * 5000 processes on the machine.
 *
 *   time.N     of one scan
 *   cpu_5s.N   CPU time a second, with a scan each 5 s
 *   cpu_30s.N  and each 30 s
 *
 * The processes are children that sleep. Invariant: each scan sees all of them.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "line.h"
#include "proc_scan.h"
#include "stopwatch.h"

#define PROCESSES_MAX 5000

static const unsigned int sizes[] = {200, 2000, PROCESSES_MAX};

static pid_t children[PROCESSES_MAX];
static unsigned int child_count;

static int grow(unsigned int processes)
{
	unsigned int there = proc_scan();

	for (; there < processes; there++) {
		pid_t pid = fork();

		if (pid < 0)
			return -errno;
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		children[child_count++] = pid;
	}
	return 0;
}

static void end_all(void)
{
	unsigned int i;

	for (i = 0; i < child_count; i++)
		kill(children[i], SIGKILL);
	for (i = 0; i < child_count; i++)
		waitpid(children[i], NULL, 0);
}

static void print(const char *what, unsigned int size, const char *unit, struct dist *d, double per)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%u", what, size);
	line_dist("scan", name, unit, d, per);
}

static int measure(unsigned int size, unsigned int rounds)
{
	struct dist times, cpu;
	unsigned int i;
	int r = 0;

	dist_init(&times, rounds);
	dist_init(&cpu, rounds);
	proc_scan();
	for (i = 0; !r && i < rounds; i++) {
		uint64_t begin_cpu = clock_read(CLOCK_THREAD_CPUTIME_ID);
		uint64_t begin = clock_now_ns();

		if (proc_scan() < child_count)
			r = -1;
		dist_add(&times, clock_now_ns() - begin);
		dist_add(&cpu, clock_read(CLOCK_THREAD_CPUTIME_ID) - begin_cpu);
	}
	if (r) {
		fprintf(stderr, "scan: it did not see all processes\n");
	} else {
		print("time", size, "ms", &times, NSEC_PER_MSEC);
		print("cpu_5s", size, "us/s", &cpu, 5.0 * NSEC_PER_USEC);
		print("cpu_30s", size, "us/s", &cpu, 30.0 * NSEC_PER_USEC);
	}
	dist_fini(&times);
	dist_fini(&cpu);
	return r;
}

int main(int argc, char **argv)
{
	unsigned int rounds = 10, i;
	int c, r = 0;

	while ((c = getopt(argc, argv, "q")) != -1) {
		if (c != 'q')
			return 2;
		rounds = 3;
	}
	stopwatch_pin(0);
	for (i = 0; !r && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (proc_scan() > sizes[i] + sizes[i] / 10) {
			fprintf(stderr, "scan: more than %u processes are there: left out\n",
				sizes[i]);
			continue;
		}
		r = grow(sizes[i]);
		if (r) {
			fprintf(stderr, "scan: %u processes are not allowed here: left out\n",
				sizes[i]);
			r = 0;
			break;
		}
		r = measure(sizes[i], rounds);
	}
	end_all();
	return r ? 1 : 0;
}
