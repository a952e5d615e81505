/* SPDX-License-Identifier: GPL-2.0-only */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/futex.h"

#define SLEEPERS 3
#define DEADLINE_NS (10 * NSEC_PER_SEC)

static _Atomic uint32_t word;
static _Atomic uint32_t asleep, woken;

static void *sleeper(void *arg)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	atomic_fetch_add(&asleep, 1);
	while (atomic_load(&word) == 0 && clock_now_ns() < end)
		futex_wait(&word, 0, DEADLINE_NS);
	if (atomic_load(&word) == 1 && clock_now_ns() < end)
		atomic_fetch_add(&woken, 1);
	return NULL;
}

static void test_wake_all(void **state)
{
	pthread_t threads[SLEEPERS];

	for (int i = 0; i < SLEEPERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sleeper, NULL), 0);
	while (atomic_load(&asleep) < SLEEPERS)
		sched_yield();
	atomic_store(&word, 1);
	futex_wake_all(&word);
	for (int i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&woken), SLEEPERS);
}

static void test_other_value_returns_at_once(void **state)
{
	_Atomic uint32_t other = 5;

	assert_int_equal(futex_wait(&other, 4, DEADLINE_NS), -EAGAIN);
}

static void test_timeout(void **state)
{
	_Atomic uint32_t same = 5;

	assert_int_equal(futex_wait(&same, 5, NSEC_PER_MSEC), -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wake_all),
		cmocka_unit_test(test_other_value_returns_at_once),
		cmocka_unit_test(test_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
