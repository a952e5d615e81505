/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Line: what a bench measured, as one JSON object a line on stdout. bench/run-latency reads them.
 *
 *   {"bench": "clone", "name": "rcu_section.1", "unit": "ns", "count": 900,
 *    "p50": 1.7, "p99": 1.9, "max": 2.5}
 *
 * A measured value that is no distribution has it three times and the count 1. The titles, claims
 * and ratios that belong to a name are in run-latency.d/table.jq.
 */
#ifndef BENCH_LINE_H
#define BENCH_LINE_H

#include "dist.h"

static inline void line_print(const char *bench, const char *name, const char *unit, size_t count,
			      double p50, double p99, double max)
{
	json_t *line = json_pack("{s:s, s:s, s:s, s:I, s:f, s:f, s:f}", "bench", bench, "name",
				 name, "unit", unit, "count", (json_int_t)count, "p50", p50, "p99",
				 p99, "max", max);

	if (!line || json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)))
		abort();
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

/* `per`: how many of the dist's units one of `unit` is. */
static inline void line_dist(const char *bench, const char *name, const char *unit, struct dist *d,
			     double per)
{
	line_print(bench, name, unit, d->count, (double)dist_quantile(d, 0.5) / per,
		   (double)dist_quantile(d, 0.99) / per, (double)dist_quantile(d, 1.0) / per);
}

static inline void line_value(const char *bench, const char *name, const char *unit, double value)
{
	line_print(bench, name, unit, 1, value, value, value);
}

#endif
