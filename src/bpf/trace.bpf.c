// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace: how long threads wait for a CPU, and which processes have a role.
 *
 * The time of a thread, and what is taken from it:
 *
 *      waking          switched in           switched out
 *        |---- wait ------->|------ runtime ------->|   asleep (nothing), or
 *     runnable_ns       running_ns                  |---- wait ----> preempted
 *
 * A wait goes into the histogram of the thread's class, in the slot of the CPU it got. Real-time
 * threads are measured like all others. Each of the scheduler's events reads the clock once.
 *
 * The life of a process: exec drops whatever role it had and, if the name is listed and the
 * executable is what it should be, grants one on the spot; fork of a new process hands it on; the
 * end of the last thread drops it. The proc connector reports the same events to user space, and
 * the socket filter lets through only those that concern a role.
 *
 * Needs 5.15. Only on_sched_waking and on_sched_switch are indispensable; with the setting
 * measure=none the latter is left out, for it decides nothing.
 */
#include "bpf/kernel/types.h"

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/kernel/compat.h"
#include "bpf/lib/maps.h"
#include "bpf/lib/classify.h"
#include "bpf/lib/evidence.h"
#include "bpf/lib/filter.h"
#include "bpf/lib/input_path.h"
#include "bpf/lib/life.h"
#include "bpf/lib/marks.h"
#include "bpf/lib/ring.h"
#include "bpf/lib/roles.h"
#include "bpf/lib/silence.h"
#include "bpf/lib/task.h"

char LICENSE[] SEC("license") = "GPL";

/* The waker's side of the evidence. True if it adds something. A thread of the kernel is nobody's
 * client: the console's worker is woken by each key, and reads no device. */
static __always_inline bool waker_evidence(struct task_struct *p, struct task_state *st,
					   struct cpu_slot *slot, __u64 now)
{
	struct task_state *waker;
	bool has_evidence = false;
	__u32 depth;
	__u64 run;

	if (p->flags & PF_KTHREAD)
		return false;
	if (input_path_is_visited(slot, now)) {
		st->input_ns = now;
		has_evidence = true;
	}
	if (!roles_total || class_of_role(st->role) == CLASS_AUDIO_SERVER || !current_is_author())
		return has_evidence;
	waker = bpf_task_storage_get(&task_states, bpf_get_current_task_btf(), NULL, 0);
	if (!waker || !waker->gauge)
		return has_evidence;
	depth = chain_depth(waker->class, &waker->client);
	if (!depth)
		return has_evidence;
	run = p->se.sum_exec_runtime;
	if (!client_wake(&st->client, now, run - st->client_run_ns, depth))
		return has_evidence;
	st->client_run_ns = run;
	return true;
}

/*
 * Fires before the wake-up, under the thread's own lock and not under a queue's: the one place
 * where making the thread's state is safe.
 *
 * A thread that is still on its queue has most likely only announced that it would sleep, and goes
 * on running: nothing to measure. But it may also leave the queue at this very moment; then the
 * wake-up takes its course without firing again, and the thread is runnable from when it left its
 * CPU. So the wake-up is remembered until then; if it was of the first kind, the stamp made from it
 * is replaced by the next one.
 */
SEC("tp_btf/sched_waking")
int BPF_PROG(on_sched_waking, struct task_struct *p)
{
	struct class_counters *counters;
	struct cpu_slot *slot;
	struct task_state *st;
	__u64 now;

	if (task_is_queued(p)) {
		if (cfg_measure == MEASURE_NONE)
			return 0;
		st = bpf_task_storage_get(&task_states, p, NULL, 0);
		if (st)
			st->is_wake_pending = 1;
		return 0;
	}
	slot = slot_this_cpu();
	st = bpf_task_storage_get(&task_states, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!slot || !st)
		return 0;
	/* For a verdict alone the time matters only where evidence is young or a role around. */
	now = cfg_measure != MEASURE_NONE || slot->input_visitor || roles_total || st->expires_ns
		      ? bpf_ktime_get_ns()
		      : 0;
	if (waker_evidence(p, st, slot, now))
		task_class_renew(p, st, slot, now);
	else
		task_class_review(p, st, slot, now);
	if (cfg_measure == MEASURE_NONE)
		return 0;
	st->runnable_ns = now;
	counters = slot_class(slot, st->class);
	if (counters)
		counters->wakeups++;
	return 0;
}

