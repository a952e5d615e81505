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
 * itself first. Kernel threads bound to one CPU are the least urgent of the urgent ones: others
 * wait for them.
 *
 * Budget. lib/budget.h bounds what one thread may run as urgent; over it, it is a normal thread.
 * And all urgent work together leaves a tenth of each CPU to the rest: a CPU that has run urgent
 * work for DEBT_MAX_NS more than nine times what normal threads got there serves a normal one next,
 * and until the debt is paid is not preempted.
 *
 * Normal. One queue for each LLC, ordered by weighted vtime. The LLC's vtime advances by the run
 * time of all its threads over the weight of all that are runnable: it is where a thread is that
 * got exactly its share. A thread that slept comes back with a credit of one slice at most. None is
 * queued so far ahead that it would wait longer than WAIT_MAX_NS for its share: this, and the debt,
 * bound the wait of every thread, by the weights at the time it is queued. Two things stretch it:
 * heavier threads that join later, and a crowd. Where a second's wait for its share is less than a
 * slice, the rest of what a thread ran is forgiven, the LLC's vtime hardly advances, and one that
 * was queued further ahead before may wait for very long. What a thread ran is charged, never what
 * it might have run.
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
#include "bpf/lib/sched_state.h"
#include "bpf/lib/sched_victim.h"
#include "bpf/lib/sched_watch.h"

char LICENSE[] SEC("license") = "GPL";

/* --- wake-up and queues --------------------------------------------------------------------- */

SEC("struct_ops/gamer_select_cpu")
__s32 BPF_PROG(gamer_select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	struct sched_task *st;
	struct cpu_slot *slot;
	bool is_idle = false;
	__s32 cpu;

	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	if (!is_idle)
		return cpu;
	st = sched_task_get(p);
	slot = slot_this_cpu();
	if (!st || !slot)
		return cpu;
	task_rank_set(p, st, scx_now());
	scx_insert(p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL), task_slice_ns(st), 0);
	slot->sched_direct++;
	return cpu;
}

static __always_inline void urgent_enqueue(struct task_struct *p, struct sched_task *st, __s32 own,
					   struct sched_cpu *own_cpu, struct cpu_slot *slot,
					   __u64 now, __u64 enq_flags)
{
	__s32 victim = victim_claim(p, st, own, own_cpu, now);
	__u64 slice = task_slice_ns(st), queue;

	slot->sched_urgent++;
	if (victim < 0) {
		scx_insert_vtime(p, urgent_queue(own_cpu->llc), slice, st->deadline_ns, enq_flags);
		return;
	}
	slot->sched_preempts++;
	queue = victim == own ? SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL)
			      : SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | (__u32)victim;
	scx_insert(p, queue, slice, enq_flags | SCX_VALUE(scx_enq_flags, SCX_ENQ_PREEMPT));
}

/* An idle CPU the thread may run on, or -1. One that has passed through gamer_select_cpu() has been
 * refused one a moment ago; if there is one by now, the thread waits for the end of a slice at
 * most. One bound to a single CPU never passes there, nor does one that is queued again. */
static __always_inline __s32 idle_cpu_take(struct task_struct *p, __s32 own, __u64 enq_flags)
{
	if (enq_flags & SCX_VALUE(scx_enq_flags, SCX_ENQ_CPU_SELECTED))
		return -1;
	if (scx_bpf_test_and_clear_cpu_idle(own))
		return own;
	if (p->nr_cpus_allowed == 1)
		return -1;
	return scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
}

SEC("struct_ops/gamer_enqueue")
void BPF_PROG(gamer_enqueue, struct task_struct *p, __u64 enq_flags)
{
	__s32 own = scx_bpf_task_cpu(p), idle;
	struct sched_task *st = sched_task_get(p);
	struct sched_cpu *own_cpu = sched_cpu_get(own);
	struct cpu_slot *slot = slot_this_cpu();
	struct sched_llc *llc = NULL;
	__u64 now = scx_now();

	if (st && own_cpu)
		llc = task_llc_set(st, own_cpu->llc);
	/* Or its CPU is about to go. */
	if (!llc || !slot || !own_cpu->is_online) {
		scx_insert(p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_GLOBAL), cfg_sched.slice_ns,
			   enq_flags);
		return;
	}
	task_rank_set(p, st, now);
	task_vtime_bound(st, llc, WAIT_MAX_NS);
	idle = idle_cpu_take(p, own, enq_flags);
	if (idle == own) {
		slot->sched_direct++;
		scx_insert(p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL), task_slice_ns(st),
			   enq_flags);
		scx_bpf_kick_cpu(own, SCX_VALUE(scx_kick_flags, SCX_KICK_IDLE));
		return;
	}
	if (st->rank > RANK_NORMAL && idle < 0) {
		urgent_enqueue(p, st, own, own_cpu, slot, now, enq_flags);
		return;
	}
	if (st->rank > RANK_NORMAL) {
		slot->sched_urgent++;
		scx_insert_vtime(p, urgent_queue(own_cpu->llc), task_slice_ns(st), st->deadline_ns,
				 enq_flags);
	} else {
		slot->sched_normal++;
		scx_insert_vtime(p, normal_queue(own_cpu->llc), cfg_sched.slice_ns, st->vtime,
				 enq_flags);
	}
	/* It finds the thread in the queue, even of another LLC. */
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, SCX_VALUE(scx_kick_flags, SCX_KICK_IDLE));
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
				       struct cpu_slot *slot, __u64 now)
{
	struct sched_task *st;
	struct sched_llc *llc;

