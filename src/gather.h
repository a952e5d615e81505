/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Gather: brings the counters of all rooms into one struct metrics, for the aggregator.
 *
 * Threads:  gather_collect() on the aggregator's thread only. The objects must outlive that thread,
 *           but for http, which stops (and is freed) while snapshots are still published.
 * Blocking: one system call per server and a few for the process itself.
 */
#ifndef GATHER_H
#define GATHER_H

#include <stdatomic.h>

#include "ctl/ctl.h"
#include "detect/detect.h"
#include "http/http.h"
#include "loader/loader.h"
#include "metrics/aggregator.h"
#include "scheduler.h"

#define GATHER_OWN 2 /* features of the daemon as a whole */

struct gather {
	uint64_t started_ns;
	const struct feature *own;
	struct loader *loader;
	struct scheduler *scheduler;
	_Atomic(struct detect *) detect;    /* NULL until started, and again before it is freed */
	_Atomic(struct ctl *) ctl;	    /* likewise */
	_Atomic(struct http_server *) http; /* likewise */
	_Atomic uint64_t reloads_total, reload_errors_total;
	int statm_fd; /* /proc/self/statm */
};

void gather_init(struct gather *g, struct loader *loader, struct scheduler *scheduler,
		 const struct feature own[GATHER_OWN]);
void gather_fini(struct gather *g);

/* Returns when no gather_collect() looks at the HTTP server any more: it may be freed. */
void gather_forget_http(struct gather *g);

/* aggregator_source.collect and .readers_until; ctx is the struct gather. */
void gather_collect(void *ctx, struct metrics *m);
void gather_readers_until(void *ctx, uint64_t until_ns);

#endif
