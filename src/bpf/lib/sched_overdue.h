/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched overdue: the bound on the wait of a normal thread, whatever its weight.
 *
 * Its place in the queue bounds a thread's wait by the weights of the moment it was queued at.
 * Those that join later, and are a thousand times its own, stretch it: nice 19 beside nice -20
 * would be due after half a minute. So once in a while a CPU looks at the far end of its queue,
 * where such threads are, and runs first who has waited longest, if that is more than OVERDUE_NS.
 *
 * Where so many are runnable that all of them wait longer, the queue's order must go on to hold:
 * one that has just woken is at its near end. So this serves one thread in two slices at most. It
 * takes half a CPU, then, and bounds the wait of some hundred light threads.
 */
#ifndef BPF_LIB_SCHED_OVERDUE_H
#define BPF_LIB_SCHED_OVERDUE_H

#include "bpf/lib/sched_account.h"

#define OVERDUE_NS 2000000000ull
#define OVERDUE_PERIOD_NS 250000000ull
#define OVERDUE_THREADS_MAX 64 /* that are looked at */

/* 0 if it may not run here. */
static __always_inline __u64 waited_ns(struct task_struct *p, __u64 now)
{
	struct task_state *ts = task_state_get(p);
	__s64 waited = ts ? (__s64)(now - ts->sched.queued_ns) : 0;

	return waited > 0 && bpf_cpumask_test_cpu(bpf_get_smp_processor_id(), p->cpus_ptr)
		       ? (__u64)waited
		       : 0;
}

/* In gamer_dispatch() only. Not inlined: it is rarely called. */
static __noinline int overdue_take(struct sched_cpu *cpu, __s32 index, __u64 now)
{
	struct task_struct *p, *oldest = NULL;
	__u64 waited, longest = OVERDUE_NS;
	struct bpf_iter_scx_dsq it;
	int taken = 0;

	if (!bpf_iter_scx_dsq_new(&it, normal_queue(index),
				  SCX_VALUE(scx_dsq_iter_flags, SCX_DSQ_ITER_REV))) {
		for (int i = 0; i < OVERDUE_THREADS_MAX; i++) {
			p = bpf_iter_scx_dsq_next(&it);
			if (!p)
				break;
			waited = waited_ns(p, now);
			if (waited > longest) {
				longest = waited;
				oldest = p;
			}
		}
		if (oldest)
			taken = scx_move(&it, oldest, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL),
					 0);
	}
	bpf_iter_scx_dsq_destroy(&it);
	if (cpu)
		cpu->overdue_ns = now + (taken ? 2 * cfg_sched.slice_ns : OVERDUE_PERIOD_NS);
	return taken;
}

#endif
