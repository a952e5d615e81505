/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Silence: has the proc connector stopped telling of processes?
 *
 * Before 6.6 the kernel counts listeners and believes whoever says that one has left: an IGNORE too
 * many, from any program of root's, and it sends nothing to anybody. The daemon can't tell that
 * from a machine on which nothing happens. The kernel side can: the tracepoint of exec fires a
 * moment before the connector's message about the same exec, and the socket filter sees each
 * message, whether it passes or not.
 *
 *      exec  exec  message  exec  exec  exec  exec  exec
 *       1     2       0      1     2     3     4     5     unheard_execs
 *                            |<- SILENCE_NS or more ->|    the connector is silent: a record
 *
 * The message of one exec may be late: a tracer can hold a process between the two. So it takes
 * several execs, over a second, without a message about anything: a new process's fork would have
 * been one.
 */
#ifndef BPF_LIB_SILENCE_H
#define BPF_LIB_SILENCE_H

#include "bpf/lib/ring.h"

#define SILENCE_EXECS 4
#define SILENCE_NS 1000000000ll

/* The filter has seen a message. Reads first: most of the time there is nothing to write, and all
 * CPUs share the word. */
static __always_inline void silence_end(void)
{
	if (unheard_execs)
		unheard_execs = 0;
}

/* A process has executed a program. One record ends the watch. */
static __always_inline void silence_exec(struct cpu_slot *slot, struct task_struct *p)
{
	struct event *e;
	__u64 now;

	if (!is_connector_watched)
		return;
	now = bpf_ktime_get_ns();
	if (!unheard_execs)
		unheard_since_ns = now;
	if (__sync_fetch_and_add(&unheard_execs, 1) < SILENCE_EXECS ||
	    (__s64)(now - unheard_since_ns) < SILENCE_NS)
		return;
	if (!__sync_lock_test_and_set(&is_connector_watched, 0))
		return;
	e = event_new(slot, EVENT_SILENCE, now, p);
	if (e)
		event_submit(slot, e, BPF_RB_FORCE_WAKEUP);
	else
		is_connector_watched = 1; /* the next exec tells */
}

#endif
