/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which CPU a thread prefers, on the machines of tests/data/topology.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/lib/sched_capacity.h"
#include "loader/topology.h"
#include "unit/machine.h"

static void test_wishes(void **state)
{
	assert_int_equal(capacity_wish(true, false), CAPACITY_BIG);
	assert_int_equal(capacity_wish(true, true), CAPACITY_BIG);
	assert_int_equal(capacity_wish(false, true), CAPACITY_SMALL);
	assert_int_equal(capacity_wish(false, false), CAPACITY_ANY);
}

/* The CPUs that the machine's description calls big are, and so are all of one whose CPUs hardly
 * differ; those it calls small are not. */
static void test_machine(void **state)
{
	static struct machine m;
	unsigned int checks = 0;
	struct topology t;

	machine_open(&m, *state);
	assert_int_equal(topology_init(&t, m.root, m.possible), 0);
	for (unsigned int i = 0; i < m.expect_count; i++) {
		bool is_big = !strcmp(m.expects[i].what, "big");

		if (!is_big && (strcmp(m.expects[i].what, "small") || !topology_has_small(&t)))
			continue;
		machine_each(cpu, m.expects[i].list)
			assert_int_equal(capacity_is_big(t.cpus[cpu].capacity), is_big);
		checks++;
	}
	assert_true(checks >= 1);
	topology_fini(&t);
	machine_close(&m);
}

#define MACHINE(file) {.name = file, .test_func = test_machine, .initial_state = file}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wishes), MACHINE("ryzen-5950x"),
		MACHINE("ryzen-7950x3d"),      MACHINE("ryzen-9800x3d"),
		MACHINE("core-i9-14900k"),     MACHINE("core-ultra-155h"),
		MACHINE("core-old-kernel"),    MACHINE("threadripper-2990wx"),
		MACHINE("steam-deck"),	       MACHINE("phone-arm64"),
		MACHINE("vm-without-caches"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
