/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Render: a snapshot's metrics as JSON or Prometheus text, by walking the metric table.
 *
 * Pure functions; any thread; allocate the result. JSON field names are the ones others rely on
 * (ARCHITECTURE.md). Prometheus: text format 0.0.4, base units, exp2 wait buckets from 1 us to 1 s.
 */
#ifndef METRICS_RENDER_H
#define METRICS_RENDER_H

#include <jansson.h>
#include <stddef.h>

#include "metrics/metrics.h"

/* A new reference, NULL when memory is short. `now_ns` gives age and uptime. */
json_t *render_json(const struct metrics *m, uint64_t now_ns);

/* /health: status "ok" or the reason why not; is_healthy says which (for 200 or 503). */
json_t *render_health(const struct metrics *m, uint64_t now_ns, bool *is_healthy);

/* Text to be freed with free(); 0 or -ENOMEM. */
int render_text_json(const struct metrics *m, uint64_t now_ns, bool is_pretty, char **text,
		     size_t *length);
int render_text_prometheus(const struct metrics *m, uint64_t now_ns, char **text, size_t *length);

#endif
