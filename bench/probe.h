/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe: what the loads and probes that measure schedulers share. They know no room of the daemon.
 *
 * Threads: any. wait_while() blocks until the word changes.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The word may be shared between processes. */
static inline void wait_while(_Atomic uint32_t *word, uint32_t value)
{
	while (atomic_load(word) == value)
		syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static inline void wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Not inlined: calibrated and used as the same instructions. */
__attribute__((noinline, unused)) static void burn(uint64_t loops)
{
	for (uint64_t i = 0; i < loops; i++)
		__asm__ volatile("");
}

/*
 * POLICY for this thread and those that it starts: other, batch, idle, nice:N, rr:PRIO, fifo:PRIO,
 * or a number, which is a nice value. 0 or negative errno.
 */
static inline int set_policy(const char *policy)
{
	static const struct {
		const char *name;
		int policy;
	} names[] = {{"other", SCHED_OTHER},
		     {"batch", SCHED_BATCH},
		     {"idle", SCHED_IDLE},
		     {"rr", SCHED_RR},
		     {"fifo", SCHED_FIFO}};
	size_t length = strcspn(policy, ":");
	const char *number = policy[length] ? policy + length + 1 : policy;
	char *end;
	int value = (int)strtol(number, &end, 10);
	struct sched_param param = {.sched_priority = value};

	if (end != number && !*end && (number == policy || !strncmp(policy, "nice:", 5)))
		return setpriority(PRIO_PROCESS, 0, value) ? -errno : 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i].name) == length && !strncmp(policy, names[i].name, length))
			return sched_setscheduler(0, names[i].policy, &param) ? -errno : 0;
	return -EINVAL;
}

#endif
