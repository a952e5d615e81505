/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracker: what an exec, fork, rename, exit or scan means for the processes with a role.
 *
 *      event --> who is it? (proc) --> may it? (rules) --> role table (detect_roles)
 *                                                      `-> registry --> news --> evq
 *
 * Owner:    detect.
 * Threads:  detect only; the counters are read by any.
 * Blocking: reads /proc, 30 to 70 us for a process that matters; a scan takes milliseconds.
 * Limits:   see registry.h; TRACKER_REJECTS remembered rejections.
 *
 * The kernel side may have granted a role at exec already; the tracker is the authority: it
 * confirms the entry or clears it. Events are hints of when to look, /proc is what counts, so an
 * event that comes late, twice or in an odd order does no harm.
 */
#ifndef DETECT_TRACKER_H
#define DETECT_TRACKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "base/evq.h"
#include "base/thread.h"
#include "bpf/abi/events.h"
#include "detect/connector.h"
#include "detect/detect.h"
#include "detect/registry.h"

#define TRACKER_REJECTS 64

struct tracker {
	const struct config *config;
	struct detect_roles roles;
	struct evq_producer *producer;
	struct thread *thread; /* whose heart beats in a long scan */
	struct registry registry;
	int deaths_fd; /* epoll of the pidfds: readable when a process with a role has died */
	bool is_scanning;
	bool is_relisted; /* the list has changed since the last scan */
	bool has_refused; /* somebody, for want of a place, since the last scan began */
	bool is_scan_due; /* ... and a place has come free since, or the scan for the list failed */
	/* Lately rejected processes, so that each scan does not count them anew. */
	struct {
		int32_t pid;
		uint64_t start_ticks;
	} rejects[TRACKER_REJECTS];
	unsigned int reject_next;
	_Atomic uint64_t generation;
	_Atomic uint64_t registered;
	_Atomic uint64_t unregistered;
	_Atomic uint64_t rejected;
	_Atomic uint64_t gone;
};

int tracker_init(struct tracker *t, const struct config *config, const struct detect_roles *roles,
		 struct evq_producer *producer, struct thread *thread);
void tracker_fini(struct tracker *t);

/* An event of the source: the connector, or the kernel side. */
void tracker_connector_event(struct tracker *t, const struct connector_event *event);
void tracker_bpf_event(struct tracker *t, const struct event *event);

/* After deaths_fd was readable. */
void tracker_deaths(struct tracker *t);

/* *config, which the tracker reads, has changed: the next scan judges who has a role, too. */
void tracker_relist(struct tracker *t);

/* Makes registry and role table equal to what /proc shows; one more generation. `buffer` is working
 * memory for directory entries. */
int tracker_scan(struct tracker *t, void *buffer, size_t size);

/* Reports what has changed: true when all is reported, false when the pool is empty (wait for
 * evq_wait_fd()). */
bool tracker_announce(struct tracker *t);

#endif
