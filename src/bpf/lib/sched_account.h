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
static __always_inline void task_rank_set(struct task_struct *p, struct task_state *ts)
{
	struct sched_task *st = &ts->sched;

	st->rank = ts->gauge ? rank_of_class(ts->class) : RANK_NORMAL;
	if (st->rank == RANK_NORMAL && (p->flags & PF_KTHREAD) && p->nr_cpus_allowed == 1)
		st->rank = RANK_KTHREAD;
	if (st->rank > RANK_NORMAL && st->budget.is_over && !budget_allows(&st->budget, scx_now()))
		st->rank = RANK_NORMAL;
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

	if (of_weight <= 0 || !lead)
		return;
	size = size * weight / (__u64)of_weight;
	__sync_fetch_and_add(&llc->vtime, lead < 0 ? -size : size);
}

static __always_inline __u32 task_weight(struct task_struct *p)
{
	__u32 weight = ((struct task_struct___scx *)p)->scx.weight;

	return weight ? weight : 1;
}

static __always_inline void llc_join(struct sched_llc *llc, struct sched_task *st, __u32 weight)
{
	st->weight_counted = weight;
	__sync_fetch_and_add(&llc->weight, weight);
	llc_vtime_shift(llc, (__s64)(st->vtime - llc->vtime), weight, llc->weight);
}

static __always_inline void llc_leave(struct sched_llc *llc, struct sched_task *st)
{
	__s64 lead = (__s64)(llc->vtime - st->vtime);

	__sync_fetch_and_add(&llc->weight, -(__s64)st->weight_counted);
	llc_vtime_shift(llc, lead, st->weight_counted, llc->weight);
	st->weight_counted = 0;
}

/* The counts of a queue are above what is in it for a moment, never below: who finds 0 need not
 * look there. */
static __always_inline void place_enter(struct sched_task *st, struct sched_llc *llc, __u8 place)
{
	st->place = place;
	__sync_fetch_and_add(place == PLACE_URGENT ? &llc->urgent : &llc->normal, 1);
}

static __always_inline void place_enter_local(struct sched_task *st, struct sched_cpu *cpu,
					      __u32 index)
{
	st->place = PLACE_LOCAL;
	st->cpu = index;
	__sync_fetch_and_add(&cpu->local, 1);
}

static __always_inline void place_leave(struct sched_task *st)
{
	struct sched_llc *llc;
	struct sched_cpu *cpu;

	if (st->place == PLACE_NONE)
		return;
	if (st->place == PLACE_LOCAL) {
		cpu = sched_cpu_get((__s32)st->cpu);
		if (cpu)
			__sync_fetch_and_add(&cpu->local, -1);
	} else {
		llc = sched_llc_get(st->llc);
		if (llc)
			__sync_fetch_and_add(
				st->place == PLACE_URGENT ? &llc->urgent : &llc->normal, -1);
	}
	st->place = PLACE_NONE;
}

/* A thread takes its lead or lag along to another LLC. It must be in no queue. */
static __noinline int task_llc_move(struct sched_task *st, struct sched_llc *to, __u32 index)
{
	struct sched_llc *from = sched_llc_get(st->llc);
	__u32 weight = st->weight_counted;
	__s64 lead;

	if (!from)
		return 0;
	lead = (__s64)(st->vtime - from->vtime);
	if (weight)
		llc_leave(from, st);
	st->llc = (__u16)index;
	st->vtime = to->vtime + (__u64)lead;
	if (weight)
		llc_join(to, st, weight);
	return 0;
}

static __always_inline struct sched_llc *task_llc_set(struct sched_task *st, __u32 index)
{
	struct sched_llc *to = sched_llc_get(index);

	if (to && st->llc != index)
		task_llc_move(st, to, index);
	return to;
}

/* Most weights are that of nice 0, and a division is slow. */
static __always_inline __u64 ran_weighted(__u64 ran, __u64 weight)
{
	return weight == WEIGHT_NICE_0 ? ran : ran * WEIGHT_NICE_0 / weight;
}

