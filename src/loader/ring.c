/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The thread `ring` moves records from the BPF ring buffer into batches of the event queue.
 *
 * libbpf consumes the record it hands to the callback whatever the callback returns. So a batch
 * with room is in hand before the first record of a round, and the callback ends the round as soon
 * as there is none for the next. With the pool empty the thread waits for a batch only; the ring
 * fills, and the loss (if any) is the kernel side's, counted there.
 */
#include "loader/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/log.h"
#include "base/probe.h"
#include "model/server.h"

#define BATCH_EVENTS (EVQ_BATCH_BYTES / sizeof(struct event))

/* Ends a round under steady load, for the heartbeat's sake. */
#define ROUND_MAX 4096

/* The callback's ways to end a round; no errno of ours or of libbpf's. */
#define ROUND_NO_BATCH (-4000)
#define ROUND_LONG (-4001)

static bool batch_ensure(struct ring *ring)
{
	return ring->batch || evq_batch_get(ring->producer, &ring->batch) == 0;
}

static void batch_push(struct ring *ring)
{
	if (!ring->batch || !ring->batch->count)
		return;
	evq_push(ring->producer, ring->batch);
	ring->batch = NULL;
}

static void silence_tell(struct ring *ring)
{
	const struct loader_silence_sink *sink;

	sink = atomic_load_explicit(&ring->silence_sink, memory_order_acquire);
	if (sink)
		sink->silent(sink->ctx);
}

static void event_offer(struct ring *ring, const struct event *event)
{
	const struct loader_proc_sink *sink;

	if (event->type == EVENT_LONG_WAIT)
		return;
	if (event->type == EVENT_SILENCE) {
		silence_tell(ring);
		return;
	}
	sink = atomic_load_explicit(&ring->sink, memory_order_acquire);
	if (sink)
		sink->offer(sink->ctx, event);
}

/* A ring that was full has refused process events, too: whoever lives on them must look for
 * itself. What is refused after this is told when the ring, now with room, has next been read. */
static void loss_tell(struct ring *ring)
{
	const struct loader_proc_sink *sink;
	uint64_t dropped;

	sink = atomic_load_explicit(&ring->sink, memory_order_acquire);
	dropped = counters_ring_dropped(ring->counters);
	if (dropped != ring->dropped_seen) {
		ring->dropped_seen = dropped;
		PROBE2(drop, "the BPF ring buffer", dropped);
	}
	if (!sink || dropped == ring->dropped_told)
		return;
	ring->dropped_told = dropped;
	sink->lost(sink->ctx);
}

static int event_take(void *ctx, void *data, size_t size)
{
	const struct event *event = data;
	struct ring *ring = ctx;

	atomic_fetch_add_explicit(&ring->consumed_total, 1, memory_order_relaxed);
	if (size >= sizeof(*event)) {
		event_offer(ring, event);
		memcpy(ring->batch->payload + ring->batch->count * sizeof(*event), event,
		       sizeof(*event));
		ring->batch->count++;
	}
	if (ring->batch->count == BATCH_EVENTS) {
		batch_push(ring);
		if (!batch_ensure(ring))
			return ROUND_NO_BATCH;
	}
	return ++ring->round < ROUND_MAX ? 0 : ROUND_LONG;
}

/* 0: the ring is empty; -EAGAIN: the pool is; else what libbpf says. */
static int ring_drain(struct ring *ring)
{
	int ret;

	for (;;) {
		if (!batch_ensure(ring))
			return -EAGAIN;
		ring->round = 0;
		ret = ring_buffer__consume(ring->buffer);
		batch_push(ring);
		if (ret == ROUND_NO_BATCH)
			return -EAGAIN;
		if (ret != ROUND_LONG)
			return ret < 0 ? ret : 0;
		thread_beat(&ring->thread);
	}
}

static int ring_body(struct thread *self, void *arg)
{
	struct ring *ring = arg;
	int ret, drained = 0;

	thread_ready(self, 0);
	for (;;) {
		struct pollfd fds[2] = {{.events = POLLIN},
					{.fd = ring->fetch_fd, .events = POLLIN}};
		bool is_starved = drained == -EAGAIN;
		eventfd_t value;

		fds[0].fd = is_starved ? evq_wait_fd(ring->producer)
				       : ring_buffer__epoll_fd(ring->buffer);
		ret = thread_poll(self, fds, is_starved ? 1 : 2, -1);
		if (ret < 0)
			break;
		if (is_starved)
			evq_wait_clear(ring->producer);
		else if (fds[1].revents)
			eventfd_read(ring->fetch_fd, &value);
		drained = ring_drain(ring);
		if (drained < 0 && drained != -EAGAIN)
			log_limited(LOG_ERROR, "ring: cannot read the BPF ring buffer: %s",
				    error_name(drained));
		loss_tell(ring);
	}
	ring_drain(ring);
	return ret == -ECANCELED ? 0 : ret;
}

/* The two counters of the ring, as the kernel shows them: consumer at page 0, producer at 1. */
static const uint64_t *position_map(int map_fd, off_t page)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED, map_fd, page * (off_t)bytes);

	return memory == MAP_FAILED ? NULL : memory;
}

static void position_unmap(const uint64_t **position)
{
	if (*position)
		munmap((void *)*position, (size_t)sysconf(_SC_PAGESIZE));
	*position = NULL;
}

int ring_init(struct ring *ring, int map_fd, const struct counters *counters)
{
	ring->counters = counters;
	ring->fetch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring->consumer_pos = position_map(map_fd, 0);
	ring->producer_pos = position_map(map_fd, 1);
	ring->buffer = ring_buffer__new(map_fd, event_take, ring, NULL);
	if (ring->fetch_fd < 0 || !ring->consumer_pos || !ring->producer_pos || !ring->buffer) {
		int ret = errno ? -errno : -ENOMEM;

		ring_fini(ring);
		return ret;
	}
	return 0;
}

void ring_fini(struct ring *ring)
{
	ring_buffer__free(ring->buffer);
	ring->buffer = NULL;
	position_unmap(&ring->consumer_pos);
	position_unmap(&ring->producer_pos);
	if (ring->fetch_fd >= 0)
		close(ring->fetch_fd);
	ring->fetch_fd = -1;
}

int ring_start(struct ring *ring, struct evq_producer *producer)
{
	ring->producer = producer;
	return thread_start(&ring->thread, "ring", ring_body, ring);
}

void ring_stop(struct ring *ring)
{
	thread_stop(&ring->thread);
}

uint64_t ring_bytes_used(const struct ring *ring)
{
	/* Consumer first: it never passes the producer. */
	uint64_t consumed = __atomic_load_n(ring->consumer_pos, __ATOMIC_ACQUIRE);

	return __atomic_load_n(ring->producer_pos, __ATOMIC_ACQUIRE) - consumed;
}

void ring_fetch(struct ring *ring)
{
	if (ring_bytes_used(ring))
		eventfd_write(ring->fetch_fd, 1);
}
