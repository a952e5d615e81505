/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RCU: liburcu's memb flavour, for threads that come and go.
 *
 * Owner:    the process. rcu_start() before the first thread, rcu_stop() after the last.
 * Threads:  any thread may read; it is registered on its first rcu_reader_enter() and unregistered
 *           by a pthread-key destructor when it ends, because civetweb's threads give no reliable
 * hook. Blocking: enter/exit never block. rcu_stop() waits for all pending callbacks.
 *
 * Never hold a read section while writing to a socket: take a reference inside it, then leave.
 *
 * For thread sanitizer builds, RCU_RELEASE and RCU_ACQUIRE carry the happens-before edges that
 * liburcu makes with barriers the sanitizer can't see; elsewhere they are nothing.
 */
#ifndef BASE_RCU_H
#define BASE_RCU_H

#include <urcu/urcu-memb.h>

int rcu_start(void); /* creates the call_rcu helper; call with all signals blocked */
void rcu_stop(void); /* barrier for all callbacks */

void rcu_reader_enter(void);
void rcu_reader_exit(void);

#if defined(__SANITIZE_THREAD__)
#define RCU_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RCU_TSAN 1
#endif
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

#endif
