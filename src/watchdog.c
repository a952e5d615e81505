/* SPDX-License-Identifier: GPL-2.0-only */
#include "watchdog.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "notify.h"

/* While a thread hangs. After a machine stood still, all that were at work then seem to. */
#define RETRY_NS NSEC_PER_SEC

/* The variables are inherited by what a service starts, and then name another process. */
static uint64_t patience_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(usec, NULL, 10);
}

void watchdog_init(struct watchdog *w)
{
	w->interval_ns = patience_us() * NSEC_PER_USEC / 2;
	w->due_ns = w->interval_ns ? clock_now_ns() : 0;
}

void watchdog_feed(struct watchdog *w)
{
	struct thread_usage threads[THREAD_MAX];
	unsigned int count = thread_usage(threads, THREAD_MAX);
	uint64_t now_ns = clock_now_ns();
	const struct thread_usage *hung = thread_first_hung(threads, count, now_ns);

	if (!hung) {
		notify_send("WATCHDOG=1");
		w->due_ns = now_ns + w->interval_ns;
		return;
	}
	log_limited(
		LOG_ERROR,
		"thread %s neither beats nor sleeps for %llu ms: the service manager is not told that all is well",
		hung->name, (now_ns - hung->last_beat_ns) / NSEC_PER_MSEC);
	w->due_ns = now_ns + (RETRY_NS < w->interval_ns ? RETRY_NS : w->interval_ns);
}
