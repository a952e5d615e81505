/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pause of the machine, told from a stall.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader/sched_watch.h"

#define MS 1000000ull
#define NOW (1000000 * MS)

/* A timeout of 10 s: looked at every 625 ms, pauses count from 1.25 s on. */
static const struct sched_watcher watcher = {.period_ns = 625 * MS, .timeout_ns = 10000 * MS};

static void test_settings(void **state)
{
	struct sched_settings settings = {0};
	struct sched_watcher w = {0};

	sched_watch_configure(&w, &settings, 10000);
	assert_int_equal(w.period_ns, watcher.period_ns);
	assert_int_equal(w.timeout_ns, watcher.timeout_ns);
	assert_int_equal(settings.watch_period_ns, 625 * MS);
	assert_int_equal(settings.watch_warn_ns, 2500 * MS);
	assert_int_equal(settings.watch_end_ns, 6000 * MS);
}

static void test_no_pause(void **state)
{
	struct sched_pause none = {0}, seen = {.checked_ns = NOW - 600 * MS};

	assert_int_equal(sched_watch_pause_judge(&watcher, &none, NOW), 0);
	assert_int_equal(sched_watch_pause_judge(&watcher, &seen, NOW), 0);
}

static void test_pause_that_was_noted(void **state)
{
	struct sched_pause pause = {
		.checked_ns = NOW, .resumed_ns = NOW - 5000 * MS, .length_ns = 24400 * MS};

	assert_int_equal(sched_watch_pause_judge(&watcher, &pause, NOW), 24400 * MS);
	pause.is_over = 1;
	assert_int_equal(sched_watch_pause_judge(&watcher, &pause, NOW), 24400 * MS);
	/* Who has waited for 10 s by now has waited for all of them since the pause. */
	pause.resumed_ns = NOW - 10001 * MS;
	assert_int_equal(sched_watch_pause_judge(&watcher, &pause, NOW), 0);
}

/* The kernel was faster than the check. */
static void test_pause_that_nobody_noted(void **state)
{
	struct sched_pause pause = {.checked_ns = NOW - 25000 * MS};

	assert_int_equal(sched_watch_pause_judge(&watcher, &pause, NOW), 24375 * MS);
	/* There are no more checks, and so none is overdue. */
	pause.is_over = 1;
	assert_int_equal(sched_watch_pause_judge(&watcher, &pause, NOW), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_no_pause),
		cmocka_unit_test(test_pause_that_was_noted),
		cmocka_unit_test(test_pause_that_nobody_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
