/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads that really use CPU time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "http/throttle.h"

#define BURN_NS (200 * NSEC_PER_MSEC)
#define DEADLINE_NS (10 * NSEC_PER_SEC)

static struct throttle throttle;
static _Atomic bool is_burnt; /* the thread waits, or is about to */

static _Atomic unsigned int looks;

static void look(void *ctx)
{
	atomic_fetch_add(&looks, 1);
}

static void *burn(void *arg)
{
	throttle_join(&throttle);
	while (clock_read(CLOCK_THREAD_CPUTIME_ID) < BURN_NS)
		;
	atomic_store(&is_burnt, true);
	throttle_wait(&throttle, look, NULL);
	return NULL;
}

/* A thread's clock can be read as long as it is there, so all stay until the last one goes on. */
static pthread_barrier_t all_done;

static void *burn_together(void *arg)
{
	burn(NULL);
	pthread_barrier_wait(&all_done);
	return NULL;
}

static pthread_t start(unsigned int percent)
{
	pthread_t thread;

	atomic_store(&is_burnt, false);
	throttle_init(&throttle, percent);
	assert_int_equal(pthread_create(&thread, NULL, burn, NULL), 0);
	return thread;
}

static void end(pthread_t thread)
{
	pthread_join(thread, NULL);
	throttle_fini(&throttle);
}

static void test_waits_for_what_was_used(void **state)
{
	uint64_t begin_ns = clock_now_ns();

	end(start(50));
	/* All that was used but 25 ms, which are free. */
	assert_true(clock_now_ns() - begin_ns >= 2 * (BURN_NS - 25 * NSEC_PER_MSEC));
}

/* It would wait for 17 seconds. */
static void test_stop_ends_the_wait(void **state)
{
	uint64_t begin_ns = clock_now_ns();
	pthread_t thread = start(1);

	bool is_overdrawn = false;

	/* While the thread itself reads the clocks, what was known before is said. */
	while (!is_overdrawn && clock_now_ns() - begin_ns < DEADLINE_NS) {
		sched_yield();
		is_overdrawn = atomic_load(&is_burnt) && throttle_is_overdrawn(&throttle);
	}
	throttle_stop(&throttle);
	end(thread);
	assert_true(is_overdrawn);
	assert_true(clock_now_ns() - begin_ns < DEADLINE_NS);
}

/* However many wait, one of them looks, and ever less often: it costs next to nothing. */
static void test_waiting_costs_little(void **state)
{
	pthread_t threads[8];

	atomic_store(&looks, 0);
	throttle_init(&throttle, 50);
	pthread_barrier_init(&all_done, NULL, 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, burn_together, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&all_done);
	throttle_fini(&throttle);
	/* Two seconds or so, in steps of up to a third. */
	assert_in_range(atomic_load(&looks), 1, 40);
}

static void test_no_limit(void **state)
{
	end(start(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_what_was_used),
		cmocka_unit_test(test_stop_ends_the_wait),
		cmocka_unit_test(test_waiting_costs_little),
		cmocka_unit_test(test_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
