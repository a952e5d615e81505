/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched enqueue: where a thread waits that has found no idle CPU in gamer_select_cpu(), or has not
 * passed there.
 */
#ifndef BPF_LIB_SCHED_ENQUEUE_H
#define BPF_LIB_SCHED_ENQUEUE_H

#include "bpf/lib/sched_account.h"
#include "bpf/lib/sched_preempt.h"
#include "bpf/lib/sched_victim.h"

static __always_inline void local_insert(struct task_struct *p, struct sched_task *st,
					 __u64 enq_flags)
{
	scx_insert(p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL), task_slice_ns(st), enq_flags);
}

/* Not inlined: what goes to a queue is in no hurry. */
static __noinline int normal_insert(struct task_struct *p, struct sched_task *st,
				    struct sched_cpu *cpu, __u64 enq_flags)
{
	struct sched_llc *llc = cpu ? sched_llc_get(cpu->llc) : NULL;

	if (!llc || !st)
		return 0;
	st->queued_ns = scx_now();
	place_enter_normal(p, st, cpu, llc);
	scx_insert_vtime(p, normal_queue((__s32)st->cpu), cfg_sched.slice_ns, task_deadline(st),
			 enq_flags);
	return 0;
}

/* To the urgent queue of the LLC of `cpu`, where a CPU has been asked to look. */
static __noinline int urgent_insert(struct task_struct *p, struct task_state *ts,
				    struct sched_cpu *cpu, __u64 enq_flags)
{
	struct sched_llc *llc = cpu ? sched_llc_get(cpu->llc) : NULL;

	if (!llc || !ts)
		return 0;
	ts->sched.queued_ns = scx_now();
	place_enter_urgent(&ts->sched, llc);
	scx_insert_vtime(p, urgent_queue(cpu->llc), task_slice_ns(&ts->sched),
			 ts->sched.queued_ns + target_ns(ts->class), enq_flags);
	return 0;
}

/* An idle CPU the thread may run on, or -1. One that has passed through gamer_select_cpu() has been
 * refused one a moment ago; only its own is looked at again. One bound to a single CPU never passes
 * there, nor does one that is queued again. */
static __always_inline __s32 idle_cpu_take(struct task_struct *p, __s32 own,
					   const struct sched_cpu *own_cpu, __u64 enq_flags)
{
	if (own_cpu->rank == RANK_NONE && (enq_flags & SCX_VALUE(scx_enq_flags, SCX_ENQ_WAKEUP)) &&
	    scx_bpf_test_and_clear_cpu_idle(own))
		return own;
	if (p->nr_cpus_allowed == 1 || (enq_flags & SCX_VALUE(scx_enq_flags, SCX_ENQ_CPU_SELECTED)))
		return -1;
	return scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
}

/* An urgent thread that finds no idle CPU. */
static __always_inline void urgent_enqueue(struct task_struct *p, struct task_state *ts, __s32 own,
					   struct sched_cpu *own_cpu, struct cpu_slot *slot,
					   __u64 enq_flags)
{
	struct sched_task *st = &ts->sched;
	__s32 victim = victim_claim(p, st, own, own_cpu);
	struct sched_cpu *cpu;

	if (victim == own) {
		slot->sched_preempts++;
		local_insert(p, st, enq_flags | SCX_VALUE(scx_enq_flags, SCX_ENQ_PREEMPT));
		return;
	}
	cpu = victim < 0 ? own_cpu : sched_cpu_get(victim);
	if (!cpu)
		cpu = own_cpu;
	if (cpu != own_cpu && cpu->llc != own_cpu->llc)
		task_move(st, cpu, (__u32)victim);
	/* Its own CPU is choosing, or may have done so already: gamer_running() looks once more. */
	if (victim < 0 && own_cpu->rank == RANK_NONE && cpu_claim(own_cpu, st->rank))
		victim = own;
	urgent_insert(p, ts, cpu, enq_flags);
	if (victim < 0)
		return;
	slot->sched_preempts++;
	cpu_kick(victim, SCX_VALUE(scx_kick_flags, SCX_KICK_PREEMPT));
}

/* A normal thread that finds no idle CPU. */
static __always_inline void normal_enqueue(struct task_struct *p, struct sched_task *st, __s32 own,
					   struct sched_cpu *own_cpu, __u64 enq_flags)
{
	__u64 now;

	if (enq_flags & SCX_VALUE(scx_enq_flags, SCX_ENQ_WAKEUP)) {
		if (normal_preempts(st, own, own_cpu)) {
			local_insert(p, st, enq_flags | SCX_VALUE(scx_enq_flags, SCX_ENQ_PREEMPT));
			return;
		}
		/* Bound to a CPU where nobody waits: the queue would make it no difference. */
		if (p->nr_cpus_allowed == 1 && !own_cpu->queued && !own_cpu->local &&
		    !own_cpu->is_parked && own_cpu->rank == RANK_NORMAL) {
			place_enter_local(st, own_cpu);
			local_insert(p, st, enq_flags);
			return;
		}
		if (own_cpu->is_tickless) {
			now = scx_now();
			slice_timer_arm(own, own_cpu, now, now + cfg_sched.min_ns);
		}
		if (own_cpu->is_parked && (__s64)(st->vtime - own_cpu->vtime) < 0)
			own_cpu->is_passed = 1;
	}
	normal_insert(p, st, own_cpu, enq_flags);
}

#endif
