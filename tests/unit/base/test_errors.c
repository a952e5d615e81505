/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/errors.h"

static void test_set_formats_and_returns(void **state)
{
	struct error err;

	assert_int_equal(error_set(&err, ENOENT, "cannot open %s: %d", "/x", 7), -ENOENT);
	assert_string_equal(err.text, "cannot open /x: 7");
}

static void test_set_without_a_reader(void **state)
{
	assert_int_equal(error_set(NULL, EPERM, "nobody %s", "listens"), -EPERM);
}

static void test_set_may_quote_itself(void **state)
{
	struct error err;

	error_set(&err, EIO, "inner");
	error_set(&err, EIO, "outer: %s", err.text);
	assert_string_equal(err.text, "outer: inner");
}

static void test_set_cuts_long_sentences(void **state)
{
	char text[2 * ERROR_MAX];
	struct error err;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	error_set(&err, EIO, "%s", text);
	assert_int_equal(strlen(err.text), ERROR_MAX - 1);
}

static void test_name(void **state)
{
	assert_string_equal(error_name(-EPERM), "Operation not permitted");
	assert_string_equal(error_name(-ENOENT), "No such file or directory");
	assert_non_null(error_name(-99999));
	assert_non_null(error_name(5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_formats_and_returns),
		cmocka_unit_test(test_set_without_a_reader),
		cmocka_unit_test(test_set_may_quote_itself),
		cmocka_unit_test(test_set_cuts_long_sentences),
		cmocka_unit_test(test_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
