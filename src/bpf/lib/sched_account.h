/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched account: from a thread's class to its rank, and from what it ran to its place in a queue.
 *
 * The policy these serve is described at the top of sched.bpf.c.
 */
#ifndef BPF_LIB_SCHED_ACCOUNT_H
#define BPF_LIB_SCHED_ACCOUNT_H

#include "bpf/lib/sched_group.h"
#include "bpf/lib/sched_state.h"

#define DEBT_MAX_NS 20000000ull
#define DEBT_RATIO 9	     /* urgent : normal */
#define CREDIT_NS 3000000ull /* what a thread may be behind its share when it wakes */
#define LEAD_NS 6000000ull   /* what it may be ahead of it, in CPU time of its own */

static __always_inline __u8 rank_of_class(__u32 class)
{
#define CLASS_RANK(id, name, rank, target_us) \
	case id:                              \
		return rank;
	switch (class) {
		CLASS_LIST(CLASS_RANK)
	default:
		return RANK_NORMAL;
	}
#undef CLASS_RANK
}

static __always_inline __u64 target_ns(__u32 class)
{
#define CLASS_TARGET(id, name, rank, target_us) \
	case id:                                \
		return (target_us) * 1000ull;
	switch (class) {
		CLASS_LIST(CLASS_TARGET)
	default:
		return 5000000;
	}
#undef CLASS_TARGET
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

/* Virtual time within which a thread is to have its next min_ns of CPU. */
static __always_inline __u64 task_deadline(const struct sched_task *st)
{
	return st->vtime + weighted_ns(cfg_sched.min_ns, st->weight);
}

/* --- where it waits --------------------------------------------------------------------------- */

/* The counts of a queue are above what is in it for a moment, never below: who finds 0 need not
 * look there. */
static __always_inline void place_enter_urgent(struct sched_task *st, struct sched_llc *llc)
{
	st->place = PLACE_URGENT;
	__sync_fetch_and_add(&llc->urgent, 1);
}

static __always_inline void place_enter_normal(struct task_struct *p, struct sched_task *st,
					       struct sched_cpu *cpu, struct sched_llc *llc)
{
	st->place = PLACE_NORMAL;
	__sync_fetch_and_add(&cpu->queued, 1);
	st->is_movable = p->nr_cpus_allowed != 1;
	if (st->is_movable) {
		__sync_fetch_and_add(&cpu->movable, 1);
		__sync_fetch_and_add(&llc->movable, 1);
	}
}

static __always_inline void place_enter_local(struct sched_task *st, struct sched_cpu *cpu)
{
	st->place = PLACE_LOCAL;
	__sync_fetch_and_add(&cpu->local, 1);
}

/* `cpu` is that of st->cpu, where it was counted, not the thread's CPU of now. */
static __always_inline void place_leave(struct sched_task *st, struct sched_cpu *cpu)
{
	struct sched_llc *llc;

	if (st->place == PLACE_LOCAL) {
		__sync_fetch_and_add(&cpu->local, -1);
	} else if (st->place == PLACE_LIMIT) {
		limit_leave();
	} else if (st->place != PLACE_NONE) {
		llc = sched_llc_get(cpu->llc);
		if (!llc)
			return;
		if (st->place == PLACE_URGENT) {
			__sync_fetch_and_add(&llc->urgent, -1);
		} else {
			__sync_fetch_and_add(&cpu->queued, -1);
			if (st->is_movable) {
				__sync_fetch_and_add(&cpu->movable, -1);
				__sync_fetch_and_add(&llc->movable, -1);
			}
		}
	}
	st->place = PLACE_NONE;
}

/* What a thread's nice value and policy say. */
static __always_inline void task_flags_read(struct task_struct *p, struct sched_task *st)
{
	st->is_idle = p->policy == SCHED_IDLE;
	st->is_batch = p->policy == SCHED_BATCH || st->is_idle;
	st->is_limited = 0;
}

static __always_inline void task_weight_read(struct task_struct *p, struct sched_task *st)
{
	__u32 nice = p->static_prio - STATIC_PRIO_MIN;

	task_flags_read(p, st);
	opaque(nice);
	if (st->is_idle)
		st->base_weight = WEIGHT_SCHED_IDLE;
	else
		st->base_weight = nice < NICE_COUNT ? nice_weights[nice] << WEIGHT_SHIFT
						    : WEIGHT_NICE_0;
	st->weight = st->base_weight;
}

/* --- virtual time ----------------------------------------------------------------------------- */

/* A CPU's virtual time is that of the furthest thread which has begun to run: no thread that waits
 * is much further behind. */
static __always_inline void queue_vtime_advance(struct sched_cpu *cpu, __u64 vtime)
{
	if ((__s64)(vtime - cpu->queue_vtime) > 0)
		cpu->queue_vtime = vtime;
}

/* A thread takes its lead or lag along to another CPU, and its load. It leaves its queue. */
static __noinline int task_move(struct sched_task *st, struct sched_cpu *to, __u32 index)
{
	struct sched_cpu *from = sched_cpu_get((__s32)st->cpu);

	if (!from || !to)
		return 0;
	place_leave(st, from);
	st->vtime = to->queue_vtime + (st->vtime - from->queue_vtime);
	if (st->load) {
		__sync_fetch_and_add(&from->load, -(__s64)st->load);
		__sync_fetch_and_add(&to->load, (__s64)st->load);
	}
	st->cpu = index;
	st->moved_ns = scx_now();
	return 0;
}

static __always_inline void load_set(struct sched_task *st, struct sched_cpu *cpu, __u32 load)
{
	__sync_fetch_and_add(&cpu->load, (__s64)load - (__s64)st->load);
	st->load = load;
}

/* Keeps a thread's vtime near that of its CPU: it is behind by CREDIT_NS at most, and ahead by no
 * more than LEAD_NS of its own CPU time. A light thread's credit is no greater than that of others:
 * it would stand before heavier ones with it. */
static __always_inline void task_vtime_bound(struct sched_task *st, const struct sched_cpu *cpu)
{
	__s64 lead = (__s64)(st->vtime - cpu->queue_vtime), bound;

	if (lead < 0) {
		bound = -(__s64)(st->weight <= WEIGHT_NICE_0 ? CREDIT_NS
							     : weighted_ns(CREDIT_NS, st->weight));
		if (lead >= bound)
			return;
	} else {
		bound = (__s64)weighted_ns(LEAD_NS, st->weight);
		if (lead <= bound)
			return;
	}
	st->vtime = cpu->queue_vtime + (__u64)bound;
}

/* Charges what p ran since the last time: when it is queued anew or goes to sleep, not each time it
 * leaves the CPU. The kernel has just brought its sum up to date. What it ran as urgent is bounded
 * by its budget and the CPU's debt, and costs it no place among the normal threads. */
static __always_inline void task_charge(struct task_struct *p, struct sched_task *st,
					struct sched_cpu *cpu)
{
	__u64 ran = p->se.sum_exec_runtime - st->charged_ns, paid = DEBT_RATIO * ran;
	struct cpu_slot *slot;

	if (!ran)
		return;
	st->charged_ns += ran;
	cpu->busy_ns += ran;
	if (st->is_limited)
		limit_charge(st, ran);
	if (st->rank > RANK_NORMAL) {
		cpu->debt_ns += ran;
		slot = slot_this_cpu();
		if (budget_charge(&st->budget, scx_now(), ran) && slot)
			slot->sched_over++;
	} else {
		st->vtime += weighted_ns(ran, st->weight);
		st->budget.burst_ns += (__s64)ran;
		if (cpu->debt_ns)
			cpu->debt_ns -= cpu->debt_ns > paid ? paid : cpu->debt_ns;
	}
}

/* The scheduler takes a thread over, with neither credit nor debt. */
static __noinline int task_begin(struct task_struct *p, struct sched_task *st,
				 const struct sched_cpu *cpu)
{
	if (!st)
		return 0;
	st->charged_ns = p->se.sum_exec_runtime;
	task_weight_read(p, st);
	if (cpu)
		st->vtime = cpu->queue_vtime;
	return 0;
}

/* A thread that slept, or is new, is runnable again. It has no weight yet if there was no memory
 * for its state when it was taken over. */
static __always_inline void task_join(struct task_struct *p, struct sched_task *st,
				      struct sched_cpu *cpu)
{
	if (!st->base_weight)
		task_begin(p, st, cpu);
	if (bpf_core_field_exists(p->sched_task_group) && st->tg != (__u64)p->sched_task_group)
		group_change(p, st);
	st->weight = st->base_weight;
	if (st->group != GROUP_ROOT) {
		task_flags_read(p, st);
		st->group_load = st->base_weight;
		group_weigh(st->group, st->base_weight);
		group_share(st);
	}
	task_vtime_bound(st, cpu);
	load_set(st, cpu, st->weight);
}

/* It sleeps, or is about to change its group or policy. */
static __always_inline void task_part(struct sched_task *st, struct sched_cpu *cpu)
{
	if (!st->load)
		return;
	load_set(st, cpu, 0);
	if (st->group_load) {
		group_weigh(st->group, -(__s64)st->group_load);
		st->group_load = 0;
	}
}

/* Brings a thread that goes on up to date. Not inlined: no part of a wake-up. */
static __noinline int task_settle(struct task_struct *p, struct sched_task *st,
				  struct sched_cpu *cpu)
{
	if (!cpu || !st)
		return 0;
	task_charge(p, st, cpu);
	if (st->group_load) {
		group_share(st);
		if (st->load != st->weight)
			load_set(st, cpu, st->weight);
	}
	task_vtime_bound(st, cpu);
	return 0;
}

static __always_inline void cpu_runs(struct sched_cpu *cpu, const struct sched_task *st)
{
	cpu->started_ns = scx_now();
	cpu->rank = st->rank;
	cpu->charged_ns = st->charged_ns;
	cpu->claimed = RANK_NONE;
	if (st->rank > RANK_NORMAL) {
		cpu->had_urgent = 1;
		return;
	}
	cpu->vtime = st->vtime;
	cpu->weight = st->weight;
	cpu->is_idle_class = st->is_idle;
	cpu->is_limited = st->is_limited;
	queue_vtime_advance(cpu, st->vtime);
}

/* Has urgent work had its part of this CPU, so that the others are due? */
static __always_inline bool cpu_owes(const struct sched_cpu *cpu)
{
	__u64 debt = cpu->debt_ns;

	if (debt <= DEBT_MAX_NS)
		return false;
	return cpu->rank != RANK_NORMAL ||
	       debt > DEBT_MAX_NS + (scx_now() - cpu->started_ns) * DEBT_RATIO;
}

#endif
