/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Report: the difference of two snapshots as the scx_stats "top" object, and as lines for people.
 *
 * Pure functions, any thread. The server sends the object; --stats and --monitor print it with the
 * same code.
 */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "metrics/metrics.h"

/* New reference: counters as differences to *base, gauges and server list as they are. */
json_t *report_stats(const struct metrics *base, const struct metrics *now);

/* New reference: the scx_stats schema of that object. */
json_t *report_meta(void);

/* A block of lines from the object; tolerates missing fields. */
void report_print(FILE *out, const json_t *stats);

/* The --watch-input line. */
void report_print_input(FILE *out, const json_t *stats);

#endif
