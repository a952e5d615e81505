/* SPDX-License-Identifier: GPL-2.0-only */
/* The sum over all CPUs: words are added, a maximum is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loader/internal.h"

#define CPUS 3

static void test_sum(void **state)
{
	static struct cpu_slot slots[CPUS], sum;
	struct counters counters = {.slots = slots, .cpu_count = CPUS};
	static const uint64_t max_ns[CPUS] = {700, 900, 100};

	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		struct class_counters *game = &slots[cpu].classes[CLASS_GAME];

		game->threads = cpu == 0 ? 5 : -2; /* started on one CPU, ended on others */
		game->wait.sum_ns = 10;
		game->wait.max_ns = max_ns[cpu];
		game->wait.buckets[HIST_BUCKETS - 1] = cpu;
		slots[cpu].ring_dropped = 1;
		slots[cpu].input_readers = 2;
		slots[cpu].input_since_ns = 12345;
		slots[cpu].input_visitor = 67890;
	}
	memset(&sum, 0xff, sizeof(sum));
	counters_sum(&counters, &sum);
	assert_int_equal(sum.classes[CLASS_GAME].threads, 1);
	assert_int_equal(sum.classes[CLASS_GAME].wait.sum_ns, 30);
	assert_int_equal(sum.classes[CLASS_GAME].wait.max_ns, 900);
	assert_int_equal(sum.classes[CLASS_GAME].wait.buckets[HIST_BUCKETS - 1], 3);
	assert_int_equal(sum.classes[CLASS_NORMAL].wait.max_ns, 0);
	assert_int_equal(sum.ring_dropped, 3);
	assert_int_equal(sum.input_readers, 6);
	assert_int_equal(sum.input_since_ns, 0);
	assert_int_equal(sum.input_visitor, 0);
}

static void test_feature_replaced(void **state)
{
	static struct loader l;
	struct feature out[FEATURE_MAX];

	programs_feature(&l, "input_hook", true, "fine");
	programs_feature(&l, "sched_ext", false, "none");
	programs_feature(&l, "input_hook", false, "refused (%d)", 7);
	assert_int_equal(loader_features(&l, out, FEATURE_MAX), 2);
	assert_string_equal(out[0].name, "input_hook");
	assert_string_equal(out[0].detail, "refused (7)");
	assert_false(out[0].is_available);
	assert_int_equal(loader_features(&l, out, 1), 1);
	for (int i = 0; i < FEATURE_MAX + 5; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		programs_feature(&l, name, true, "x");
	}
	assert_int_equal(loader_features(&l, out, FEATURE_MAX), FEATURE_MAX);
}

static void test_free_nothing(void **state)
{
	loader_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_feature_replaced),
		cmocka_unit_test(test_free_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
