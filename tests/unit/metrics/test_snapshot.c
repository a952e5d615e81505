/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/rcu.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "metrics/snapshot.h"
#include "sample.h"

#define READERS 2
#define LIMIT (READERS + 3)
#define DEADLINE_MS 10000

static struct snapshot_store *store;

static int setup(void **state)
{
	return snapshot_store_new(READERS, &store);
}

static int teardown(void **state)
{
	snapshot_store_free(store);
	return 0;
}

static void publish(uint64_t mark)
{
	struct metrics *m;

	assert_int_equal(snapshot_draft(store, &m), 0);
	m->registered_total = mark;
	snapshot_publish(store);
}

static struct snapshot_counts counts(void)
{
	struct snapshot_counts c;

	snapshot_counts(store, &c);
	return c;
}

static bool is_wanted(int timeout_ms)
{
	struct pollfd fd = {.fd = snapshot_want_fd(store), .events = POLLIN};

	return poll(&fd, 1, timeout_ms) == 1;
}

static void the_first_is_empty(void **state)
{
	const struct snapshot *snap = snapshot_get(store);

	assert_int_equal(snapshot_metrics(snap)->sequence, 0);
	assert_int_equal(snapshot_metrics(snap)->server_count, 0);
	assert_int_equal(counts().live, 1);
	assert_int_equal(counts().published_total, 0);
	assert_int_equal(snapshot_last_read_ns(store), 0);
	snapshot_put(snap);
	snapshot_put(NULL);
	snapshot_store_free(NULL);
}

static void a_held_one_does_not_change(void **state)
{
	const struct snapshot *old, *new;

	publish(1);
	old = snapshot_get(store);
	publish(2);
	rcu_barrier();
	new = snapshot_get(store);
	assert_int_equal(snapshot_metrics(old)->registered_total, 1);
	assert_int_equal(snapshot_metrics(old)->sequence, 1);
	assert_int_equal(snapshot_metrics(new)->registered_total, 2);
	assert_int_equal(snapshot_metrics(new)->sequence, 2);
	assert_true(snapshot_metrics(new)->published_ns >= snapshot_metrics(old)->published_ns);
	snapshot_put(old);
	snapshot_put(new);
}

static void a_draft_is_zeroed_and_stays_the_draft(void **state)
{
	struct metrics *m, *again;

	snapshot_publish(store); /* without a draft: nothing happens */
	assert_int_equal(counts().published_total, 0);
	assert_int_equal(snapshot_draft(store, &m), 0);
	m->queued = 7;
	assert_int_equal(snapshot_draft(store, &again), 0);
	assert_ptr_equal(m, again);
	assert_int_equal(again->queued, 0);
	assert_int_equal(counts().live, 2);
}

static void they_are_recycled(void **state)
{
	const struct snapshot *seen[LIMIT] = {NULL};
	unsigned int distinct = 0, i, j;

	for (i = 0; i < 100; i++) {
		const struct snapshot *snap;
		const char *body;
		size_t length;

		publish(i);
		rcu_barrier();
		snap = snapshot_get(store);
		assert_int_equal(snapshot_body(snap, SNAPSHOT_JSON, &body, &length), 0);
		for (j = 0; j < distinct && seen[j] != snap; j++)
			;
		if (j == distinct) {
			assert_true(distinct < LIMIT);
			seen[distinct++] = snap;
		}
		snapshot_put(snap);
		assert_true(counts().live <= 2);
	}
	assert_int_equal(counts().published_total, 100);
	assert_int_equal(counts().rendered_total, 100);
}

static void a_draft_is_deferred_while_all_are_held(void **state)
{
	const struct snapshot *held[LIMIT];
	struct metrics *m;
	unsigned int i;

	for (i = 0; i < LIMIT; i++) {
		held[i] = snapshot_get(store);
		if (i < LIMIT - 1)
			publish(i);
	}
	rcu_barrier();
	assert_int_equal(counts().live, LIMIT);
	assert_int_equal(snapshot_draft(store, &m), -EAGAIN);
	assert_int_equal(counts().deferred_total, 1);
	assert_false(is_wanted(0));

	/* The first to come back wakes the publisher. */
	snapshot_put(held[0]);
	assert_true(is_wanted(DEADLINE_MS));
	snapshot_want_clear(store);
	assert_int_equal(snapshot_draft(store, &m), 0);
	snapshot_publish(store);
	for (i = 1; i < LIMIT; i++)
		snapshot_put(held[i]);
	rcu_barrier();
	assert_false(is_wanted(0));
	assert_int_equal(counts().live, 1);
}

