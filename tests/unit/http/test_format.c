/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/format.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_query(void **state)
{
	static const struct {
		const char *query;
		enum snapshot_format format; /* SNAPSHOT_FORMATS: none given */
		const char *error;	     /* a part of the sentence */
	} table[] = {
		{NULL, SNAPSHOT_FORMATS, NULL},
		{"", SNAPSHOT_FORMATS, NULL},
		{"format=json", SNAPSHOT_JSON, NULL},
		{"format=pretty", SNAPSHOT_PRETTY, NULL},
		{"format=prometheus", SNAPSHOT_PROMETHEUS, NULL},
		{"format=xml", 0, "json, pretty or prometheus"},
		{"format=", 0, "json, pretty or prometheus"},
		{"format", 0, "json, pretty or prometheus"},
		{"format=jsonx", 0, "json, pretty or prometheus"},
		{"format=json&format=json", 0, "more than once"},
		{"colour=red", 0, "'colour'"},
		{"format=json&a\"<b=1", 0, "'a\?\?b'"},
		{"&format=json", 0, "unknown query key"},
		{"formatjson", 0, "'formatjson'"},
	};
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		enum snapshot_format format = SNAPSHOT_FORMATS;
		bool is_given = false;
		struct error err;
		int ret = format_from_query(table[i].query, true, &format, &is_given, &err);

		if (table[i].error) {
			assert_int_equal(ret, -EINVAL);
			assert_non_null(strstr(err.text, table[i].error));
			continue;
		}
		assert_int_equal(ret, 0);
		assert_int_equal(is_given, table[i].format != SNAPSHOT_FORMATS);
		assert_int_equal(format, table[i].format);
	}
}

static void test_query_not_allowed(void **state)
{
	enum snapshot_format format;
	struct error err;
	bool is_given;

	assert_int_equal(format_from_query("format=json", false, &format, &is_given, &err),
			 -EINVAL);
	assert_int_equal(format_from_query("", false, &format, &is_given, &err), 0);
}

static void test_accept(void **state)
{
	static const struct {
		const char *accept;
		bool is_prometheus;
	} table[] = {
		{"*/*", false},
		{"", false},
		{"text/plain", true},
		{"TEXT/Plain; charset=utf-8", true},
		{"application/json", false},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
		{"application/json, text/plain, */*", false},
		{"application/openmetrics-text;version=1.0.0;q=0.5,"
		 "text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
		 true},
		{"application/json;q=0.3, text/plain;q=0.31", true},
		{"application/json;q=0.4, text/plain;q=0.31", false},
		{"text/plain;q=0", false},
		{"text/plain;q=0.0, application/json;q=0", false},
		{"text/plain;q=", true},
		{"text/plain;;;,,,", true},
		{"text/*", false},
		{"text/plainer", false},
	};
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		struct mg_request_info ri;
		enum snapshot_format expected = table[i].is_prometheus ? SNAPSHOT_PROMETHEUS
								       : SNAPSHOT_JSON;

		memset(&ri, 0, sizeof(ri));
		ri.num_headers = 1;
		ri.http_headers[0].name = "accept";
		ri.http_headers[0].value = table[i].accept;
		if (format_from_accept(&ri) != expected)
			fail_msg("Accept: %s", table[i].accept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_query_not_allowed),
		cmocka_unit_test(test_accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
