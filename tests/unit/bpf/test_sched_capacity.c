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

/* --- rules ---------------------------------------------------------------------------------- */

static void test_wishes(void **state)
{
	assert_int_equal(capacity_wish(true, false, 10), CAPACITY_BIG);
	assert_int_equal(capacity_wish(true, true, 10), CAPACITY_BIG);
	assert_int_equal(capacity_wish(false, true, 1024), CAPACITY_SMALL);
	assert_int_equal(capacity_wish(false, false, 10), CAPACITY_ANY);
	assert_int_equal(capacity_wish(false, false, 800), CAPACITY_BIG);
}

static void test_what_fits(void **state)
{
	assert_true(capacity_fits(598, true, 400));
	assert_false(capacity_fits(598, true, 500));
	assert_false(capacity_fits(598, false, 400)); /* half of a core */
	assert_false(capacity_fits(1024, true, 1024));
}

static void test_where_the_rest_stays(void **state)
{
	assert_true(capacity_stays(CAPACITY_ANY, 598, true, 200, 1024));
	assert_false(capacity_stays(CAPACITY_ANY, 598, true, 500, 1024));
	assert_false(capacity_stays(CAPACITY_ANY, 1024, false, 100, 1024));
	/* A background thread leaves a P core if an E core idles, but not one E core for another.
	 */
	assert_false(capacity_stays(CAPACITY_SMALL, 1024, true, 0, 598));
	assert_true(capacity_stays(CAPACITY_SMALL, 598, true, 0, 598));
}

/* --- machines ------------------------------------------------------------------------------- */

struct search {
	struct machine m;
	struct topology t;
	bool is_busy[MACHINE_CPUS];
};

static void search_begin(struct search *s, const char *name)
{
	memset(s->is_busy, 0, sizeof(s->is_busy));
	machine_open(&s->m, name);
	assert_int_equal(topology_init(&s->t, s->m.root, s->m.possible), 0);
}

static void search_end(struct search *s)
{
	topology_fini(&s->t);
	machine_close(&s->m);
}

static bool is_whole(const struct search *s, uint32_t cpu)
{
	for (uint32_t other = 0; other < s->t.cpu_count; other++)
		if (s->is_busy[other] && s->t.cpus[other].core == s->t.cpus[cpu].core)
			return false;
	return true;
}

static uint32_t liking(const struct search *s, enum capacity_wish wish, uint32_t cpu)
{
	return s->is_busy[cpu] ? 0
			       : capacity_liking(wish, s->t.cpus[cpu].capacity, is_whole(s, cpu));
}

static uint32_t best_liking(const struct search *s, enum capacity_wish wish)
{
	uint32_t best = 0;

	for (uint32_t cpu = 0; cpu < s->t.cpu_count; cpu++)
		best = liking(s, wish, cpu) > best ? liking(s, wish, cpu) : best;
	return best;
}

/* The CPUs such a thread likes best are all of the list, and no other ones. */
static void check_choice(const struct search *s, enum capacity_wish wish, const char *list)
{
	uint32_t best = best_liking(s, wish), likes = 0, listed = 0;

	for (uint32_t cpu = 0; cpu < s->t.cpu_count; cpu++)
		likes += liking(s, wish, cpu) == best;
	machine_each(cpu, list)
	{
		if (liking(s, wish, cpu) != best)
			fail_msg("CPU %u is not the first choice", cpu);
		listed++;
	}
	assert_int_equal(likes, listed);
}

static void test_machine(void **state)
{
	static struct search s;
	unsigned int checks = 0;

	search_begin(&s, *state);
	for (unsigned int i = 0; i < s.m.expect_count; i++) {
		const char *what = s.m.expects[i].what, *list = s.m.expects[i].list;

		checks++;
		if (!strcmp(what, "big")) {
			check_choice(&s, CAPACITY_BIG, list);
		} else if (!strcmp(what, "small")) {
			check_choice(&s, CAPACITY_SMALL, list);
		} else if (!strcmp(what, "stays")) {
			machine_each(cpu, list) assert_int_equal(
				capacity_stays(CAPACITY_BIG, s.t.cpus[cpu].capacity, true, 0,
					       SCHED_CAPACITY_MAX),
				s.m.expects[i].value);
		} else {
			checks--;
		}
	}
	assert_true(checks >= 3);
	search_end(&s);
}

/* One thread of each P core is busy, then all E cores, too. */
static void test_busy_siblings(void **state)
{
	static struct search s;

	search_begin(&s, "core-i9-14900k");
	machine_each(cpu, "0,2,4,6,8,10,12,14") s.is_busy[cpu] = true;
	check_choice(&s, CAPACITY_BIG, "16-31");
	check_choice(&s, CAPACITY_SMALL, "16-31");
	machine_each(cpu, "16-31") s.is_busy[cpu] = true;
	check_choice(&s, CAPACITY_BIG, "9,11");
	search_end(&s);
	search_begin(&s, "ryzen-5950x");
	machine_each(cpu, "0-14") s.is_busy[cpu] = true;
	check_choice(&s, CAPACITY_BIG, "15,31");
	check_choice(&s, CAPACITY_SMALL, "15,31");
	search_end(&s);
}

#define MACHINE(file)                                                          \
	{                                                                      \
		.name = file, .test_func = test_machine, .initial_state = file \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wishes),
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_where_the_rest_stays),
		MACHINE("ryzen-5950x"),
		MACHINE("ryzen-7950x3d"),
		MACHINE("ryzen-9800x3d"),
		MACHINE("core-i9-14900k"),
		MACHINE("core-ultra-155h"),
		MACHINE("core-old-kernel"),
		MACHINE("threadripper-2990wx"),
		MACHINE("steam-deck"),
		MACHINE("phone-arm64"),
		MACHINE("vm-without-caches"),
		cmocka_unit_test(test_busy_siblings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
