/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a log-linear histogram of waits says: how many, and its quantiles.
 */
#include <math.h>

#include "metrics/metrics.h"

uint64_t metrics_hist_count(const struct wait_hist *h)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < HIST_BUCKETS; i++)
		count += h->buckets[i];
	return count;
}

static uint64_t bucket_middle(unsigned int bucket)
{
	uint64_t lower = hist_lower(bucket);

	/* The last value of a bucket is one below the next bucket's first. */
	return lower + (hist_lower(bucket + 1) - 1 - lower) / 2;
}

uint64_t metrics_hist_quantile(const struct wait_hist *h, double q)
{
	uint64_t count = metrics_hist_count(h), sum = 0, rank, middle;
	unsigned int i;

	if (count == 0)
		return 0;

	rank = (uint64_t)ceil(q * (double)count);
	if (rank < 1)
		rank = 1;
	if (rank > count)
		rank = count;

	for (i = 0; i < HIST_BUCKETS - 1; i++) {
		sum += h->buckets[i];
		if (sum >= rank)
			break;
	}
	middle = bucket_middle(i);
	return middle < h->max_ns ? middle : h->max_ns;
}
