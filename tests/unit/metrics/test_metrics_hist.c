/* SPDX-License-Identifier: GPL-2.0-only */
#include <math.h>

#include "sample.h"

#define VALUES_MAX 5000

static struct class_counters class;
static uint64_t values[VALUES_MAX];

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* xorshift64: the same values in every run. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* `count` values spread over all powers of two below 2^max_exp, in order. */
static void fill(unsigned int count, unsigned int max_exp, uint64_t seed)
{
	unsigned int i;

	memset(&class, 0, sizeof(class));
	for (i = 0; i < count; i++) {
		unsigned int exp = (unsigned int)(next_random(&seed) % max_exp);

		values[i] = next_random(&seed) & (((uint64_t)2 << exp) - 1);
		sample_wait(&class, values[i], 1);
	}
	qsort(values, count, sizeof(values[0]), by_value);
}

static void check_quantile(unsigned int count, double q)
{
	uint64_t rank = (uint64_t)ceil(q * count), exact, got;

	if (rank < 1)
		rank = 1;
	exact = values[rank - 1];
	got = metrics_hist_quantile(&class.wait, q);
	assert_true(got <= class.wait.max_ns);
	/* In the bucket of the exact one, so at most an eighth away; or capped by the maximum. */
	if (got != class.wait.max_ns)
		assert_int_equal(hist_bucket(got), hist_bucket(exact));
	assert_true((got > exact ? got - exact : exact - got) <= exact / 8);
}

static void quantiles_agree_with_sorting(void **state)
{
	static const double quantiles[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
	static const unsigned int counts[] = {1, 2, 3, 10, 100, 999, 1000, 1001, VALUES_MAX};
	unsigned int i, j, exp;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		for (exp = 1; exp <= HIST_MAX_EXP; exp++) {
			fill(counts[i], exp, 88172645463325252ull + exp);
			assert_int_equal(metrics_hist_count(&class.wait), counts[i]);
			for (j = 0; j < sizeof(quantiles) / sizeof(quantiles[0]); j++)
				check_quantile(counts[i], quantiles[j]);
		}
}

static void an_empty_histogram_has_no_quantiles(void **state)
{
	memset(&class, 0, sizeof(class));
	assert_int_equal(metrics_hist_count(&class.wait), 0);
	assert_int_equal(metrics_hist_quantile(&class.wait, 0.99), 0);
}

static void one_value_is_all_its_quantiles(void **state)
{
	memset(&class, 0, sizeof(class));
	sample_wait(&class, 5, 1);
	assert_int_equal(metrics_hist_quantile(&class.wait, 0), 5);
	assert_int_equal(metrics_hist_quantile(&class.wait, 0.5), 5);
	assert_int_equal(metrics_hist_quantile(&class.wait, 1), 5);
}

static void the_open_bucket_is_counted(void **state)
{
	memset(&class, 0, sizeof(class));
	sample_wait(&class, UINT64_MAX / 4, 3);
	assert_int_equal(metrics_hist_count(&class.wait), 3);
	assert_true(metrics_hist_quantile(&class.wait, 0.5) >= hist_lower(HIST_BUCKETS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_agree_with_sorting),
		cmocka_unit_test(an_empty_histogram_has_no_quantiles),
		cmocka_unit_test(one_value_is_all_its_quantiles),
		cmocka_unit_test(the_open_bucket_is_counted),
	};

	return cmocka_run_group_tests_name("metrics_hist", tests, NULL, NULL);
}
