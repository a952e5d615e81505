/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Thread: a named thread with ready handshake, stop and heartbeat.
 *
 * Owner:    whoever embeds the struct; it must stay in place between start and stop.
 * Threads:  start and stop from one controlling thread; the readers below from any.
 * Blocking: thread_start() returns once the body has called thread_ready() or failed;
 *           thread_stop() signals the stop eventfd and joins.
 * Limits:   THREAD_MAX threads at a time, main included; one more is refused with -EAGAIN.
 *
 * A body waits only in thread_poll(), which counts wake-ups and beats and marks the thread as
 * sleeping: a thread that neither beats nor sleeps hangs, and /health and the service manager's
 * watchdog notice. Bodies run with all signals blocked. Nothing is ever cancelled or detached.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define THREAD_MAX 8
#define THREAD_NAME_MAX 16
#define THREAD_HUNG_NS (5ull * 1000000000) /* without a beat, awake */

struct thread {
	char name[THREAD_NAME_MAX]; /* also the kernel's comm */
	pthread_t id;
	int tid;
	int stop_fd; /* eventfd, readable once thread_stop() was called */
	bool is_started;
	bool is_ready; /* the body's own: thread_ready() was called */
	int (*body)(struct thread *self, void *arg);
	void *arg;
	int ready_fd; /* handshake; -1 after it */
	_Atomic uint64_t beats_total;
	_Atomic uint64_t
		wakeups_total; /* returns from thread_poll(): one each time the thread woke */
	_Atomic uint64_t last_beat_ns;
	_Atomic bool is_sleeping;
};

/* What one thread has used; from thread_usage(). */
struct thread_usage {
	char name[THREAD_NAME_MAX];
	uint64_t cpu_ns;
	uint64_t wakeups_total;
	uint64_t beats_total;
	uint64_t last_beat_ns;
	bool is_sleeping;
};

/* Starts body(self, arg) and waits until it calls thread_ready(). 0, the negative errno handed to
 * thread_ready(), or that of pthread_create. On failure nothing runs. */
int thread_start(struct thread *t, const char *name, int (*body)(struct thread *, void *),
		 void *arg);

/* To be called once by the body: 0 releases thread_start() with success; a negative errno with that
 * error, and the body must return. A body that returns without it fails the start. */
void thread_ready(struct thread *self, int result);

/* poll(2) on fds, plus the stop fd as a silent extra; retries EINTR. timeout_ms < 0 waits for ever.
 * Returns the number of ready fds (0 on timeout), -ECANCELED once the thread is to stop, or a
 * negative errno. At most 15 fds. */
int thread_poll(struct thread *self, struct pollfd *fds, nfds_t count, int timeout_ms);

/* To be called at least once a second in a long piece of work between two polls. */
void thread_beat(struct thread *self);

/* Signals and joins, and takes the thread off the list; a zeroed or never started one is a no-op.
 * What the thread has left to do, it does as a real-time thread where it may: the caller waits. */
void thread_stop(struct thread *t);

/* For a thread that is about to end and that is waited for: from now on it is real-time, where that
 * may be done. */
void thread_hurry(pthread_t id);

/* The main thread takes part in the list (name "main") without being started; thread_stop() takes
 * it off again. */
void thread_adopt_main(struct thread *t);

/* Of the calling thread; its children begin as ordinary ones. 0 or a negative errno. */
int thread_set_policy(int policy, int priority);

/* All live threads, main first; returns how many were written (at most max). Any thread. */
unsigned int thread_usage(struct thread_usage *out, unsigned int max);

/* Of `count` threads as they were at now_ns, the first that hangs, or NULL. */
const struct thread_usage *thread_first_hung(const struct thread_usage *threads, unsigned int count,
					     uint64_t now_ns);

#endif
