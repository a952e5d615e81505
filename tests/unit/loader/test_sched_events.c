/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's counters of a scheduler, as text of whatever kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loader/sched_events.h"

static void test_lines(void **state)
{
	struct kernel_event events[KERNEL_EVENT_MAX];

	assert_int_equal(sched_events_parse("SCX_EV_SELECT_CPU_FALLBACK 0\n"
					    "SCX_EV_BYPASS_DURATION 18446744073709551615\n"
					    "SCX_EV_NEW2 7",
					    events),
			 3);
	assert_string_equal(events[0].name, "SCX_EV_SELECT_CPU_FALLBACK");
	assert_int_equal(events[0].value, 0);
	assert_string_equal(events[1].name, "SCX_EV_BYPASS_DURATION");
	assert_true(events[1].value == UINT64_MAX);
	assert_string_equal(events[2].name, "SCX_EV_NEW2");
	assert_int_equal(events[2].value, 7);
	assert_int_equal(sched_events_parse("", events), 0);
}

static void test_what_is_no_counter_is_left_out(void **state)
{
	static const char *const wrong[] = {
		"\n",
		"SCX_EV_A",
		"SCX_EV_A ",
		"SCX_EV_A -1",
		"SCX_EV_A 1 2",
		"SCX_EV_A 1x",
		"SCX_EV_A 18446744073709551616",
		"SCX-EV 1",
		" 1",
		"SCX_EV_A\n5",
		"A_NAME_OF_FORTY_EIGHT_CHARACTERS_IS_ONE_TOO_MANY 1",
	};
	struct kernel_event events[KERNEL_EVENT_MAX];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[256];

		assert_int_equal(sched_events_parse(wrong[i], events), 0);
		snprintf(text, sizeof(text), "SCX_EV_A 1\n%s\nSCX_EV_B 2\n", wrong[i]);
		assert_int_equal(sched_events_parse(text, events), 2);
		assert_string_equal(events[1].name, "SCX_EV_B");
	}
}

static void test_more_than_there_is_room_for(void **state)
{
	struct kernel_event events[KERNEL_EVENT_MAX];
	char text[KERNEL_EVENT_MAX * 2 * 16];
	size_t length = 0;

	for (unsigned int i = 0; i < KERNEL_EVENT_MAX * 2; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "E%u %u\n", i, i);
	assert_int_equal(sched_events_parse(text, events), KERNEL_EVENT_MAX);
	assert_int_equal(events[KERNEL_EVENT_MAX - 1].value, KERNEL_EVENT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_what_is_no_counter_is_left_out),
		cmocka_unit_test(test_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
