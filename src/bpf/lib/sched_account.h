/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched account: from a thread's class to its rank, and from what it ran to its place in a queue.
 *
 * The policy these serve is described at the top of sched.bpf.c.
 */
#ifndef BPF_LIB_SCHED_ACCOUNT_H
#define BPF_LIB_SCHED_ACCOUNT_H

#include "bpf/lib/sched_state.h"

#define DEBT_MAX_NS 20000000ull
#define DEBT_RATIO 9 /* urgent : normal */
#define WAIT_MAX_NS 1000000000ull
#define WEIGHT_NICE_0 100

static __always_inline __u8 rank_of_class(__u32 class)
{
	switch (class) {
	case CLASS_AUDIO_SERVER:
	case CLASS_AUDIO_SUPPORT:
	case CLASS_AUDIO_CLIENT:
		return RANK_AUDIO;
	case CLASS_INPUT:
		return RANK_INPUT;
	case CLASS_COMPOSITOR:
	case CLASS_GAME:
		return RANK_INTERACTIVE;
	default:
		return RANK_NORMAL;
	}
}

static __always_inline __u64 target_ns(__u32 class)
{
	switch (class) {
	case CLASS_AUDIO_SERVER:
		return 500000;
	case CLASS_AUDIO_CLIENT:
		return 1000000;
	case CLASS_INPUT:
		return 2000000;
	case CLASS_COMPOSITOR:
		return 4000000;
	default:
		return 5000000;
	}
}

/* The class is the tracepoints' verdict: they see a wake-up before we do. */
static __always_inline void task_rank_set(struct task_struct *p, struct sched_task *st, __u64 now)
{
	struct task_state *verdict = bpf_task_storage_get(&task_states, p, NULL, 0);

	st->class = verdict && verdict->is_counted ? verdict->class : CLASS_NORMAL;
	st->rank = rank_of_class(st->class);
	if (st->rank == RANK_NORMAL && (p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1)
		st->rank = RANK_KTHREAD;
	if (st->rank > RANK_NORMAL && !budget_allows(&st->budget, now))
		st->rank = RANK_NORMAL;
	st->deadline_ns = now + target_ns(st->class);
}

static __always_inline __u64 task_slice_ns(const struct sched_task *st)
{
	__u64 left;

	if (st->rank <= RANK_NORMAL)
		return cfg_sched.slice_ns;
	left = budget_left_ns(&st->budget);
	return left > 1000000 ? left : 1000000;
}

static __always_inline __u64 llc_weight(const struct sched_llc *llc)
{
	__s64 weight = llc->weight;

	return weight > 0 ? (__u64)weight : WEIGHT_NICE_0;
}

/* Moves the LLC's vtime by what a thread's lead of `lead` ns changes in the mean. */
static __always_inline void llc_vtime_shift(struct sched_llc *llc, __s64 lead, __u32 weight,
					    __s64 of_weight)
{
	__u64 size = lead < 0 ? -(__u64)lead : (__u64)lead;

	if (of_weight <= 0)
		return;
	size = size * weight / (__u64)of_weight;
	__sync_fetch_and_add(&llc->vtime, lead < 0 ? -size : size);
}

static __always_inline void llc_join(struct sched_llc *llc, struct sched_task *st)
{
	st->weight_counted = st->weight;
	__sync_fetch_and_add(&llc->weight, st->weight_counted);
	llc_vtime_shift(llc, (__s64)(st->vtime - llc->vtime), st->weight_counted, llc->weight);
}

static __always_inline void llc_leave(struct sched_llc *llc, struct sched_task *st)
{
	__s64 lead = (__s64)(llc->vtime - st->vtime);

	__sync_fetch_and_add(&llc->weight, -(__s64)st->weight_counted);
	llc_vtime_shift(llc, lead, st->weight_counted, llc->weight);
	st->weight_counted = 0;
}

/* A thread takes its lead or lag along to another LLC. */
static __always_inline struct sched_llc *task_llc_set(struct sched_task *st, __u32 index)
{
	struct sched_llc *to = sched_llc_get(index), *from;
	bool is_counted = st->weight_counted;
	__s64 lead;

	if (!to || st->llc == index)
		return to;
	from = sched_llc_get(st->llc);
	if (!from)
		return NULL;
	lead = (__s64)(st->vtime - from->vtime);
	if (is_counted)
		llc_leave(from, st);
	st->llc = (__u16)index;
	st->vtime = to->vtime + (__u64)lead;
	if (is_counted)
		llc_join(to, st);
	return to;
}

/* Bounds a thread's lead, and its lag by `behind`. */
static __always_inline void task_vtime_bound(struct sched_task *st, struct sched_llc *llc,
					     __u64 behind)
{
	__u64 cpus = llc->cpu_count > 0 ? (__u64)llc->cpu_count : 1;
	__u64 weight = llc_weight(llc), vtime = llc->vtime, old = st->vtime;
	__u64 ahead = WAIT_MAX_NS * WEIGHT_NICE_0 * cpus / weight;

	if ((__s64)(old - (vtime - behind)) < 0)
		st->vtime = vtime - behind;
	else if ((__s64)(old - (vtime + ahead)) > 0)
		st->vtime = vtime + ahead;
	else
		return;
	if (st->weight_counted)
		llc_vtime_shift(llc, (__s64)(st->vtime - old), st->weight_counted, (__s64)weight);
}

/* Charges what p ran since the last time. */
static __always_inline void task_charge(struct sched_task *st, struct sched_cpu *cpu,
					struct cpu_slot *slot, __u64 now)
{
	struct sched_llc *llc = sched_llc_get(st->llc);
	__u64 ran = now - st->charged_ns;

	if (!llc || (__s64)ran <= 0)
		return;
	st->charged_ns = now;
	st->vtime += ran * WEIGHT_NICE_0 / (st->weight ? st->weight : 1);
	__sync_fetch_and_add(&llc->vtime, ran * WEIGHT_NICE_0 / llc_weight(llc));
	if (st->rank > RANK_NORMAL) {
		cpu->debt_ns += ran;
		if (budget_charge(&st->budget, now, ran))
			slot->sched_over++;
	} else {
		st->budget.burst_ns += (__s64)ran;
		cpu->debt_ns -= cpu->debt_ns > DEBT_RATIO * ran ? DEBT_RATIO * ran : cpu->debt_ns;
	}
}

/* Has urgent work had its part of this CPU, so that the others are due? */
static __always_inline bool cpu_owes(const struct sched_cpu *cpu, __u64 now)
{
	__u64 debt = cpu->debt_ns, paid = 0;

	if (cpu->rank == RANK_NORMAL)
		paid = (now - cpu->running_ns) * DEBT_RATIO;
	return debt > DEBT_MAX_NS + paid;
}

#endif
