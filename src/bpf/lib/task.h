/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Task: a thread's class, set and cleared in one place, and what is counted by class.
 *
 * Everything here runs in the scheduler's tracepoints, with interrupts off, and counts with plain
 * adds; see lib/maps.h. A verdict that has run out is replaced when the thread next wakes or gets a
 * CPU, not before: a thread that sleeps costs nothing.
 */
#ifndef BPF_LIB_TASK_H
#define BPF_LIB_TASK_H

#include "bpf/lib/maps.h"

static __always_inline struct class_counters *slot_class(struct cpu_slot *slot, __u32 class)
{
	opaque(class);
	return class < CLASS_COUNT ? &slot->classes[class] : NULL;
}

static __always_inline void hist_add(struct wait_hist *hist, __u64 value)
{
	__u32 bucket = hist_bucket(value);

	opaque(bucket);
	if (bucket >= HIST_BUCKETS)
		return;
	hist->buckets[bucket]++;
	hist->sum_ns += value;
	if (value > hist->max_ns)
		hist->max_ns = value;
}

static __always_inline void task_gauge_add(struct cpu_slot *slot, __u32 gauge, __s64 n)
{
	struct class_counters *counters = gauge ? slot_class(slot, gauge - 1) : NULL;

	if (counters)
		counters->threads += n;
}

/* Returns the gauge that the thread was in. An exchange: while a thread leaves its CPU another may
 * already be waking it, both with a new verdict, and it is to be counted once. */
static __always_inline __u32 task_gauge_move(struct task_state *st, struct cpu_slot *slot,
					     __u32 gauge)
{
	__u32 old = __sync_lock_test_and_set(&st->gauge, gauge);

	task_gauge_add(slot, old, -1);
	task_gauge_add(slot, gauge, 1);
	return old;
}

/* The only place that changes a thread's class. */
static __always_inline void task_class_set(struct task_state *st, struct cpu_slot *slot,
					   const struct verdict *verdict)
{
	__u32 gauge = 1 + verdict->class;

	st->reason = verdict->reason;
	st->expires_ns = verdict->expires_ns;
	st->class = verdict->class;
	if (st->gauge == gauge || task_gauge_move(st, slot, gauge) == gauge)
		return;
	if (verdict->class == CLASS_INPUT)
		slot->input_readers++;
}

/* The thread has run for the last time. */
static __always_inline void task_class_clear(struct task_state *st, struct cpu_slot *slot)
{
	task_gauge_move(st, slot, 0);
	st->is_dead = 1;
}

/* Has anything changed that the verdict rests on? */
static __always_inline bool task_class_is_old(struct task_struct *p, const struct task_state *st,
					      __u64 now)
{
	return st->generation != *(volatile __u32 *)&roles_generation || st->policy != p->policy ||
	       st->static_prio != (__s32)p->static_prio ||
	       (st->expires_ns && now >= st->expires_ns);
}

/* Makes a new verdict, and looks the role up if the table has changed. Rare, and so not inlined:
 * the programs that call it run all the time, and need the registers. */
static __noinline int task_class_renew(struct task_struct *p, struct task_state *st,
				       struct cpu_slot *slot, __u64 now)
{
	/* Read before the lookup: a change in between leaves the verdict old, never too new. */
	__u32 generation = *(volatile __u32 *)&roles_generation;
	__u32 tgid = p->tgid;
	struct classify_input in = {};
	struct role_entry *entry;
	struct verdict verdict;

	if (st->is_dead)
		return 0;
	if (st->generation != generation) {
		slot->roles_lookups++;
		entry = bpf_map_lookup_elem(&tgid_roles, &tgid);
		st->role = entry ? entry->role : ROLE_NONE;
		st->generation = generation;
	} else {
		slot->roles_cached++;
	}
	st->policy = p->policy;
	st->static_prio = (__s32)p->static_prio;
	in.role = st->role;
	in.policy = st->policy;
	in.static_prio = st->static_prio;
	in.now_ns = now;
	in.input_ns = st->input_ns;
	classify(&in, &st->client, &verdict);
	task_class_set(st, slot, &verdict);
	return 0;
}

static __always_inline void task_class_review(struct task_struct *p, struct task_state *st,
					      struct cpu_slot *slot, __u64 now)
{
	if (task_class_is_old(p, st, now))
		task_class_renew(p, st, slot, now);
	else
		slot->roles_cached++;
}

/* The process runs another program: nothing that was learnt about the thread holds. */
static __always_inline void task_forget(struct task_state *st)
{
	__builtin_memset(&st->client, 0, sizeof(st->client));
	st->input_ns = 0;
	st->generation = 0;
}

#endif
