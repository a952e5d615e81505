/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One thread, one epoll instance with the two listening sockets and all clients in it.
 *
 * A client has at most one answer on its way: while that is not sent, nothing more is read from it
 * (so what is kept for a client is bounded), and a client that has no room for an answer for
 * SEND_TIMEOUT_NS is dropped. When all places are taken, the client that has been idle for longest
 * gives way to a new one. In each round each client gets one answer, so one that floods does
 * not starve others. The thread has an account of CPU time (base/account.h): while that is
 * overdrawn it looks at no socket, and who comes waits.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/account.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/thread.h"
#include "ctl/endpoint.h"
#include "ctl/protocol.h"

#define ENDPOINTS 2
#define ROUND_MAX 4 /* events between two looks at the stop signal */
#define MAX_AGE_NS (100 * NSEC_PER_MSEC)
#define FRESH_MS 100
#define SEND_TIMEOUT_NS (2 * NSEC_PER_SEC)

struct client {
	int fd;
	const struct snapshot *baseline; /* of the last request; NULL before the first */
	bool is_eof;			 /* it will send nothing more */
	bool is_sending;		 /* watched for room to send, not for requests */
	char *out;			 /* an answer that is not fully sent */
	size_t out_length, out_sent;
	uint64_t out_since_ns;
	uint64_t active_ns; /* when it connected or was last answered */
	size_t in_length;
	char in[PROTOCOL_LINE_MAX];
};

struct ctl {
	const struct config *config;
	struct snapshot_store *store;
	struct thread thread;
	struct endpoint endpoints[ENDPOINTS];
	int epoll_fd;
	int spare_fd; /* given up for a moment to turn clients away when fds have run out */
	_Atomic unsigned int clients_max; /* at a time */
	struct client *clients[CTL_CLIENTS_MAX];
	struct account account;
	_Atomic uint64_t requests_total;
	_Atomic uint64_t client_count;
};

/* epoll data: endpoints first, then clients. */
static int watch(struct ctl *c, int op, int fd, uint32_t events, unsigned int index)
{
	struct epoll_event event = {.events = events, .data.u32 = index};

	return epoll_ctl(c->epoll_fd, op, fd, &event) ? -errno : 0;
}

static void drop(struct ctl *c, unsigned int index)
{
	struct client *client = c->clients[index];

	close(client->fd);
	snapshot_put(client->baseline);
	free(client->out);
	free(client);
	c->clients[index] = NULL;
	atomic_fetch_sub(&c->client_count, 1);
}

static void turn_away(int fd, const char *why)
{
	char *text = protocol_error(EAGAIN, why);

	if (text)
		send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	free(text);
	close(fd);
}

/* No answer on its way, and no request: bytes without the end of a line are none. */
static bool is_idle(const struct client *client)
{
	char bytes[PROTOCOL_LINE_MAX];
	ssize_t n;

	if (client->is_sending)
		return false;
	n = recv(client->fd, bytes, sizeof(bytes), MSG_PEEK);
	return n <= 0 || !memchr(bytes, '\n', (size_t)n);
}

/* Drops the client that has been idle for longest; false if none is idle. */
static bool make_room(struct ctl *c)
{
	unsigned int longest = CTL_CLIENTS_MAX;
	unsigned int i;

	for (i = 0; i < CTL_CLIENTS_MAX; i++) {
		if (!c->clients[i] || !is_idle(c->clients[i]))
			continue;
		if (longest == CTL_CLIENTS_MAX ||
		    c->clients[i]->active_ns < c->clients[longest]->active_ns)
			longest = i;
	}
	if (longest == CTL_CLIENTS_MAX)
		return false;
	drop(c, longest);
	return true;
}

/* A place within the limit, which may have been lowered; CTL_CLIENTS_MAX: there is none. */
static unsigned int find_place(struct ctl *c)
{
	unsigned int i = 0;

	while (atomic_load(&c->client_count) >= atomic_load(&c->clients_max))
		if (!make_room(c))
			return CTL_CLIENTS_MAX;
	while (c->clients[i])
		i++;
	return i;
}

static void admit(struct ctl *c, int fd)
{
	struct client *client;
	unsigned int i = find_place(c);

	if (i == CTL_CLIENTS_MAX) {
		turn_away(fd, "too many clients");
		return;
	}
	client = calloc(1, sizeof(*client));
	if (!client || watch(c, EPOLL_CTL_ADD, fd, EPOLLIN, ENDPOINTS + i)) {
		free(client);
		turn_away(fd, "out of memory");
		return;
	}
	client->fd = fd;
	client->active_ns = clock_now_ns();
	c->clients[i] = client;
	atomic_fetch_add(&c->client_count, 1);
}

static void accept_client(struct ctl *c, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		admit(c, fd);
		return;
	}
	if (errno != EMFILE && errno != ENFILE)
		return;
	/* It would stay readable for ever: take it with the spare fd and let it go. */
	close(c->spare_fd);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		turn_away(fd, "out of file descriptors");
	c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_limited(LOG_WARNING, "stats socket: out of file descriptors; a client is turned away");
}

