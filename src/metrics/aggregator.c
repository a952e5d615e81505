/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The aggregate thread. It keeps what comes as events (servers, long waits, the ledger's last
 * column), and when somebody reads puts it together with the counters it is handed into a snapshot.
 *
 * It sleeps without a timeout unless somebody has read lately, so that a daemon nobody asks does
 * not wake. A publish that found no free snapshot is not retried by time: the store wakes the
 * thread, through the same fd as a reader does, when one comes back.
 */
#include "metrics/aggregator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "bpf/abi/events.h"

struct aggregator {
	struct thread thread;
	struct evq *queue;
	struct snapshot_store *store;
	struct aggregator_source source;
	uint64_t next_publish_ns; /* by the timer, while somebody reads */

	unsigned int server_count;
	struct server servers[SERVERS_MAX];

	uint64_t aggregated_total;
	uint64_t long_waits_total; /* the last METRICS_LONG_WAITS of them are in the ring */
	struct metrics_long_wait long_waits[METRICS_LONG_WAITS];
};

static void add_long_wait(struct aggregator *a, const struct event *event)
{
	struct metrics_long_wait *w = &a->long_waits[a->long_waits_total % METRICS_LONG_WAITS];

	*w = (struct metrics_long_wait){
		.time_ns = event->time_ns,
		.wait_ns = event->long_wait.wait_ns,
		.pid = event->pid,
		.tgid = event->tgid,
		.cpu = event->cpu,
		.holder_pid = event->long_wait.holder_pid,
		.class = (uint8_t)event->long_wait.class,
		.reason = event->long_wait.reason,
		.is_rt = event->long_wait.is_rt,
		.holder_is_rt = event->long_wait.holder_is_rt,
	};
	memcpy(w->comm, event->comm, sizeof(w->comm));
	memcpy(w->holder_comm, event->long_wait.holder_comm, sizeof(w->holder_comm));
	a->long_waits_total++;
}

static struct server *find_server(struct aggregator *a, int32_t pid)
{
	unsigned int i;

	for (i = 0; i < a->server_count; i++)
		if (a->servers[i].pid == pid)
			return &a->servers[i];
	return NULL;
}

static void server_up(struct aggregator *a, const struct server *server)
{
	struct server *slot = find_server(a, server->pid);

	if (!slot) {
		if (a->server_count == SERVERS_MAX) {
			log_limited(
				LOG_WARNING,
				"process %d has a role but is not listed: the list is full (%d)",
				server->pid, SERVERS_MAX);
			return;
		}
		slot = &a->servers[a->server_count++];
	}
	*slot = *server;
}

static void server_down(struct aggregator *a, const struct server *server)
{
	struct server *slot = find_server(a, server->pid);
	struct server *end = a->servers + a->server_count;

	/* Another start time is another process that took the PID over. */
	if (!slot || slot->start_ticks != server->start_ticks)
		return;
	memmove(slot, slot + 1, (size_t)(end - (slot + 1)) * sizeof(*slot));
	a->server_count--;
}

static void take_events(struct aggregator *a, const struct evq_batch *batch)
{
	const struct event *events = (const struct event *)batch->payload;
	uint32_t i;

	for (i = 0; i < batch->count; i++)
		if (events[i].type == EVENT_LONG_WAIT)
			add_long_wait(a, &events[i]);
	a->aggregated_total += batch->count;
}

static void take_servers(struct aggregator *a, const struct evq_batch *batch)
{
	const struct server_event *events = (const struct server_event *)batch->payload;
	uint32_t i;

	for (i = 0; i < batch->count; i++) {
		if (events[i].change == SERVER_UP)
			server_up(a, &events[i].server);
		else
			server_down(a, &events[i].server);
	}
}

static void take_batch(void *ctx, const struct evq_batch *batch)
{
	switch (batch->kind) {
	case EVQ_KIND_EVENTS:
		take_events(ctx, batch);
		break;
	case EVQ_KIND_SERVERS:
		take_servers(ctx, batch);
		break;
	default:
		log_limited(LOG_WARNING, "batch of unknown kind %u ignored", batch->kind);
	}
}

