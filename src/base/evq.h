/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evq: a bounded queue of batches, from producers (ring, detect) to one consumer (aggregate).
 *
 *      producer A pool --+                                     +--> back to A's pool
 *      (lfstack, fixed)  |--> batch --> wfcqueue --> splice --> consumer
 *      producer B pool --+              eventfd on            +--> back to B's pool
 *                                       empty -> non-empty
 *
 * Owner:    evq_new() allocates everything; nothing is allocated afterwards.
 * Threads:  each producer belongs to one thread; one consumer thread; evq_queued() from any.
 * Blocking: never. A producer whose pool is empty gets -EAGAIN, arms its wait fd and stops taking
 *           from its own source, so that the loss (if any) happens and is counted there. The one
 *           exception: evq_drain() waits for a push whose thread lost its CPU between two stores.
 * Limits:   EVQ_PRODUCERS_MAX producers; EVQ_BATCH_BYTES of payload a batch.
 */
#ifndef BASE_EVQ_H
#define BASE_EVQ_H

#include <stddef.h>
#include <stdint.h>

#define EVQ_PRODUCERS_MAX 4
#define EVQ_BATCH_BYTES 8192

struct evq;
struct evq_producer;

/* A batch belongs to its producer until evq_push(), then to the consumer until evq_release(). */
struct evq_batch {
	uint32_t kind;	/* the producer's tag for the payload's type; set by evq_producer_new() */
	uint32_t count; /* records in payload; whoever fills it keeps it */
	_Alignas(16) unsigned char payload[EVQ_BATCH_BYTES];
};

int evq_new(struct evq **out);
void evq_free(struct evq *q); /* NULL is a no-op; no producer may be active */

/* A producer with a pool of `batches` batches tagged `kind`; freed with the queue. */
int evq_producer_new(struct evq *q, uint32_t kind, uint32_t batches, struct evq_producer **out);

/* Takes a batch (count 0). -EAGAIN when the pool is empty: evq_wait_fd() becomes readable as soon
 * as the consumer gives one back. */
int evq_batch_get(struct evq_producer *p, struct evq_batch **out);
int evq_wait_fd(const struct evq_producer *p);
void evq_wait_clear(struct evq_producer *p); /* after the wait fd was readable */

/* Hands the batch over. Wakes the consumer only if the queue was empty. */
void evq_push(struct evq_producer *p, struct evq_batch *batch);

/* The consumer: fd to poll; clear, then drain. */
int evq_fd(const struct evq *q);
void evq_clear(struct evq *q);

/* Calls `each` for every queued batch in order and gives it back to its pool. Returns the number of
 * batches. Consumer thread only. */
unsigned int evq_drain(struct evq *q, void (*each)(void *ctx, const struct evq_batch *batch),
		       void *ctx);

/* Records pushed with `kind` and not yet drained; exact when both sides are quiet. */
uint64_t evq_queued(const struct evq *q, uint32_t kind);

#endif