struct request {
	struct ctl *ctl;
	struct client *client;
	const struct snapshot *previous; /* the baseline until now, if it was replaced */
};

/* The client's last picture and the present one, which becomes its last. */
static void take_metrics(void *ctx, const struct metrics **base, const struct metrics **now)
{
	struct request *r = ctx;
	const struct snapshot *snap = snapshot_get_fresh(r->ctl->store, MAX_AGE_NS, FRESH_MS);

	r->previous = r->client->baseline;
	r->client->baseline = snap;
	*now = snapshot_metrics(snap);
	*base = r->previous ? snapshot_metrics(r->previous) : *now;
}

static char *answer(struct ctl *c, struct client *client, size_t length)
{
	struct request request = {.ctl = c, .client = client};
	const struct protocol_source source = {.ctx = &request, .metrics = take_metrics};
	char *text = protocol_answer(client->in, length, &source);

	snapshot_put(request.previous);
	atomic_fetch_add_explicit(&c->requests_total, 1, memory_order_relaxed);
	return text;
}

/* Whether there is something to answer: a line, the end of the last one, or far too much. */
static bool has_request(const struct client *client)
{
	return memchr(client->in, '\n', client->in_length) ||
	       client->in_length == sizeof(client->in) || (client->is_eof && client->in_length);
}

/* Takes one request out of the input buffer. 1: out is set; 0: no request there; or -ENOMEM. */
static int answer_next(struct ctl *c, struct client *client)
{
	char *end = memchr(client->in, '\n', client->in_length);
	size_t length = end ? (size_t)(end - client->in) : client->in_length;
	size_t taken = end ? length + 1 : length;

	if (!has_request(client))
		return 0;
	if (length < sizeof(client->in)) {
		client->out = answer(c, client, length);
	} else { /* where the next request begins is not known any more */
		client->out = protocol_error(EINVAL, "the request is longer than 4096 bytes");
		client->is_eof = true;
	}
	if (!client->out)
		return -ENOMEM;
	client->out_length = strlen(client->out);
	client->out_sent = 0;
	client->out_since_ns = clock_now_ns();
	client->active_ns = client->out_since_ns;
	client->in_length -= taken;
	memmove(client->in, client->in + taken, client->in_length);
	return 1;
}

