/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/evq.h"

#define KIND_A 7
#define KIND_B 9
#define POOL 3

struct fixture {
	struct evq *q;
	struct evq_producer *a, *b;
};

static int setup(void **state)
{
	static struct fixture f;

	*state = &f;
	return evq_new(&f.q) || evq_producer_new(f.q, KIND_A, POOL, &f.a) ||
	       evq_producer_new(f.q, KIND_B, POOL, &f.b);
}

static int teardown(void **state)
{
	evq_free(((struct fixture *)*state)->q);
	return 0;
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void push(struct evq_producer *p, uint32_t count, int mark)
{
	struct evq_batch *batch;

	assert_int_equal(evq_batch_get(p, &batch), 0);
	assert_int_equal(batch->count, 0);
	batch->count = count;
	memset(batch->payload, mark, count);
	evq_push(p, batch);
}

struct seen {
	unsigned int batches;
	uint64_t records;
	uint32_t kinds[16];
	int marks[16];
};

static void look(void *ctx, const struct evq_batch *batch)
{
	struct seen *seen = ctx;

	seen->kinds[seen->batches] = batch->kind;
	seen->marks[seen->batches] = batch->payload[0];
	seen->records += batch->count;
	seen->batches++;
}

static void test_drain_keeps_order_kind_and_content(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};

	push(f->a, 10, 'x');
	push(f->b, 20, 'y');
	push(f->a, 30, 'z');
	assert_int_equal(evq_drain(f->q, look, &seen), 3);
	assert_int_equal(seen.batches, 3);
	assert_int_equal(seen.records, 60);
	assert_int_equal(seen.kinds[0], KIND_A);
	assert_int_equal(seen.kinds[1], KIND_B);
	assert_int_equal(seen.kinds[2], KIND_A);
	assert_int_equal(seen.marks[0], 'x');
	assert_int_equal(seen.marks[1], 'y');
	assert_int_equal(seen.marks[2], 'z');
	assert_int_equal(evq_drain(f->q, look, &seen), 0);
}

static void test_wakes_on_empty_to_non_empty_only(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};

	assert_false(is_readable(evq_fd(f->q)));
	push(f->a, 1, 0);
	assert_true(is_readable(evq_fd(f->q)));
	evq_clear(f->q);
	push(f->a, 1, 0); /* the queue was not empty: nobody is woken */
	push(f->b, 1, 0);
	assert_false(is_readable(evq_fd(f->q)));
	assert_int_equal(evq_drain(f->q, look, &seen), 3);
	push(f->b, 1, 0);
	assert_true(is_readable(evq_fd(f->q)));
	evq_clear(f->q);
	evq_clear(f->q);
}

static void test_empty_pool_waits_for_a_release(void **state)
{
	struct fixture *f = *state;
	struct evq_batch *batch = NULL;
	struct seen seen = {0};

	for (int i = 0; i < POOL; i++)
		push(f->a, 1, 0);
	assert_int_equal(evq_batch_get(f->a, &batch), -EAGAIN);
	assert_null(batch);
	assert_false(is_readable(evq_wait_fd(f->a)));
	push(f->b, 1, 0); /* the other pool is its own */

	evq_drain(f->q, look, &seen);
	assert_true(is_readable(evq_wait_fd(f->a)));
	assert_false(is_readable(evq_wait_fd(f->b)));
	evq_wait_clear(f->a);
	assert_false(is_readable(evq_wait_fd(f->a)));
	for (int i = 0; i < POOL; i++)
		push(f->a, 1, 0);
	/* Not armed since: giving back is silent. */
	evq_drain(f->q, look, &seen);
	assert_false(is_readable(evq_wait_fd(f->a)));
}

static void test_batches_come_back_to_their_own_pool(void **state)
{
	struct fixture *f = *state;
	struct evq_batch *batches[POOL], *none;
	struct seen seen = {0};

	for (int i = 0; i < POOL; i++) {
		push(f->a, 1, 0);
		push(f->b, 1, 0);
	}
	evq_drain(f->q, look, &seen);
	for (int i = 0; i < POOL; i++) {
		assert_int_equal(evq_batch_get(f->a, &batches[i]), 0);
		assert_int_equal(batches[i]->kind, KIND_A);
		assert_int_equal((uintptr_t)batches[i]->payload % 16, 0);
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(batches[i], batches[j]);
	}
	assert_int_equal(evq_batch_get(f->a, &none), -EAGAIN);
	for (int i = 0; i < POOL; i++)
		evq_push(f->a, batches[i]);
}

static void test_queued_counts_records_by_kind(void **state)
{
	struct fixture *f = *state;
	struct evq_producer *second;
	struct seen seen = {0};

	assert_int_equal(evq_producer_new(f->q, KIND_A, 1, &second), 0);
	push(f->a, 10, 0);
	push(second, 5, 0);
	push(f->b, 3, 0);
	assert_int_equal(evq_queued(f->q, KIND_A), 15);
	assert_int_equal(evq_queued(f->q, KIND_B), 3);
	assert_int_equal(evq_queued(f->q, 1234), 0);
	evq_drain(f->q, look, &seen);
	assert_int_equal(evq_queued(f->q, KIND_A), 0);
	assert_int_equal(evq_queued(f->q, KIND_B), 0);
}

static void push_again(void *ctx, const struct evq_batch *batch)
{
	push(ctx, 1, 0);
}

/* What is pushed during a drain waits for the next one, and wakes for it. */
static void test_push_during_drain(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};

	push(f->a, 1, 0);
	evq_clear(f->q);
	assert_int_equal(evq_drain(f->q, push_again, f->b), 1);
	assert_true(is_readable(evq_fd(f->q)));
	assert_int_equal(evq_queued(f->q, KIND_B), 1);
	assert_int_equal(evq_drain(f->q, look, &seen), 1);
}

static void test_limits(void **state)
{
	struct fixture *f = *state;
	struct evq_producer *p;

	assert_int_equal(evq_producer_new(f->q, 1, 0, &p), -EINVAL);
	for (int i = 2; i < EVQ_PRODUCERS_MAX; i++)
		assert_int_equal(evq_producer_new(f->q, 1, 1, &p), 0);
	assert_int_equal(evq_producer_new(f->q, 1, 1, &p), -ENOSPC);
	evq_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_drain_keeps_order_kind_and_content),
		TEST(test_wakes_on_empty_to_non_empty_only),
		TEST(test_empty_pool_waits_for_a_release),
		TEST(test_batches_come_back_to_their_own_pool),
		TEST(test_queued_counts_records_by_kind),
		TEST(test_push_during_drain),
		TEST(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
