/* SPDX-License-Identifier: GPL-2.0-only */
/* The bucket rule that BPF and user space share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf/abi/counters.h"
#include "bpf/abi/events.h"

static void test_bounds(void **state)
{
	for (uint32_t b = 0; b < HIST_BUCKETS; b++) {
		uint64_t lower = hist_lower(b), upper = hist_lower(b + 1);

		assert_true(lower < upper);
		assert_int_equal(hist_bucket(lower), b);
		assert_int_equal(hist_bucket(upper - 1), b);
		if (lower >= 8)
			assert_true((upper - lower) * 8 <= lower);
	}
}

static void test_powers_of_two(void **state)
{
	for (uint32_t e = 0; e <= HIST_MAX_EXP; e++) {
		uint32_t b = hist_bucket(1ull << e);

		assert_int_equal(hist_lower(b), 1ull << e);
		if (b)
			assert_int_equal(hist_bucket((1ull << e) - 1), b - 1);
	}
}

static void test_open_end(void **state)
{
	assert_int_equal(hist_bucket(0), 0);
	assert_int_equal(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
	assert_int_equal(hist_bucket(hist_lower(HIST_BUCKETS - 1)), HIST_BUCKETS - 1);
	assert_int_equal(hist_bucket(hist_lower(HIST_BUCKETS - 1) - 1), HIST_BUCKETS - 2);
}

static void test_log2(void **state)
{
	for (uint32_t e = 0; e < 64; e++) {
		assert_int_equal(hist_log2(1ull << e), e);
		assert_int_equal(hist_log2((1ull << e) | ((1ull << e) - 1)), e);
	}
}

static void test_layout(void **state)
{
	assert_int_equal(sizeof(struct cpu_slot) % sizeof(uint64_t), 0);
	assert_int_equal(EVENT_RING_BYTES % 8, 0);
	assert_true(offsetof(struct event, bytes) + sizeof(((struct event *)0)->bytes) ==
		    sizeof(struct event));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),	 cmocka_unit_test(test_powers_of_two),
		cmocka_unit_test(test_open_end), cmocka_unit_test(test_log2),
		cmocka_unit_test(test_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
