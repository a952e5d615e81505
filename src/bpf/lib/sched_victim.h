/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched victim: the CPU that an urgent thread takes from less urgent work.
 */
#ifndef BPF_LIB_SCHED_VICTIM_H
#define BPF_LIB_SCHED_VICTIM_H

#include "bpf/lib/sched_account.h"

struct victim_search {
	struct task_struct *p;
	__u32 llc;
	__u32 rank; /* of the least urgent found so far; ours at first */
	__s32 cpu;
};

static __always_inline bool cpu_is_victim(const struct sched_cpu *cpu, __u32 rank)
{
	return cpu->rank > RANK_NONE && cpu->rank < rank && cpu->claimed < rank && cpu->is_online &&
	       !cpu_owes(cpu);
}

static int victim_visit(__u32 index, struct victim_search *search)
{
	struct sched_cpu *cpu = sched_cpu_get((__s32)index);
	struct task_struct *p = search->p;

	if (!cpu)
		return 1;
	if (cpu->llc != search->llc || !cpu_is_victim(cpu, search->rank) ||
	    !bpf_cpumask_test_cpu(index, p->cpus_ptr))
		return 0;
	search->rank = cpu->rank;
	search->cpu = (__s32)index;
	return search->rank == RANK_NORMAL;
}

/* The CPU of the LLC that runs what is least urgent, and less so than `rank`; -1: there is none.
 * Not inlined: the first choice is the thread's own CPU. */
static __noinline __s32 victim_find(struct task_struct *p, __u32 llc, __u32 rank)
{
	struct victim_search search = {.p = p, .llc = llc, .rank = rank, .cpu = -1};

	bpf_loop(cfg_sched.cpu_count, victim_visit, &search, 0);
	return search.cpu;
}

/* Of two that want it at once, the one that finds it unclaimed has it. */
static __always_inline bool cpu_claim(struct sched_cpu *cpu, __u32 rank)
{
	__u32 claimed = cpu->claimed;

	return claimed < rank &&
	       __sync_val_compare_and_swap(&cpu->claimed, claimed, rank) == claimed;
}

/* Claims a CPU of the LLC that runs something less urgent; -1 if there is none. The thread's own
 * CPU first, whose caches it knows, then the least urgent one. */
static __always_inline __s32 victim_claim(struct task_struct *p, const struct sched_task *st,
					  __s32 own, struct sched_cpu *own_cpu)
{
	bool is_bound = p->nr_cpus_allowed == 1;
	struct sched_cpu *cpu;
	__s32 victim;

	if ((is_bound || own_cpu->rank == RANK_NORMAL) && cpu_is_victim(own_cpu, st->rank))
		return cpu_claim(own_cpu, st->rank) ? own : -1;
	if (is_bound)
		return -1;
	victim = victim_find(p, own_cpu->llc, st->rank);
	cpu = sched_cpu_get(victim);
	return cpu && cpu_claim(cpu, st->rank) ? victim : -1;
}

/* Takes a CPU from less urgent work. */
static __always_inline bool cpu_preempt(struct task_struct *p, struct sched_task *st, __s32 own,
					struct sched_cpu *own_cpu, struct cpu_slot *slot,
					__u64 enq_flags)
{
	__s32 victim = victim_claim(p, st, own, own_cpu);
	__u64 queue;

	if (victim < 0)
		return false;
	slot->sched_preempts++;
	queue = victim == own ? SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL)
			      : SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | (__u32)victim;
	scx_insert(p, queue, task_slice_ns(st),
		   enq_flags | SCX_VALUE(scx_enq_flags, SCX_ENQ_PREEMPT));
	return true;
}

#endif
