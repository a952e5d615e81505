/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/account.h"
#include "base/clock.h"

#define MS NSEC_PER_MSEC

static struct account a;
static uint64_t now_ns, cpu_ns;

static void open_account(unsigned int percent)
{
	now_ns = 1000 * NSEC_PER_SEC;
	cpu_ns = 7 * NSEC_PER_SEC;
	account_init(&a, account_terms_requests(percent), now_ns, cpu_ns);
}

static void spend(uint64_t passed_ns, uint64_t used_ns)
{
	now_ns += passed_ns;
	cpu_ns += used_ns;
	account_charge(&a, now_ns, cpu_ns);
}

/* Prometheus, a page and --monitor, for a day. */
static void test_usual_clients_are_free(void **state)
{
	open_account(3);
	for (int i = 0; i < 86400; i++) {
		spend(NSEC_PER_SEC, 20 * MS);
		assert_int_equal(account_due_ns(&a), 0);
	}
}

static void test_a_flood_gets_its_share(void **state)
{
	static const unsigned int percent[] = {1, 3, 50, 100};

	for (unsigned int i = 0; i < sizeof(percent) / sizeof(percent[0]); i++) {
		uint64_t start_ns, used_ns, share_ns = 100 * MS * percent[i];

		open_account(percent[i]);
		start_ns = now_ns;
		used_ns = cpu_ns;
		while (now_ns < start_ns + 10 * NSEC_PER_SEC) {
			uint64_t due_ns = account_due_ns(&a);

			if (due_ns)
				spend(due_ns - now_ns, MS / 10);
			else
				spend(MS / 10, MS / 10);
		}
		used_ns = cpu_ns - used_ns;
		assert_in_range(used_ns, share_ns - MS, share_ns + 27 * MS);
	}
}

/* It rests for the whole of it, and wakes up once. */
static void test_a_debt_is_paid_back(void **state)
{
	open_account(10);
	spend(400 * MS, 440 * MS);
	assert_int_equal(account_due_ns(&a), now_ns + (440 - 22) * 10 * MS);
	spend(account_due_ns(&a) - now_ns, MS / 2);
	assert_int_equal(account_due_ns(&a), 0);
}

/* A sum of several threads' clocks may come out lower than the last time: that is no debt. */
static void test_a_clock_that_goes_back_costs_nothing(void **state)
{
	open_account(3);
	spend(MS, 2 * MS);
	cpu_ns -= MS;
	spend(MS, 0);
	assert_int_equal(account_due_ns(&a), 0);
}

static void test_nobody_waits_for_more_than_ten_seconds(void **state)
{
	open_account(3);
	spend(MS, 3600 * NSEC_PER_SEC);
	assert_in_range(account_due_ns(&a) - now_ns, 9 * NSEC_PER_SEC, 10 * NSEC_PER_SEC);
}

static void test_no_limit(void **state)
{
	open_account(0);
	for (int i = 0; i < 100; i++)
		spend(NSEC_PER_SEC, 8 * NSEC_PER_SEC);
	assert_int_equal(account_due_ns(&a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_clients_are_free),
		cmocka_unit_test(test_a_flood_gets_its_share),
		cmocka_unit_test(test_a_debt_is_paid_back),
		cmocka_unit_test(test_a_clock_that_goes_back_costs_nothing),
		cmocka_unit_test(test_nobody_waits_for_more_than_ten_seconds),
		cmocka_unit_test(test_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
