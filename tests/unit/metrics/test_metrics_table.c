/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>

#include "sample.h"

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void names_are_unique(void **state)
{
	unsigned int i, j;

	for (i = 0; i < metrics_table_count; i++) {
		const struct metric *a = &metrics_table[i];

		for (j = i + 1; j < metrics_table_count; j++) {
			const struct metric *b = &metrics_table[j];

			if (a->scope == b->scope && strcmp(a->path, b->path) == 0)
				fail_msg("path %s twice", a->path);
			if (a->prometheus && b->prometheus &&
			    strcmp(a->prometheus, b->prometheus) == 0)
				fail_msg("Prometheus name %s twice", a->prometheus);
		}
	}
}

/* A number and an object can't have the same place in JSON. */
static void no_path_is_the_parent_of_another(void **state)
{
	unsigned int i, j;

	for (i = 0; i < metrics_table_count; i++) {
		size_t length = strlen(metrics_table[i].path);

		for (j = 0; j < metrics_table_count; j++)
			if (metrics_table[i].scope == metrics_table[j].scope &&
			    strncmp(metrics_table[i].path, metrics_table[j].path, length) == 0)
				assert_int_not_equal(metrics_table[j].path[length], '.');
	}
}

static void words_lie_inside_their_struct_and_no_two_share_one(void **state)
{
	static const size_t sizes[] = {
		[SCOPE_GLOBAL] = sizeof(struct metrics),
		[SCOPE_CLASS] = sizeof(struct class_counters),
		[SCOPE_THREAD] = sizeof(struct thread_usage),
		[SCOPE_EVENT] = sizeof(struct kernel_event),
	};
	unsigned int i, j;

	for (i = 0; i < metrics_table_count; i++) {
		const struct metric *a = &metrics_table[i];

		if (a->derive) {
			assert_int_equal(a->size, 0);
			continue;
		}
		assert_true(a->size == 1 || a->size == 4 || a->size == 8);
		assert_true(a->offset + a->size <= sizes[a->scope]);
		assert_int_equal(a->offset % a->size, 0);
		for (j = 0; j < i; j++) {
			const struct metric *b = &metrics_table[j];

			if (b->derive || b->scope != a->scope)
				continue;
			assert_true(a->offset + a->size <= b->offset ||
				    b->offset + b->size <= a->offset);
		}
	}
}

static void names_say_type_and_unit(void **state)
{
	unsigned int i;

	for (i = 0; i < metrics_table_count; i++) {
		const struct metric *m = &metrics_table[i];
		bool is_counter = m->type == METRIC_COUNTER;
		const char *c;

		assert_true(ends_with(m->help, "."));
		assert_int_equal(m->unit == UNIT_NS,
				 ends_with(m->path, "_ns") || ends_with(m->path, "_ns_total"));
		if (!m->prometheus)
			continue;
		for (c = m->prometheus; *c; c++)
			assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) ||
				    *c == '_');
		assert_int_equal(is_counter, ends_with(m->prometheus, "_total"));
		assert_int_equal(m->unit == UNIT_NS, strstr(m->prometheus, "_seconds") != NULL);
		assert_int_equal(m->unit == UNIT_BYTES, ends_with(m->prometheus, "_bytes"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(no_path_is_the_parent_of_another),
		cmocka_unit_test(words_lie_inside_their_struct_and_no_two_share_one),
		cmocka_unit_test(names_say_type_and_unit),
	};

	return cmocka_run_group_tests_name("metrics_table", tests, NULL, NULL);
}
