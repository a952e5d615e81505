/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched dispatch: what a CPU that looks for work can run next.
 */
#ifndef BPF_LIB_SCHED_DISPATCH_H
#define BPF_LIB_SCHED_DISPATCH_H

#include "bpf/lib/sched_account.h"
#include "bpf/lib/sched_balance.h"

/* Is the deadline of the first of the queue before `deadline`? */
static __always_inline bool queue_is_before(__u64 queue, __u64 deadline)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *first;
	bool is_before = false;

	if (!bpf_iter_scx_dsq_new(&it, queue, 0)) {
		first = bpf_iter_scx_dsq_next(&it);
		if (first)
			is_before = (__s64)(((struct task_struct___scx *)first)->scx.dsq_vtime -
					    deadline) < 0;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_before;
}

/* `prev` has used its slice and would go on. It is in no queue, so it must be compared by hand. */
static __always_inline bool prev_keeps(struct task_struct *prev, __s32 index, struct sched_cpu *cpu)
{
	struct task_state *ts;
	struct sched_task *st;

	if (!bpf_cpumask_test_cpu((__u32)index, prev->cpus_ptr))
		return false;
	ts = task_state_get(prev);
	if (!ts)
		return false;
	st = &ts->sched;
	if (st->cpu != (__u32)index)
		return false;
	task_settle(prev, st, cpu);
	task_rank_set(prev, ts);
	if (st->is_limited && limit_is_reached(st, scx_now()))
		return false;
	if (st->rank == RANK_NORMAL && cpu->queued &&
	    queue_is_before(normal_queue(index), task_deadline(st)))
		return false;
	cpu_runs(cpu, st);
	scx_set_slice(prev, cpu->is_tickless && !cpu->queued && st->rank <= RANK_NORMAL
				    ? SLICE_ENDLESS
				    : task_slice_ns(st));
	return true;
}

/* How many threads are next on this CPU. */
static __always_inline __s32 local_count(void)
{
	return scx_bpf_dsq_nr_queued(SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL));
}

static __always_inline bool urgent_take(const struct sched_llc *llc, __u32 index)
{
	return llc->urgent > 0 && scx_move_to_local(urgent_queue(index));
}

static __always_inline bool normal_take(const struct sched_cpu *cpu, __s32 index)
{
	return cpu->queued && scx_move_to_local(normal_queue(index));
}

struct far_search {
	__u32 own;
	__u32 taken;
};

static int far_visit(__u32 step, struct far_search *search)
{
	__u32 index = search->own + 1 + step;
	struct sched_llc *llc;

	if (index >= cfg_sched.llc_count)
		index -= cfg_sched.llc_count;
	llc = sched_llc_get(index);
	if (llc && (urgent_take(llc, index) || (llc->movable > 0 && llc_steal(llc, 0))))
		search->taken = 1;
	return search->taken != 0; /* the verifier wants to see that it is 0 or 1 */
}

#endif
