/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmocka_all.h"

#include "base/clock.h"
#include "detect/budget.h"

#define MS NSEC_PER_MSEC

static struct budget b;
static uint64_t now_ns, cpu_ns;

static void spend(uint64_t passed_ns, uint64_t used_ns)
{
	now_ns += passed_ns;
	cpu_ns += used_ns;
	budget_charge(&b, now_ns, cpu_ns);
}

static int setup(void **state)
{
	now_ns = 1000 * NSEC_PER_SEC;
	cpu_ns = 7 * NSEC_PER_SEC;
	budget_init(&b, now_ns, cpu_ns);
	return 0;
}

static void test_few_events_are_free(void **state)
{
	for (int i = 0; i < 1000; i++) {
		spend(100 * MS, MS / 4);
		assert_int_equal(budget_due_ns(&b), 0);
	}
}

static void test_a_burst_ends_real_time_first(void **state)
{
	spend(5 * MS, 5 * MS);
	assert_true(b.ahead.is_overdrawn);
	assert_false(b.reading.is_overdrawn);
	/* A second without events, and not earlier. */
	assert_int_equal(budget_due_ns(&b), now_ns + NSEC_PER_SEC);
	spend(700 * MS, 0);
	assert_true(b.ahead.is_overdrawn);
	spend(300 * MS, MS / 2); /* to wake up for it is not free */
	assert_false(b.ahead.is_overdrawn);
	assert_int_equal(budget_due_ns(&b), 0);
}

static void test_reading_pauses_and_goes_on(void **state)
{
	uint64_t due;

	spend(26 * MS, 26 * MS);
	assert_true(b.reading.is_overdrawn);
	due = budget_due_ns(&b);
	assert_true(due > now_ns && due <= now_ns + 150 * MS);
	spend(due - now_ns, MS / 2);
	assert_false(b.reading.is_overdrawn);
	assert_true(b.ahead.is_overdrawn);
}

/* The clocks of a flood: the thread uses all it can get, for ten seconds. */
static void test_a_flood_gets_its_share(void **state)
{
	uint64_t start = now_ns, used = cpu_ns, ahead = 0;

	while (now_ns < start + 10 * NSEC_PER_SEC) {
		if (b.reading.is_overdrawn) {
			spend(MS, 0);
			continue;
		}
		ahead += b.ahead.is_overdrawn ? 0 : MS / 10;
		spend(MS / 10, MS / 10);
	}
	used = cpu_ns - used;
	assert_in_range(used, 500 * MS, 530 * MS); /* 5 % and the first burst */
	assert_in_range(ahead, 5 * MS, 6 * MS);
}

/* Bursts as large as keep the thread ahead, as often as they do. */
static void test_no_pattern_gets_more_real_time(void **state)
{
	uint64_t start = now_ns, ahead = 0;

	while (now_ns < start + 100 * NSEC_PER_SEC) {
		if (b.ahead.is_overdrawn) {
			spend(MS, 0);
			continue;
		}
		ahead += MS / 10;
		spend(MS / 10, MS / 10);
	}
	assert_in_range(ahead, 1, NSEC_PER_SEC);
}

static void test_what_is_not_for_events(void **state)
{
	cpu_ns += 100 * MS;
	budget_skip(&b, cpu_ns);
	spend(100 * MS, 0);
	assert_int_equal(budget_due_ns(&b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_few_events_are_free, setup),
		cmocka_unit_test_setup(test_a_burst_ends_real_time_first, setup),
		cmocka_unit_test_setup(test_reading_pauses_and_goes_on, setup),
		cmocka_unit_test_setup(test_a_flood_gets_its_share, setup),
		cmocka_unit_test_setup(test_no_pattern_gets_more_real_time, setup),
		cmocka_unit_test_setup(test_what_is_not_for_events, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
