/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernels whose BTF lacks what is needed to call a function.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "loader/internal.h"

/* Adds `int NAME(int id, ...)`, with the argument that the verifier fills in or without. */
static void add_function(struct btf *btf, const char *name, bool has_aux)
{
	int type = btf__find_by_name(btf, "int"), proto;

	if (type < 0)
		type = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	proto = btf__add_func_proto(btf, type);
	assert_int_equal(btf__add_func_param(btf, "id", type), 0);
	if (has_aux)
		assert_int_equal(btf__add_func_param(btf, "aux", type), 0);
	assert_true(btf__add_func(btf, name, BTF_FUNC_STATIC, proto) > 0);
}

static void test_two_entries_are_as_it_should_be(void **state)
{
	struct btf *btf = btf__new_empty();
	char name[64];

	add_function(btf, "scx_bpf_task_cpu", false);
	add_function(btf, "scx_bpf_kick_cpu", false);
	add_function(btf, "scx_bpf_kick_cpu_impl", true);
	add_function(btf, "some_function", true);
	assert_int_equal(layout_uncallable_in(btf, name, sizeof(name)), 0);
	assert_string_equal(name, "");
	btf__free(btf);
}

static void test_one_entry_with_the_argument_is_not(void **state)
{
	struct btf *btf = btf__new_empty();
	char name[64];

	add_function(btf, "scx_bpf_kick_cpu", false);
	add_function(btf, "scx_bpf_kick_cpu_impl", true);
	add_function(btf, "scx_bpf_create_dsq", true);
	add_function(btf, "scx_bpf_dsq_nr_queued", true);
	assert_int_equal(layout_uncallable_in(btf, name, sizeof(name)), 2);
	assert_string_equal(name, "scx_bpf_create_dsq");
	btf__free(btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_entries_are_as_it_should_be),
		cmocka_unit_test(test_one_entry_with_the_argument_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
