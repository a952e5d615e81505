/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scheduler: whether this daemon schedules, and what happens when the kernel ends that.
 *
 * Owner:    the daemon; start last, stop first.
 * Threads:  main; scheduler_read() from any thread.
 * Blocking: start, stop and on_exit as long as sched_new() and sched_free() (loader/sched.h).
 *
 *   attached --- the kernel asks for a restart ---> attached again
 *      |-------- an error, the first in 10 min ---> attached again
 *      |-------- an error, the second ------------> observing, and it stays so
 *      '-------- SysRq-S, or somebody ends it ----> observing, and it stays so
 *
 * With --require-sched what would end in observing ends the daemon.
 */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/errors.h"
#include "base/feature.h"
#include "loader/loader.h"
#include "loader/sched.h"
#include "metrics/metrics.h"

struct scheduler {
	const struct loader *loader;
	struct sched_options options;
	struct sched *sched; /* NULL: observing */
	bool is_required;
	bool has_sched_ext; /* without, there is no other scheduler to look for either */
	uint64_t error_ns;  /* the last time the kernel threw it out; 0: never */
	pthread_mutex_t lock;
	char ops[128];		/* under the lock: "" while observing */
	struct feature feature; /* under the lock */
};

void scheduler_init(struct scheduler *s, const struct loader *l,
		    const struct sched_options *options, bool is_required);

/* Schedules if the kernel can; else observes and says why, or, if scheduling is required, fails. */
int scheduler_start(struct scheduler *s, struct error *err);

/* --observe: never schedules. */
void scheduler_observe(struct scheduler *s, const char *why);
void scheduler_stop(struct scheduler *s);

/* To be polled for reading, -1 while observing; then scheduler_on_exit(): 0, or an error if
 * scheduling is required and is over. */
int scheduler_fd(const struct scheduler *s);
int scheduler_on_exit(struct scheduler *s, struct error *err);

/* Mode, name of the attached scheduler (whosever it is) and the feature. */
void scheduler_read(struct scheduler *s, struct metrics *m);

#endif
