/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each batch lives in a slot that goes round: pool -> producer -> queue -> consumer -> pool.
 *
 * No wake-up is lost. To the consumer: whoever finds the queue empty writes the eventfd after its
 * push, and the consumer clears the eventfd before it drains. To a producer: it arms its flag
 * before it looks at the pool for the last time, and the consumer gives back before it looks at the
 * flag; full barriers on both sides, so at least one of them sees the other.
 */
#include "base/rcu.h"

#include "base/evq.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <urcu/lfstack.h>
#include <urcu/wfcqueue.h>

#include "base/probe.h"

#define CACHE_LINE 64

struct slot {
	_Alignas(CACHE_LINE) struct cds_lfs_node free_node; /* while in the pool */
	struct cds_wfcq_node queue_node;		    /* while in the queue */
	struct evq_producer *producer;
	struct evq_batch batch;
};

struct evq_producer {
	struct evq *queue;
	uint32_t kind;
	int wait_fd;
	struct slot *slots;
	_Alignas(CACHE_LINE) struct __cds_lfs_stack pool; /* popped by the producer only */
	atomic_bool is_waiting; /* armed: the pool was empty, one release must write wait_fd */
	_Atomic uint64_t pushed_records;
	_Alignas(CACHE_LINE) _Atomic uint64_t drained_records;
};

struct evq {
	int fd;
	struct evq_producer *producers[EVQ_PRODUCERS_MAX];
	_Atomic unsigned int producer_count;
	_Alignas(CACHE_LINE) struct __cds_wfcq_head head; /* the consumer's side */
	_Alignas(CACHE_LINE) struct cds_wfcq_tail tail;	  /* the producers' */
};

static struct slot *slot_of(struct evq_batch *batch)
{
	return caa_container_of(batch, struct slot, batch);
}

static void fd_clear(int fd)
{
	eventfd_t value;

	eventfd_read(fd, &value); /* -1 with EAGAIN if it was clear: as well */
}

int evq_new(struct evq **out)
{
	struct evq *q = aligned_alloc(CACHE_LINE, sizeof(*q));

	if (!q)
		return -ENOMEM;
	*q = (struct evq){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (q->fd < 0) {
		int ret = -errno;

		free(q);
		return ret;
	}
	__cds_wfcq_init(&q->head, &q->tail);
	*out = q;
	return 0;
}

static void producer_free(struct evq_producer *p)
{
	close(p->wait_fd);
	free(p->slots);
	free(p);
}

void evq_free(struct evq *q)
{
	if (!q)
		return;
	for (unsigned int i = 0; i < atomic_load(&q->producer_count); i++)
		producer_free(q->producers[i]);
	close(q->fd);
	free(q);
}

static void fill_pool(struct evq_producer *p, uint32_t batches)
{
	__cds_lfs_init(&p->pool);
	for (uint32_t i = 0; i < batches; i++) {
		struct slot *slot = &p->slots[i];

		slot->producer = p;
		slot->batch.kind = p->kind;
		cds_lfs_node_init(&slot->free_node);
		RCU_RELEASE(slot);
		cds_lfs_push(&p->pool, &slot->free_node);
	}
}

int evq_producer_new(struct evq *q, uint32_t kind, uint32_t batches, struct evq_producer **out)
{
	unsigned int index = atomic_load(&q->producer_count);
	struct evq_producer *p;
	int ret = -ENOMEM;

	if (index == EVQ_PRODUCERS_MAX)
		return -ENOSPC;
	if (batches == 0)
		return -EINVAL;
	p = aligned_alloc(CACHE_LINE, sizeof(*p));
	if (!p)
		return -ENOMEM;
	*p = (struct evq_producer){.queue = q, .kind = kind};
	/* Payloads are not touched here, so memory is used only as far as the pool ever was. */
	p->slots = aligned_alloc(CACHE_LINE, (size_t)batches * sizeof(p->slots[0]));
	if (!p->slots)
		goto free_producer;
	p->wait_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wait_fd < 0) {
		ret = -errno;
		goto free_slots;
	}
	fill_pool(p, batches);
	q->producers[index] = p;
	atomic_store(&q->producer_count, index + 1);
	*out = p;
	return 0;

free_slots:
	free(p->slots);
free_producer:
	free(p);
	return ret;
}

