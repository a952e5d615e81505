/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/slots.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define SEND_BUFFER_BYTES (256 * 1024) /* the greatest answer is a quarter of it */
#define DEFER_ACCEPT_S 1
#define FD_SEARCH_MAX 4096
#define CUT_TRIES_MAX 100

void slots_init(struct slots *s, unsigned int workers)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->count = workers;
}

void slots_fini(struct slots *s)
{
	pthread_mutex_destroy(&s->lock);
}

enum which { LISTENING, CONNECTED };

/* Whether fd is a socket bound to port `local`, and listens, or is connected to port `remote` (0:
 * to any). */
static bool is_socket(int fd, uint16_t local, enum which which, uint16_t remote)
{
	struct sockaddr_in name = {0}, peer = {0};
	socklen_t length = sizeof(name);
	int is_listening = 0;

	if (getsockname(fd, (struct sockaddr *)&name, &length) || name.sin_family != AF_INET ||
	    ntohs(name.sin_port) != local)
		return false;
	if (which == LISTENING) {
		length = sizeof(is_listening);
		return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) &&
		       is_listening;
	}
	length = sizeof(peer);
	return !getpeername(fd, (struct sockaddr *)&peer, &length) &&
	       (!remote || ntohs(peer.sin_port) == remote);
}

/* The first such socket from *fd on, as a duplicate for the caller to close; -1 if there is none.
 * *fd moves on behind it. */
static int next_socket(int *fd, uint16_t local, enum which which, uint16_t remote)
{
	struct rlimit limit;
	int copy, end = FD_SEARCH_MAX;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < FD_SEARCH_MAX)
		end = (int)limit.rlim_cur;
	while (*fd < end) {
		int candidate = (*fd)++;

		if (!is_socket(candidate, local, which, remote))
			continue;
		copy = fcntl(candidate, F_DUPFD_CLOEXEC, 0);
		if (copy >= 0 && is_socket(copy, local, which, remote))
			return copy;
		if (copy >= 0)
			close(copy);
	}
	return -1;
}

static int find_socket(uint16_t local, enum which which, uint16_t remote)
{
	int fd = STDERR_FILENO + 1;

	return next_socket(&fd, local, which, remote);
}

void slots_listen(struct slots *s, uint16_t port)
{
	int bytes = SEND_BUFFER_BYTES, seconds = DEFER_ACCEPT_S;
	int fd = find_socket(port, LISTENING, 0);

	pthread_mutex_lock(&s->lock);
	s->port = port;
	pthread_mutex_unlock(&s->lock);
	if (fd < 0) {
		log_debug(
			"http: listening socket not found: slow clients are bounded by time only");
		return;
	}
	if (setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)))
		log_debug("http: listening socket takes no options: slow clients cost more");
	close(fd);
}

void slots_stop(struct slots *s)
{
	int next = STDERR_FILENO + 1;
	int fd = find_socket(s->port, LISTENING, 0);

	if (fd >= 0) {
		shutdown(fd, SHUT_RDWR);
		close(fd);
	}
	while ((fd = next_socket(&next, s->port, CONNECTED, 0)) >= 0) {
		shutdown(fd, SHUT_RD);
		close(fd);
	}
}

static struct slot *find_slot(struct slots *s, const struct mg_connection *conn)
{
	unsigned int i;

	for (i = 0; i < s->count; i++)
		if (s->slots[i].conn == conn)
			return &s->slots[i];
	return NULL;
}

/* Fails if the connection is so new that civetweb does not tell its peer yet. */
static bool cut(struct slots *s, struct slot *slot)
{
	const struct mg_request_info *ri = mg_get_request_info(slot->conn);
	int fd = ri ? find_socket(s->port, CONNECTED, (uint16_t)ri->remote_port) : -1;

	if (fd < 0)
		return false;
	slot->is_cut = true;
	shutdown(fd, SHUT_RD);
	close(fd);
	return true;
}

static struct slot *longest_waiting(struct slots *s, const struct slot *but, uint64_t from)
{
	struct slot *oldest = NULL;
	unsigned int i;