/* Its state was made at fork: here the queue's lock is held. */
SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_sched_wakeup_new, struct task_struct *p)
{
	struct task_state *st = bpf_task_storage_get(&task_states, p, NULL, 0);
	struct cpu_slot *slot = slot_this_cpu();

	if (!st || !slot)
		return 0;
	st->runnable_ns = bpf_ktime_get_ns();
	task_class_review(p, st, slot, st->runnable_ns);
	return 0;
}

/* Run once after the rest is attached: threads that never sleep would otherwise never get a state,
 * since a switch, under the queue's lock, is no place to make one. */
SEC("iter/task")
int on_task_visit(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task)
		bpf_task_storage_get(&task_states, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* `since` is when it was switched in; 0: unseen. */
static __always_inline void switch_out(struct task_struct *prev, struct cpu_slot *slot, __u64 since,
				       __u64 now)
{
	struct task_state *st = bpf_task_storage_get(&task_states, prev, NULL, 0);
	struct class_counters *counters;

	if (!st)
		return;
	/* The class is otherwise renewed at a wake-up only. A server that runs from its exec to its
	 * first long sleep without one would keep the class from before the exec as long as it
	 * sleeps. */
	if (st->generation != roles_generation)
		task_class_renew(prev, st, slot, now);
	if (!since) {
		/* What it waited since is not known, either. */
		st->runnable_ns = 0;
	} else if (st->gauge) {
		counters = slot_class(slot, st->class);
		if (counters)
			counters->runtime_ns += now - since;
	}
	if (task_is_queued(prev) || st->is_wake_pending)
		st->runnable_ns = now; /* preempted, gave way, or being woken */
	else if (prev->__state == TASK_DEAD)
		thread_end(prev, st, slot, now);
	/* Else it sleeps; a stamp that is there is of a wake-up that has already begun. */
	st->is_wake_pending = 0;
}

static __noinline int long_wait(struct task_struct *prev, struct task_struct *next,
				struct task_state *st, __u64 wait, __u64 now)
{
	struct cpu_slot *slot = slot_this_cpu();
	struct event *e;

	if (!slot)
		return 0;
	e = event_new(slot, EVENT_LONG_WAIT, now, next);
	if (!e)
		return 0;
	e->long_wait.wait_ns = wait;
	e->long_wait.class = st->class;
	e->long_wait.reason = st->reason;
	e->long_wait.holder_pid = prev->pid;
	bpf_probe_read_kernel_str(e->long_wait.holder_comm, sizeof(e->long_wait.holder_comm),
				  prev->comm);
	e->long_wait.is_rt = policy_is_rt(next->policy);
	e->long_wait.holder_is_rt = policy_is_rt(prev->policy);
	event_submit(slot, e, long_wait_wake_flag(now));
	return 0;
}

static __always_inline void switch_in(struct task_struct *prev, struct task_struct *next,
				      struct cpu_slot *slot, __u64 now)
{
	struct task_state *st = bpf_task_storage_get(&task_states, next, NULL, 0);
	struct class_counters *counters;
	__u64 wait;

	if (!st) {
		slot->waits_unmeasured++;
		return;
	}
	task_class_review(next, st, slot, now);
	if (!st->runnable_ns) {
		slot->waits_unmeasured++;
		return;
	}
	wait = now - st->runnable_ns;
	st->runnable_ns = 0;
	if (st->class >= CLASS_NORMAL && cfg_measure != MEASURE_ALL)
		return;
	/* The wake-up was stamped on another CPU, whose clock may be a few ns ahead. */
	if ((__s64)wait < 0)
		wait = 0;
	counters = slot_class(slot, st->class);
	if (!counters)
		return;
	hist_add(&counters->wait, wait);
	if (policy_is_rt(next->policy))
		counters->rt_waits++;
	if (wait >= cfg_long_wait_ns && st->class < CLASS_NORMAL)
		long_wait(prev, next, st, wait, now);
}

/* 5.18 added an argument at the end; the first three are the same everywhere. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct cpu_slot *slot = slot_this_cpu();
	__u64 now = bpf_ktime_get_ns(), since;

	if (!slot)
		return 0;
	since = slot->switched_ns;
	slot->switched_ns = now;
	if (prev->pid)
		switch_out(prev, slot, since, now);
	if (next->pid)
		switch_in(prev, next, slot, now);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_sched_process_exec, struct task_struct *p, int old_pid, struct linux_binprm *bprm)
{
	struct cpu_slot *slot = slot_this_cpu();
	struct server_key key = {};
	struct role_entry old = {};
	struct server_rule *rule;
	struct task_state *st;
	struct event *e;
	__u8 reject = REJECT_NONE;
	bool had_role;
	__u64 now;

	if (!slot)
		return 0;
	silence_exec(slot, p);
	st = bpf_task_storage_get(&task_states, p, NULL, 0);
	if (st)
		task_forget(st);
	had_role = role_drop(p->tgid, &old) == 0;
	bpf_probe_read_kernel_str(key.comm, sizeof(key.comm), p->comm);
	rule = bpf_map_lookup_elem(&server_names, &key);
	if (rule && evidence_is_namesake(bprm, rule))
		rule = NULL;
	if (!rule && !had_role)
		return 0;
	now = bpf_ktime_get_ns();
	if (had_role)
		slot_add_atomic(slot->roles_ended, 1);
	if (rule)
		reject = exec_grant(p, bprm, rule, slot, now);
	mark_set(p->tgid, MARK_EXEC);
	e = proc_event_new(slot, EVENT_EXEC, now, p);
	if (!e)
		return 0;
	e->exec.start_ns = task_start_ns(p);
	e->exec.uid = task_uid(p);
	if (rule && reject == REJECT_NONE && cfg_grant_at_exec)
		e->exec.role = rule->role;
	e->exec.old_role = old.role;
	e->exec.reject = reject;
	event_submit(slot, e, BPF_RB_FORCE_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 parent_tgid = parent->tgid;
	struct role_entry *entry;

	bpf_task_storage_get(&task_states, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!roles_total)
		return 0;
	if (child->pid != child->tgid) {
		threads_refresh(child);
		return 0;
	}
	entry = bpf_map_lookup_elem(&tgid_roles, &parent_tgid);
	if (entry)
		fork_inherit(child, parent_tgid, entry->role);
	return 0;
}

/* Fires for each thread, after it has left signal->live. The end of the leader is not the end of
 * the process; the last thread to leave is. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_sched_process_exit, struct task_struct *p)
{
	struct cpu_slot *slot = slot_this_cpu();

	if (!slot)
		return 0;
	if (cfg_measure == MEASURE_NONE)
		thread_end_unseen(p, slot);
	if (!roles_total || !threads_refresh(p) || task_live_threads(p) > 0)
		return 0;
	role_end(p, slot, bpf_ktime_get_ns());
	return 0;
}

/* User space's way to write tgid_roles: see struct role_request for the answers. */
SEC("syscall")
int roles_apply(struct role_request *req)
{
	struct role_request copy = *req;

	switch (copy.op) {
	case ROLE_OP_CONFIRM:
		return role_confirm(&copy, bpf_ktime_get_ns());
	case ROLE_OP_CLEAR:
		return role_clear(&copy);
	default:
		return -EINVAL;
	}
}

/* Does current_is_author() read what it should? In a system call the answer is known. */
SEC("syscall")
int context_check(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 count;

	if (!preempt_count_read(&count) || (count & ~PREEMPT_NEED_RESCHED) >= PREEMPT_NESTING_MAX)
		return -EINVAL;
	if (!cfg_preempt_count_from_rq)
		return 0;
	return task->se.cfs_rq->rq->cpu == bpf_get_smp_processor_id() ? 0 : -EINVAL;
}

/* On the daemon's proc connector socket. Runs for each such event of the whole machine. */
SEC("socket")
int proc_filter(struct __sk_buff *skb)
{
	struct cpu_slot *slot = slot_this_cpu();
	bool passes = filter_passes(skb);

	silence_end();
	if (slot) {
		slot_add_atomic(slot->filter_seen, 1);
		if (passes)
			slot_add_atomic(slot->filter_passed, 1);
	}
	return passes ? skb->len : 0;
}
