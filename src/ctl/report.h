/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Report: the difference of two snapshots as the scx_stats "top" object, and as lines for people.
 *
 * Pure functions, any thread. The server sends the object; --stats and --monitor print it with the
 * same code.
 *
 * Field names are the paths of the metric table with '_' for '.'. Counters are what was added
 * between the two snapshots, `interval_ns` apart; gauges are those of the newer one. Waits of a
 * class are the quantiles of that interval alone; its maximum is exact if it is the greatest ever,
 * else the upper bound of its histogram bucket.
 */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "metrics/metrics.h"

/* New reference, NULL when memory is short: counters as differences to *base, gauges and server
 * list as they are. base == now is fine: all differences are 0. */
json_t *report_stats(const struct metrics *base, const struct metrics *now);

/* New reference, NULL when memory is short: the scx_stats schema of that object. */
json_t *report_meta(void);

/* A block of lines from the object, at most 100 columns; tolerates missing fields. */
void report_print(FILE *out, const json_t *stats);

/* The --watch-input line: [HH:MM:SS] INPUT:ON  KBD:ON ( 12/s)  ... */
void report_print_input(FILE *out, const json_t *stats);

/* Why the daemon sees no input events, NULL if it does (or does not say). Borrowed from stats. */
const char *report_input_missing(const json_t *stats);

#endif
