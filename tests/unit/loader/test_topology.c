/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CPUs of this machine, whatever it is, and of those that tests/data/topology describes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/topology.h"
#include "unit/machine.h"

/* --- what holds on every machine ------------------------------------------------------------ */

/* Each possible CPU is in the order once, a cache is a range of it, and the threads of a core are
 * neighbours. */
static void check_order(const struct topology *t)
{
	unsigned int place = 0;

	for (unsigned int i = 0; i < t->cpu_count; i++) {
		const struct topology_cpu *cpu = &t->cpus[t->order[i]], *before;

		assert_int_equal(cpu->order, i);
		assert_in_range(i, t->llcs[cpu->llc].first,
				t->llcs[cpu->llc].first + t->llcs[cpu->llc].size - 1);
		before = i ? &t->cpus[t->order[i - 1]] : NULL;
		if (before && before->llc == cpu->llc)
			assert_true(before->core <= cpu->core);
	}
	for (unsigned int llc = 0; llc < t->llc_count; llc++)
		place += t->llcs[llc].size;
	assert_int_equal(place, t->cpu_count);
}

static void check_ranges(const struct topology *t)
{
	uint32_t strongest = 0;

	assert_in_range(t->llc_count, 1, SCHED_LLC_MAX);
	for (unsigned int i = 0; i < t->cpu_count; i++) {
		const struct topology_cpu *cpu = &t->cpus[i];

		assert_in_range(cpu->llc, 0, t->llc_count - 1);
		assert_in_range(cpu->core, 0, i);
		assert_in_range(cpu->capacity, 1, SCHED_CAPACITY_MAX);
		strongest = cpu->capacity > strongest ? cpu->capacity : strongest;
	}
	assert_int_equal(strongest, SCHED_CAPACITY_MAX);
}

static void test_this_machine(void **state)
{
	unsigned int configured = (unsigned int)sysconf(_SC_NPROCESSORS_CONF), online = 0;
	struct topology t;

	assert_int_equal(topology_init(&t, "", configured), 0);
	assert_int_equal(t.cpu_count, configured);
	check_ranges(&t);
	check_order(&t);
	for (unsigned int cpu = 0; cpu < t.cpu_count; cpu++)
		online += t.cpus[cpu].is_online;
	assert_int_equal(online, sysconf(_SC_NPROCESSORS_ONLN));
	topology_fini(&t);
	assert_null(t.cpus);
	topology_fini(&t);
}

/* CPUs that the kernel could have, and that sysfs does not know, belong to the first cache. */
static void test_cpus_that_do_not_exist(void **state)
{
	unsigned int configured = (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
	struct topology t;

	assert_int_equal(topology_init(&t, "", configured + 8), 0);
	for (unsigned int cpu = configured; cpu < t.cpu_count; cpu++) {
		assert_int_equal(t.cpus[cpu].llc, 0);
		assert_false(t.cpus[cpu].is_online);
	}
	check_order(&t);
	topology_fini(&t);
}

/* --- described machines --------------------------------------------------------------------- */

static unsigned int cpu_fact(const struct topology_cpu *cpu, const char *what)
{
	if (!strcmp(what, "llc"))
		return cpu->llc;
	if (!strcmp(what, "core"))
		return cpu->core;
	if (!strcmp(what, "node"))
		return cpu->node;
	if (!strcmp(what, "capacity"))
		return cpu->capacity;
	if (!strcmp(what, "online"))
		return cpu->is_online;
	if (!strcmp(what, "tickless"))
		return cpu->is_tickless;
	fail_msg("nobody knows what '%s' is", what);
	return 0;
}

static void check_expect(const struct machine *m, const struct topology *t, unsigned int i)
{
	unsigned int value = m->expects[i].value, place = value;
	const char *what = m->expects[i].what, *list = m->expects[i].list;

	if (!strcmp(what, "llcs")) {
		assert_int_equal(t->llc_count, value);
		return;
	}
	/* For tests/unit/bpf/test_sched_capacity.c. */
	if (!strcmp(what, "big") || !strcmp(what, "small") || !strcmp(what, "stays"))
		return;
	/* expect kib LLC SIZE */
	if (!strcmp(what, "kib")) {
		assert_int_equal(t->llcs[value].kib, strtoul(list, NULL, 10));
		return;
	}
	machine_each(cpu, list)
	{
		if (!strcmp(what, "order")) {
			assert_int_equal(t->order[place++], cpu);
			continue;
		}
		if (cpu_fact(&t->cpus[cpu], what) != value)
			fail_msg("%s of CPU %u is %u, not %u", what, cpu,
				 cpu_fact(&t->cpus[cpu], what), value);
	}
}

static void test_machine(void **state)
{
	struct topology t;
	struct machine m;

	machine_open(&m, *state);
	assert_int_equal(topology_init(&t, m.root, m.possible), 0);
	check_ranges(&t);
	check_order(&t);
	assert_true(m.expect_count > 0);
	for (unsigned int i = 0; i < m.expect_count; i++)
		check_expect(&m, &t, i);
	topology_fini(&t);
	machine_close(&m);
}

static void check_words(const char *name, const char *feature, const char *words)
{
	struct feature features[FEATURE_MAX];
	const char *found = "";
	struct topology t;
	unsigned int count;
	struct machine m;

	machine_open(&m, name);
	assert_int_equal(topology_init(&t, m.root, m.possible), 0);
	count = topology_describe(&t, m.root, features, FEATURE_MAX);
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(features[i].name, feature))
			found = features[i].detail;
	assert_string_equal(found, words);
	topology_fini(&t);
	machine_close(&m);
}

