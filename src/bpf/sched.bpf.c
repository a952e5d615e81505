// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sched: the policy.
 *
 * Idle CPU. A thread that wakes goes straight to an idle CPU it may run on, if there is one: first
 * its own, then a whole idle core, then one that shares the last-level cache, then any.
 *
 * Urgent. With no idle CPU, a thread of a latency class (audio, input, compositor, game: the
 * verdict of trace.bpf.c) that has budget left takes a CPU of its LLC that runs something less
 * urgent: it goes to the head of that CPU, which is claimed for it, so that a second one takes
 * another CPU and not its place. Where all CPUs run something as urgent, it waits in the LLC's
 * urgent queue, ordered by deadline (now plus the target of its class), from which every CPU serves
 * itself first. What it takes the CPU from stays next there, unless a thread has woken meanwhile.
 * Kernel threads bound to one CPU are the least urgent of the urgent ones: others wait for them.
 *
 * Budget. lib/budget.h bounds what one thread may run as urgent; over it, it is a normal thread.
 * And all urgent work together leaves a tenth of each CPU to the rest: a CPU that has run urgent
 * work for DEBT_MAX_NS more than nine times what normal threads got there serves a normal one next,
 * and until the debt is paid is not preempted.
 *
 * Normal. One queue for each LLC, ordered by weighted vtime. The LLC's vtime advances by the run
 * time of all its threads over the weight of all that are runnable: it is where a thread is that
 * got exactly its share. A thread that slept comes back with a credit of one slice at most. None is
 * queued further ahead than a slice of its weight, or than what lets it wait WAIT_MAX_NS for its
 * share. One that waits longer, in a crowd or because heavier ones have joined, goes first now and
 * then (lib/sched_overdue.h): this, and the debt, bound the wait of every thread. What a thread ran
 * is charged, never what it might have run.
 *
 * Affinity. A CPU takes the first thread of a queue that may run there, so one bound to a single
 * CPU is never behind another CPU's work; if its CPU is idle, it goes there directly.
 *
 * Real-time threads take a CPU without asking. What waited at that CPU's head is then queued again.
 */
#include "bpf/kernel/types.h"

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/kernel/sched_ext.h"
#include "bpf/lib/sched_account.h"
#include "bpf/lib/sched_dump.h"
#include "bpf/lib/sched_exit.h"
#include "bpf/lib/sched_hotplug.h"
#include "bpf/lib/sched_overdue.h"
#include "bpf/lib/sched_state.h"
#include "bpf/lib/sched_victim.h"
#include "bpf/lib/sched_watch.h"

char LICENSE[] SEC("license") = "GPL";

/* --- wake-up and queues --------------------------------------------------------------------- */

static __always_inline void local_insert(struct task_struct *p, struct sched_task *st,
					 __u64 enq_flags)
{
	scx_insert(p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL), task_slice_ns(st), enq_flags);
}

SEC("struct_ops/gamer_select_cpu")
__s32 BPF_PROG(gamer_select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	struct task_state *ts;
	struct cpu_slot *slot;
	bool is_idle = false;
	__s32 cpu;

	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	if (!is_idle)
		return cpu;
	ts = task_state_get(p);
	slot = slot_this_cpu();
	if (!ts || !slot)
		return cpu;
	task_rank_set(p, ts);
	local_insert(p, &ts->sched, 0);
	slot->sched_direct++;
	return cpu;
}

/* Not inlined: what goes to a queue is in no hurry. */
static __noinline int queue_insert(struct task_struct *p, struct task_state *ts,
				   struct sched_llc *llc, __u64 enq_flags)
{
	struct sched_task *st = &ts->sched;
	bool is_urgent = st->rank > RANK_NORMAL;

	st->queued_ns = scx_now();
	place_enter(st, llc, is_urgent ? PLACE_URGENT : PLACE_NORMAL);
	if (is_urgent)
		scx_insert_vtime(p, urgent_queue(st->llc), task_slice_ns(st),
				 st->queued_ns + target_ns(ts->class), enq_flags);
	else
		scx_insert_vtime(p, normal_queue(st->llc), cfg_sched.slice_ns, st->vtime,
				 enq_flags);
	return 0;
}

/* An idle CPU the thread may run on, or -1. One that has passed through gamer_select_cpu() has been
 * refused one a moment ago; if there is one by now, the thread waits for the end of a slice at
 * most. One bound to a single CPU never passes there, nor does one that is queued again. */
