/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/guard.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_host(void **state)
{
	static const struct {
		const char *value;
		bool is_loopback;
	} table[] = {
		{"localhost", true},
		{"LocalHost:8080", true},
		{"127.0.0.1", true},
		{"127.0.0.1:9", true},
		{"127.255.255.254:65535", true},
		{"[::1]", true},
		{"[::1]:80", true},
		{"", false},
		{":80", false},
		{"localhost:", false},
		{"localhost:0", false},
		{"localhost:65536", false},
		{"localhost:80x", false},
		{"localhost:8080808080", false},
		{"localhost.", false},
		{"localhost.evil.example", false},
		{"evil.example", false},
		{"127.0.0.1.evil.example", false},
		{"127.1", false},
		{"127.0.0.256", false},
		{"128.0.0.1", false},
		{"0.0.0.0", false},
		{"10.0.0.1:127", false},
		{"[::1", false},
		{"[::2]", false},
		{"[::1]80", false},
		{"::1", false},
		{"127.0.0.1 ", false},
		{"user@127.0.0.1", false},
	};
	size_t i;

	for (i = 0; i < COUNT(table); i++)
		if (guard_host_is_loopback(table[i].value) != table[i].is_loopback)
			fail_msg("Host '%s' judged wrongly", table[i].value);
}

static struct mg_request_info request(const char *version)
{
	struct mg_request_info ri;

	memset(&ri, 0, sizeof(ri));
	ri.http_version = version;
	ri.request_method = "GET";
	return ri;
}

static void add(struct mg_request_info *ri, const char *name, const char *value)
{
	ri->http_headers[ri->num_headers].name = name;
	ri->http_headers[ri->num_headers++].value = value;
}

static void test_request(void **state)
{
	static const struct {
		const char *version;
		const char *headers[6];
		int status;
	} table[] = {
		{"1.1", {"Host", "localhost"}, 0},
		{"1.1", {"hOsT", "127.0.0.1:1"}, 0},
		{"1.1", {"Accept", "*/*"}, 400},
		{"1.0", {"Accept", "*/*"}, 0},
		{"1.0", {"Host", "evil.example"}, 403},
		{"1.1", {"Host", "evil.example"}, 403},
		{"1.1", {"Host", "localhost", "Host", "evil.example"}, 400},
		{"1.1", {"Host", "localhost", "host", "localhost"}, 400},
		{"1.1", {"Host", "localhost", "Content-Length", "0"}, 0},
		{"1.1", {"Host", "localhost", "Content-Length", "0", "content-length", "0"}, 400},
		{"1.1",
		 {"Host", "localhost", "Content-Length", "0", "Transfer-Encoding", "chunked"},
		 400},
	};
	size_t i, k;

	for (i = 0; i < COUNT(table); i++) {
		struct mg_request_info ri = request(table[i].version);
		const char *why = NULL;

		for (k = 0; k < 6 && table[i].headers[k]; k += 2)
			add(&ri, table[i].headers[k], table[i].headers[k + 1]);
		assert_int_equal(guard_request(&ri, &why), table[i].status);
		assert_true(!why == !table[i].status);
	}
}

static void test_too_many_headers(void **state)
{
	struct mg_request_info ri = request("1.1");
	const char *why;

	add(&ri, "Host", "localhost");
	while (ri.num_headers < MG_MAX_HEADERS - 1)
		add(&ri, "X", "y");
	assert_int_equal(guard_request(&ri, &why), 0);
	add(&ri, "X", "y");
	assert_int_equal(guard_request(&ri, &why), 431);
}

static void test_target(void **state)
{
	static const struct {
		const char *target;
		int status;
		const char *path;
	} table[] = {
		{"/", 0, "/"},
		{"/metrics?format=json", 0, "/metrics?format=json"},
		{"*", 0, "*"},
		{"http://127.0.0.1/metrics", 0, "/metrics"},
		{"HTTP://LocalHost:80/a?b", 0, "/a?b"},
		{"http://[::1]:80/", 0, "/"},
		{"http://127.255.255.255:65535/", 0, "/"},
		{"http://evil.example/", 403, NULL},
		{"http://127.0.0.1.evil.example/", 403, NULL},
		{"http://a.very.long.name.of.a.host.example:65535/", 403, NULL},
		{"http://user@127.0.0.1/", 403, NULL},
		{"http:///metrics", 403, NULL},
		{"https://127.0.0.1/", 400, NULL},
		{"metrics", 400, NULL},
		{"127.0.0.1:80", 400, NULL},
		{"", 400, NULL},
	};
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		const char *path = NULL, *why = NULL;

		if (guard_target(table[i].target, &path, &why) != table[i].status)
			fail_msg("target '%s' judged wrongly", table[i].target);
		assert_true(!why == !table[i].status);
		if (table[i].path)
			assert_string_equal(path, table[i].path);
	}
}

static void test_body(void **state)
{
	struct mg_request_info none = request("1.1"), empty = none, some = none, chunked = none;
	const char *why;

	add(&empty, "Content-Length", "0");
	add(&some, "Content-Length", "5");
	add(&chunked, "Transfer-Encoding", "identity");
	assert_int_equal(guard_body(&none, &why), 0);
	assert_int_equal(guard_body(&empty, &why), 0);
	assert_int_equal(guard_body(&some, &why), 400);
	assert_int_equal(guard_body(&chunked, &why), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_too_many_headers),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