static struct slot *pool_pop(struct evq_producer *p)
{
	struct cds_lfs_node *node = __cds_lfs_pop(&p->pool);
	struct slot *slot;

	if (!node)
		return NULL;
	slot = caa_container_of(node, struct slot, free_node);
	RCU_ACQUIRE(slot);
	return slot;
}

int evq_batch_get(struct evq_producer *p, struct evq_batch **out)
{
	struct slot *slot = pool_pop(p);

	if (!slot) {
		atomic_store(&p->is_waiting, true);
		cmm_smp_mb(); /* pairs with pool_push() */
		slot = pool_pop(p);
		if (!slot)
			return -EAGAIN;
		/* A release in between may have written the wait fd: a spurious wake-up at most. */
		atomic_store(&p->is_waiting, false);
	}
	slot->batch.count = 0;
	*out = &slot->batch;
	return 0;
}

static void pool_push(struct slot *slot)
{
	struct evq_producer *p = slot->producer;

	RCU_RELEASE(slot);
	cds_lfs_push(&p->pool, &slot->free_node);
	cmm_smp_mb(); /* pairs with evq_batch_get() */
	if (atomic_load_explicit(&p->is_waiting, memory_order_relaxed) &&
	    atomic_exchange(&p->is_waiting, false))
		eventfd_write(p->wait_fd, 1);
}

int evq_wait_fd(const struct evq_producer *p)
{
	return p->wait_fd;
}

void evq_wait_clear(struct evq_producer *p)
{
	fd_clear(p->wait_fd);
}

void evq_push(struct evq_producer *p, struct evq_batch *batch)
{
	struct slot *slot = slot_of(batch);
	struct evq *q = p->queue;

	/* Counted before it can be drained, so that evq_queued() is never negative. */
	atomic_fetch_add(&p->pushed_records, batch->count);
	cds_wfcq_node_init(&slot->queue_node);
	RCU_RELEASE(slot);
	if (!cds_wfcq_enqueue(&q->head, &q->tail, &slot->queue_node))
		eventfd_write(q->fd, 1);
}

int evq_fd(const struct evq *q)
{
	return q->fd;
}

void evq_clear(struct evq *q)
{
	fd_clear(q->fd);
}

unsigned int evq_drain(struct evq *q, void (*each)(void *ctx, const struct evq_batch *batch),
		       void *ctx)
{
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	struct cds_wfcq_node *node, *next;
	unsigned int count = 0;

	__cds_wfcq_init(&head, &tail);
	/* "Would block": the first push is half done; it writes the eventfd when it is complete. */
	switch (__cds_wfcq_splice_nonblocking(&head, &tail, &q->head, &q->tail)) {
	case CDS_WFCQ_RET_WOULDBLOCK:
	case CDS_WFCQ_RET_SRC_EMPTY:
		return 0;
	default:
		break;
	}
	/* A later push may be half done, too: two instructions of its thread, waited for here. */
	__cds_wfcq_for_each_blocking_safe(&head, &tail, node, next)
	{
		struct slot *slot = caa_container_of(node, struct slot, queue_node);

		RCU_ACQUIRE(slot);
		each(ctx, &slot->batch);
		atomic_fetch_add(&slot->producer->drained_records, slot->batch.count);
		pool_push(slot);
		count++;
	}
	PROBE1(drain, count);
	return count;
}

uint64_t evq_queued(const struct evq *q, uint32_t kind)
{
	unsigned int count = atomic_load(&q->producer_count);
	uint64_t queued = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct evq_producer *p = q->producers[i];
		uint64_t drained;

		if (p->kind != kind)
			continue;
		drained = atomic_load(&p->drained_records);
		queued += atomic_load(&p->pushed_records) - drained;
	}
	return queued;
}
