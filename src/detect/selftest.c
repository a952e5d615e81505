/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/selftest.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define CHILD_NAME "gamerd-selftest" /* 15 bytes */

struct seen {
	int32_t parent;
	int32_t child;
	bool has_fork;
	bool has_comm;
	bool has_exit;
};

static void on_event(void *ctx, const struct connector_event *event)
{
	struct seen *seen = ctx;

	if (event->tgid != seen->child)
		return;
	if (event->kind == CONNECTOR_FORK && event->parent_tgid == seen->parent)
		seen->has_fork = true;
	else if (event->kind == CONNECTOR_COMM && !strcmp(event->comm, CHILD_NAME))
		seen->has_comm = true;
	else if (event->kind == CONNECTOR_EXIT)
		seen->has_exit = true;
}

static int wait_events(struct connector *c, struct seen *seen, struct error *err)
{
	uint64_t deadline_ns = clock_now_ns() + SELFTEST_MS * NSEC_PER_MSEC;

	for (;;) {
		struct pollfd fd = {.fd = c->fd, .events = POLLIN};
		int r = connector_read(c, on_event, seen);
		uint64_t now_ns = clock_now_ns();

		if (seen->has_fork && seen->has_comm && seen->has_exit)
			break;
		if (r < 0 && r != -EAGAIN && r != -ENOBUFS)
			return error_set(err, -r, "can't read events: %s", error_name(r));
		if (r == -EAGAIN && now_ns < deadline_ns)
			(void)poll(&fd, 1, (int)((deadline_ns - now_ns) / NSEC_PER_MSEC) + 1);
		if (now_ns >= deadline_ns)
			return error_set(err, ETIMEDOUT,
					 "of a process forked to test it,%s%s%s did not arrive",
					 seen->has_fork ? "" : " fork",
					 seen->has_comm ? "" : " rename",
					 seen->has_exit ? "" : " exit");
	}
	return 0;
}

int selftest_run(struct connector *c, const struct detect_roles *roles, struct error *err)
{
	struct seen seen = {.parent = getpid()};
	int r;

	roles->selftest(roles->ctx, (uint32_t)seen.parent);
	seen.child = fork();
	if (seen.child == 0) {
		/* A copy of a process with threads: async-signal-safe calls only. */
		prctl(PR_SET_NAME, CHILD_NAME);
		_exit(0);
	}
	if (seen.child < 0) {
		r = error_set(err, errno, "can't fork a process to test it: %s",
			      error_name(-errno));
		goto restore;
	}
	r = wait_events(c, &seen, err);
	while (waitpid(seen.child, NULL, 0) < 0 && errno == EINTR)
		;
restore:
	roles->selftest(roles->ctx, 0);
	return r;
}
