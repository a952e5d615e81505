/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Render: a snapshot's metrics as JSON or Prometheus text, by walking the metric table.
 *
 * Pure functions; any thread. The text is the caller's, to be freed with free(); all return 0 or
 * -ENOMEM. `now_ns` gives age and uptime. JSON field names are the ones others rely on
 * (ARCHITECTURE.md). Prometheus: text format 0.0.4, base units, exp2 wait buckets from 1 us to 1 s.
 */
#ifndef METRICS_RENDER_H
#define METRICS_RENDER_H

#include <stddef.h>

#include "base/clock.h"
#include "metrics/metrics.h"

int render_json(const struct metrics *m, uint64_t now_ns, bool is_pretty, char **text,
		size_t *length);
int render_prometheus(const struct metrics *m, uint64_t now_ns, char **text, size_t *length);

/* A snapshot older than this is stale. */
#define RENDER_STALE_NS (3 * NSEC_PER_SEC)

/* /health, pretty: status "ok", "stale" or "hung", and one sentence in reason (null if ok);
 * is_healthy is whether it is ok (200 or 503), and false when memory is short. */
int render_health(const struct metrics *m, uint64_t now_ns, bool *is_healthy, char **text,
		  size_t *length);

#endif
