/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dist: a distribution of samples. Of what, the bench decides; dist_json() says nanoseconds.
 *
 * One thread. Capacity is fixed at dist_init(); a sample too many aborts, since a bench that loses
 * samples lies.
 */
#ifndef BENCH_DIST_H
#define BENCH_DIST_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct dist {
	uint64_t *samples;
	size_t count, capacity;
	int is_sorted;
};

static inline void dist_init(struct dist *d, size_t capacity)
{
	*d = (struct dist){.samples = calloc(capacity, sizeof(uint64_t)), .capacity = capacity};
	if (!d->samples)
		abort();
}

static inline void dist_fini(struct dist *d)
{
	free(d->samples);
}

static inline void dist_reset(struct dist *d)
{
	d->count = 0;
}

static inline void dist_add(struct dist *d, uint64_t sample)
{
	if (d->count == d->capacity)
		abort();
	d->samples[d->count++] = sample;
	d->is_sorted = 0;
}

static inline int dist_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The sample of rank ceil(q * count); 0 without samples. */
static inline uint64_t dist_quantile(struct dist *d, double q)
{
	size_t rank;

	if (!d->count)
		return 0;
	if (!d->is_sorted) {
		qsort(d->samples, d->count, sizeof(uint64_t), dist_compare);
		d->is_sorted = 1;
	}
	rank = (size_t)(q * (double)d->count);
	if ((double)rank < q * (double)d->count)
		rank++;
	return d->samples[rank ? rank - 1 : 0];
}

static inline json_t *dist_json(struct dist *d)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)d->count, "p50_ns",
			 (json_int_t)dist_quantile(d, 0.5), "p90_ns",
			 (json_int_t)dist_quantile(d, 0.9), "p99_ns",
			 (json_int_t)dist_quantile(d, 0.99), "max_ns",
			 (json_int_t)dist_quantile(d, 1.0));
}

#endif