static void test_words(void **state)
{
	check_words("core-i9-14900k", "cpus",
		    "32 on line of 32 possible; 24 cores, 1 NUMA node; 12 of strength 971, "
		    "4 of strength 1024, 16 of strength 598");
	check_words("vm-many-possible", "cpus",
		    "3 on line of 512 possible; 3 cores, 2 NUMA nodes, all equally strong");
	check_words("ryzen-7950x3d", "caches", "last level: 1 of 98304 KiB, 1 of 32768 KiB");
	check_words(
		"ryzen-7950x3d", "amd_x3d_mode",
		"frequency: the firmware prefers the die with the higher clock; read, never set");
	check_words("ryzen-7950x3d", "energy_preference", "balance_performance; read, never set");
	check_words("vm-without-caches", "caches",
		    "sysfs names none: all CPUs count as if they shared one");
	check_words("steam-deck", "amd_x3d_mode", "");
}

/* CPU 3 of a machine was off line, and so sysfs had nothing on it. */
static void test_cpu_that_comes_later(void **state)
{
	struct topology before, same, later;
	struct machine m;

	machine_open(&m, "vm-many-possible");
	assert_int_equal(topology_init(&before, m.root, m.possible), 0);
	assert_int_equal(topology_init(&same, m.root, m.possible), 0);
	assert_false(topology_has_learned(&before, &same));
	machine_cache(&m, "3", "16384K", "3");
	machine_write(&m, "0-3", MACHINE_CPU "online");
	assert_int_equal(topology_init(&later, m.root, m.possible), 0);
	assert_int_equal(later.cpus[3].llc, 2);
	assert_true(topology_has_learned(&before, &later));
	/* One that has gone meanwhile is no news. */
	assert_false(topology_has_learned(&later, &before));
	topology_fini(&before);
	topology_fini(&same);
	topology_fini(&later);
	machine_close(&m);
}

#define MACHINE(file) {.name = file, .test_func = test_machine, .initial_state = file}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_this_machine),
		cmocka_unit_test(test_cpus_that_do_not_exist),
		MACHINE("ryzen-5950x"),
		MACHINE("ryzen-7950x3d"),
		MACHINE("ryzen-9800x3d"),
		MACHINE("core-i9-14900k"),
		MACHINE("core-ultra-155h"),
		MACHINE("core-old-kernel"),
		MACHINE("threadripper-2990wx"),
		MACHINE("epyc-many-caches"),
		MACHINE("steam-deck"),
		MACHINE("phone-arm64"),
		MACHINE("vm-without-caches"),
		MACHINE("vm-many-possible"),
		MACHINE("nohz-full"),
		cmocka_unit_test(test_cpu_that_comes_later),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
