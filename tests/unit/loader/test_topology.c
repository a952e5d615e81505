/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which CPUs share a last-level cache, on this machine, whatever it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/abi/sched.h"
#include "loader/internal.h"

static void test_every_cpu_has_a_cache(void **state)
{
	unsigned int configured = (unsigned int)sysconf(_SC_NPROCESSORS_CONF), online = 0;
	struct topology t;

	assert_int_equal(topology_init(&t, configured), 0);
	assert_int_equal(t.cpu_count, configured);
	assert_in_range(t.llc_count, 1, SCHED_LLC_MAX);
	for (unsigned int cpu = 0; cpu < t.cpu_count; cpu++) {
		assert_in_range(t.cpus[cpu].llc, 0, t.llc_count - 1);
		online += t.cpus[cpu].is_online;
	}
	assert_int_equal(online, sysconf(_SC_NPROCESSORS_ONLN));
	topology_fini(&t);
	assert_null(t.cpus);
}

/* CPUs that the kernel could have, and that sysfs does not know, belong to the first cache. */
static void test_cpus_that_do_not_exist(void **state)
{
	unsigned int configured = (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
	struct topology t;

	assert_int_equal(topology_init(&t, configured + 8), 0);
	for (unsigned int cpu = configured; cpu < t.cpu_count; cpu++) {
		assert_int_equal(t.cpus[cpu].llc, 0);
		assert_false(t.cpus[cpu].is_online);
	}
	topology_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cpu_has_a_cache),
		cmocka_unit_test(test_cpus_that_do_not_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
