/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/rcu.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bpf/abi/events.h"
#include "metrics/aggregator.h"
#include "sample.h"

#define READERS 1
#define DEADLINE_MS 10000

static struct evq *queue;
static struct evq_producer *events, *servers;
static struct snapshot_store *store;
static struct aggregator *aggregator;

/* The other rooms' side. */
static int collected_fd;
static _Atomic unsigned int collected;
static _Atomic uint64_t reading_until_ns;

static void collect(void *ctx, struct metrics *m)
{
	assert_ptr_equal(ctx, &collected);
	m->consumed_total = 1234;
	atomic_fetch_add(&collected, 1);
	eventfd_write(collected_fd, 1);
}

static void readers_until(void *ctx, uint64_t until_ns)
{
	atomic_store(&reading_until_ns, until_ns);
}

static int setup(void **state)
{
	const struct aggregator_source source = {&collected, collect, readers_until};

	atomic_store(&collected, 0);
	atomic_store(&reading_until_ns, 0);
	collected_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	if (collected_fd < 0 || rcu_start())
		return -1;
	if (evq_new(&queue) || snapshot_store_new(READERS, &store))
		return -1;
	/* One batch each: getting the next one means the last one was drained. */
	if (evq_producer_new(queue, EVQ_KIND_EVENTS, 1, &events) ||
	    evq_producer_new(queue, EVQ_KIND_SERVERS, 1, &servers))
		return -1;
	if (aggregator_new(queue, store, &source, &aggregator))
		return -1;
	return aggregator_start(aggregator, NULL);
}

static int teardown(void **state)
{
	aggregator_stop(aggregator);
	aggregator_free(aggregator);
	aggregator_free(NULL);
	snapshot_store_free(store);
	evq_free(queue);
	rcu_stop();
	close(collected_fd);
	return 0;
}

static bool is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, DEADLINE_MS) == 1;
}

static struct evq_batch *get_batch(struct evq_producer *producer)
{
	struct evq_batch *batch;

	while (evq_batch_get(producer, &batch) == -EAGAIN) {
		assert_true(is_readable(evq_wait_fd(producer)));
		evq_wait_clear(producer);
	}
	return batch;
}

static void push_server(enum server_change change, int32_t pid, uint64_t start_ticks,
			enum role role)
{
	struct evq_batch *batch = get_batch(servers);
	struct server_event *event = (struct server_event *)batch->payload;

	memset(event, 0, sizeof(*event));
	event->change = change;
	event->server.pid = pid;
	event->server.start_ticks = start_ticks;
	event->server.role = (uint8_t)role;
	batch->count = 1;
	evq_push(servers, batch);
}

static void push_events(enum event_type type, uint32_t first_pid, uint32_t count)
{
	struct evq_batch *batch = get_batch(events);
	struct event *list = (struct event *)batch->payload;
	uint32_t i;

	memset(list, 0, count * sizeof(*list));
	for (i = 0; i < count; i++) {
		list[i].type = type;
		list[i].time_ns = 1000 + i;
		list[i].pid = first_pid + i;
		list[i].tgid = 77;
		list[i].cpu = 1;
		memcpy(list[i].comm, "waiter", 7);
		list[i].long_wait.wait_ns = 5000 + i;
		list[i].long_wait.class = CLASS_AUDIO_SERVER;
		list[i].long_wait.reason = REASON_ROLE;
		list[i].long_wait.holder_pid = 99;
		list[i].long_wait.holder_is_rt = 1;
		memcpy(list[i].long_wait.holder_comm, "holder", 7);
	}
	batch->count = count;
	evq_push(events, batch);
}

/* A snapshot newer than now, so with everything that was pushed. */
static const struct snapshot *fresh(void)
{
	uint64_t asked_ns = clock_now_ns();
	const struct snapshot *snap = snapshot_get_fresh(store, 0, DEADLINE_MS);

	assert_true(snapshot_metrics(snap)->sequence > 0);
	assert_true(snapshot_metrics(snap)->published_ns >= asked_ns);
	return snap;
}

static void servers_come_change_and_go(void **state)
{
	const struct snapshot *snap;
	const struct metrics *m;

	push_server(SERVER_UP, 10, 1, ROLE_AUDIO_SERVER);
	push_server(SERVER_UP, 11, 1, ROLE_AUDIO_SERVER);
	push_server(SERVER_UP, 12, 1, ROLE_GAME);
	push_server(SERVER_UP, 10, 2, ROLE_AUDIO_SUPPORT); /* the same pid: replaced */
	snap = fresh();
	m = snapshot_metrics(snap);
	assert_int_equal(m->server_count, 3);
	assert_int_equal(m->servers[0].pid, 10);
	assert_int_equal(m->servers[0].start_ticks, 2);
	assert_int_equal(m->servers[0].role, ROLE_AUDIO_SUPPORT);
	snapshot_put(snap);

	push_server(SERVER_DOWN, 10, 1, ROLE_NONE); /* the one before it, gone already */
	push_server(SERVER_DOWN, 11, 1, ROLE_NONE);
	push_server(SERVER_DOWN, 4711, 1, ROLE_NONE);
	snap = fresh();
	m = snapshot_metrics(snap);
	assert_int_equal(m->server_count, 2);
	assert_int_equal(m->servers[0].pid, 10);
	assert_int_equal(m->servers[1].pid, 12);
	snapshot_put(snap);
}

