/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmocka_all.h"

#include <poll.h>
#include <pthread.h>

#include "detect/inbox.h"

#define EVENTS 200000

static struct inbox box;

static bool is_readable(int timeout_ms)
{
	struct pollfd fd = {.fd = box.fd, .events = POLLIN};

	return poll(&fd, 1, timeout_ms) == 1;
}

static void test_order_and_overflow(void **state)
{
	struct event e = {0};

	assert_int_equal(inbox_init(&box), 0);
	assert_false(inbox_take(&box, &e));
	assert_false(is_readable(0));
	for (uint32_t i = 0; i < INBOX_EVENTS + 5; i++) {
		e.tgid = i;
		inbox_put(&box, &e);
	}
	assert_true(is_readable(0));
	assert_int_equal(atomic_load(&box.dropped), 5);
	inbox_clear(&box);
	assert_false(is_readable(0));
	for (uint32_t i = 0; i < INBOX_EVENTS; i++) {
		assert_true(inbox_take(&box, &e));
		assert_int_equal(e.tgid, i);
	}
	assert_false(inbox_take(&box, &e));
	inbox_put(&box, &e);
	assert_true(is_readable(0));
	inbox_fini(&box);
}

static void *put_all(void *arg)
{
	struct event e = {0};

	for (uint32_t i = 1; i <= EVENTS; i++) {
		e.tgid = i;
		inbox_put(&box, &e);
	}
	e.tgid = UINT32_MAX; /* the last one must not be dropped */
	for (;;) {
		uint64_t before = atomic_load(&box.dropped);

		inbox_put(&box, &e);
		if (atomic_load(&box.dropped) == before)
			return NULL;
		atomic_fetch_sub(&box.dropped, 1);
	}
}

/* Taken plus dropped is what was put, in order, and no wake-up is ever missed. */
static void test_ledger(void **state)
{
	uint64_t taken = 0, last = 0;
	pthread_t thread;
	struct event e;
	bool is_last = false;

	assert_int_equal(inbox_init(&box), 0);
	assert_int_equal(pthread_create(&thread, NULL, put_all, NULL), 0);
	while (!is_last) {
		assert_true(is_readable(10000));
		inbox_clear(&box);
		while (inbox_take(&box, &e)) {
			is_last = e.tgid == UINT32_MAX;
			if (is_last)
				break;
			assert_true(e.tgid > last);
			last = e.tgid;
			taken++;
		}
	}
	pthread_join(thread, NULL);
	assert_int_equal(taken + atomic_load(&box.dropped), EVENTS);
	inbox_fini(&box);
}

/* The taker is told of a loss, with nothing to take. */
static void test_lost(void **state)
{
	struct event e;

	assert_int_equal(inbox_init(&box), 0);
	inbox_lost(&box);
	assert_true(is_readable(0));
	inbox_clear(&box);
	assert_false(inbox_take(&box, &e));
	assert_int_equal(atomic_load(&box.dropped), 1);
	assert_false(is_readable(0));
	inbox_fini(&box);
}

static void test_config(void **state)
{
	struct config old, new, *taken;
	struct pollfd fd;

	config_init(&old);
	new = old;
	new.roles_max = old.roles_max + 1;
	assert_int_equal(inbox_init(&box), 0);
	assert_null(inbox_take_config(&box));
	assert_int_equal(inbox_put_config(&box, &old), 0);
	assert_int_equal(inbox_put_config(&box, &new), 0); /* frees the one that nobody took */
	fd = (struct pollfd){.fd = box.fd, .events = POLLIN};
	assert_int_equal(poll(&fd, 1, 0), 1);
	taken = inbox_take_config(&box);
	assert_memory_equal(taken, &new, sizeof(new));
	free(taken);
	assert_null(inbox_take_config(&box));
	assert_int_equal(inbox_put_config(&box, &new), 0); /* freed with the box */
	inbox_fini(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_overflow),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_config),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
