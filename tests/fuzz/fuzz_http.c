/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Any bytes over a real connection to the real server: civetweb with our guards, on an ephemeral
 * port of the loopback interface, with an aggregator that publishes snapshots. The first byte of
 * the input says where the rest, which may hold several requests, is cut into writes, and whether
 * other clients hold all workers meanwhile.
 *
 * Each answer must be one whole HTTP response with the headers every answer has; a body of JSON
 * must be JSON; nobody gets metrics who has not named the loopback interface; after one that says
 * so the connection ends; the counters count what came; and the next client is served. Corpus:
 * tests/data/http.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpu_limit.h"
#include "http/http.h"
#include "require.h"
#include "unit/world.h"

#define ANSWER_MAX (4 * 1024 * 1024)
#define DEADLINE_MS 20000 /* the server's own are a tenth of it */
#define WRITES_MAX 8
#define CROWD 8
#define SEED_CROWD 12
#define FD_MAX 100 /* civetweb's, libFuzzer's and ours are half of it */
#define CHECK_EACH 64
#define HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct world world;
static struct http_server *server;
static char answer[ANSWER_MAX + 1];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct config config;
	struct error err;
	sigset_t mask;

	/* Its threads begin with all signals blocked, as the daemon's; libFuzzer needs its own. */
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	require(!world_start(&world, 16));
	config_init(&config);
	config.requests_cpu_percent = 0; /* it is a flood */
	require(!http_start(&config, 0, world.store, &server, &err));
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return 0;
}

static int open_connection(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(http_port(server)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	require(fd >= 0 && fd < FD_MAX);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	require(!connect(fd, (struct sockaddr *)&to, sizeof(to)));
	return fd;
}

static void send_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n < 0)
			return; /* refused early; the answer says why */
		data += n;
		size -= (size_t)n;
	}
}

/* In up to WRITES_MAX pieces, of lengths that `seed` decides; 0 is a single one. */
static void send_pieces(int fd, const uint8_t *data, size_t size, uint8_t seed)
{
	uint32_t state = seed;

	for (int i = 0; seed && i < WRITES_MAX && size > 1; i++) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		size_t piece;

		state = state * 1103515245 + 12345;
		piece = 1 + (state >> 8) % (seed & 1 ? size / 2 : size < 8 ? size : 8);
		send_all(fd, data, piece);
		data += piece;
		size -= piece;
		if (seed & 2) /* time for it to be read */
			poll(&pollfd, 1, 1);
		else
			sched_yield();
	}
	send_all(fd, data, size);
}

/* Until the server closes, which it must. */
static size_t receive_all(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	size_t length = 0;

	for (;;) {
		ssize_t n;

		require(poll(&pollfd, 1, DEADLINE_MS) == 1);
		n = recv(fd, answer + length, ANSWER_MAX - length, 0);
		if (n <= 0)
			break;
		length += (size_t)n;
		require(length < ANSWER_MAX);
	}
	answer[length] = '\0';
	return length;
}

struct seen {
	unsigned int answers, rejected, pictures; /* pictures: 200 or 304 */
	int is_ended;				  /* the last one said so */
};

/* A header's value, in a head that ends with an empty line; NULL if it is not there. */
static const char *header(const char *head, const char *end, const char *name)
{
	const char *at = strstr(head, name);

	return at && at < end ? at + strlen(name) : NULL;
}

static void check_body(const char *type, int status, const char *body, size_t length)
{
	json_t *root;

	if (strncmp(type, "application/json\r", 17)) {
		require(!strncmp(type, "text/plain;", 11) && status == 200 && length);
		return;
	}
	root = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
	require(json_is_object(root));
	require(status < 400 || status == 503 || json_is_string(json_object_get(root, "error")));
	json_decref(root);
}

static int is_known(int status)
{
	static const int known[] = {200, 304, 400, 403, 404, 405, 408, 431, 503, 505};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == status)
			return 1;
	return 0;
}

