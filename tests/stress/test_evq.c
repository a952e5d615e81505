/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bounded queue under load: two producers with tiny pools against one consumer, all in real
 * threads that wait in thread_poll(). A lost wake-up shows as a poll that runs into its deadline, a
 * lost or doubled record as a ledger that does not add up or a sequence with a gap.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/evq.h"
#include "base/thread.h"

#define PRODUCERS 2
#define RECORDS 1000000u
#define DEADLINE_MS 20000

struct record {
	uint64_t sequence;
	uint64_t inverse;
};
#define BATCH_RECORDS_MAX 16u /* small batches: more pushes for the same records */
_Static_assert(BATCH_RECORDS_MAX * sizeof(struct record) <= EVQ_BATCH_BYTES, "records fit");

struct producer {
	struct evq_producer *p;
	struct thread thread;
	uint64_t pushed_records, pushed_batches, waits;
	_Atomic int failure; /* -ETIMEDOUT: nobody gave a batch back */
};

struct consumer {
	struct evq *q;
	struct thread thread;
	uint64_t expected[PRODUCERS]; /* next sequence of each */
	uint64_t drained_batches, wakeups, wrong_records;
	_Atomic int failure;
	_Atomic bool is_done;
};

/* A batch, after as many waits as it takes. */
static int get_batch(struct thread *self, struct producer *me, struct evq_batch **out)
{
	struct pollfd fd = {.fd = evq_wait_fd(me->p), .events = POLLIN};
	int ret;

	for (;;) {
		ret = evq_batch_get(me->p, out);
		if (ret != -EAGAIN)
			return ret;
		me->waits++;
		ret = thread_poll(self, &fd, 1, DEADLINE_MS);
		if (ret < 0)
			return ret;
		if (ret == 0)
			return -ETIMEDOUT;
		evq_wait_clear(me->p);
	}
}

/* The race between a give-back and an empty pool is a few instructions wide. Pauses of 0 to some
 * 20 us, about what the consumer needs to answer a push, sweep over it again and again. */
static void pause_some(uint64_t n)
{
	for (volatile uint64_t i = 0; i < n % 1024 * 8; i++)
		;
}

static int produce(struct thread *self, void *arg)
{
	struct producer *me = arg;
	uint32_t size = 1;
	int ret = 0;

	thread_ready(self, 0);
	while (me->pushed_records < RECORDS) {
		struct evq_batch *batch;
		struct record *records;

		ret = get_batch(self, me, &batch);
		if (ret < 0)
			break;
		records = (struct record *)batch->payload;
		for (; batch->count < size && me->pushed_records < RECORDS; batch->count++) {
			uint64_t sequence = me->pushed_records++;

			records[batch->count] = (struct record){sequence, ~sequence};
		}
		evq_push(me->p, batch);
		me->pushed_batches++;
		pause_some(me->pushed_batches);
		size = size % BATCH_RECORDS_MAX + 1;
	}
	atomic_store(&me->failure, ret);
	return ret;
}

static void check(void *ctx, const struct evq_batch *batch)
{
	const struct record *records = (const struct record *)batch->payload;
	struct consumer *me = ctx;

	for (uint32_t i = 0; i < batch->count; i++) {
		uint64_t expected = me->expected[batch->kind]++;

		if (records[i].sequence != expected || records[i].inverse != ~expected)
			me->wrong_records++;
	}
}

static bool has_all(const struct consumer *me)
{
	for (int i = 0; i < PRODUCERS; i++)
		if (me->expected[i] < RECORDS)
			return false;
	return true;
}

static int consume(struct thread *self, void *arg)
{
	struct consumer *me = arg;
	struct pollfd fd = {.fd = evq_fd(me->q), .events = POLLIN};
	int ret = 0;

	thread_ready(self, 0);
	while (!has_all(me)) {
		ret = thread_poll(self, &fd, 1, DEADLINE_MS);
		if (ret == 0)
			ret = -ETIMEDOUT;
		if (ret < 0)
			break;
		me->wakeups++;
		evq_clear(me->q);
		me->drained_batches += evq_drain(me->q, check, me);
	}
	atomic_store(&me->failure, ret < 0 ? ret : 0);
	atomic_store(&me->is_done, true);
	return ret;
}

/* thread_stop() would cut the work short: main waits for the end of it first. */
static void wait_done(struct consumer *consumer, struct thread *main_thread)
{
	while (!atomic_load(&consumer->is_done))
		thread_poll(main_thread, NULL, 0, 1);
}

static void run(uint32_t pool)
{
	struct producer producers[PRODUCERS] = {0};
	struct consumer consumer = {0};
	struct thread main_thread;
	uint64_t batches = 0;

	thread_adopt_main(&main_thread);
	assert_int_equal(evq_new(&consumer.q), 0);
	for (uint32_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(evq_producer_new(consumer.q, i, pool, &producers[i].p), 0);
	assert_int_equal(thread_start(&consumer.thread, "consumer", consume, &consumer), 0);
	for (int i = 0; i < PRODUCERS; i++)
		assert_int_equal(
			thread_start(&producers[i].thread, "producer", produce, &producers[i]), 0);
	wait_done(&consumer, &main_thread);
	for (int i = 0; i < PRODUCERS; i++)
		thread_stop(&producers[i].thread);
	thread_stop(&consumer.thread);
	thread_stop(&main_thread);

	assert_int_equal(atomic_load(&consumer.failure), 0);
	assert_int_equal(consumer.wrong_records, 0);
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		assert_int_equal(atomic_load(&producers[i].failure), 0);
		assert_int_equal(producers[i].pushed_records, RECORDS);
		assert_int_equal(consumer.expected[i], RECORDS);
		assert_int_equal(evq_queued(consumer.q, i), 0);
		batches += producers[i].pushed_batches;
	}
	assert_int_equal(consumer.drained_batches, batches);
	/* A wake-up belongs to a push on an empty queue, so there are never more than pushes. */
	assert_in_range(consumer.wakeups, 1, batches);
	print_message(
		"pools of %u: %u records in %lu batches: %lu wake-ups of the consumer, %lu + %lu waits of "
		"the producers\n",
		pool, PRODUCERS * RECORDS, (unsigned long)batches, (unsigned long)consumer.wakeups,
		(unsigned long)producers[0].waits, (unsigned long)producers[1].waits);
	evq_free(consumer.q);
}

/* Every push empties the pool, so each give-back may be the one that races with the arming. */
static void test_pool_of_one(void **state)
{
	run(1);
}

static void test_pool_of_three(void **state)
{
	run(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool_of_one),
		cmocka_unit_test(test_pool_of_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
