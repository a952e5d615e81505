/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * request_flood: a server's client that makes as much work for it as it can, until it is ended.
 *
 *   request_flood connect ADDRESS        connects and closes
 *   request_flood ask ADDRESS TEXT       a connection for each request
 *   request_flood many ADDRESS TEXT      the same with 300 connections at a time
 *   request_flood pipeline ADDRESS TEXT  requests on 8 connections, without waiting for answers
 *   request_flood drip ADDRESS TEXT      8 connections, a byte at a time, and again and again
 *
 * ADDRESS is a port of 127.0.0.1 or the path of a Unix socket; "\n" and "\r" in TEXT are escapes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT_MAX 8192
#define CONNECTIONS_MAX 300

static const struct kind {
	const char *name;
	unsigned int connections;
	size_t chunk; /* bytes sent at a time; 0: none */
	bool is_endless;
} kinds[] = {
	{"connect", 1, 0, false},	{"ask", 1, TEXT_MAX, false},
	{"many", 300, TEXT_MAX, false}, {"pipeline", 8, TEXT_MAX, true},
	{"drip", 8, 1, true},
};

static const struct kind *kind;
static const char *address;
static char text[TEXT_MAX];
static size_t length;
static struct connection {
	int fd;
	size_t sent;
} connections[CONNECTIONS_MAX];

static void unescape(const char *from)
{
	for (; *from && length < sizeof(text); from++) {
		if (from[0] == '\\' && (from[1] == 'n' || from[1] == 'r'))
			text[length++] = *++from == 'n' ? '\n' : '\r';
		else
			text[length++] = *from;
	}
	/* As many requests as there is room for, since they are sent without waiting. */
	for (size_t one = length; kind->is_endless && one && length + one <= sizeof(text);
	     length += one)
		memcpy(text + length, text, one);
}

static void open_connection(struct connection *c)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	struct sockaddr_in port = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)strtoul(address, NULL, 10)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bool is_unix = address[0] == '/';
	int one = 1, r;

	c->sent = 0;
	c->fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	snprintf(path.sun_path, sizeof(path.sun_path), "%s", address);
	r = is_unix ? connect(c->fd, (struct sockaddr *)&path, sizeof(path))
		    : connect(c->fd, (struct sockaddr *)&port, sizeof(port));
	if (r && errno != EINPROGRESS) { /* no room there, or no port left here */
		close(c->fd);
		c->fd = -1;
		return;
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* False if the connection is at its end. */
static bool work(struct connection *c, short events)
{
	char answer[65536];
	ssize_t n;

	if (events & (POLLIN | POLLHUP | POLLERR)) {
		n = recv(c->fd, answer, sizeof(answer), 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
	}
	if (!(events & POLLOUT))
		return true;
	if (!kind->chunk)
		return false;
	n = length - c->sent < kind->chunk ? (ssize_t)(length - c->sent) : (ssize_t)kind->chunk;
	n = send(c->fd, text + c->sent, (size_t)n, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN;
	c->sent += (size_t)n;
	if (c->sent < length)
		return true;
	if (kind->is_endless)
		c->sent = 0;
	else
		shutdown(c->fd, SHUT_WR);
	return true;
}

int main(int argc, char **argv)
{
	struct pollfd fds[CONNECTIONS_MAX];
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, 9);
	for (i = 0; argc > 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(argv[1], kinds[i].name))
			kind = &kinds[i];
	if (!kind || (kind->chunk && argc < 4))
		return 2;
	address = argv[2];
	unescape(argc > 3 ? argv[3] : "");
	for (i = 0; i < kind->connections; i++)
		connections[i].fd = -1;
	for (;;) {
		for (i = 0; i < kind->connections; i++) {
			struct connection *c = &connections[i];

			if (c->fd < 0)
				open_connection(c);
			fds[i] = (struct pollfd){.fd = c->fd, .events = POLLIN};
			if (!kind->chunk || c->sent < length)
				fds[i].events |= POLLOUT;
		}
		poll(fds, kind->connections, 100);
		for (i = 0; i < kind->connections; i++) {
			struct connection *c = &connections[i];

			if (c->fd >= 0 && fds[i].revents && !work(c, fds[i].revents)) {
				close(c->fd);
				c->fd = -1;
			}
		}
	}
}
