/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Life: what exec, fork and the end of a thread do to the role of its process and to its state, for
 * the tracepoints of trace.bpf.c.
 */
#ifndef BPF_LIB_LIFE_H
#define BPF_LIB_LIFE_H

#include "bpf/lib/evidence.h"
#include "bpf/lib/marks.h"
#include "bpf/lib/ring.h"
#include "bpf/lib/roles.h"
#include "bpf/lib/task.h"

/* Grants what the rule and the executable allow. Returns why not. */
static __always_inline __u8 exec_grant(struct task_struct *p, struct linux_binprm *bprm,
				       const struct server_rule *rule, struct cpu_slot *slot,
				       __u64 now)
{
	__u8 reject = evidence_reject(bprm, rule);
	struct role_entry entry = {};

	if (reject == REJECT_NONE && cfg_grant_at_exec) {
		entry_fill(&entry, p, now, rule->role, SOURCE_BPF);
		if (role_grant(p->tgid, &entry))
			reject = REJECT_LIMIT;
		else
			slot_add_atomic(slot->roles_granted, 1);
	}
	if (reject != REJECT_NONE)
		slot_add_atomic(slot->roles_rejected, 1);
	return reject;
}

/* Keeps the number of live threads of a process with a role. */
static __always_inline struct role_entry *threads_refresh(struct task_struct *p)
{
	__u32 tgid = p->tgid;
	struct role_entry *entry = bpf_map_lookup_elem(&tgid_roles, &tgid);

	if (entry)
		entry->threads = task_live_threads(p);
	return entry;
}

static __always_inline void fork_inherit(struct task_struct *child, __u32 parent_tgid, __u8 role)
{
	struct cpu_slot *slot = slot_this_cpu();
	struct role_entry entry = {};
	__u64 now = bpf_ktime_get_ns();
	struct event *e;

	if (!slot)
		return;
	entry_fill(&entry, child, now, role, SOURCE_FORK);
	if (role_grant(child->tgid, &entry)) {
		slot_add_atomic(slot->roles_rejected, 1);
		return;
	}
	slot_add_atomic(slot->roles_inherited, 1);
	e = proc_event_new(slot, EVENT_FORK, now, child);
	if (!e)
		return;
	e->fork.start_ns = entry.start_ns;
	e->fork.parent_tgid = parent_tgid;
	e->fork.role = role;
	event_submit(slot, e, BPF_RB_FORCE_WAKEUP);
}

/* The last thread of a process with a role is at its end: the role goes, and a record says so. */
static __always_inline void role_end(struct task_struct *p, struct cpu_slot *slot, __u64 now)
{
	struct role_entry old;
	struct event *e;

	if (role_drop(p->tgid, &old))
		return;
	slot_add_atomic(slot->roles_ended, 1);
	mark_set(p->tgid, MARK_EXIT);
	e = proc_event_new(slot, EVENT_EXIT, now, p);
	if (!e)
		return;
	e->exit.start_ns = old.start_ns;
	e->exit.role = old.role;
	event_submit(slot, e, BPF_RB_FORCE_WAKEUP);
}

/* The thread has run for the last time. Where tracepoints can be preempted (7.0 and newer) the
 * kernel leaves a program out that another thread, preempted on the same CPU, is in the middle of;
 * so an exit can go unseen by on_sched_process_exit. Here nothing is ever left out. */
static __noinline int thread_end(struct task_struct *p, struct task_state *st,
				 struct cpu_slot *slot, __u64 now)
{
	struct role_entry *entry;
	__u32 tgid = p->tgid;
	__u64 start;

	task_class_clear(st, slot);
	if (!roles_total || !has_exit_hook || task_live_threads(p) > 0)
		return 0;
	entry = bpf_map_lookup_elem(&tgid_roles, &tgid);
	if (!entry)
		return 0;
	/* It may be reaped and its PID be another process's. User space knows ticks only. */
	start = task_start_ns(p);
	if (entry->start_ns == start || entry->start_ns == start - start % NSEC_PER_TICK)
		role_end(p, slot, now);
	return 0;
}

/* No switch will show that the thread has ended. Interrupts are on: its CPU may count in between.
 */
static __always_inline void thread_end_unseen(struct task_struct *p, struct cpu_slot *slot)
{
	struct task_state *st = bpf_task_storage_get(&task_states, p, NULL, 0);
	struct class_counters *counters;
	__u32 gauge;

	if (!st || st->is_dead)
		return;
	st->is_dead = 1;
	gauge = __sync_lock_test_and_set(&st->gauge, 0);
	counters = gauge ? slot_class(slot, gauge - 1) : NULL;
	if (counters)
		slot_add_atomic(counters->threads, -1);
}

#endif
