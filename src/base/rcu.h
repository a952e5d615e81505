/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RCU: liburcu's memb flavour, for threads that come and go.
 *
 * Owner:    the process. rcu_start() before the first thread, rcu_stop() after the last.
 * Threads:  any thread may read; it is registered on its first rcu_reader_enter() and unregistered
 *           by a pthread-key destructor when it ends, because civetweb's threads give no reliable
 *           hook.
 * Blocking: enter/exit and rcu_retire() never block. rcu_drain() and rcu_stop() wait for the
 *           callbacks that are pending, and return at once if there are none. Both are for the end:
 *           the thread that runs the callbacks is real-time from then on, where it may.
 *
 * Never hold a read section while writing to a socket: take a reference inside it, then leave.
 *
 * Include this header, never <urcu/...> before it: it decides whether liburcu's fast paths are
 * inlined. They are, except under a sanitizer, whose rules their code breaks on purpose. For the
 * thread sanitizer RCU_RELEASE and RCU_ACQUIRE carry the happens-before edges that liburcu makes
 * with barriers it can't see; elsewhere they are nothing. tests/data/tsan.supp has the one
 * suppression that goes with it.
 */
#ifndef BASE_RCU_H
#define BASE_RCU_H

#include <stdbool.h>

#ifndef __has_feature /* clang's; gcc defines the macros */
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define RCU_TSAN 1
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define RCU_ASAN 1
#endif

#ifdef RCU_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define RCU_ACQUIRE(addr) __tsan_acquire((void *)(addr))
#define RCU_RELEASE(addr) __tsan_release((void *)(addr))
#else
#define RCU_ACQUIRE(addr) ((void)(addr))
#define RCU_RELEASE(addr) ((void)(addr))
#endif

#if !defined(RCU_TSAN) && !defined(RCU_ASAN) && !defined(_LGPL_SOURCE)
#define _LGPL_SOURCE /* this program is under the GPL: liburcu's inline functions may be used */
#endif

#define URCU_API_MAP /* keep the short names: call_rcu, rcu_barrier, ... */
#include <urcu/urcu-memb.h>

int rcu_start(void); /* creates the call_rcu helper, which runs with all signals blocked */
void rcu_stop(void); /* rcu_drain(); unregisters the calling thread */

/* Part of what is to be freed, or used again, once no read section is left that could see it. */
struct rcu_retired {
	struct rcu_head head;
	void (*end)(struct rcu_retired *retired);
};

/* Calls `end` on the helper's thread, after a grace period. The calling thread must have read. */
void rcu_retire(struct rcu_retired *retired, void (*end)(struct rcu_retired *retired));

/* Returns when each `end` has returned. Not rcu_barrier(): that has the helper run even if nothing
 * is pending, and the helper sleeps 10 ms after each wake-up to collect more; on a busy machine it
 * and its caller wait for a CPU three times besides. */
void rcu_drain(void);

#undef call_rcu /* rcu_retire() is the one that is counted */

/* The slow path of rcu_reader_enter(). */
extern _Thread_local bool rcu_reader_is_registered;
void rcu_reader_register(void);

/* Read sections nest. */
static inline void rcu_reader_enter(void)
{
	if (caa_unlikely(!rcu_reader_is_registered))
		rcu_reader_register();
	rcu_read_lock();
}

static inline void rcu_reader_exit(void)
{
	rcu_read_unlock();
}

#endif