static __always_inline __s32 idle_cpu_take(struct task_struct *p, __s32 own,
					   const struct sched_cpu *own_cpu, __u64 enq_flags)
{
	if (enq_flags & SCX_VALUE(scx_enq_flags, SCX_ENQ_CPU_SELECTED))
		return -1;
	if (own_cpu->rank == RANK_NONE && (enq_flags & SCX_VALUE(scx_enq_flags, SCX_ENQ_WAKEUP)) &&
	    scx_bpf_test_and_clear_cpu_idle(own))
		return own;
	return p->nr_cpus_allowed == 1 ? -1 : scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
}

/* Bound to a CPU where nobody waits: the queue would make it no difference, only cost. */
static __always_inline bool is_next_anyway(struct task_struct *p, const struct sched_llc *llc,
					   const struct sched_cpu *own_cpu, __u64 enq_flags)
{
	return p->nr_cpus_allowed == 1 && !llc->normal &&
	       (enq_flags & SCX_VALUE(scx_enq_flags, SCX_ENQ_WAKEUP)) && !own_cpu->local &&
	       !own_cpu->is_parked;
}

SEC("struct_ops/gamer_enqueue")
void BPF_PROG(gamer_enqueue, struct task_struct *p, __u64 enq_flags)
{
	__s32 own = scx_bpf_task_cpu(p), idle;
	struct task_state *ts = task_state_get(p);
	struct sched_cpu *own_cpu = sched_cpu_get(own);
	struct cpu_slot *slot = slot_this_cpu();
	struct sched_llc *llc;
	struct sched_task *st;

	if (!ts || !own_cpu || !slot)
		goto fail;
	st = &ts->sched;
	place_leave(st);
	llc = task_llc_set(st, own_cpu->llc);
	/* Or its CPU is about to go. */
	if (!llc || !own_cpu->is_online)
		goto fail;
	if (!st->weight_counted)
		task_join(p, st, llc);
	else if (st->charged_ns != p->se.sum_exec_runtime)
		task_settle(p, st, own_cpu, llc);
	task_rank_set(p, ts);
	idle = idle_cpu_take(p, own, own_cpu, enq_flags);
	if (idle == own) {
		slot->sched_direct++;
		local_insert(p, st, enq_flags);
		scx_bpf_kick_cpu(own, SCX_VALUE(scx_kick_flags, SCX_KICK_IDLE));
		return;
	}
	if (st->rank > RANK_NORMAL) {
		slot->sched_urgent++;
		if (idle < 0 && cpu_preempt(p, st, own, own_cpu, slot, enq_flags))
			return;
	} else {
		slot->sched_normal++;
		if (idle < 0 && is_next_anyway(p, llc, own_cpu, enq_flags)) {
			place_enter_local(st, own_cpu, (__u32)own);
			local_insert(p, st, enq_flags);
			return;
		}
	}
	queue_insert(p, ts, llc, enq_flags);
	if (own_cpu->is_parked && (enq_flags & SCX_VALUE(scx_enq_flags, SCX_ENQ_WAKEUP)))
		own_cpu->is_passed = 1;
	/* It finds the thread in the queue, even of another LLC. */
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_VALUE(scx_kick_flags, SCX_KICK_IDLE));
	return;

fail:
	scx_insert(p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_GLOBAL), cfg_sched.slice_ns, enq_flags);
}

/* --- a CPU looks for work ------------------------------------------------------------------- */

/* Would the first of the queue run before a thread at `vtime`? */
static __always_inline bool queue_is_before(__u64 queue, __u64 vtime)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *first;
	bool is_before = false;

	if (!bpf_iter_scx_dsq_new(&it, queue, 0)) {
		first = bpf_iter_scx_dsq_next(&it);
		if (first)
			is_before = (__s64)(((struct task_struct___scx *)first)->scx.dsq_vtime -
					    vtime) < 0;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_before;
}

/* `prev` has used its slice and would go on. It is in no queue, so it must be compared by hand. */
static __always_inline bool prev_keeps(struct task_struct *prev, struct sched_cpu *cpu,
				       struct sched_llc *llc)
{
	struct task_state *ts;
	struct sched_task *st;

	if (!bpf_cpumask_test_cpu(bpf_get_smp_processor_id(), prev->cpus_ptr))
		return false;
	ts = task_state_get(prev);
	if (!ts)
		return false;
	st = &ts->sched;
	if (task_llc_set(st, cpu->llc) != llc)
		return false;
	task_settle(prev, st, cpu, llc);
	task_rank_set(prev, ts);
	cpu_runs(cpu, st);
	if (st->rank == RANK_NORMAL && llc->normal &&
	    queue_is_before(normal_queue(cpu->llc), st->vtime))
		return false;
	scx_set_slice(prev, task_slice_ns(st));
	return true;
}

