/* SPDX-License-Identifier: GPL-2.0-only */
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/output.h"
#include "ctl/endpoint.h"
#include "ctl/protocol.h"
#include "ctl/report.h"

#define RETRY_NS NSEC_PER_SEC
#define BASELINE_WAIT_NS NSEC_PER_SEC
#define REPLY_TIMEOUT_NS (5 * NSEC_PER_SEC)
#define INTERVAL_MIN_S 0.05
#define INTERVAL_MAX_S 86400.0
#define REPLY_MAX (1024 * 1024)

struct session {
	const struct config *config;
	void (*print)(struct session *s, FILE *out, const json_t *stats);
	struct output out;
	uint64_t interval_ns;
	int signal_fd;
	int fd; /* -1: no connection */
	bool has_baseline;
	bool is_waiting;    /* the log says that there is no daemon */
	char reported[160]; /* what was logged about the input hook */
	char *reply;
	size_t reply_length, reply_size;
};

/* Only when it begins. */
static void tell_waiting(struct session *s, const char *text)
{
	if (!s->is_waiting)
		log_info("%s", text);
	s->is_waiting = true;
}

/* After output was written: 0, or -ECANCELED when nobody reads it any more. */
static int follow_output(int ret)
{
	if (ret && ret != -EPIPE)
		log_error("can't write to standard output: %s; trying on", error_name(ret));
	return ret == -EPIPE ? -ECANCELED : 0;
}

/* Waits until fd (-1: none) is readable: 1, until the deadline: 0, -ECANCELED on a signal or when
 * nobody reads. Meanwhile the rest of a block is written. */
