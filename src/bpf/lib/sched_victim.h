/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched victim: the CPU that an urgent thread takes from less urgent work.
 */
#ifndef BPF_LIB_SCHED_VICTIM_H
#define BPF_LIB_SCHED_VICTIM_H

#include "bpf/lib/sched_account.h"

struct victim_search {
	struct task_struct *p;
	__u64 now;
	__u32 llc;
	__u32 rank; /* of the least urgent found so far; ours at first */
	__s32 cpu;
};

static __always_inline bool cpu_is_victim(const struct sched_cpu *cpu, __u32 rank, __u64 now)
{
	return cpu->rank > RANK_NONE && cpu->rank < rank && cpu->claimed < rank && cpu->is_online &&
	       !cpu_owes(cpu, now);
}

static int victim_visit(__u32 index, struct victim_search *search)
{
	struct sched_cpu *cpu = sched_cpu_get((__s32)index);
	struct task_struct *p = search->p;

	if (!cpu)
		return 1;
	if (cpu->llc != search->llc || !cpu_is_victim(cpu, search->rank, search->now) ||
	    !bpf_cpumask_test_cpu(index, p->cpus_ptr))
		return 0;
	search->rank = cpu->rank;
	search->cpu = (__s32)index;
	return search->rank == RANK_NORMAL;
}

/* Claims a CPU of the LLC that runs something less urgent; -1 if there is none. The thread's own
 * CPU first, whose caches it knows, then the least urgent one. */
static __always_inline __s32 victim_claim(struct task_struct *p, const struct sched_task *st,
					  __s32 own, struct sched_cpu *own_cpu, __u64 now)
{
	struct victim_search search = {
		.p = p, .now = now, .llc = own_cpu->llc, .rank = st->rank, .cpu = -1};
	struct sched_cpu *cpu = own_cpu;
	__u32 claimed;

	if (cpu_is_victim(own_cpu, st->rank, now) && own_cpu->rank == RANK_NORMAL) {
		search.cpu = own;
	} else if (p->nr_cpus_allowed == 1) {
		if (cpu_is_victim(own_cpu, st->rank, now))
			search.cpu = own;
	} else {
		bpf_loop(cfg_sched.cpu_count, victim_visit, &search, 0);
		cpu = sched_cpu_get(search.cpu);
	}
	if (search.cpu < 0 || !cpu)
		return -1;
	claimed = cpu->claimed;
	if (claimed >= st->rank)
		return -1;
	/* Of two that want it at once, the one that finds it unclaimed has it. */
	if (__sync_val_compare_and_swap(&cpu->claimed, claimed, st->rank) != claimed)
		return -1;
	return search.cpu;
}

#endif