static void fill_long_waits(const struct aggregator *a, struct metrics *m)
{
	uint64_t total = a->long_waits_total;
	unsigned int count = METRICS_LONG_WAITS, i;

	if (total < count)
		count = (unsigned int)total;
	for (i = 0; i < count; i++)
		m->long_waits[i] = a->long_waits[(total - 1 - i) % METRICS_LONG_WAITS];
	m->long_wait_count = count;
	m->long_waits_total = total;
}

static void fill_store(const struct aggregator *a, struct metrics *m)
{
	struct snapshot_counts counts;

	snapshot_counts(a->store, &counts);
	m->snapshots_live = counts.live;
	m->snapshots_published_total = counts.published_total;
	m->snapshots_deferred_total = counts.deferred_total;
	m->bodies_rendered_total = counts.rendered_total;
	m->bodies_shared_total = counts.shared_total;
}

static void publish(struct aggregator *a)
{
	struct metrics *m;

	if (snapshot_draft(a->store, &m))
		return;
	/* Again: what came before the draft, whose time the snapshot bears, must be in it. */
	evq_drain(a->queue, take_batch, a);
	memcpy(m->servers, a->servers, a->server_count * sizeof(a->servers[0]));
	m->server_count = a->server_count;
	fill_long_waits(a, m);
	fill_store(a, m);
	m->aggregated_total = a->aggregated_total;
	m->queued = evq_queued(a->queue, EVQ_KIND_EVENTS);
	a->source.collect(a->source.ctx, m);
	snapshot_publish(a->store);
}

static bool is_reading(const struct aggregator *a, uint64_t now_ns)
{
	uint64_t last_ns = snapshot_last_read_ns(a->store);

	return last_ns && last_ns + AGGREGATOR_IDLE_S * NSEC_PER_SEC > now_ns;
}

/* Milliseconds until the timer is due, rounded up so that it does not fire early; -1: no timer. */
static int poll_timeout(const struct aggregator *a)
{
	uint64_t now_ns = clock_now_ns();

	if (!is_reading(a, now_ns))
		return -1;
	if (a->next_publish_ns <= now_ns)
		return 0;
	return (int)((a->next_publish_ns - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

static void publish_if_due(struct aggregator *a, bool is_wanted)
{
	uint64_t now_ns = clock_now_ns();

	if (!is_wanted && (!is_reading(a, now_ns) || now_ns < a->next_publish_ns))
		return;
	/* Moved on even if no snapshot is free, or the timer would be due again at once. */
	a->next_publish_ns = now_ns + AGGREGATOR_PERIOD_MS * NSEC_PER_MSEC;
	if (a->source.readers_until)
		a->source.readers_until(a->source.ctx, now_ns + AGGREGATOR_IDLE_S * NSEC_PER_SEC);
	publish(a);
}

static int aggregate(struct thread *self, void *arg)
{
	struct aggregator *a = arg;
	struct pollfd fds[] = {
		{.fd = evq_fd(a->queue), .events = POLLIN},
		{.fd = snapshot_want_fd(a->store), .events = POLLIN},
	};

	thread_ready(self, 0);
	for (;;) {
		int ret = thread_poll(self, fds, 2, poll_timeout(a));

		if (ret == -ECANCELED)
			return 0;
		if (ret < 0) {
			log_error("aggregate: poll failed: %s; no more snapshots are published",
				  error_name(ret));
			return ret;
		}
		if (fds[0].revents)
			evq_clear(a->queue);
		if (fds[1].revents)
			snapshot_want_clear(a->store);
		evq_drain(a->queue, take_batch, a);
		publish_if_due(a, fds[1].revents != 0);
	}
}

int aggregator_new(struct evq *queue, struct snapshot_store *store,
		   const struct aggregator_source *source, struct aggregator **out)
{
	struct aggregator *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->queue = queue;
	a->store = store;
	a->source = *source;
	*out = a;
	return 0;
}

int aggregator_start(struct aggregator *a, struct error *err)
{
	int ret = thread_start(&a->thread, "aggregate", aggregate, a);

	if (ret)
		return error_set(err, -ret, "cannot start the aggregate thread: %s",
				 error_name(ret));
	return 0;
}

void aggregator_stop(struct aggregator *a)
{
	if (a)
		thread_stop(&a->thread);
}

void aggregator_free(struct aggregator *a)
{
	free(a);
}