static int wait_until(struct session *s, int fd, uint64_t deadline_ns)
{
	struct pollfd fds[] = {{.fd = s->signal_fd, .events = POLLIN},
			       {.fd = fd, .events = POLLIN},
			       {.events = POLLOUT}};

	for (;;) {
		uint64_t now = clock_now_ns();
		uint64_t left = now < deadline_ns ? deadline_ns - now : 0;
		struct timespec timeout = {.tv_sec = (time_t)(left / NSEC_PER_SEC),
					   .tv_nsec = (long)(left % NSEC_PER_SEC)};
		int ret;

		fds[2].fd = output_fd(&s->out);
		ret = ppoll(fds, 3, &timeout, NULL);
		if (ret < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return -ECANCELED;
		if (ret > 0 && fds[2].revents && follow_output(output_flush(&s->out)))
			return -ECANCELED;
		if (ret == 0 || (ret > 0 && fds[1].revents))
			return ret != 0;
	}
}

static void disconnect(struct session *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->has_baseline = false;
}

static bool is_absent(int ret)
{
	return ret == -ENOENT || ret == -ECONNREFUSED || ret == -EAGAIN;
}

static int open_connection(struct session *s)
{
	char own[CONFIG_PATH_MAX];
	char text[CONFIG_PATH_MAX + 128];
	int fd;

	snprintf(own, sizeof(own), "%s/stats", s->config->runtime_dir);
	fd = endpoint_connect(own);
	if (is_absent(fd) && s->config->scx_stats_path[0])
		fd = endpoint_connect(s->config->scx_stats_path);
	if (fd >= 0) {
		s->fd = fd;
		return 0;
	}
	if (!is_absent(fd)) {
		log_error("can't connect to %s: %s", own, error_name(fd));
		return fd;
	}
	snprintf(text, sizeof(text), "no daemon at %s yet; waiting for one", own);
	tell_waiting(s, text);
	return -EAGAIN;
}

/* One line into s->reply. -EPIPE when the daemon is gone or does not answer. */
static int read_line(struct session *s)
{
	uint64_t deadline_ns = clock_now_ns() + REPLY_TIMEOUT_NS;

	s->reply_length = 0;
	for (;;) {
		ssize_t n;
		int ret;

		if (s->reply_length == s->reply_size) {
			size_t size = s->reply_size ? s->reply_size * 2 : 32768;
			char *bigger = size <= REPLY_MAX ? realloc(s->reply, size) : NULL;

			if (!bigger)
				return -EPIPE;
			s->reply = bigger;
			s->reply_size = size;
		}
		ret = wait_until(s, s->fd, deadline_ns);
		if (ret <= 0)
			return ret ? ret : -EPIPE;
		n = recv(s->fd, s->reply + s->reply_length, s->reply_size - s->reply_length, 0);
		if (n <= 0)
			return -EPIPE;
		s->reply_length += (size_t)n;
		if (s->reply[s->reply_length - 1] == '\n')
			return 0;
	}
}

static int print_block(struct session *s, const json_t *stats)
{
	FILE *out = output_begin(&s->out);

	if (!out)
		return 0;
	s->print(s, out, stats);
	return follow_output(output_end(&s->out));
}

/* Asks once and prints, unless this was the baseline. -EPIPE: connect again. */
static int ask(struct session *s)
{
	static const char request[] = PROTOCOL_REQUEST;
	struct error err;
	json_t *stats;
	int ret = 0;

	if (send(s->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1)
		return -EPIPE;
	ret = read_line(s);
	if (ret)
		return ret;
	stats = protocol_parse_reply(s->reply, s->reply_length, &err);
	if (stats && !json_is_object(json_object_get(stats, "classes")))
		error_set(&err, EPROTO, "another scheduler answers there; waiting for scx_gamerd");
	if (!stats || !json_is_object(json_object_get(stats, "classes"))) {
		tell_waiting(s, err.text);
		json_decref(stats);
		return -EPIPE;
	}
	if (s->is_waiting)
		log_info("connected");
	s->is_waiting = false;
	if (s->has_baseline)
		ret = print_block(s, stats);
	json_decref(stats);
	return ret;
}

static int step(struct session *s)
{
	uint64_t pause_ns = s->interval_ns;
	int ret;

	if (s->fd < 0) {
		ret = open_connection(s);
		if (ret == -EAGAIN)
			return wait_until(s, -1, clock_now_ns() + RETRY_NS);
		if (ret)
			return ret;
	}
	ret = ask(s);
	if (ret == -EPIPE) {
		tell_waiting(s, "the daemon is gone; waiting for it");
		disconnect(s);
		return wait_until(s, -1, clock_now_ns() + RETRY_NS);
	}
	if (ret)
		return ret;
	if (!s->has_baseline && pause_ns > BASELINE_WAIT_NS)
		pause_ns = BASELINE_WAIT_NS;
	s->has_baseline = true;
	return wait_until(s, -1, clock_now_ns() + pause_ns);
}

static int run(const struct config *config, double interval_s,
	       void (*print)(struct session *s, FILE *out, const json_t *stats))
{
	struct session s = {.config = config, .print = print, .fd = -1};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old_action;
	struct signalfd_siginfo info;
	sigset_t signals, old_signals;
	int ret;

	if (!(interval_s >= INTERVAL_MIN_S))
		interval_s = INTERVAL_MIN_S;
	if (interval_s > INTERVAL_MAX_S)
		interval_s = INTERVAL_MAX_S;
	s.interval_ns = (uint64_t)(interval_s * (double)NSEC_PER_SEC);

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &old_signals);
	sigaction(SIGPIPE, &ignore, &old_action);
	s.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	ret = s.signal_fd < 0 ? -errno : 0;
	output_init(&s.out, STDOUT_FILENO);
	while (ret >= 0)
		ret = step(&s);

	output_fini(&s.out);
	disconnect(&s);
	free(s.reply);
	if (s.signal_fd >= 0) {
		while (read(s.signal_fd, &info, sizeof(info)) > 0)
			; /* else it would strike when the mask goes back */
		close(s.signal_fd);
	}
	sigaction(SIGPIPE, &old_action, NULL);
	sigprocmask(SIG_SETMASK, &old_signals, NULL);
	return ret == -ECANCELED ? 0 : ret;
}

static void print_monitor(struct session *s, FILE *out, const json_t *stats)
{
	report_print(out, stats);
}

static void print_input(struct session *s, FILE *out, const json_t *stats)
{
	const char *missing = report_input_missing(stats);

	if (!missing) {
		s->reported[0] = '\0';
		report_print_input(out, stats);
		return;
	}
	if (!strncmp(missing, s->reported, sizeof(s->reported) - 1))
		return;
	snprintf(s->reported, sizeof(s->reported), "%s", missing);
	log_info("input events can't be seen here: %s", s->reported);
}

int client_monitor(const struct config *config, double interval_s)
{
	return run(config, interval_s, print_monitor);
}

int client_watch_input(const struct config *config, double interval_s)
{
	return run(config, interval_s, print_input);
}