/* Bounds a thread's lag by `behind`, and its lead by what would let it wait for WAIT_MAX_NS. Never
 * by less than one slice of its weight, though: what it ran would be forgiven each time, and the
 * others of the queue would never be before it. */
static __always_inline void task_vtime_bound(struct sched_task *st, struct sched_llc *llc,
					     __u32 weight, __u64 behind)
{
	__s64 lead = (__s64)(st->vtime - llc->vtime), cpus = llc->cpu_count;
	__s64 bounded = (__s64)ran_weighted(cfg_sched.slice_ns, weight), of_wait;

	if (lead < -(__s64)behind) {
		bounded = -(__s64)behind;
	} else {
		if (lead <= bounded)
			return;
		of_wait = (__s64)(WAIT_MAX_NS * WEIGHT_NICE_0 * (__u64)(cpus > 0 ? cpus : 1) /
				  llc_weight(llc));
		if (of_wait > bounded)
			bounded = of_wait;
		if (lead <= bounded)
			return;
	}
	st->vtime += (__u64)(bounded - lead);
	if (st->weight_counted)
		llc_vtime_shift(llc, bounded - lead, st->weight_counted, (__s64)llc_weight(llc));
}

/* A thread that slept is runnable again. */
static __always_inline void task_join(struct task_struct *p, struct sched_task *st,
				      struct sched_llc *llc)
{
	__u32 weight = task_weight(p);

	task_vtime_bound(st, llc, weight, cfg_sched.slice_ns);
	llc_join(llc, st, weight);
}

/* Charges what p ran since the last time: when it is queued anew or goes to sleep, not each time it
 * leaves the CPU. The kernel has just brought its sum up to date. */
static __always_inline void task_charge(struct task_struct *p, struct sched_task *st,
					struct sched_cpu *cpu, struct sched_llc *llc)
{
	__u64 ran = p->se.sum_exec_runtime - st->charged_ns, paid = DEBT_RATIO * ran;
	struct cpu_slot *slot;

	if (!ran)
		return;
	st->charged_ns += ran;
	st->vtime += ran_weighted(ran, task_weight(p));
	__sync_fetch_and_add(&llc->vtime, ran_weighted(ran, llc_weight(llc)));
	if (st->rank > RANK_NORMAL) {
		cpu->debt_ns += ran;
		slot = slot_this_cpu();
		if (budget_charge(&st->budget, scx_now(), ran) && slot)
			slot->sched_over++;
	} else {
		st->budget.burst_ns += (__s64)ran;
		if (cpu->debt_ns)
			cpu->debt_ns -= cpu->debt_ns > paid ? paid : cpu->debt_ns;
	}
}

/* The same for a thread that goes on: it keeps its place, within bounds. Not inlined: no part of a
 * wake-up. */
static __noinline int task_settle(struct task_struct *p, struct sched_task *st,
				  struct sched_cpu *cpu, struct sched_llc *llc)
{
	task_charge(p, st, cpu, llc);
	task_vtime_bound(st, llc, task_weight(p), WAIT_MAX_NS);
	return 0;
}

static __always_inline void cpu_runs(struct sched_cpu *cpu, const struct sched_task *st)
{
	cpu->rank = st->rank;
	cpu->charged_ns = st->charged_ns;
	if (cpu->debt_ns > DEBT_MAX_NS)
		cpu->running_ns = scx_now();
}

/* Has urgent work had its part of this CPU, so that the others are due? */
static __always_inline bool cpu_owes(const struct sched_cpu *cpu)
{
	__u64 debt = cpu->debt_ns;

	if (debt <= DEBT_MAX_NS)
		return false;
	return cpu->rank != RANK_NORMAL ||
	       debt > DEBT_MAX_NS + (scx_now() - cpu->running_ns) * DEBT_RATIO;
}

#endif
