/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * World: the real queue, snapshot store and aggregator, with counters that only a test moves. What
 * the servers' tests stand on.
 */
#ifndef UNIT_WORLD_H
#define UNIT_WORLD_H

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/evq.h"
#include "base/rcu.h"
#include "metrics/aggregator.h"

#define WORLD_STARTED_NS 1000

struct world {
	struct evq *queue;
	struct snapshot_store *store;
	struct aggregator *aggregator;
	_Atomic uint64_t wakeups; /* of class audio_server, as the next snapshot will show them */
};

static void world_collect(void *ctx, struct metrics *m)
{
	struct world *w = ctx;

	m->started_ns = WORLD_STARTED_NS;
	memcpy(m->source, "netlink", sizeof("netlink"));
	m->counters.classes[CLASS_AUDIO_SERVER].threads = 3;
	m->counters.classes[CLASS_AUDIO_SERVER].wakeups = atomic_load(&w->wakeups);
}

static void world_readers_until(void *ctx, uint64_t until_ns)
{
}

/* All signals blocked, as in the daemon. */
static inline int world_start(struct world *w, unsigned int readers)
{
	struct aggregator_source source = {
		.ctx = w, .collect = world_collect, .readers_until = world_readers_until};
	struct error err;
	sigset_t all;

	memset(w, 0, sizeof(*w));
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	if (rcu_start() || evq_new(&w->queue) || snapshot_store_new(readers, &w->store))
		return -1;
	if (aggregator_new(w->queue, w->store, &source, &w->aggregator))
		return -1;
	return aggregator_start(w->aggregator, &err);
}

static inline void world_stop(struct world *w)
{
	aggregator_stop(w->aggregator);
	aggregator_free(w->aggregator);
	snapshot_store_free(w->store);
	evq_free(w->queue);
	rcu_stop();
}

#endif