	if (!prev->on_rq || !bpf_cpumask_test_cpu(bpf_get_smp_processor_id(), prev->cpus_ptr))
		return false;
	st = sched_task_get(prev);
	if (!st)
		return false;
	llc = task_llc_set(st, cpu->llc);
	if (!llc)
		return false;
	task_charge(st, cpu, slot, now);
	if (cpu->rank == RANK_NORMAL)
		cpu->running_ns = now;
	task_rank_set(prev, st, now);
	task_vtime_bound(st, llc, WAIT_MAX_NS);
	cpu->rank = st->rank;
	if (st->rank == RANK_NORMAL && queue_is_before(normal_queue(cpu->llc), st->vtime))
		return false;
	scx_set_slice(prev, task_slice_ns(st));
	return true;
}

struct steal_search {
	__u32 own;
	__u32 taken;
};

static int steal_visit(__u32 index, struct steal_search *search)
{
	__u32 llc = search->own + 1 + index;

	if (llc >= cfg_sched.llc_count)
		llc -= cfg_sched.llc_count;
	if (scx_bpf_dsq_nr_queued(urgent_queue(llc)) && scx_move_to_local(urgent_queue(llc)))
		search->taken = 1;
	else if (scx_bpf_dsq_nr_queued(normal_queue(llc)) && scx_move_to_local(normal_queue(llc)))
		search->taken = 1;
	return search->taken != 0; /* the verifier wants to see that it is 0 or 1 */
}

SEC("struct_ops/gamer_dispatch")
void BPF_PROG(gamer_dispatch, __s32 cpu, struct task_struct *prev)
{
	struct sched_cpu *this = sched_cpu_get(cpu);
	struct cpu_slot *slot = slot_this_cpu();
	struct steal_search search = {};
	__u64 now = scx_now();

	if (!this || !slot)
		return;
	if (cpu_owes(this, now)) {
		if (scx_move_to_local(normal_queue(this->llc)))
			return;
		this->debt_ns = 0; /* nobody to pay it to */
	}
	if (scx_bpf_dsq_nr_queued(urgent_queue(this->llc)) &&
	    scx_move_to_local(urgent_queue(this->llc)))
		return;
	if (prev && prev_keeps(prev, this, slot, now))
		return;
	if (scx_move_to_local(normal_queue(this->llc)))
		return;
	this->debt_ns = 0; /* and no normal thread was kept waiting */
	if (cfg_sched.llc_count < 2)
		return;
	search.own = this->llc;
	bpf_loop(cfg_sched.llc_count - 1, steal_visit, &search, 0);
}

/* --- the life of a thread ------------------------------------------------------------------- */

SEC("struct_ops/gamer_runnable")
void BPF_PROG(gamer_runnable, struct task_struct *p, __u64 enq_flags)
{
	struct sched_task *st = sched_task_get(p);
	struct sched_llc *llc;

	if (!st || st->weight_counted)
		return;
	llc = sched_llc_get(st->llc);
	if (!llc)
		return;
	task_vtime_bound(st, llc, cfg_sched.slice_ns);
	llc_join(llc, st);
}

SEC("struct_ops/gamer_quiescent")
void BPF_PROG(gamer_quiescent, struct task_struct *p, __u64 deq_flags)
{
	struct sched_task *st = sched_task_get(p);
	struct sched_llc *llc;

	if (!st)
		return;
	if (deq_flags & SCX_VALUE(scx_deq_flags, SCX_DEQ_SLEEP))
		budget_slept(&st->budget);
	llc = sched_llc_get(st->llc);
	if (llc && st->weight_counted)
		llc_leave(llc, st);
}

