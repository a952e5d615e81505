/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Futex: sleep until a word changes, with a deadline.
 *
 * Threads:  any, of this process only (FUTEX_PRIVATE).
 * Blocking: futex_wait() at most timeout_ns; futex_wake_all() never.
 *
 * The word carries the state: change it first, then wake. A return of 0 may be spurious, so the
 * caller looks at its word again and keeps its own deadline.
 */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleeps while *word == expected: 0 when woken, -EAGAIN if it was different already, -ETIMEDOUT,
 * -EINTR. */
static inline int futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / 1000000000u),
		.tv_nsec = (long)(timeout_ns % 1000000000u),
	};

	if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, &timeout, NULL, 0) < 0)
		return -errno;
	return 0;
}

static inline void futex_wake_all(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#endif
