/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Readers and a publisher hammer one store for GAMERD_STRESS_SECONDS (5).
 *
 * Each picture carries a pattern made from a number the publisher also puts into it, so that a
 * picture overwritten while it is held, or seen half written, is noticed. The ledger at the end:
 * published, deferred, live, rendered at most once for each snapshot and format, every body asked
 * for either rendered or shared, the same bytes for all readers of one sequence.
 */
#include "base/rcu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "metrics/snapshot.h"

#define READERS 4
#define LIMIT (READERS + 3)
#define SECONDS_DEFAULT 5
#define HASHES 4096 /* sequences whose bodies' hashes are remembered */

struct reader {
	pthread_t id;
	unsigned int number;
	uint64_t reads, bodies, fresh;
};

static struct snapshot_store *store;
static _Atomic bool is_ending;
static _Atomic uint64_t torn, over_limit, went_back, other_bytes, failed_bodies;

/* The first to hash the body of (sequence, format) leaves (sequence, hash) here for the others; a
 * slot is one word so that no lock orders the readers: 24 bits of sequence, 40 of the hash. */
static _Atomic uint64_t hashes[SNAPSHOT_FORMATS][HASHES];

static uint64_t pattern(uint64_t mark, unsigned int index)
{
	return (mark + index) * 0x9e3779b97f4a7c15ull;
}

/* Words at the beginning, in the middle and at the end of the picture. */
static void fill(struct metrics *m, uint64_t mark)
{
	unsigned int i;

	m->registered_total = mark;
	m->server_count = SERVERS_MAX;
	for (i = 0; i < SERVERS_MAX; i++)
		m->servers[i].start_ticks = pattern(mark, i);
	for (i = 0; i < HIST_BUCKETS; i++)
		m->counters.classes[i % CLASS_COUNT].wait.buckets[i] = pattern(mark, i);
	m->cpu_ns_total = pattern(mark, 1);
	for (i = 0; i < THREAD_MAX; i++)
		m->threads[i].beats_total = pattern(mark, i);
}

static bool is_whole(const struct metrics *m)
{
	uint64_t mark = m->registered_total;
	bool is_equal;
	unsigned int i;

	if (m->sequence == 0)
		return mark == 0 && m->server_count == 0;
	is_equal = m->server_count == SERVERS_MAX && m->cpu_ns_total == pattern(mark, 1);
	for (i = 0; i < SERVERS_MAX; i++)
		is_equal &= m->servers[i].start_ticks == pattern(mark, i);
	for (i = 0; i < HIST_BUCKETS; i++)
		is_equal &= m->counters.classes[i % CLASS_COUNT].wait.buckets[i] ==
			    pattern(mark, i);
	for (i = 0; i < THREAD_MAX; i++)
		is_equal &= m->threads[i].beats_total == pattern(mark, i);
	return is_equal;
}

static void check_live(void)
{
	struct snapshot_counts counts;

	snapshot_counts(store, &counts);
	if (counts.live > LIMIT)
		atomic_fetch_add(&over_limit, 1);
}

static uint64_t hash_of(const char *body, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */
	size_t i;

	for (i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)body[i]) * 0x100000001b3ull;
	return hash;
}

static void check_body(struct reader *r, const struct snapshot *snap, enum snapshot_format format)
{
	uint64_t sequence = snapshot_metrics(snap)->sequence, seen, mine;
	_Atomic uint64_t *slot = &hashes[format][sequence % HASHES];
	const char *body;
	size_t length;

	if (snapshot_body(snap, format, &body, &length)) {
		atomic_fetch_add(&failed_bodies, 1);
		return;
	}
	r->bodies++;
	mine = ((sequence + 1) << 40) | (hash_of(body, length) >> 24);
	seen = atomic_exchange_explicit(slot, mine, memory_order_relaxed);
	if (seen >> 40 == mine >> 40 && seen != mine)
		atomic_fetch_add(&other_bytes, 1);
}

static void *read_on(void *arg)
{
	struct reader *r = arg;
	uint64_t last = 0;

	while (!atomic_load(&is_ending)) {
		bool is_fresh = r->number == 0 && r->reads % 64 == 0;
		const struct snapshot *snap = is_fresh ? snapshot_get_fresh(store, 0, 100)
						       : snapshot_get(store);
		const struct metrics *m = snapshot_metrics(snap);

		if (m->sequence < last)
			atomic_fetch_add(&went_back, 1);
		last = m->sequence;
		if (!is_whole(m))
			atomic_fetch_add(&torn, 1);
		if (r->reads % 16 == 0)
			check_body(r, snap, (r->reads / 16) % SNAPSHOT_FORMATS);
		if (!is_whole(m)) /* still: it is ours until the put */
			atomic_fetch_add(&torn, 1);
		snapshot_put(snap);
		check_live();
		r->fresh += is_fresh;
		r->reads++;
	}
	return NULL;
}