/* 0: nothing left to send, -EAGAIN: some is, or another errno. */
static int flush(struct client *client)
{
	while (client->out) {
		ssize_t n = send(client->fd, client->out + client->out_sent,
				 client->out_length - client->out_sent, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		client->out_sent += (size_t)n;
		if (client->out_sent < client->out_length)
			continue;
		free(client->out);
		client->out = NULL;
	}
	return 0;
}

static int receive(struct client *client)
{
	ssize_t n;

	if (client->is_eof)
		return 0;
	n = recv(client->fd, client->in + client->in_length, sizeof(client->in) - client->in_length,
		 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	client->in_length += (size_t)n;
	client->is_eof = !n;
	return 0;
}

/* One round for one client: send, or read and answer once. A negative errno: it is done with. */
static int serve(struct ctl *c, struct client *client, unsigned int index)
{
	int ret = flush(client);

	if (!ret && !has_request(client))
		ret = receive(client);
	if (!ret)
		ret = answer_next(c, client);
	if (ret > 0)
		ret = flush(client);
	if (ret && ret != -EAGAIN)
		return ret;
	client->is_sending = client->out || has_request(client);
	if (client->is_eof && !client->is_sending)
		return -ECONNRESET;
	return watch(c, EPOLL_CTL_MOD, client->fd, client->is_sending ? EPOLLOUT : EPOLLIN,
		     ENDPOINTS + index);
}

/* Drops those that took too long; returns how long to wait for the next, -1: for ever. */
static int drop_slow(struct ctl *c)
{
	uint64_t now = clock_now_ns(), least = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < CTL_CLIENTS_MAX; i++) {
		uint64_t age;

		if (!c->clients[i] || !c->clients[i]->is_sending)
			continue;
		age = now - c->clients[i]->out_since_ns;
		if (age >= SEND_TIMEOUT_NS)
			drop(c, i);
		else if (SEND_TIMEOUT_NS - age < least)
			least = SEND_TIMEOUT_NS - age;
	}
	return least == UINT64_MAX ? -1 : (int)(least / NSEC_PER_MSEC) + 1;
}

static void handle(struct ctl *c, unsigned int index)
{
	if (index < ENDPOINTS) {
		accept_client(c, c->endpoints[index].fd);
		return;
	}
	index -= ENDPOINTS;
	if (c->clients[index] && serve(c, c->clients[index], index))
		drop(c, index);
}

/* Brings the account up to date; for how long no request is to be looked at, 0: at once. */
static int charge(struct ctl *c)
{
	uint64_t now_ns = clock_now_ns(), due_ns;

	account_charge(&c->account, now_ns, clock_read(CLOCK_THREAD_CPUTIME_ID));
	due_ns = account_due_ns(&c->account);
	return due_ns ? (int)((due_ns - now_ns) / NSEC_PER_MSEC) + 1 : 0;
}

/* Waits while the account is overdrawn. 0, or what thread_poll() says. */
static int wait_for_account(struct ctl *c, struct thread *self)
{
	int timeout_ms, ret = 0;

	while (ret >= 0 && (timeout_ms = charge(c)) > 0) {
		log_limited(LOG_WARNING,
			    "stats socket: requests take more than %u %% of a CPU, so they wait",
			    c->config->requests_cpu_percent);
		ret = thread_poll(self, NULL, 0, timeout_ms);
	}
	return ret;
}

static int body(struct thread *self, void *arg)
{
	struct ctl *c = arg;
	struct pollfd pollfd = {.fd = c->epoll_fd, .events = POLLIN};
	struct epoll_event events[ROUND_MAX];
	int ret, count, i;

	ret = sandbox_enter_reader();
	account_init(&c->account, account_terms_requests(c->config->requests_cpu_percent),
		     clock_now_ns(), clock_read(CLOCK_THREAD_CPUTIME_ID));
	thread_ready(self, ret);
	while (!ret) {
		ret = wait_for_account(c, self);
		if (!ret)
			ret = thread_poll(self, &pollfd, 1, drop_slow(c));
		if (ret < 0)
			break;
		ret = 0;
		count = epoll_wait(c->epoll_fd, events, ROUND_MAX, 0);
		for (i = 0; i < count; i++)
			handle(c, events[i].data.u32);
	}
	for (i = 0; i < CTL_CLIENTS_MAX; i++)
		if (c->clients[i])
			drop(c, (unsigned int)i);
	return ret == -ECANCELED ? 0 : ret;
}

int ctl_new(const struct config *config, struct ctl **out, struct error *err)
{
	struct ctl *c = calloc(1, sizeof(*c));
	unsigned int i;

	if (!c)
		return error_set(err, ENOMEM, "stats socket: out of memory");
	c->config = config;
	ctl_reload(c, config);
	for (i = 0; i < ENDPOINTS; i++)
		c->endpoints[i].fd = -1;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (c->epoll_fd < 0 || c->spare_fd < 0) {
		int ret = error_set(err, errno, "stats socket: %s", error_name(-errno));

		ctl_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

static int open_one(struct ctl *c, unsigned int index, const char *path, struct error *err)
{
	struct endpoint *e = &c->endpoints[index];
	int ret = endpoint_open(e, path, err);

	if (!ret && c->config->stats_gid != CONFIG_GID_NONE)
		ret = endpoint_set_group(e, c->config->stats_gid, err);
	if (!ret) {
		ret = watch(c, EPOLL_CTL_ADD, e->fd, EPOLLIN, index);
		if (ret)
			error_set(err, -ret, "can't wait for %s: %s", path, error_name(ret));
	}
	if (ret)
		endpoint_close(e);
	return ret;
}

static int open_own(struct ctl *c, struct error *err)
{
	char path[CONFIG_PATH_MAX];

	snprintf(path, sizeof(path), "%s/stats", c->config->runtime_dir);
	return open_one(c, 0, path, err);
}

/* The ecosystem's path is a courtesy: without it the daemon works all the same. */
static void open_shared(struct ctl *c)
{
	struct error err;

	if (!c->config->scx_stats_path[0])
		return;
	if (open_one(c, 1, c->config->scx_stats_path, &err))
		log_info("%s; statistics are on %s only", err.text, c->endpoints[0].path);
}

int ctl_open(struct ctl *c, struct error *err)
{
	int ret = open_own(c, err);

	if (!ret)
		open_shared(c);
	return ret;
}

void ctl_give(const struct ctl *c, uid_t uid)
{
	for (unsigned int i = 0; i < ENDPOINTS; i++)
		if (c->endpoints[i].fd >= 0)
			endpoint_give(&c->endpoints[i], uid);
}

int ctl_start(struct ctl *c, struct snapshot_store *store, struct error *err)
{
	int ret;

	c->store = store;
	ret = thread_start(&c->thread, "ctl", body, c);
	if (!ret)
		return 0;
	ctl_stop(c);
	return error_set(err, -ret, "stats socket: no thread: %s", error_name(ret));
}

void ctl_reload(struct ctl *c, const struct config *config)
{
	atomic_store(&c->clients_max, config->stats_clients < CTL_CLIENTS_MAX
					      ? config->stats_clients
					      : CTL_CLIENTS_MAX);
}

void ctl_stop(struct ctl *c)
{
	unsigned int i;

	thread_stop(&c->thread);
	for (i = 0; i < ENDPOINTS; i++)
		endpoint_close(&c->endpoints[i]);
}

void ctl_free(struct ctl *c)
{
	if (!c)
		return;
	ctl_stop(c);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	if (c->spare_fd >= 0)
		close(c->spare_fd);
	free(c);
}

void ctl_counters(const struct ctl *c, struct ctl_counters *out)
{
	*out = (struct ctl_counters){
		.requests_total = atomic_load_explicit(&c->requests_total, memory_order_relaxed),
		.clients = atomic_load_explicit(&c->client_count, memory_order_relaxed),
	};
}
