/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stopwatch: what a piece of work takes, without what measuring it takes.
 *
 * Work too short for the clock is done `count` times between two readings; the result is
 * picoseconds of one. Taken off: a reading of the clock, and the loop around the work, which the
 * bench measures first with nothing in it.
 */
#ifndef BENCH_STOPWATCH_H
#define BENCH_STOPWATCH_H

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "dist.h"

#define PS_PER_NS 1000
#define PS_PER_US 1000000

struct stopwatch {
	uint64_t clock_ps; /* one reading */
	uint64_t loop_ps;  /* one turn of the empty loop */
	uint64_t began_ns;
};

/* Readings of the clock, one after the other: the median of many means. */
static inline void stopwatch_init(struct stopwatch *w)
{
	enum { READINGS = 100, ROUNDS = 501 };
	struct dist d;
	unsigned int i, round;

	*w = (struct stopwatch){0};
	dist_init(&d, ROUNDS);
	for (round = 0; round < ROUNDS; round++) {
		uint64_t begin = clock_now_ns(), end = begin;

		for (i = 0; i < READINGS; i++)
			end = clock_now_ns();
		dist_add(&d, (end - begin) * PS_PER_NS / READINGS);
	}
	w->clock_ps = dist_quantile(&d, 0.5);
	dist_fini(&d);
}

static inline void stopwatch_start(struct stopwatch *w)
{
	w->began_ns = clock_now_ns();
}

/* Picoseconds of each of `count` pieces of work since the start; 0 if it is below what is taken
 * off. */
static inline uint64_t stopwatch_stop(const struct stopwatch *w, uint64_t count)
{
	uint64_t gross_ps = (clock_now_ns() - w->began_ns) * PS_PER_NS;
	uint64_t off_ps = w->clock_ps + w->loop_ps * count;

	return gross_ps > off_ps ? (gross_ps - off_ps) / count : 0;
}

/* The calling thread runs on the `index`-th CPU from the end and nowhere else: CPU 0 has the most
 * interrupts. */
static inline void stopwatch_pin(unsigned int index)
{
	unsigned int cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((cpus - 1 - index % cpus), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* On any CPU again. */
static inline void stopwatch_unpin(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

#endif
