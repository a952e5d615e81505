/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Growing pauses, and never "never".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"

#define SECOND 1000000000ull

static void test_pauses_grow_to_ten_minutes(void **state)
{
	const unsigned int expected[] = {0, 10, 60, 300, 600, 600, 600};
	struct backoff b = {0};
	uint64_t now = 1000 * SECOND, pause;

	for (unsigned int i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		backoff_began(&b, now);
		now += 3 * SECOND;
		pause = backoff_failed(&b, now);
		assert_int_equal(pause, expected[i] * SECOND);
		now += pause;
	}
}

/* A pause of ten minutes is no good time. */
static void test_what_never_starts(void **state)
{
	struct backoff b = {0};
	uint64_t now = 1000 * SECOND, pause = 0;

	for (unsigned int i = 0; i < 100; i++) {
		pause = backoff_failed(&b, now);
		now += pause;
	}
	assert_int_equal(pause, 600 * SECOND);
}

static void test_a_good_time_is_a_new_beginning(void **state)
{
	struct backoff b = {0};
	uint64_t now = 1000 * SECOND;

	for (unsigned int i = 0; i < 4; i++) {
		backoff_began(&b, now);
		backoff_failed(&b, now);
	}
	backoff_began(&b, now);
	assert_int_equal(backoff_failed(&b, now + BACKOFF_GOOD_NS - 1), 600 * SECOND);
	backoff_began(&b, now);
	assert_int_equal(backoff_failed(&b, now + BACKOFF_GOOD_NS), 0);
	assert_int_equal(backoff_failed(&b, now + BACKOFF_GOOD_NS), 10 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pauses_grow_to_ten_minutes),
		cmocka_unit_test(test_what_never_starts),
		cmocka_unit_test(test_a_good_time_is_a_new_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
