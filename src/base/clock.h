/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clock: nanoseconds of CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns() and of the proc connector.
 *
 * Threads: any. Never blocks, never fails.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC 1000000000ull

static inline uint64_t clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static inline uint64_t clock_now_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

#endif