SEC("struct_ops/gamer_running")
void BPF_PROG(gamer_running, struct task_struct *p)
{
	struct sched_cpu *cpu = sched_cpu_get((__s32)bpf_get_smp_processor_id());
	struct sched_task *st = sched_task_get(p);
	__u64 now = scx_now();

	if (!st || !cpu)
		return;
	st->charged_ns = now;
	task_llc_set(st, cpu->llc);
	cpu->running_ns = now;
	cpu->rank = st->rank;
	cpu->claimed = RANK_NONE;
}

SEC("struct_ops/gamer_stopping")
void BPF_PROG(gamer_stopping, struct task_struct *p, bool runnable)
{
	struct sched_cpu *cpu = sched_cpu_get((__s32)bpf_get_smp_processor_id());
	struct sched_task *st = sched_task_get(p);
	struct cpu_slot *slot = slot_this_cpu();

	if (!st || !cpu || !slot)
		return;
	task_charge(st, cpu, slot, scx_now());
	cpu->rank = RANK_NONE;
}

SEC("struct_ops/gamer_set_weight")
void BPF_PROG(gamer_set_weight, struct task_struct *p, __u32 weight)
{
	struct sched_task *st = sched_task_get(p);

	if (st)
		st->weight = weight;
}

SEC("struct_ops/gamer_init_task")
__s32 BPF_PROG(gamer_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct sched_task *st = bpf_task_storage_get(&sched_tasks, p, NULL,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!st)
		return -ENOMEM;
	st->weight = WEIGHT_NICE_0;
	return 0;
}

SEC("struct_ops/gamer_enable")
void BPF_PROG(gamer_enable, struct task_struct *p)
{
	struct sched_task *st = sched_task_get(p);
	struct sched_llc *llc;

	if (!st)
		return;
	st->weight = ((struct task_struct___scx *)p)->scx.weight;
	llc = sched_llc_get(st->llc);
	if (llc)
		st->vtime = llc->vtime;
}

/* --- CPUs and the scheduler itself ---------------------------------------------------------- */

static __always_inline void cpu_online_set(__s32 index, __u32 is_online)
{
	struct sched_cpu *cpu = sched_cpu_get(index);
	struct sched_llc *llc;

	if (!cpu || cpu->is_online == is_online)
		return;
	cpu->is_online = is_online;
	cpu->rank = RANK_NONE;
	cpu->claimed = RANK_NONE;
	cpu->debt_ns = 0;
	llc = sched_llc_get(cpu->llc);
	if (llc)
		__sync_fetch_and_add(&llc->cpu_count, is_online ? 1 : -1);
}

/* With these two the kernel needs no restart when CPUs come and go: queues are no CPU's. */
SEC("struct_ops/gamer_cpu_online")
void BPF_PROG(gamer_cpu_online, __s32 cpu)
{
	cpu_online_set(cpu, 1);
}

/* What is counted to the CPU goes to its local queue. */
static __always_inline void queue_evacuate(__u64 queue, __s32 cpu)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;

	if (!bpf_iter_scx_dsq_new(&it, queue, 0))
		while ((p = bpf_iter_scx_dsq_next(&it)))
			if (scx_bpf_task_cpu(p) == cpu)
				scx_move(&it, p,
					 SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | (__u32)cpu,
					 0);
	bpf_iter_scx_dsq_destroy(&it);
}

/* A CPU is not gone before all its threads are, and from here on it is asked for local ones only:
 * one that no other CPU may take would hold it up for ever. The kernel sends them elsewhere. */
SEC("struct_ops/gamer_cpu_offline")
void BPF_PROG(gamer_cpu_offline, __s32 cpu)
{
	struct sched_cpu *going = sched_cpu_get(cpu);

	cpu_online_set(cpu, 0);
	if (!going)
		return;
	queue_evacuate(urgent_queue(going->llc), cpu);
	queue_evacuate(normal_queue(going->llc), cpu);
}

/* A real-time thread takes the CPU: what was to run there next must be queued anew. */
static __always_inline void cpu_taken(__s32 index)
{
	struct sched_cpu *cpu = sched_cpu_get(index);

	if (!cpu)
		return;
	cpu->rank = RANK_NONE;
	cpu->claimed = RANK_NONE;
}

/* Until 6.18. The loader takes one of these two. */
SEC("struct_ops/gamer_cpu_release")
void BPF_PROG(gamer_cpu_release, __s32 cpu, struct scx_cpu_release_args *args)
{
	cpu_taken(cpu);
	scx_bpf_reenqueue_local();
}

/* From 6.19 on. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_realtime, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (!policy_is_rt(next->policy) || policy_is_rt(prev->policy))
		return 0;
	cpu_taken((__s32)bpf_get_smp_processor_id());
	scx_bpf_reenqueue_local___v2___anywhere();
	return 0;
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
	.runnable = (void *)gamer_runnable,
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
