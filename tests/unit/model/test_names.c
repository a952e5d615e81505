/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "model/names.h"

static void names_follow_the_enums(void **state)
{
	assert_string_equal(names_class(CLASS_AUDIO_CLIENT), "audio_client");
	assert_string_equal(names_class(CLASS_COUNT), "unknown");
	assert_string_equal(names_role(ROLE_AUDIO_SUPPORT), "audio_support");
	assert_string_equal(names_role(ROLE_COUNT), "unknown");
	assert_string_equal(names_source(SOURCE_FORK), "fork");
	assert_string_equal(names_source(SOURCE_COUNT), "unknown");
	assert_string_equal(names_reason(REASON_CLIENT), "client");
	assert_string_equal(names_reason(REASON_COUNT), "unknown");
	assert_string_equal(names_reject(REJECT_OWNER), "executable not owned by root");
	assert_string_equal(names_reject(REJECT_COUNT), "unknown");
}

static void every_role_has_a_name_that_finds_it(void **state)
{
	for (unsigned int role = ROLE_NONE + 1; role < ROLE_COUNT; role++)
		assert_int_equal(names_find_role(names_role(role)), role);
	assert_int_equal(names_find_role("none"), ROLE_COUNT);
	assert_int_equal(names_find_role(""), ROLE_COUNT);
}

static void the_list_is_cut_where_there_is_no_room(void **state)
{
	char names[16];

	names_list_roles(names, sizeof(names));
	assert_string_equal(names, "audio_server, a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_follow_the_enums),
		cmocka_unit_test(every_role_has_a_name_that_finds_it),
		cmocka_unit_test(the_list_is_cut_where_there_is_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
