/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How fast a CPU is asked to run, in a model of the CPU and of the kernel's governor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/lib/sched_perf.h"

#define MS 1000000ull
#define TICK_NS (4 * MS)

/* A CPU whose load takes `work` of 1024 when it runs at its highest frequency, of `capacity`. */
struct model {
	struct perf perf;
	__u64 now_ns;
	__u32 capacity;
	__u32 frequency; /* 1024 is its highest */
	__u32 lowest;
	unsigned int calls;
};

static struct model model_new(__u32 capacity)
{
	return (struct model){
		.now_ns = 1000 * MS, .capacity = capacity, .frequency = 200, .lowest = 200};
}

/* As schedutil does: a quarter more than what is asked for. */
static void governor(struct model *m)
{
	__u32 frequency = m->perf.target * 1280 / m->capacity;

	m->frequency = frequency > 1024 ? 1024 : frequency < m->lowest ? m->lowest : frequency;
}

static void run(struct model *m, __u32 work, bool is_urgent, __u64 ns)
{
	for (__u64 end = m->now_ns + ns; m->now_ns < end;) {
		__u64 busy = TICK_NS * work / m->frequency;

		m->now_ns += TICK_NS;
		perf_ran(&m->perf, m->now_ns, busy < TICK_NS ? busy : TICK_NS, is_urgent);
		if (perf_update(&m->perf, m->now_ns, m->capacity, m->frequency)) {
			m->calls++;
			governor(m);
		}
	}
}

static void test_settles_a_quarter_above_the_load(void **state)
{
	for (__u32 work = 200; work <= 700; work += 100) {
		struct model m = model_new(1024);

		run(&m, work, false, 2000 * MS);
		assert_in_range(m.frequency, work * 115 / 100, work * 140 / 100 + 30);
	}
}

/* The E core's own highest frequency, not that of the strongest CPU. */
static void test_small_core(void **state)
{
	struct model m = model_new(600);

	run(&m, 1024, false, 500 * MS);
	assert_in_range(m.perf.target, 540, 600);
	assert_int_equal(m.frequency, 1024);
	m = model_new(600);
	run(&m, 400, false, 2000 * MS);
	assert_in_range(m.frequency, 460, 590);
	assert_in_range(m.perf.target, 210, 290);
}

static void test_full_load_is_fast_soon(void **state)
{
	struct model m = model_new(1024);

	run(&m, 1024, false, 100 * MS);
	assert_int_equal(m.frequency, 1024);
}

static void test_idle_falls(void **state)
{
	struct model m = model_new(1024);

	run(&m, 1024, false, 500 * MS);
	run(&m, 10, false, 200 * MS);
	assert_in_range(m.perf.target, 0, 60);
}

/* 0.1 ms of each 2.7 ms: sound. The floor, and not the highest frequency. */
static void test_urgent_has_a_floor(void **state)
{
	struct model m = model_new(1024);

	run(&m, 38, true, 8 * MS);
	assert_int_equal(m.perf.target, 1024 * PERF_URGENT_PERCENT / 100);
	run(&m, 38, true, 2000 * MS);
	assert_int_equal(m.perf.target, 1024 * PERF_URGENT_PERCENT / 100);
	assert_int_equal(m.calls, 1);
	/* It holds for a moment after the last urgent work, and no longer. */
	run(&m, 10, false, 40 * MS);
	assert_int_equal(m.perf.target, 1024 * PERF_URGENT_PERCENT / 100);
	run(&m, 10, false, 100 * MS);
	assert_in_range(m.perf.target, 0, 60);
}

/* A frame that needs much is not kept waiting for the average. */
static void test_heavy_urgent_work_counts_at_once(void **state)
{
	struct model m = model_new(1024), slow = model_new(1024);

	run(&m, 1024, true, 12 * MS);
	run(&slow, 1024, false, 12 * MS);
	assert_int_equal(m.frequency, 1024);
	assert_true(slow.frequency < 1024);
}

static void test_never_above_capacity(void **state)
{
	struct model m = model_new(300);

	run(&m, 1024, true, 1000 * MS);
	assert_int_equal(m.perf.target, 300);
}

static void test_steady_load_makes_no_calls(void **state)
{
	struct model m = model_new(1024);
	unsigned int before;

	run(&m, 300, false, 2000 * MS);
	before = m.calls;
	run(&m, 300, false, 2000 * MS);
	assert_in_range(m.calls - before, 0, 2);
}

/* No ticks for a second, and nothing ran: the average is over, and so is the target. */
static void test_after_a_long_sleep(void **state)
{
	struct model m = model_new(1024);

	run(&m, 800, false, 500 * MS);
	assert_false(perf_decay(&m.perf, m.now_ns + 99 * MS));
	assert_true(perf_decay(&m.perf, m.now_ns + 101 * MS));
	assert_int_equal(m.perf.target, 0);
	assert_false(perf_decay(&m.perf, m.now_ns + 200 * MS));
	m.now_ns += 5000 * MS;
	assert_false(perf_update(&m.perf, m.now_ns, 1024, 1024));
	assert_int_equal(m.perf.util, 0);
}

/* Another CPU's clock may be a little behind. */
static void test_clock_that_goes_back(void **state)
{
	struct model m = model_new(1024);

	run(&m, 300, false, 100 * MS);
	assert_false(perf_update(&m.perf, m.now_ns - MS, 1024, 1024));
	assert_false(perf_decay(&m.perf, m.now_ns - MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settles_a_quarter_above_the_load),
		cmocka_unit_test(test_small_core),
		cmocka_unit_test(test_full_load_is_fast_soon),
		cmocka_unit_test(test_idle_falls),
		cmocka_unit_test(test_urgent_has_a_floor),
		cmocka_unit_test(test_heavy_urgent_work_counts_at_once),
		cmocka_unit_test(test_never_above_capacity),
		cmocka_unit_test(test_steady_load_makes_no_calls),
		cmocka_unit_test(test_after_a_long_sleep),
		cmocka_unit_test(test_clock_that_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