static void a_body_is_rendered_once_for_each_format(void **state)
{
	const struct snapshot *snap;
	const char *first, *again;
	size_t length, same;
	unsigned int format;

	publish(4711);
	snap = snapshot_get(store);
	for (format = 0; format < SNAPSHOT_FORMATS; format++) {
		assert_int_equal(snapshot_body(snap, format, &first, &length), 0);
		assert_int_equal(length, strlen(first));
		assert_non_null(strstr(first, "4711"));
		assert_int_equal(snapshot_body(snap, format, &again, &same), 0);
		assert_ptr_equal(first, again);
		assert_int_equal(length, same);
	}
	assert_int_equal(counts().rendered_total, SNAPSHOT_FORMATS);
	assert_int_equal(counts().shared_total, SNAPSHOT_FORMATS);
	assert_int_equal(snapshot_body(snap, SNAPSHOT_FORMATS, &first, &length), -EINVAL);
	snapshot_put(snap);
}

static pthread_barrier_t start;

static void *read_body(void *arg)
{
	const char **body = arg;
	const struct snapshot *snap = snapshot_get(store);
	size_t length;

	pthread_barrier_wait(&start);
	if (snapshot_body(snap, SNAPSHOT_PROMETHEUS, body, &length))
		*body = NULL;
	snapshot_put(snap);
	return NULL;
}

static void readers_at_the_same_time_share_one_body(void **state)
{
	enum { ROUNDS = 50 };
	pthread_t ids[READERS];
	const char *bodies[READERS];
	unsigned int round, i;

	assert_int_equal(pthread_barrier_init(&start, NULL, READERS), 0);
	for (round = 0; round < ROUNDS; round++) {
		publish(round);
		for (i = 0; i < READERS; i++)
			assert_int_equal(pthread_create(&ids[i], NULL, read_body, &bodies[i]), 0);
		for (i = 0; i < READERS; i++)
			assert_int_equal(pthread_join(ids[i], NULL), 0);
		assert_non_null(bodies[0]);
		for (i = 1; i < READERS; i++)
			assert_ptr_equal(bodies[0], bodies[i]);
		rcu_barrier();
	}
	assert_int_equal(counts().rendered_total, ROUNDS);
	assert_int_equal(counts().shared_total, ROUNDS * (READERS - 1));
	pthread_barrier_destroy(&start);
}

static void a_fresh_one_is_taken_at_once(void **state)
{
	const struct snapshot *snap;

	publish(1);
	snap = snapshot_get_fresh(store, 3600 * NSEC_PER_SEC, 0);
	assert_int_equal(snapshot_metrics(snap)->sequence, 1);
	assert_false(is_wanted(0));
	assert_true(snapshot_last_read_ns(store) > 0);
	snapshot_put(snap);
}

static void what_is_wanted_in_vain_comes_old(void **state)
{
	const struct snapshot *snap;

	/* The empty one of the start is never fresh. */
	snap = snapshot_get_fresh(store, 3600 * NSEC_PER_SEC, 1);
	assert_int_equal(snapshot_metrics(snap)->sequence, 0);
	assert_true(is_wanted(0));
	snapshot_put(snap);

	/* Wanted once until the publisher clears it, and again afterwards. */
	snapshot_want_clear(store);
	assert_false(is_wanted(0));
	snapshot_put(snapshot_get_fresh(store, 0, 0));
	assert_true(is_wanted(0));
}

/* A publisher that, like the aggregator, publishes when it is asked. */
static _Atomic bool is_ending;

static void *publish_when_wanted(void *arg)
{
	while (!atomic_load(&is_ending)) {
		struct metrics *m;

		if (!is_wanted(DEADLINE_MS))
			break;
		snapshot_want_clear(store);
		if (snapshot_draft(store, &m) == 0)
			snapshot_publish(store);
	}
	return NULL;
}

static void a_stale_one_wakes_the_publisher(void **state)
{
	uint64_t last = 0;
	unsigned int i;
	pthread_t id;

	atomic_store(&is_ending, false);
	assert_int_equal(pthread_create(&id, NULL, publish_when_wanted, NULL), 0);
	for (i = 0; i < 1000; i++) {
		uint64_t asked_ns = clock_now_ns();
		const struct snapshot *snap = snapshot_get_fresh(store, 0, DEADLINE_MS);
		const struct metrics *m = snapshot_metrics(snap);

		assert_true(m->sequence > last);
		assert_true(m->published_ns >= asked_ns);
		last = m->sequence;
		snapshot_put(snap);
	}
	atomic_store(&is_ending, true);
	snapshot_put(snapshot_get_fresh(store, 0, 0));
	assert_int_equal(pthread_join(id, NULL), 0);
}

static int start_rcu(void **state)
{
	return rcu_start();
}

static int stop_rcu(void **state)
{
	rcu_stop();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_is_empty),
		TEST(a_held_one_does_not_change),
		TEST(a_draft_is_zeroed_and_stays_the_draft),
		TEST(they_are_recycled),
		TEST(a_draft_is_deferred_while_all_are_held),
		TEST(a_body_is_rendered_once_for_each_format),
		TEST(readers_at_the_same_time_share_one_body),
		TEST(a_fresh_one_is_taken_at_once),
		TEST(what_is_wanted_in_vain_comes_old),
		TEST(a_stale_one_wakes_the_publisher),
	};

	return cmocka_run_group_tests_name("snapshot", tests, start_rcu, stop_rcu);
}