static __always_inline bool urgent_take(const struct sched_llc *llc, __u32 index)
{
	return llc->urgent > 0 && scx_move_to_local(urgent_queue(index));
}

static __always_inline bool normal_take(const struct sched_llc *llc, __u32 index)
{
	return llc->normal > 0 && scx_move_to_local(normal_queue(index));
}

struct steal_search {
	__u32 own;
	__u32 taken;
};

static int steal_visit(__u32 step, struct steal_search *search)
{
	__u32 index = search->own + 1 + step;
	struct sched_llc *llc;

	if (index >= cfg_sched.llc_count)
		index -= cfg_sched.llc_count;
	llc = sched_llc_get(index);
	if (llc && (urgent_take(llc, index) || normal_take(llc, index)))
		search->taken = 1;
	return search->taken != 0; /* the verifier wants to see that it is 0 or 1 */
}

SEC("struct_ops/gamer_dispatch")
void BPF_PROG(gamer_dispatch, __s32 cpu, struct task_struct *prev)
{
	struct sched_cpu *this = sched_cpu_get(cpu);
	struct steal_search search = {};
	struct sched_llc *llc;
	__u64 now;

	if (!this)
		return;
	llc = sched_llc_get(this->llc);
	if (!llc)
		return;
	if (cpu_owes(this)) {
		if (normal_take(llc, this->llc))
			return;
		this->debt_ns = 0; /* nobody to pay it to */
	}
	if (urgent_take(llc, this->llc))
		return;
	if (llc->normal > 0) {
		now = scx_now();
		if (now >= llc->overdue_ns && overdue_take(llc, this->llc, now))
			return;
	}
	if (prev && prev->on_rq && prev_keeps(prev, this, llc))
		return;
	if (normal_take(llc, this->llc))
		return;
	this->debt_ns = 0; /* and no normal thread was kept waiting */
	if (cfg_sched.llc_count < 2)
		return;
	search.own = this->llc;
	bpf_loop(cfg_sched.llc_count - 1, steal_visit, &search, 0);
}

/* --- the life of a thread ------------------------------------------------------------------- */

SEC("struct_ops/gamer_quiescent")
void BPF_PROG(gamer_quiescent, struct task_struct *p, __u64 deq_flags)
{
	struct sched_cpu *cpu = sched_cpu_get(scx_bpf_task_cpu(p));
	struct sched_task *st = sched_task_get(p);
	struct sched_llc *llc;

	if (!st || !cpu)
		return;
	llc = sched_llc_get(st->llc);
	if (!llc)
		return;
	place_leave(st);
	task_charge(p, st, cpu, llc);
	if (deq_flags & SCX_VALUE(scx_deq_flags, SCX_DEQ_SLEEP))
		budget_slept(&st->budget);
	if (st->weight_counted)
		llc_leave(llc, st);
}

SEC("struct_ops/gamer_running")
void BPF_PROG(gamer_running, struct task_struct *p)
{
	__s32 index = (__s32)bpf_get_smp_processor_id();
	struct sched_cpu *cpu = sched_cpu_get(index);
	struct sched_task *st = sched_task_get(p);
	struct sched_llc *llc;

	if (!st || !cpu)
		return;
	place_leave(st);
	if (st->llc != cpu->llc || !st->weight_counted) {
		llc = task_llc_set(st, cpu->llc);
		/* It has come here directly. */
		if (llc && !st->weight_counted)
			task_join(p, st, llc);
	}
	cpu_runs(cpu, st);
	cpu->claimed = RANK_NONE;
	if (!cpu->is_parked || st->rank != RANK_NORMAL)
		return;
	cpu->is_parked = 0;
	/* The CPU has come back to it without looking for work, and there may be some before it. */
	llc = sched_llc_get(cpu->llc);
	if (llc && (cpu->is_passed || llc->urgent > 0) && !cpu_owes(cpu))
		scx_bpf_kick_cpu(index, SCX_VALUE(scx_kick_flags, SCX_KICK_PREEMPT));
}

/* Preempted by what does not run long, a thread stays next on its CPU, with the rest of its slice
 * (if it is over, up to the next tick): that costs less than to queue it anew, and its caches are
 * there. Not for ever, though: who preempts it may come at each tick. */
static __always_inline void task_park(struct task_struct *p, struct sched_cpu *cpu)
{
	__u64 ran = p->se.sum_exec_runtime - cpu->charged_ns;

	if (ran >= 2 * cfg_sched.slice_ns)
		return;
	scx_set_slice(p, ran < cfg_sched.slice_ns ? cfg_sched.slice_ns - ran : 1);
	cpu->is_parked = 1;
	cpu->is_passed = 0;
}

