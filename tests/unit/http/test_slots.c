/* SPDX-License-Identifier: GPL-2.0-only */
/* Slow clients, and those that keep their connection. */
#include "client.h"

#include "http/slots.h"

/* One answer on a connection that may live on: its status, 0 if it was closed instead. */
static int receive_one(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	size_t length = 0, needed = sizeof(answer);
	const char *end, *bytes;
	int status = 0;

	while (length < needed) {
		/* A byte at a time at first: another answer may follow. */
		size_t room = needed == sizeof(answer) ? 1 : needed - length;
		ssize_t n;

		assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
		n = recv(fd, answer + length, room, 0);
		if (n <= 0)
			return 0;
		length += (size_t)n;
		answer[length] = '\0';
		end = strstr(answer, "\r\n\r\n");
		bytes = strstr(answer, "Content-Length: ");
		if (end && needed == sizeof(answer))
			needed = length + (bytes ? strtoul(bytes + 16, NULL, 10) : 0);
	}
	assert_int_equal(sscanf(answer, "HTTP/1.1 %d", &status), 1);
	return status;
}

static int ask_on(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
	return receive_one(fd);
}

static bool is_kept(void)
{
	bool is = strstr(answer, "Connection: keep-alive\r\n");

	assert_true(is != !!strstr(answer, "Connection: close\r\n"));
	return is;
}

static const char kept_request[] = "GET /metrics HTTP/1.1\r\n" KEEP "\r\n";

/* A new connection that is kept; the place of one that just ended may not be free yet. */
static int connect_kept(void)
{
	uint64_t end_ns = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	while (clock_now_ns() < end_ns) {
		int fd = connect_to(http_port(server), 0);

		assert_int_equal(ask_on(fd, kept_request), 200);
		if (is_kept())
			return fd;
		close(fd);
	}
	fail_msg("no connection is kept");
	return -1;
}

static void test_kept(void **state)
{
	static const struct {
		const char *text;
		int status;
	} last[] = {
		{"GET /metrics HTTP/1.1\r\n" HOST "\r\n", 200},
		{"GET /metrics HTTP/1.1\r\n" KEEP "Connection: keep-alive, x\r\n\r\n", 200},
		{"GET /metrics HTTP/1.1\r\n" KEEP
		 "Connection: keep-alive\r\nConnection: keep-alive\r\n\r\n",
		 200},
		{"GET /metrics HTTP/1.0\r\n" KEEP "\r\n", 200},
		{"GET /nothing HTTP/1.1\r\n" KEEP "\r\n", 404},
		{"GET / HTTP/1.1\r\n" KEEP "Content-Length: 3\r\n\r\nGET", 400},
		{"GET / HTTP/1.1\r\n" KEEP "Transfer-Encoding: chunked\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
		{"rubbish\r\n\r\n", 400},
		{"GET / HTTP/2.0\r\n" KEEP "\r\n", 505},
	};
	size_t i;

	for (i = 0; i < COUNT(last); i++) {
		int fd = connect_kept();

		/* Both at once. */
		send_all(fd, kept_request, strlen(kept_request));
		assert_int_equal(ask_on(fd, last[i].text), 200);
		assert_true(is_kept());
		assert_int_equal(receive_one(fd), last[i].status);
		assert_false(is_kept());
		assert_int_equal(receive_one(fd), 0);
		close(fd);
	}
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

/* All workers but two, whoever asks; and who is not kept is answered all the same. */
static void test_kept_leave_room(void **state)
{
	int kept[SLOTS_MAX], fds[SLOW];
	unsigned int count = 0, i;

	for (i = 0; i < config.http_threads - SLOTS_FREE_MIN; i++)
		kept[count++] = connect_kept();
	for (i = 0; i < 5; i++) {
		int fd = connect_to(http_port(server), 0);

		assert_int_equal(ask_on(fd, kept_request), 200);
		assert_false(is_kept());
		assert_int_equal(receive_one(fd), 0);
		close(fd);
	}
	open_slow(fds, "GET /metrics HTTP/1.1\r\n" HOST, 0);
	for (i = 0; i < 5; i++)
		assert_int_equal(ask("GET /health HTTP/1.1\r\n" HOST "\r\n"), 200);
	for (i = 0; i < count; i++) {
		send_all(kept[i], "GET /hea", 8);
		assert_int_equal(ask("GET /health HTTP/1.1\r\n" HOST "\r\n"), 200);
		assert_int_equal(ask_on(kept[i], "lth HTTP/1.1\r\n" KEEP "\r\n"), 200);
		assert_true(is_kept());
	}
	close_slow(fds);
	for (i = 0; i < count; i++)
		close(kept[i]);
}

/* Clients that never come back are no longer kept; one that does makes up for them. */
static void test_kept_for_nothing(void **state)
{
	unsigned int kept = 0, i;
	int fd;

	for (i = 0; i < 4 * SLOTS_TRY_EACH; i++) {
		fd = connect_to(http_port(server), 0);
		assert_int_equal(ask_on(fd, kept_request), 200);
		kept += is_kept();
		close(fd);
	}
	assert_in_range(kept, 1, SLOTS_TRIES_MAX + 4);
	fd = connect_kept();
	assert_int_equal(ask_on(fd, kept_request), 200);
	close(fd);
	close(connect_kept());
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
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_kept_leave_room),
		cmocka_unit_test(test_kept_for_nothing),
		cmocka_unit_test(test_slow_clients),
		cmocka_unit_test(test_slow_is_told),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
