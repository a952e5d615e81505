/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The budget of latency classes: honest work stays urgent, spinning does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf/lib/budget.h"

#define MS 1000000ll

/* Runs `work` of every `period` for `periods` of them; returns how many began as urgent. */
static unsigned int rhythm(struct budget *b, __u64 *now, __s64 work, __s64 period,
			   unsigned int periods)
{
	unsigned int urgent = 0;

	for (unsigned int i = 0; i < periods; i++) {
		urgent += budget_allows(b, *now);
		*now += (__u64)work;
		budget_charge(b, *now, (__u64)work);
		budget_slept(b);
		*now += (__u64)(period - work);
	}
	return urgent;
}

static void test_honest_is_never_over(void **state)
{
	struct budget b = {0};
	__u64 now = 1000 * MS;

	assert_int_equal(rhythm(&b, &now, 100000, 2666666, 1000), 1000);
	assert_int_equal(rhythm(&b, &now, 15 * MS, 21333333, 1000), 1000); /* 70 % of 1024 frames */
}

static void test_spinning_is_over_after_one_burst(void **state)
{
	struct budget b = {0};
	__u64 now = 1000 * MS, ran = 0;

	while (budget_allows(&b, now)) {
		now += MS;
		ran += MS;
		budget_charge(&b, now, MS);
	}
	assert_int_equal(ran, BURST_MAX_NS);
	now += 10000 * MS; /* waiting is not sleeping */
	assert_false(budget_allows(&b, now));
	budget_slept(&b);
	assert_true(budget_allows(&b, now));
}

static void test_over_is_counted_once(void **state)
{
	struct budget b = {0};

	assert_false(budget_charge(&b, 1000 * MS, 15 * MS));
	assert_true(budget_charge(&b, 1001 * MS, 1 * MS));
	assert_false(budget_charge(&b, 1002 * MS, 1 * MS));
	assert_int_equal(budget_left_ns(&b), 0);
}

/* Sleeping for a moment before each bound is no way round the bucket. */
static void test_share_is_bounded(void **state)
{
	struct budget b = {0};
	__u64 now = 1000 * MS, urgent = 0, start = now;

	for (unsigned int i = 0; i < 10000; i++) {
		if (budget_allows(&b, now))
			urgent += MS;
		now += MS;
		budget_charge(&b, now, MS);
		budget_slept(&b);
		now += 1000;
	}
	assert_true(urgent * 100 <= (now - start) * (BUDGET_PERCENT + 1));
}

static void test_clock_of_another_cpu(void **state)
{
	struct budget b = {0};

	budget_charge(&b, 1000 * MS, MS);
	budget_refill(&b, 999 * MS);
	assert_int_equal(b.tokens_ns, BUDGET_TOKENS_NS - MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_honest_is_never_over),
		cmocka_unit_test(test_spinning_is_over_after_one_burst),
		cmocka_unit_test(test_over_is_counted_once),
		cmocka_unit_test(test_share_is_bounded),
		cmocka_unit_test(test_clock_of_another_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
