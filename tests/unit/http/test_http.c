/* SPDX-License-Identifier: GPL-2.0-only */
/* The real server on a real port, asked over plain sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"
#include "unit/world.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DEADLINE_MS 10000 /* far below the server's time for slow clients in these tests */
#define ANSWER_MAX (256 * 1024)
#define HOST "Host: localhost\r\n"

static struct world world;
static struct config config;
static struct http_server *server;
static char answer[ANSWER_MAX];

static int setup(void **state)
{
	struct error err;

	if (world_start(&world, 16))
		return -1;
	config_init(&config);
	config.http_timeout_ms = 60000;
	return http_start(&config, 0, world.store, &server, &err);
}

static int teardown(void **state)
{
	http_stop(server);
	world_stop(&world);
	return 0;
}

static int connect_to(uint16_t port, int receive_bytes)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (receive_bytes)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void send_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

		if (n < 0)
			return; /* an early refusal; the answer tells */
		data += n;
		length -= (size_t)n;
	}
}

/* Until the server closes; fails at the deadline. */
static size_t receive_all(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	size_t length = 0;

	for (;;) {
		ssize_t n;

		assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
		n = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	answer[length] = '\0';
	return length;
}

/* Status of the answer to these bytes, 0 if the connection was closed without one. */
static int ask_bytes(const char *data, size_t length)
{
	int fd = connect_to(http_port(server), 0);
	int status = 0;

	send_all(fd, data, length);
	if (receive_all(fd))
		assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
	close(fd);
	return status;
}

static int ask(const char *text)
{
	return ask_bytes(text, strlen(text));
}

static const char *body(void)
{
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

static void test_requests(void **state)
{
	static const struct {
		const char *text;
		int status;
		const char *expected; /* somewhere in the answer */
	} table[] = {
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
		{"GET http://127.0.0.1/metrics HTTP/1.1\r\n" HOST "\r\n", 0, ""},

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
	size_t i;

	for (i = 0; i < COUNT(table); i++) {
		int status = ask(table[i].text);

		if (status != table[i].status || !strstr(answer, table[i].expected))
			fail_msg("%s answered with\n%s", table[i].text, answer);
		assert_null(strstr(answer, "Access-Control"));
		if (!status)
			continue;
		assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(answer, "Cache-Control: no-cache\r\n"));
	}
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

#define SLOW 100

static void open_slow(int *fds, const char *text, int receive_bytes)
{
	int i;

	for (i = 0; i < SLOW; i++) {
		fds[i] = connect_to(http_port(server), receive_bytes);
		send_all(fds[i], text, strlen(text));
	}
}

static void close_slow(const int *fds)
{
	int i;

	for (i = 0; i < SLOW; i++)
		close(fds[i]);
}

/* Each kind of slow client would keep every worker for a minute; the healthy one waits less. */
static void test_slow_clients(void **state)
{
	static const struct {
		const char *text;
		int receive_bytes;
	} table[] = {
		{"", 0},
		{"G", 0},
		{"GET /metrics HTTP/1.1\r\n" HOST, 0},
		{"GET /metrics?format=prometheus HTTP/1.1\r\n" HOST "\r\n", 2048},
	};
	int fds[SLOW];
	size_t i;
	int k;

	for (i = 0; i < COUNT(table); i++) {
		open_slow(fds, table[i].text, table[i].receive_bytes);
		for (k = 0; k < 5; k++) {
			assert_int_equal(ask("GET /health HTTP/1.1\r\n" HOST "\r\n"), 200);
			if (table[i].text[0] && !table[i].receive_bytes)
				send_all(fds[k], "X", 1);
		}
		close_slow(fds);
	}
}

/* The one that is ended for the others is told so. */
static void test_slow_is_told(void **state)
{
	int fds[SLOW];
	int status = 0;

	open_slow(fds, "GET /metrics HTTP/1.1\r\n", 0);
	assert_true(receive_all(fds[0]) > 0);
	assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
	assert_int_equal(status, 408);
	close_slow(fds);
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

/* Without others waiting, the time limit ends a slow request. */
static void test_timeout(void **state)
{
	struct http_server *usual = server;
	struct config short_time = config;
	struct error err;

	short_time.http_timeout_ms = 100;
	assert_int_equal(http_start(&short_time, 0, world.store, &server, &err), 0);
	assert_int_equal(ask("GET / HTTP/1.1\r\n"), 408);
	http_stop(server);
	server = usual;
}

/* Clients that hang do not delay the end, and the port can be had again at once. */
static void test_restart(void **state)
{
	uint16_t port = http_port(server);
	uint64_t begin_ns = clock_now_ns();
	struct error err;
	int fds[SLOW];

	open_slow(fds, "GET /", 0);
	http_stop(server);
	assert_true(clock_now_ns() - begin_ns < DEADLINE_MS * NSEC_PER_MSEC);
	assert_int_equal(http_start(&config, port, world.store, &server, &err), 0);
	assert_int_equal(http_port(server), port);
	assert_int_equal(ask("GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
	close_slow(fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters), /* first: nobody else is counted */
		cmocka_unit_test(test_requests),     cmocka_unit_test(test_head),
		cmocka_unit_test(test_etag),	     cmocka_unit_test(test_oversized),
		cmocka_unit_test(test_many_headers), cmocka_unit_test(test_slow_clients),
		cmocka_unit_test(test_slow_is_told), cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_timeout),	     cmocka_unit_test(test_port_taken),
		cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
