/* SPDX-License-Identifier: GPL-2.0-only */
#include "sample.h"

static const struct metric *by_path(const char *path, enum metric_scope scope)
{
	unsigned int i;

	for (i = 0; i < metrics_table_count; i++)
		if (metrics_table[i].scope == scope && strcmp(metrics_table[i].path, path) == 0)
			return &metrics_table[i];
	fail_msg("no metric %s", path);
	return NULL;
}

static struct metrics sample;

static uint64_t value(const char *path, enum metric_scope scope, unsigned int index)
{
	return metrics_value(&sample, by_path(path, scope), index);
}

static int setup(void **state)
{
	sample_metrics(&sample);
	return 0;
}

static void value_reads_words_of_every_size(void **state)
{
	assert_int_equal(value("pipeline.consumed_total", SCOPE_GLOBAL, 0), 314);
	assert_int_equal(value("roles.entries", SCOPE_GLOBAL, 0), 312);
	assert_int_equal(value("sched.enabled", SCOPE_GLOBAL, 0), 1);
	assert_int_equal(value("roles.cached_total", SCOPE_GLOBAL, 0), 102);
	assert_int_equal(value("wakeups_total", SCOPE_CLASS, CLASS_GAME), 1000 + CLASS_GAME);
	assert_int_equal(value("wakeups_total", SCOPE_THREAD, 1), 241);
}

static void value_clamps_a_negative_gauge(void **state)
{
	assert_int_equal(value("threads", SCOPE_CLASS, CLASS_NORMAL), 10 + CLASS_NORMAL);
	assert_int_equal(value("threads", SCOPE_CLASS, CLASS_BACKGROUND), 0);
}

static void value_derives(void **state)
{
	assert_int_equal(value("audio.server_count", SCOPE_GLOBAL, 0), 2);
	assert_int_equal(value("input.events_total", SCOPE_GLOBAL, 0), 113 + 114 + 115);
	assert_int_equal(value("input.readers", SCOPE_GLOBAL, 0), 10 + CLASS_INPUT);
	assert_int_equal(value("wait.count", SCOPE_CLASS, 0), 998);
}

static void value_beyond_the_last_index_is_zero(void **state)
{
	assert_int_equal(value("wait.count", SCOPE_CLASS, CLASS_COUNT), 0);
	assert_int_equal(value("beats_total", SCOPE_THREAD, THREAD_MAX + 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_reads_words_of_every_size),
		cmocka_unit_test(value_clamps_a_negative_gauge),
		cmocka_unit_test(value_derives),
		cmocka_unit_test(value_beyond_the_last_index_is_zero),
	};

	return cmocka_run_group_tests_name("metrics", tests, setup, NULL);
}
