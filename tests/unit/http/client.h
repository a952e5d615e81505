/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client: the real server on a real port, asked over plain sockets.
 *
 * A header with functions, because each test program is made of one source file.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

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
#define KEEP "Host: localhost\r\n"
#define HOST KEEP "Connection: close\r\n"

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

#endif
