/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Snapshot: the read-only picture of all metrics at one instant.
 *
 * Owner:    the aggregator creates and publishes; readers hold references.
 * Threads:  draft/publish from the aggregator only; everything else from any thread.
 * Blocking: get and put never block. get_fresh waits for the aggregator, bounded. The first reader
 *           of a body renders it, those who come meanwhile wait for that.
 * Limits:   at most `readers` + 3 snapshots exist: one published, one being built, one retired.
 *
 *   draft -fill-> publish -rcu_xchg-> current -next publish-> rcu_retire -> last put -> free list
 */
#ifndef METRICS_SNAPSHOT_H
#define METRICS_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "metrics/metrics.h"

struct snapshot_store;
struct snapshot;

enum snapshot_format { SNAPSHOT_JSON, SNAPSHOT_PRETTY, SNAPSHOT_PROMETHEUS, SNAPSHOT_FORMATS };

/* A store whose first, empty snapshot (sequence 0) is already published. `readers` is the greatest
 * number of references held at a time. rcu_start() must have been called. */
int snapshot_store_new(unsigned int readers, struct snapshot_store **out);
void snapshot_store_free(struct snapshot_store *store); /* no reader may be left; NULL is a no-op */

/* Publisher: a zeroed picture to fill, or -EAGAIN if all are held (counted as deferred). publish
 * stamps sequence and the time of the draft, so that a snapshot newer than a question has all that
 * was there when it was asked; it exchanges the pointer and retires the old one by rcu_retire(). */
int snapshot_draft(struct snapshot_store *store, struct metrics **out);
void snapshot_publish(struct snapshot_store *store);

/* Latest snapshot, never NULL. Release with snapshot_put(). */
const struct snapshot *snapshot_get(struct snapshot_store *store);
void snapshot_put(const struct snapshot *snap); /* NULL is a no-op */

/* Like snapshot_get(), but if the latest is older than `max_age_ns` wakes the aggregator and waits
 * for the next, at most timeout_ms. Returns what there is then; the caller can look at its age. */
const struct snapshot *snapshot_get_fresh(struct snapshot_store *store, uint64_t max_age_ns,
					  int timeout_ms);

const struct metrics *snapshot_metrics(const struct snapshot *snap);

/* The rendered body, valid while the reference is held. 0 or -ENOMEM. Rendered at most once. */
int snapshot_body(const struct snapshot *snap, enum snapshot_format format, const char **body,
		  size_t *length);

/* For the aggregator: an eventfd that is readable when a reader wants a fresh snapshot, or when one
 * came back after a draft got -EAGAIN: clear, then publish. When anyone last called
 * snapshot_get_fresh() (CLOCK_MONOTONIC, 0: never). */
int snapshot_want_fd(const struct snapshot_store *store);
void snapshot_want_clear(struct snapshot_store *store);
uint64_t snapshot_last_read_ns(const struct snapshot_store *store);

/* live: not on the free list. rendered and shared: bodies, by whoever asked first and later. */
struct snapshot_counts {
	uint64_t live, published_total, deferred_total, rendered_total, shared_total;
};
void snapshot_counts(const struct snapshot_store *store, struct snapshot_counts *out);

#endif