	for (i = 0; i < s->count; i++) {
		struct slot *slot = &s->slots[i];

		if (slot == but || !slot->conn || !slot->is_waiting || slot->is_cut ||
		    slot->order < from)
			continue;
		if (!oldest || slot->order < oldest->order)
			oldest = slot;
	}
	return oldest;
}

/* Ends the longest waiting connection that can be ended. Returns false if some wait but none could
 * be: within microseconds one can. */
static bool cut_longest_waiting(struct slots *s, const struct slot *but)
{
	struct slot *slot = longest_waiting(s, but, 0);
	bool is_done = !slot;

	for (; !is_done && slot; slot = longest_waiting(s, but, slot->order + 1))
		is_done = cut(s, slot);
	return is_done;
}

void slots_cut_waiting(struct slots *s)
{
	struct slot *slot;

	pthread_mutex_lock(&s->lock);
	for (slot = longest_waiting(s, NULL, 0); slot;
	     slot = longest_waiting(s, NULL, slot->order + 1))
		cut(s, slot);
	pthread_mutex_unlock(&s->lock);
}

void slots_enter(struct slots *s, const struct mg_connection *conn)
{
	struct slot *slot;
	int tries;

	pthread_mutex_lock(&s->lock);
	slot = find_slot(s, NULL);
	if (!slot)
		goto unlock;
	*slot = (struct slot){.conn = conn,
			      .order = s->next_order++,
			      .since_ns = clock_now_ns(),
			      .is_waiting = true};
	s->used++;
	for (tries = 0; s->used == s->count && tries < CUT_TRIES_MAX; tries++) {
		if (cut_longest_waiting(s, slot))
			break;
		pthread_mutex_unlock(&s->lock);
		sched_yield();
		pthread_mutex_lock(&s->lock);
	}
unlock:
	pthread_mutex_unlock(&s->lock);
}

/* Whether a connection that now begins its first request may be kept. */
static bool may_keep(struct slots *s)
{
	if (s->kept + SLOTS_FREE_MIN >= s->count)
		return false;
	s->tries++;
	return s->tries <= SLOTS_TRIES_MAX || s->tries % SLOTS_TRY_EACH == 0;
}

bool slots_served(struct slots *s, const struct mg_connection *conn, bool wants_keep)
{
	bool is_kept = false;
	struct slot *slot;

	pthread_mutex_lock(&s->lock);
	slot = find_slot(s, conn);
	if (slot) {
		slot->is_waiting = false;
		slot->since_ns = clock_now_ns();
		if (slot->is_kept) {
			s->tries = 0;
		} else if (wants_keep && may_keep(s)) {
			slot->is_kept = true;
			s->kept++;
		}
		is_kept = slot->is_kept;
	}
	pthread_mutex_unlock(&s->lock);
	return is_kept && wants_keep;
}

static uint64_t bytes_received(uint16_t local, uint16_t remote)
{
	struct tcp_info info = {0};
	socklen_t length = sizeof(info);
	int fd = find_socket(local, CONNECTED, remote);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		info.tcpi_bytes_received = 0;
	close(fd);
	return info.tcpi_bytes_received;
}

int slots_refusal(struct slots *s, const struct mg_connection *conn, uint64_t timeout_ns)
{
	const struct mg_request_info *ri = mg_get_request_info(conn);
	bool is_late, is_kept;
	struct slot *slot;

	pthread_mutex_lock(&s->lock);
	slot = find_slot(s, conn);
	is_kept = slot && slot->is_kept;
	if (is_kept)
		timeout_ns = SLOTS_KEEP_MS * NSEC_PER_MSEC;
	is_late = slot && (slot->is_cut || clock_now_ns() - slot->since_ns >= timeout_ns);
	pthread_mutex_unlock(&s->lock);
	if (is_late)
		return 408;
	if (!is_kept && ri &&
	    bytes_received(s->port, (uint16_t)ri->remote_port) >= SLOTS_REQUEST_MAX)
		return 431;
	return 400;
}

void slots_leave(struct slots *s, const struct mg_connection *conn)
{
	struct slot *slot;

	pthread_mutex_lock(&s->lock);
	slot = find_slot(s, conn);
	if (slot) {
		s->kept -= slot->is_kept;
		slot->conn = NULL;
		s->used--;
	}
	pthread_mutex_unlock(&s->lock);
}
