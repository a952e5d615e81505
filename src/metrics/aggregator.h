/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Aggregator: the thread that drains evq and publishes snapshots while somebody reads.
 *
 * Owner:    main.
 * Threads:  its own thread `aggregate`; calls source->collect() on it.
 * Blocking: never on readers. Waits for evq, for a reader's want, and, only while somebody has read
 *           within the last AGGREGATOR_IDLE_S, for its 1 s timer.
 */
#ifndef METRICS_AGGREGATOR_H
#define METRICS_AGGREGATOR_H

#include "base/errors.h"
#include "base/evq.h"
#include "metrics/snapshot.h"

#define AGGREGATOR_PERIOD_MS 1000
#define AGGREGATOR_IDLE_S 10

struct aggregator;

/* How the other rooms' counters come in without metrics knowing those rooms. */
struct aggregator_source {
	void *ctx;
	/* Fills everything of *m that does not come through evq (counters, self, features, ...);
	 * servers and long waits are already there, and server.threads may be refreshed. */
	void (*collect)(void *ctx, struct metrics *m);
	/* Somebody reads until then: records worth only to a reader may wake the ring thread. */
	void (*readers_until)(void *ctx, uint64_t until_ns);
};

int aggregator_new(struct evq *queue, struct snapshot_store *store,
		   const struct aggregator_source *source, struct aggregator **out);
int aggregator_start(struct aggregator *a, struct error *err);
void aggregator_stop(struct aggregator *a);
void aggregator_free(struct aggregator *a); /* NULL is a no-op */

#endif
