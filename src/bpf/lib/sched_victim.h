/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched victim: the CPU that an urgent thread takes from less urgent work.
 *
 * Its own CPU first, whose caches it knows; else one of its LLC; else one of another LLC. Only
 * VICTIM_LOOKS CPUs are looked at, beginning with the neighbours: on a large machine, where more
 * would cost a wake-up too much, so many that all run urgent work are none.
 *
 * On its own CPU the thread goes to the head of what is next there, and that CPU switches at once.
 * Another CPU is only asked to look for work: the thread waits in the urgent queue of its LLC, from
 * which every CPU serves itself first. So it is never stuck behind what that CPU may be doing, and
 * whoever looks first has it.
 */
#ifndef BPF_LIB_SCHED_VICTIM_H
#define BPF_LIB_SCHED_VICTIM_H

#include "bpf/lib/sched_account.h"
#include "bpf/lib/sched_order.h"

#define VICTIM_LOOKS 16

struct victim_search {
	struct task_struct *p;
	__u32 first, size; /* in sched_order */
	__u32 own;
	__u32 rank; /* of the least urgent found so far; ours at first */
	__s32 cpu;
};

static __always_inline bool cpu_is_victim(const struct sched_cpu *cpu, __u32 rank)
{
	return cpu->rank > RANK_NONE && cpu->rank < rank && cpu->claimed < rank && cpu->is_online &&
	       !cpu_owes(cpu);
}

static int victim_visit(__u32 step, struct victim_search *search)
{
	__u32 position = search->own + 1 + step;
	struct task_struct *p = search->p;
	struct sched_cpu *cpu;
	__s32 index;

	if (position >= search->first + search->size)
		position -= search->size;
	index = sched_order_cpu(position);
	cpu = sched_cpu_get(index);
	if (!cpu)
		return 1;
	if (!cpu_is_victim(cpu, search->rank) || !bpf_cpumask_test_cpu((__u32)index, p->cpus_ptr))
		return 0;
	search->rank = cpu->rank;
	search->cpu = index;
	return search->rank == RANK_NORMAL;
}

/* A CPU that runs what is less urgent than `rank`; -1: there is none. Not inlined: the first choice
 * is the thread's own CPU. */
static __noinline __s32 victim_find(struct task_struct *p, const struct sched_cpu *own, __u32 rank)
{
	struct victim_search search = {.p = p, .rank = rank, .cpu = -1};
	struct sched_llc *llc = own ? sched_llc_get(own->llc) : NULL;

	if (!llc)
		return -1;
	search.own = own->order;
	search.first = llc->first;
	search.size = llc->size;
	bpf_loop(llc->size < VICTIM_LOOKS ? llc->size : VICTIM_LOOKS, victim_visit, &search, 0);
	if (search.cpu >= 0 || cfg_sched.llc_count < 2)
		return search.cpu;
	search.own = llc->first + llc->size - 1;
	search.first = 0;
	search.size = cfg_sched.cpu_count;
	bpf_loop(VICTIM_LOOKS, victim_visit, &search, 0);
	return search.cpu;
}

/* Of two that want it at once, the one that finds it unclaimed has it. */
static __always_inline bool cpu_claim(struct sched_cpu *cpu, __u32 rank)
{
	__u32 claimed = cpu->claimed;

	return claimed < rank &&
	       __sync_val_compare_and_swap(&cpu->claimed, claimed, rank) == claimed;
}

/* Claims a CPU that runs something less urgent; -1 if there is none. */
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
	victim = victim_find(p, own_cpu, st->rank);
	cpu = sched_cpu_get(victim);
	return cpu && cpu_claim(cpu, st->rank) ? victim : -1;
}

#endif
