/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched park: the thread that was preempted on a CPU runs next there, and what may come before it.
 */
#ifndef BPF_LIB_SCHED_PARK_H
#define BPF_LIB_SCHED_PARK_H

#include "bpf/lib/sched_dispatch.h"

/* Preempted by what does not run long, a thread stays next on its CPU, with the rest of its slice
 * (if it is over, up to the next tick): that costs less than to queue it anew, and its caches are
 * there. Not for ever, though: who preempts it may come at each tick. */
static __always_inline void task_park(struct task_struct *p, struct sched_cpu *cpu)
{
	__u64 ran = p->se.sum_exec_runtime - cpu->charged_ns;

	if (ran >= 2 * cfg_sched.slice_ns)
		return;
	scx_set_slice(p, ran < cfg_sched.slice_ns ? cfg_sched.slice_ns - ran : 1);
	cpu->is_parked = 1;
}

/* From 6.19 on. A real-time thread is about to take the CPU, or something above it already has,
 * which leaves the preempted thread its slice: what was to run here next must be queued anew. */
static __always_inline bool cpu_is_taken(struct task_struct *p, bool runnable)
{
	struct rq *rq = bpf_this_cpu_ptr(&runqueues);

	return rq->rt.rt_nr_running || (runnable && ((struct task_struct___scx *)p)->scx.slice);
}

/* A normal thread begins to run that has come back without a look for work, or that this CPU had
 * chosen before an urgent thread was promised it. Is there something before it: a thread that has
 * woken meanwhile, an urgent one in the queue, or one that is next here? (A thread bound to this
 * CPU may be next here, too, and is in no such hurry.) */
static __always_inline bool is_before_running(const struct sched_cpu *cpu)
{
	const struct sched_llc *llc = sched_llc_get(cpu->llc);

	return (cpu->is_parked && cpu->is_passed) || (llc && llc->urgent > 0) ||
	       local_count() > (__s32)cpu->local;
}

#endif
