/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compat: questions to the kernel whose answer lies elsewhere on different versions.
 */
#ifndef BPF_KERNEL_COMPAT_H
#define BPF_KERNEL_COMPAT_H

#include "bpf/abi/preempt.h"
#include "bpf/kernel/types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/*
 * x86 keeps the preempt count in a per-CPU variable: __preempt_count, or pcpu_hot.preempt_count
 * from 6.2 to 6.14. As a ksym it could be used only on kernels that list their data in kallsyms;
 * but the distance between two per-CPU variables is the same on every CPU and stands in BTF, and
 * `current` leads to one, the CPU's run queue. The loader computes the distance; 0 where there is
 * none.
 */
const volatile __s64 cfg_preempt_count_from_rq = 0;

/* One of PREEMPT_IN_INTERRUPT_*, from the loader. */
const volatile __u32 cfg_preempt_in_interrupt = PREEMPT_IN_INTERRUPT_5_1;

/* Returns false if this kernel doesn't let us know. */
static __always_inline bool preempt_count_read(__u32 *count)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_struct___arm64 *arm64 = (void *)task;
	struct rq *rq;

	if (bpf_core_field_exists(arm64->thread_info.preempt_count)) {
		*count = (__u32)BPF_CORE_READ(arm64, thread_info.preempt_count);
		return true;
	}
	if (!cfg_preempt_count_from_rq || !bpf_core_field_exists(struct cfs_rq, rq))
		return false;
	rq = task->se.cfs_rq->rq;
	return bpf_probe_read_kernel(count, sizeof(*count),
				     (void *)rq + cfg_preempt_count_from_rq) == 0;
}

/* Is `current` the author of what happens now? In an interrupt it is only the thread that was
 * interrupted. */
static __always_inline bool current_is_author(void)
{
	__u32 count;

	return preempt_count_read(&count) && !(count & cfg_preempt_in_interrupt);
}

/*
 * Is the thread runnable (or running)? From 6.12 on a thread that goes to sleep with lag left
 * stays on the queue for a while, marked as delayed: that one sleeps.
 */
static __always_inline bool task_is_queued(struct task_struct *p)
{
	if (!p->on_rq)
		return false;
	if (bpf_core_field_exists(p->se.sched_delayed))
		return !p->se.sched_delayed;
	return true;
}

static __always_inline __u32 task_uid(struct task_struct *p)
{
	return BPF_CORE_READ(p, real_cred, uid.val);
}

static __always_inline __u32 task_live_threads(struct task_struct *p)
{
	int live = BPF_CORE_READ(p, signal, live.counter);

	return live > 0 ? (__u32)live : 0;
}

/* Start of the process, not of the thread: what /proc/PID/stat shows. */
static __always_inline __u64 task_start_ns(struct task_struct *p)
{
	return BPF_CORE_READ(p, group_leader, start_boottime);
}

#endif
