/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Throttle: why a flood of requests can't take a CPU.
 *
 * All threads of civetweb together have one account of CPU time (base/account.h), that which
 * accepts connections included. A worker asks here before it reads from a new connection, and
 * before it answers a request. While the account is overdrawn it waits, and so do all who come:
 * first in civetweb's queue, then in the kernel's, where they cost the daemon nothing. Nobody is
 * refused. When the debt is paid back all go on at once, so whoever has a worker gets a turn in
 * each burst of work, and who waits for one gets it in the order of arrival.
 *
 * Owner:    the HTTP server.
 * Threads:  any of civetweb's.
 * Blocking: throttle_wait(), until the debt is paid back.
 * Limits:   THROTTLE_MAX threads. The clocks are read once a millisecond at most: by so much, for
 *           each thread, a burst may be longer.
 */
#ifndef HTTP_THROTTLE_H
#define HTTP_THROTTLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/account.h"

#define THROTTLE_MAX 72 /* SLOTS_MAX workers, and what else civetweb starts */

struct throttle {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* paid back, or stopped */
	struct account account;
	pthread_t threads[THROTTLE_MAX];
	unsigned int count;
	unsigned int percent;
	bool is_stopped;
	bool is_watched;	   /* one of those that wait wakes up now and then */
	_Atomic bool is_overdrawn; /* for who does not get the lock */
};

/* `percent` of a CPU; 0: no limit. */
void throttle_init(struct throttle *t, unsigned int percent);
void throttle_fini(struct throttle *t);

/* The calling thread is one of those that share the account, until throttle_stop(). */
void throttle_join(struct throttle *t);

/* While this is so, no work may begin. */
bool throttle_is_overdrawn(struct throttle *t);

/* Until the debt is paid back, or the end. One of the threads that wait calls look(ctx) meanwhile,
 * at first every 20 ms, then ever less often, down to three times a second; the others sleep. */
void throttle_wait(struct throttle *t, void (*look)(void *ctx), void *ctx);

/* For the end: it is not overdrawn any more, and the threads are real-time, where they may be. */
void throttle_stop(struct throttle *t);

#endif
