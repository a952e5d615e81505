/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/rcu.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/thread.h"

_Thread_local bool rcu_reader_is_registered;

/* Made once and kept: the last readers may end after rcu_stop(). */
static pthread_key_t reader_key;
static bool has_reader_key;

/* liburcu's thread for call_rcu(). It lives as long as the process. */
static struct call_rcu_data *helper;

static _Atomic unsigned long pending; /* calls of rcu_retire() whose `end` has not returned */

/* Runs when a registered thread ends. Should another key's destructor read afterwards, that
 * registers the thread again, and this runs again. */
static void reader_ended(void *unused)
{
	rcu_unregister_thread();
	rcu_reader_is_registered = false;
}

void rcu_reader_register(void)
{
	/* A reader that ends while registered would leave liburcu a pointer into its dead stack. Of
	 * all errors only a call before rcu_start() can cause it, or no memory for the key. */
	if (!has_reader_key || pthread_setspecific(reader_key, &reader_key) != 0) {
		log_error("cannot register an RCU reader: aborting");
		abort();
	}
	rcu_register_thread();
	rcu_reader_is_registered = true;
}

static void *thread_end(void *unused)
{
	return NULL;
}

/* liburcu ends the process if it gets no thread. This one's stack is kept for the next. */
static int thread_try(void)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, thread_end, NULL);

	if (!ret)
		pthread_join(thread, NULL);
	return -ret;
}

int rcu_start(void)
{
	sigset_t all, before;
	char name[16];
	int ret;

	if (!has_reader_key) {
		ret = pthread_key_create(&reader_key, reader_ended);
		if (ret)
			return -ret;
		has_reader_key = true;
	}

	/* liburcu 0.13 gives the helper the signal mask of the thread that creates it; and the
	 * name, which another thread could only change through a file that the sandbox does not
	 * allow to write. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_getname_np(pthread_self(), name, sizeof(name));
	pthread_setname_np(pthread_self(), "rcu");
	ret = thread_try();
	helper = ret ? NULL : get_default_call_rcu_data();
	pthread_setname_np(pthread_self(), name);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!helper)
		return ret ? ret : -ENOMEM;
	return 0;
}

static void grace_over(struct rcu_head *head)
{
	struct rcu_retired *retired = caa_container_of(head, struct rcu_retired, head);

	RCU_ACQUIRE(retired);
	retired->end(retired); /* may free it */
	atomic_fetch_sub_explicit(&pending, 1, memory_order_release);
}

void rcu_retire(struct rcu_retired *retired, void (*end)(struct rcu_retired *retired))
{
	retired->end = end;
	atomic_fetch_add_explicit(&pending, 1, memory_order_relaxed);
	RCU_RELEASE(retired);
	urcu_memb_call_rcu(&retired->head, grace_over);
}

void rcu_drain(void)
{
	/* It is waited for here, and again at the end of the process. */
	if (helper)
		thread_hurry(get_call_rcu_thread(helper));
	if (atomic_load_explicit(&pending, memory_order_acquire))
		rcu_barrier();
}

void rcu_stop(void)
{
	rcu_drain();
	if (rcu_reader_is_registered) {
		reader_ended(NULL);
		pthread_setspecific(reader_key, NULL);
	}
}
