/* SPDX-License-Identifier: GPL-2.0-only */
/* What is asked, and what is answered. */
#include "client.h"

static const char *body(void)
{
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

struct exchange {
	const char *text;
	int status;
	const char *expected; /* somewhere in the answer */
};

static void check_exchanges(const struct exchange *table, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		int status = ask(table[i].text);

		if (status != table[i].status || !strstr(answer, table[i].expected))
			fail_msg("%s answered with\n%s", table[i].text, answer);
		assert_null(strstr(answer, "Access-Control"));
		if (status && strstr(answer, "\nHTTP/1.1 "))
			fail_msg("%s answered twice:\n%s", table[i].text, answer);
		assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(answer, "Cache-Control: no-cache\r\n"));
	}
}

static void test_requests(void **state)
{
	static const struct exchange table[] = {
		{"GET / HTTP/1.1\r\n" HOST "\r\n", 200, "/metrics"},
		{"GET / HTTP/1.0\r\n\r\n", 200, "/health"},
		{"GET /metrics HTTP/1.1\r\n" HOST "\r\n", 200, "application/json"},
		{"GET /metrics HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n", 200, "\"mode\":"},
		{"GET /metrics HTTP/1.1\r\n" HOST "Accept: text/plain\r\n\r\n", 200,
		 "# TYPE scx_gamerd_"},
		{"GET /metrics?format=json HTTP/1.1\r\n" HOST "Accept: text/plain\r\n\r\n", 200,
		 "application/json"},
		{"GET /metrics?format=pretty HTTP/1.1\r\n" HOST "\r\n", 200, "\n  \"mode\": "},
		{"GET /metrics?format=prometheus HTTP/1.1\r\n" HOST "\r\n", 200, "version=0.0.4"},
		{"GET /health HTTP/1.1\r\n" HOST "\r\n", 200, "\"sequence\""},

		{"GET /metrics?format=xml HTTP/1.1\r\n" HOST "\r\n", 400, "json, pretty"},
		{"GET /metrics?color=red HTTP/1.1\r\n" HOST "\r\n", 400, "'color'"},
		{"GET /health?format=json HTTP/1.1\r\n" HOST "\r\n", 400, "'format'"},

		{"GET /metricsfoo HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"GET /metrics/ HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"GET //metrics HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"GET /metrics%00 HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"GET /metrics%00x HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"GET /%6detrics HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"GET /x/../metrics HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"GET /METRICS HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"GET /../../etc/passwd HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},

		{"POST /metrics HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD\r\n"},
		{"DELETE /health HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD\r\n"},
		{"PUT / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 405, "Allow:"},
		{"OPTIONS /metrics HTTP/1.1\r\n" HOST
		 "Origin: http://evil.example\r\nAccess-Control-Request-Method: GET\r\n\r\n",
		 405, "Allow: GET, HEAD\r\n"},
		{"FROB /metrics HTTP/1.1\r\n" HOST "\r\n", 400, "\"error\""},

		{"GET /metrics HTTP/1.1\r\n\r\n", 400, "Host"},
		{"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "Host"},
		{"GET /metrics HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", 403, "Host"},
		{"GET /metrics HTTP/1.1\r\n" HOST "Host: evil.example\r\n\r\n", 400, "Host"},
		{"OPTIONS / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "Host"},

		{"GET / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 400, "body"},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 5\r\n\r\n", 400,
		 "more than once"},
		{"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
		 "body"},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400, "\"error\""},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", 400, "\"error\""},
		{"GET / HTTP/2.0\r\n" HOST "\r\n", 505, "\"error\""},
		{"GET /\r\n\r\n", 400, "\"error\""},
		{"\x01\x02\x03\x04\r\n\r\n", 400, "\"error\""},
		{"GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 200,
		 "Connection: close"},
	};

	check_exchanges(table, COUNT(table));
}

/* Targets that are no path. */
static void test_targets(void **state)
{
	static const struct exchange table[] = {
		{"GET http://127.0.0.1/metrics HTTP/1.1\r\n" HOST "\r\n", 200, "\"mode\":"},
		{"GET HTTP://localhost:80/metrics?format=prometheus HTTP/1.1\r\n" HOST "\r\n", 200,
		 "version=0.0.4"},
		{"GET http://127.0.0.1/ HTTP/1.0\r\n\r\n", 200, "/health"},
		{"GET http://127.0.0.1/nothing HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"POST http://127.0.0.1/metrics HTTP/1.1\r\n" HOST "\r\n", 405, "Allow:"},
		{"GET http://127.0.0.1/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403,
		 "Host"},
		{"GET http://evil.example/metrics HTTP/1.1\r\n" HOST "\r\n", 403, "target"},
		{"GET http://mydomain.com/metrics HTTP/1.1\r\n" HOST "\r\n", 403, "target"},
		{"GET http://user@127.0.0.1/metrics HTTP/1.1\r\n" HOST "\r\n", 403, "target"},
		{"GET http://127.0.0.1 HTTP/1.1\r\n" HOST "\r\n", 400, "\"error\""},
		{"GET https://127.0.0.1/metrics HTTP/1.1\r\n" HOST "\r\n", 400, "target"},
		{"GET http://127.0.0.1/ HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", 400,
		 "\"error\""},
		{"GET http://127.0.0.1/ HTTP/2.0\r\n" HOST "\r\n", 505, "\"error\""},
		{"GET * HTTP/1.1\r\n" HOST "\r\n", 404, "\"error\""},
		{"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD\r\n"},
		{"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "Host"},
		{"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" HOST "\r\n", 400, "\"error\""},
	};

	check_exchanges(table, COUNT(table));
}

/* With the server's own port civetweb knows the target, if the host is its configured domain. */
static void test_targets_with_port(void **state)
{
	static const struct {
		const char *host;
		int status;
	} table[] = {{"127.0.0.1", 200}, {"localhost", 200}, {"mydomain.com", 403}};
	char text[256];
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		snprintf(text, sizeof(text),
			 "GET http://%s:%u/metrics?format=pretty HTTP/1.1\r\n" HOST "\r\n",
			 table[i].host, http_port(server));
		assert_int_equal(ask(text), table[i].status);
		assert_true(table[i].status != 200 || strstr(answer, "\n  \"mode\": "));
	}
}

/* A connection that was kept until then is answered, and closed. */
static void test_target_after_kept(void **state)
{
	int fd = connect_to(http_port(server), 0);
	static const char text[] = "GET / HTTP/1.1\r\n" KEEP "\r\n"
				   "OPTIONS * HTTP/1.1\r\n" KEEP "\r\n";

	send_all(fd, text, sizeof(text) - 1);
	receive_all(fd);
	close(fd);
	assert_non_null(strstr(answer, "HTTP/1.1 200 "));
	assert_non_null(strstr(answer, "\nHTTP/1.1 405 "));
}

static void test_head(void **state)
{
	assert_int_equal(ask("HEAD /metrics HTTP/1.1\r\n" HOST "\r\n"), 200);
	assert_non_null(strstr(answer, "Content-Length: "));
	assert_string_equal(body(), "");
	assert_int_equal(ask("HEAD /nothing HTTP/1.1\r\n" HOST "\r\n"), 404);
	assert_string_equal(body(), "");
}

static void test_etag(void **state)
{
	static const char format[] = "GET /metrics?format=%s HTTP/1.1\r\n" HOST
				     "If-None-Match: \"x\", W/%s\r\n\r\n";
	char text[512], etag[128];
	const char *header;

	assert_int_equal(ask("GET /metrics?format=json HTTP/1.1\r\n" HOST "\r\n"), 200);
	header = strstr(answer, "ETag: ");
	assert_non_null(header);
	assert_int_equal(sscanf(header, "ETag: %127[^\r]", etag), 1);

	snprintf(text, sizeof(text), format, "json", etag);
	assert_int_equal(ask(text), 304);
	assert_string_equal(body(), "");
	snprintf(text, sizeof(text), format, "pretty", etag);
	assert_int_equal(ask(text), 200);
	snprintf(text, sizeof(text), format, "json", "\"0\"");
	assert_int_equal(ask(text), 200);
}

/* Ever more bytes of a header that does not end: refused at the limit, not at the timeout. */
static void test_oversized(void **state)
{
	static const char begin[] = "GET / HTTP/1.1\r\n" HOST "X: ";
	static char text[16384];

	memset(text, 'a', sizeof(text));
	memcpy(text, begin, sizeof(begin) - 1);
	assert_int_equal(ask_bytes(text, sizeof(text)), 431);
}

static void test_many_headers(void **state)
{
	char text[4096] = "GET / HTTP/1.1\r\n";
	size_t used = strlen(text);
	int i;

	for (i = 0; i < 80; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "X%d: y\r\n", i);
	snprintf(text + used, sizeof(text) - used, HOST "\r\n");
	assert_int_equal(ask(text), 431);
}

static void test_counters(void **state)
{
	struct http_counters before, after;

	http_counters(server, &before);
	ask("GET / HTTP/1.1\r\n" HOST "\r\n");
	ask("GET /x HTTP/1.1\r\n" HOST "\r\n");
	http_counters(server, &after);
	assert_int_equal(after.requests_total - before.requests_total, 2);
	assert_int_equal(after.rejected_total - before.rejected_total, 1);
	http_counters(NULL, &after);
	assert_int_equal(after.requests_total, 0);
}

/* The body shown is that of a new picture, not one from before the question. */
static void test_fresh(void **state)
{
	atomic_store(&world.wakeups, 123456789);
	do
		assert_int_equal(ask("GET /metrics HTTP/1.1\r\n" HOST "\r\n"), 200);
	while (!strstr(answer, "123456789"));
}

static void test_port_taken(void **state)
{
	struct http_server *second = NULL;
	struct error err;

	assert_int_equal(http_start(&config, http_port(server), world.store, &second, &err),
			 -EADDRINUSE);
	assert_null(second);
	assert_non_null(strstr(err.text, "in use"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters), /* first: nobody else is counted */
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_targets_with_port),
		cmocka_unit_test(test_target_after_kept),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_etag),
		cmocka_unit_test(test_oversized),
		cmocka_unit_test(test_many_headers),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_port_taken),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