static void a_full_list_takes_no_more(void **state)
{
	const struct snapshot *snap;
	int32_t pid;

	for (pid = 1; pid <= SERVERS_MAX + 1; pid++)
		push_server(SERVER_UP, pid, 1, ROLE_AUDIO_SERVER);
	push_server(SERVER_UP, SERVERS_MAX, 2, ROLE_AUDIO_SERVER);
	snap = fresh();
	assert_int_equal(snapshot_metrics(snap)->server_count, SERVERS_MAX);
	assert_int_equal(snapshot_metrics(snap)->servers[SERVERS_MAX - 1].start_ticks, 2);
	snapshot_put(snap);
}

static void long_waits_are_kept_newest_first(void **state)
{
	const struct snapshot *snap;
	const struct metrics *m;
	unsigned int i;

	push_events(EVENT_EXEC, 1, 5);
	push_events(EVENT_LONG_WAIT, 100, 3);
	snap = fresh();
	m = snapshot_metrics(snap);
	assert_int_equal(m->aggregated_total, 8);
	assert_int_equal(m->queued, 0);
	assert_int_equal(m->long_waits_total, 3);
	assert_int_equal(m->long_wait_count, 3);
	assert_int_equal(m->long_waits[0].pid, 102);
	assert_int_equal(m->long_waits[2].pid, 100);
	assert_int_equal(m->long_waits[2].tgid, 77);
	assert_int_equal(m->long_waits[2].time_ns, 1000);
	assert_int_equal(m->long_waits[2].wait_ns, 5000);
	assert_int_equal(m->long_waits[2].class, CLASS_AUDIO_SERVER);
	assert_int_equal(m->long_waits[2].reason, REASON_ROLE);
	assert_int_equal(m->long_waits[2].cpu, 1);
	assert_int_equal(m->long_waits[2].is_rt, 0);
	assert_int_equal(m->long_waits[2].holder_pid, 99);
	assert_int_equal(m->long_waits[2].holder_is_rt, 1);
	assert_string_equal(m->long_waits[2].comm, "waiter");
	assert_string_equal(m->long_waits[2].holder_comm, "holder");
	snapshot_put(snap);

	push_events(EVENT_LONG_WAIT, 200, 30);
	snap = fresh();
	m = snapshot_metrics(snap);
	assert_int_equal(m->aggregated_total, 38);
	assert_int_equal(m->long_waits_total, 33);
	assert_int_equal(m->long_wait_count, METRICS_LONG_WAITS);
	for (i = 0; i < METRICS_LONG_WAITS; i++)
		assert_int_equal(m->long_waits[i].pid, 229 - i);
	snapshot_put(snap);
}

static void other_rooms_are_asked_and_told(void **state)
{
	uint64_t before_ns = clock_now_ns();
	const struct snapshot *snap = fresh();
	const struct metrics *m = snapshot_metrics(snap);

	assert_int_equal(m->consumed_total, 1234);
	assert_int_equal(m->snapshots_published_total, 0);
	assert_int_equal(m->snapshots_live, 2);
	assert_true(atomic_load(&reading_until_ns) >= before_ns + AGGREGATOR_IDLE_S * NSEC_PER_SEC);
	snapshot_put(snap);
}

static void nothing_is_published_while_nobody_reads(void **state)
{
	struct snapshot_counts counts;
	int i;

	/* Each batch waits for the one before to be drained, so the thread went round. */
	for (i = 0; i < 100; i++)
		push_events(EVENT_EXEC, 1, 1);
	get_batch(events);
	snapshot_counts(store, &counts);
	assert_int_equal(counts.published_total, 0);
	assert_int_equal(atomic_load(&collected), 0);
	assert_int_equal(atomic_load(&reading_until_ns), 0);
	assert_int_equal(evq_queued(queue, EVQ_KIND_EVENTS), 0);
}

static void collected_once_more(void)
{
	eventfd_t value;

	assert_true(is_readable(collected_fd));
	assert_int_equal(eventfd_read(collected_fd, &value), 0);
}

static void the_timer_publishes_while_somebody_reads(void **state)
{
	snapshot_put(fresh());
	collected_once_more();
	collected_once_more();
	collected_once_more();
}

static void a_deferred_publish_is_made_up_for(void **state)
{
	const struct snapshot *held[READERS + 3];
	unsigned int last = READERS + 3 - 1, i;

	held[0] = snapshot_get(store);
	for (i = 1; i <= last; i++) {
		held[i] = fresh();
		collected_once_more();
	}
	snapshot_put(snapshot_get_fresh(store, 0, 10)); /* all are held: none can come */
	snapshot_put(held[0]);
	collected_once_more();
	for (i = 1; i <= last; i++)
		snapshot_put(held[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(servers_come_change_and_go),
		TEST(a_full_list_takes_no_more),
		TEST(long_waits_are_kept_newest_first),
		TEST(other_rooms_are_asked_and_told),
		TEST(nothing_is_published_while_nobody_reads),
		TEST(the_timer_publishes_while_somebody_reads),
		TEST(a_deferred_publish_is_made_up_for),
	};

	return cmocka_run_group_tests_name("aggregator", tests, NULL, NULL);
}
