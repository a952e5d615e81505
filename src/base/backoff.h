/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Backoff: when to try again what has failed: at once the first time, then after growing pauses,
 * and never "never".
 *
 * Owner:    whoever embeds it; zeroed is ready.
 * Threads:  one.
 * Blocking: never; it only computes.
 *
 *   failure   1   2     3      4      5 and later
 *   pause     0   10 s  1 min  5 min  10 min
 *
 * Who has run well for BACKOFF_GOOD_NS before it fails begins at the first failure again.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

#define BACKOFF_GOOD_NS (600ull * 1000000000)

struct backoff {
	unsigned int failures; /* in a row */
	uint64_t began_ns;     /* when what may fail was last started; 0: it does not run */
};

/* It runs. If it did already, and was only started anew, it has run since it was first started. */
void backoff_began(struct backoff *b, uint64_t now_ns);

/* It has failed, or could not be started. Returns how long to wait before the next try, in ns. */
uint64_t backoff_failed(struct backoff *b, uint64_t now_ns);

#endif
