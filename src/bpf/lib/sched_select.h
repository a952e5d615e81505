/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched select: the CPU for a thread that wakes or is born.
 *
 * An idle CPU first, in this order: the thread's own, if its whole core is idle; a whole idle core
 * of the same last-level cache; its own CPU; another thread of its core; any idle CPU of the cache.
 * Then the same among all CPUs, which is the kernel's order; by itself that leaves the cache for a
 * whole idle core elsewhere. Where CPUs differ, urgent threads look among the big ones first,
 * background ones among the small ones (lib/sched_capacity.h).
 *
 * The kernel would put a thread that is woken by one about to sleep on the waker's CPU, even beside
 * idle ones. But wakers do not always sleep, so that hint is not passed on.
 *
 * With no idle CPU a thread that wakes stays where it was; one that is born goes to the least
 * loaded CPU of its parent's cache.
 */
#ifndef BPF_LIB_SCHED_SELECT_H
#define BPF_LIB_SCHED_SELECT_H

#include "bpf/lib/sched_account.h"
#include "bpf/lib/sched_capacity.h"
#include "bpf/lib/sched_order.h"

/* Sets of CPUs: of each LLC, where there are several, then the big and the small ones, where there
 * are small ones. */
#define SET_BIG SCHED_LLC_MAX
#define SET_SMALL (SCHED_LLC_MAX + 1)

struct cpu_set {
	struct bpf_cpumask __kptr *cpus;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHED_LLC_MAX + 2);
	__type(key, __u32);
	__type(value, struct cpu_set);
} cpu_sets SEC(".maps");

static __always_inline bool set_has(__u32 index, const struct sched_cpu *cpu)
{
	if (index < SCHED_LLC_MAX)
		return cpu->llc == index;
	return capacity_is_big(cpu->capacity) == (index == SET_BIG);
}

static __noinline int cpu_set_init(__u32 index)
{
	struct cpu_set *set = bpf_map_lookup_elem(&cpu_sets, &index);
	struct bpf_cpumask *mask;
	struct sched_cpu *cpu;

	if (!set)
		return 0;
	mask = bpf_cpumask_create();
	if (!mask)
		return -ENOMEM;
	for (__u32 i = 0; i < CPUS_MAX && i < cfg_sched.cpu_count; i++) {
		cpu = sched_cpu_get((__s32)i);
		if (cpu && set_has(index, cpu))
			bpf_cpumask_set_cpu(i, mask);
	}
	mask = bpf_kptr_xchg(&set->cpus, mask);
	if (mask)
		bpf_cpumask_release(mask);
	return 0;
}

static __always_inline __s32 idle_in_set(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags,
					 __u32 index)
{
	struct cpu_set *set = bpf_map_lookup_elem(&cpu_sets, &index);
	struct bpf_cpumask *mask = set ? set->cpus : NULL;

	return mask ? scx_select_among(p, prev_cpu, wake_flags, (const struct cpumask *)mask) : -1;
}

/* Negative: there is none, or one CPU is as good as the other. */
static __always_inline __s32 best_idle_cpu(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	enum capacity_wish wish;
	struct sched_cpu *prev;
	struct task_state *ts;
	__s32 cpu;

	if (cfg_sched.has_small) {
		ts = task_state_get(p);
		wish = ts ? capacity_wish(rank_of_class(ts->class) > RANK_NORMAL,
					  ts->class == CLASS_BACKGROUND)
			  : CAPACITY_ANY;
		if (wish != CAPACITY_ANY) {
			cpu = idle_in_set(p, prev_cpu, wake_flags,
					  wish == CAPACITY_BIG ? SET_BIG : SET_SMALL);
			if (cpu >= 0)
				return cpu;
		}
	}
	if (cfg_sched.llc_count < 2)
		return -1;
	prev = sched_cpu_get(prev_cpu);
	return prev ? idle_in_set(p, prev_cpu, wake_flags, prev->llc) : -1;
}

struct least_search {
	struct task_struct *p;
	__u32 first;
	__s32 cpu;
	__s64 load;
};

static int least_visit(__u32 step, struct least_search *search)
{
	__s32 index = sched_order_cpu(search->first + step);
	struct sched_cpu *cpu = sched_cpu_get(index);
	struct task_struct *p = search->p;

	if (!cpu)
		return 1;
	if (!cpu->is_online || cpu->load >= search->load ||
	    !bpf_cpumask_test_cpu((__u32)index, p->cpus_ptr))
		return 0;
	search->load = cpu->load;
	search->cpu = index;
	return 0;
}

/* The least loaded CPU of the LLC of `own`, which wins a draw. */
static __noinline __s32 least_loaded(struct task_struct *p, __s32 own)
{
	struct sched_cpu *cpu = sched_cpu_get(own);
	struct sched_llc *llc = cpu ? sched_llc_get(cpu->llc) : NULL;
	struct least_search search = {.p = p, .cpu = own};

	if (!llc)
		return own;
	search.first = llc->first;
	search.load = bpf_cpumask_test_cpu((__u32)own, p->cpus_ptr) ? cpu->load : 1ll << 62;
	bpf_loop(llc->size < LLC_CPUS_MAX ? llc->size : LLC_CPUS_MAX, least_visit, &search, 0);
	return search.cpu;
}

#endif
