/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scheduler: whether this daemon schedules, and what happens when the kernel ends that.
 *
 * Owner:    the daemon; start last, stop first.
 * Threads:  main; scheduler_read() from any thread.
 * Blocking: start, stop and on_exit as long as sched_new() and sched_free() (loader/sched.h).
 *
 *   attached --- the kernel asks for a restart --------> attached again
 *      |-------- a pause of the machine --------------> attached again
 *      |-------- a CPU came whose cache was unknown --> attached again
 *      |-------- a failure ---------------------------> observing, and tries again: at once, and if
 *      |                                                that fails after 10 s, 1, 5, 10, 10 ... min
 *      '-------- SysRq-S, or somebody ends it --------> observing, and it stays so
 *
 * A failure is an error, for which the kernel throws the scheduler out, or a thread that has waited
 * for SCHED_END_PERCENT of the kernel's timeout, for which the scheduler ends itself
 * (bpf/lib/sched_watch.h). Before that a thread that waits is reported in the log, with what holds
 * its CPU. After ten good minutes the next failure is the first one again (base/backoff.h).
 *
 * A pause is no failure: the host of a virtual machine was suspended, say, and the kernel took the
 * time for a stall.
 *
 * With --require-sched what would end in observing ends the daemon.
 */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/errors.h"
#include "base/feature.h"
#include "loader/loader.h"
#include "loader/sched.h"
#include "metrics/metrics.h"

struct scheduler {
	const struct loader *loader;
	struct sched_options options;
	struct sched *sched; /* NULL: observing; changed by main, under the lock */
	bool is_required;
	bool has_sched_ext; /* without, there is no other scheduler to look for either */
	struct backoff backoff;
	char stall[112]; /* the latest warning, as a sentence */
	pthread_mutex_t lock;
	uint64_t retry_ns;	/* under the lock: when it is tried again; 0: not at all */
	uint64_t stalls_total;	/* under the lock */
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

/* To be polled for reading, -1 while observing, until scheduler_due_ns(), 0 if there is no such
 * time; then scheduler_on_event(): 0, or an error if scheduling is required and is over. */
int scheduler_fd(const struct scheduler *s);
uint64_t scheduler_due_ns(const struct scheduler *s);
int scheduler_on_event(struct scheduler *s, struct error *err);

/* What it does, or why not: one clause. For the thread that calls the functions above. */
const char *scheduler_detail(const struct scheduler *s);

/* Mode, name of the attached scheduler (whosever it is) and the feature. */
void scheduler_read(struct scheduler *s, struct metrics *m);

#endif