/* Checks the answer that begins at `at` and counts it. Returns where the next one begins. */
static const char *check_answer(const char *at, const char *end, struct seen *seen)
{
	const char *head_end = strstr(at, "\r\n\r\n"), *body, *type, *bytes;
	int status = 0, is_kept, is_closed;
	size_t length = 0;

	require(sscanf(at, "HTTP/1.1 %3d ", &status) == 1 && is_known(status));
	require(head_end != NULL);
	body = head_end + 4;
	require(header(at, body, "\r\nCache-Control: no-cache\r\n") != NULL);
	require(header(at, body, "\r\nX-Content-Type-Options: nosniff\r\n") != NULL);
	require(!header(at, body, "Access-Control"));
	is_kept = header(at, body, "\r\nConnection: keep-alive\r\n") != NULL;
	is_closed = header(at, body, "\r\nConnection: close\r\n") != NULL;
	require(is_kept != is_closed && !seen->is_ended);
	require(status < 400 || is_closed);
	type = header(at, body, "\r\nContent-Type: ");
	bytes = header(at, body, "\r\nContent-Length: ");
	require(!type == (status == 304) && !bytes == !type);
	if (bytes)
		length = strtoul(bytes, NULL, 10);
	/* The answer to HEAD has the length, and no body. */
	if (length && body != end && strncmp(body, "HTTP/1.1 ", 9)) {
		require((size_t)(end - body) >= length);
		check_body(type, status, body, length);
		body += length;
	}
	seen->answers++;
	seen->rejected += status >= 400 && status != 503;
	seen->pictures += status == 200 || status == 304;
	seen->is_ended = is_closed;
	return body;
}

static struct seen check_answers(size_t length)
{
	const char *at = answer, *end = answer + length;
	struct seen seen = {0};

	require(strlen(answer) == length);
	while (at < end)
		at = check_answer(at, end, &seen);
	return seen;
}

/* Whether a line goes on with the name or an address of the loopback interface, and a port. */
static bool is_loopback(const char *at)
{
	at += strspn(at, " \t");
	if (!strncasecmp(at, "localhost", 9))
		at += 9;
	else if (!strncmp(at, "[::1]", 5))
		at += 5;
	else if (!strncmp(at, "127.", 4))
		at += strspn(at, "0123456789.");
	else
		return false;
	if (*at == ':')
		at += 1 + strspn(at + 1, "0123456789");
	at += strspn(at, " \t");
	return *at == '\r' || *at == '\n';
}

/* How many requests could be from this machine: by their Host, or of HTTP/1.0, which needs none. */
static unsigned int count_permits(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);
	unsigned int count = 0;

	memcpy(text, data, size);
	for (size_t i = 0; i < size; i++) {
		const char *at = text + i;

		count += !strncmp(at, "HTTP/1.0", 8);
		if ((*at != '\r' && *at != '\n') || strncasecmp(at + 1, "Host", 4))
			continue;
		at += 5 + strspn(at + 5, " \t");
		count += *at == ':' && is_loopback(at + 1);
	}
	free(text);
	return count;
}

static struct seen ask(const uint8_t *data, size_t size, uint8_t seed)
{
	int fd = open_connection();
	struct seen seen;

	send_pieces(fd, data, size, seed);
	shutdown(fd, SHUT_WR);
	seen = check_answers(receive_all(fd));
	close(fd);
	return seen;
}

/* The same while more clients than there are workers have begun a request, and do not go on. */
static struct seen ask_in_crowd(const uint8_t *data, size_t size, uint8_t seed)
{
	struct seen seen, slow;
	int fds[CROWD];

	for (int i = 0; i < CROWD; i++) {
		fds[i] = open_connection();
		send_all(fds[i], (const uint8_t *)"G", 1);
	}
	seen = ask(data, size, seed);
	for (int i = 0; i < CROWD; i++) {
		shutdown(fds[i], SHUT_WR);
		slow = check_answers(receive_all(fds[i]));
		close(fds[i]);
		require(slow.pictures == 0);
		seen.answers += slow.answers;
		seen.rejected += slow.rejected;
	}
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int inputs;
	struct http_counters before, after;
	struct seen seen;

	if (size < 2)
		return 0;
	cpu_limit_restart();
	http_counters(server, &before);
	seen = (data[0] & SEED_CROWD) == SEED_CROWD ? ask_in_crowd(data + 1, size - 1, data[0])
						    : ask(data + 1, size - 1, data[0]);
	http_counters(server, &after);
	require(after.requests_total - before.requests_total == seen.answers);
	require(after.rejected_total - before.rejected_total == seen.rejected);
	require(seen.pictures <= count_permits(data + 1, size - 1));
	if (++inputs % CHECK_EACH == 0)
		require(ask((const uint8_t *)HEALTH, sizeof(HEALTH) - 1, 0).answers == 1);
	return 0;
}