/* Publishes as fast as snapshots come back for a while, then only when a reader wants, in turns. */
static void *publish_on(void *arg)
{
	uint64_t *deferred = arg, rounds = 0;
	bool was_deferred = false;

	while (!atomic_load(&is_ending)) {
		struct pollfd fd = {.fd = snapshot_want_fd(store), .events = POLLIN};
		struct metrics *m;
		bool is_paced = (++rounds / 256) % 2 == 0;

		/* The fd also says that one came back after a deferred draft. */
		if (poll(&fd, 1, is_paced || was_deferred ? 10 : 0) > 0)
			snapshot_want_clear(store);
		was_deferred = snapshot_draft(store, &m) != 0;
		if (was_deferred) {
			(*deferred)++;
			continue;
		}
		fill(m, rounds);
		snapshot_publish(store);
		check_live();
	}
	return NULL;
}

static unsigned int stress_seconds(void)
{
	const char *text = getenv("GAMERD_STRESS_SECONDS");
	unsigned long seconds = text ? strtoul(text, NULL, 10) : 0;

	return seconds > 0 && seconds < 3600 ? (unsigned int)seconds : SECONDS_DEFAULT;
}

static void run(struct reader *readers, uint64_t *deferred)
{
	pthread_t publisher;
	unsigned int i;

	assert_int_equal(pthread_create(&publisher, NULL, publish_on, deferred), 0);
	for (i = 0; i < READERS; i++) {
		readers[i].number = i;
		assert_int_equal(pthread_create(&readers[i].id, NULL, read_on, &readers[i]), 0);
	}
	poll(NULL, 0,
	     (int)stress_seconds() * 1000); /* the load's length, not a wait for anything */
	atomic_store(&is_ending, true);
	for (i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(readers[i].id, NULL), 0);
	assert_int_equal(pthread_join(publisher, NULL), 0);
}

static void readers_and_publisher_keep_the_ledger(void **state)
{
	static struct reader readers[READERS];
	struct snapshot_counts counts;
	uint64_t deferred = 0, reads = 0, bodies = 0, fresh = 0;
	const struct snapshot *last;
	unsigned int i;

	run(readers, &deferred);
	for (i = 0; i < READERS; i++) {
		assert_true(readers[i].reads > 0);
		reads += readers[i].reads;
		bodies += readers[i].bodies;
		fresh += readers[i].fresh;
	}
	rcu_barrier();
	snapshot_counts(store, &counts);
	print_message("%llu published, %llu deferred, %llu reads, %llu of them fresh, "
		      "%llu bodies rendered, %llu shared\n",
		      (unsigned long long)counts.published_total,
		      (unsigned long long)counts.deferred_total, (unsigned long long)reads,
		      (unsigned long long)fresh, (unsigned long long)counts.rendered_total,
		      (unsigned long long)counts.shared_total);

	assert_int_equal(torn, 0);
	assert_int_equal(over_limit, 0);
	assert_int_equal(went_back, 0);
	assert_int_equal(other_bytes, 0);
	assert_int_equal(failed_bodies, 0);
	assert_true(counts.published_total > 0);
	assert_int_equal(counts.deferred_total, deferred);
	assert_int_equal(counts.rendered_total + counts.shared_total, bodies);
	assert_true(counts.rendered_total > 0);
	assert_true(counts.rendered_total <= (counts.published_total + 1) * SNAPSHOT_FORMATS);

	/* Everything came back: only the current one is left. */
	assert_true(counts.live <= 2); /* and perhaps a draft */
	last = snapshot_get(store);
	assert_int_equal(snapshot_metrics(last)->sequence, counts.published_total);
	snapshot_put(last);
}

static int setup(void **state)
{
	int ret = rcu_start();

	return ret ? ret : snapshot_store_new(READERS, &store);
}

static int teardown(void **state)
{
	snapshot_store_free(store);
	rcu_stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(readers_and_publisher_keep_the_ledger, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("snapshot under load", tests, NULL, NULL);
}