/* From 6.19 on. A real-time thread is about to take the CPU, or something above it already has,
 * which leaves the preempted thread its slice: what was to run here next must be queued anew. */
static __always_inline bool cpu_is_taken(struct task_struct *p, bool runnable)
{
	struct rq *rq = bpf_this_cpu_ptr(&runqueues);

	return rq->rt.rt_nr_running || (runnable && ((struct task_struct___scx *)p)->scx.slice);
}

SEC("struct_ops/gamer_stopping")
void BPF_PROG(gamer_stopping, struct task_struct *p, bool runnable)
{
	struct sched_cpu *cpu = sched_cpu_get((__s32)bpf_get_smp_processor_id());

	if (!cpu)
		return;
	if (bpf_ksym_exists(scx_bpf_reenqueue_local___v2___anywhere) && cpu_is_taken(p, runnable)) {
		cpu->claimed = RANK_NONE;
		scx_bpf_reenqueue_local___v2___anywhere();
	} else if (runnable && cpu->rank == RANK_NORMAL && cpu->claimed >= RANK_INPUT) {
		task_park(p, cpu);
	}
	cpu->rank = RANK_NONE;
}

SEC("struct_ops/gamer_set_weight")
void BPF_PROG(gamer_set_weight, struct task_struct *p, __u32 weight)
{
	struct sched_task *st = sched_task_get(p);
	struct sched_llc *llc;

	llc = st && st->weight_counted ? sched_llc_get(st->llc) : NULL;
	if (!llc)
		return;
	llc_leave(llc, st);
	llc_join(llc, st, task_weight(p));
}

/* Here the state is made that all else relies on: at fork, or when the scheduler starts. */
SEC("struct_ops/gamer_init_task")
__s32 BPF_PROG(gamer_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task_state *ts = bpf_task_storage_get(&task_states, p, NULL,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!ts)
		return -ENOMEM;
	/* There may be one of a scheduler that was here before. */
	__builtin_memset(&ts->sched, 0, sizeof(ts->sched));
	return 0;
}

SEC("struct_ops/gamer_enable")
void BPF_PROG(gamer_enable, struct task_struct *p)
{
	struct sched_task *st = sched_task_get(p);
	struct sched_llc *llc;

	if (!st)
		return;
	st->charged_ns = p->se.sum_exec_runtime;
	llc = sched_llc_get(st->llc);
	if (llc)
		st->vtime = llc->vtime;
}

/* --- real-time threads, and the scheduler itself --------------------------------------------- */

/* Up to 6.18 the kernel says when a real-time thread has taken the CPU. */
SEC("struct_ops/gamer_cpu_release")
void BPF_PROG(gamer_cpu_release, __s32 index, struct scx_cpu_release_args *args)
{
	struct sched_cpu *cpu = sched_cpu_get(index);

	if (cpu) {
		cpu->rank = RANK_NONE;
		cpu->claimed = RANK_NONE;
	}
	scx_bpf_reenqueue_local();
}

static int llc_init(__u32 llc, __s32 *error)
{
	*error = scx_bpf_create_dsq(urgent_queue(llc), -1);
	if (!*error)
		*error = scx_bpf_create_dsq(normal_queue(llc), -1);
	return *error != 0;
}

SEC("struct_ops.s/gamer_init")
__s32 BPF_PROG(gamer_init)
{
	__s32 error = 0;

	bpf_loop(cfg_sched.llc_count, llc_init, &error, 0);
	return error;
}

/* User space sets flags, timeout, dump length and name. */
SEC(".struct_ops.link")
struct sched_ext_ops gamer_ops = {
	.select_cpu = (void *)gamer_select_cpu,
	.enqueue = (void *)gamer_enqueue,
	.dispatch = (void *)gamer_dispatch,
	.running = (void *)gamer_running,
	.stopping = (void *)gamer_stopping,
	.quiescent = (void *)gamer_quiescent,
	.set_weight = (void *)gamer_set_weight,
	.init_task = (void *)gamer_init_task,
	.enable = (void *)gamer_enable,
	.dump = (void *)gamer_dump,
	.dump_cpu = (void *)gamer_dump_cpu,
	.dump_task = (void *)gamer_dump_task,
	.cpu_online = (void *)gamer_cpu_online,
	.cpu_offline = (void *)gamer_cpu_offline,
	.cpu_release = (void *)gamer_cpu_release,
	.init = (void *)gamer_init,
	.exit = (void *)gamer_exit,
	.timeout_ms = 10000,
	.name = "gamer",
};
