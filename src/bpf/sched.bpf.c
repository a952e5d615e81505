// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sched: the policy.
 *
 * Two promises. The threads that sound, input and (later) frames wait for run first, within a
 * budget. And nobody else is worse off than under the kernel's own scheduler.
 *
 * Idle CPU. A thread that wakes goes straight to an idle CPU it may run on, if there is one, as
 * near to its caches as possible (lib/sched_select.h).
 *
 * Urgent. With no idle CPU, a thread of a latency class (audio, input, compositor, game: the
 * verdict of trace.bpf.c) that has budget left takes a CPU that runs something less urgent. On its
 * own CPU it goes to the head of what is next; else it goes to the urgent queue of the last-level
 * cache, ordered by deadline (now plus the target of its class), and the other CPU is asked to look
 * there (lib/sched_victim.h). Every CPU serves itself from that queue first, at each tick as well,
 * so a thread is never stuck behind a CPU that was promised and then lost. What it takes the CPU
 * from stays next there, unless a thread has woken meanwhile that is before it. Kernel threads
 * bound to one CPU are the least urgent of the urgent ones: others wait for them.
 *
 * Budget. lib/budget.h bounds what one thread may run as urgent; over it, it is a normal thread.
 * And all urgent work together leaves a tenth of each CPU to the rest: a CPU that has run urgent
 * work for DEBT_MAX_NS more than nine times what normal threads got there serves a normal one next,
 * and until the debt is paid is not preempted.
 *
 * Normal. Each CPU has a queue with a virtual time of its own. A thread's vtime advances by what it
 * ran, over its weight (nice, policy, and the share of its cgroup or session: lib/sched_group.h).
 * The queue is ordered by virtual deadline: the vtime at which it will have had min_ns (0.7 ms on
 * one CPU, up to 2.8) if its share is kept. So a light thread, whose deadline is far away, never
 * stands before a heavier one that has just woken:
 *
 *     on a CPU whose vtime is 100 ms          weight    vtime    deadline = vtime + 0.7 / weight
 *     a hog of nice 0, has just run             1       102.0       102.7
 *     an editor of nice 0 that wakes            1        97.0        97.7     runs first
 *     a hog of nice 19                          1/68     90.0       137.6     runs last
 *
 * What sleeps keeps its lag, within bounds: it comes back at most CREDIT_NS behind the CPU's vtime
 * and at most LEAD_NS of its CPU time ahead of it. It takes lag and lead along to another CPU.
 *
 * A thread that wakes and is due before the running one preempts it, once that has had min_ns; if
 * this moment lies between two ticks, a timer ends the slice (lib/sched_preempt.h). SCHED_IDLE is
 * preempted at once. A thread that waits very long in a crowd, or because heavier ones have joined,
 * goes first now and then (lib/sched_overdue.h).
 *
 * A CPU that has nothing takes from the longest queue, near ones first; while all are busy, CPUs
 * even out their loads now and then, and CPU-bound threads stay where they are
 * (lib/sched_balance.h).
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
#include "bpf/lib/sched_balance.h"
#include "bpf/lib/sched_dispatch.h"
#include "bpf/lib/sched_dump.h"
#include "bpf/lib/sched_enqueue.h"
#include "bpf/lib/sched_exit.h"
#include "bpf/lib/sched_hotplug.h"
#include "bpf/lib/sched_overdue.h"
#include "bpf/lib/sched_park.h"
#include "bpf/lib/sched_perf.h"
#include "bpf/lib/sched_preempt.h"
#include "bpf/lib/sched_select.h"
#include "bpf/lib/sched_state.h"
#include "bpf/lib/sched_victim.h"
#include "bpf/lib/sched_watch.h"

char LICENSE[] SEC("license") = "GPL";

/* --- wake-up and queues --------------------------------------------------------------------- */

SEC("struct_ops/gamer_select_cpu")
__s32 BPF_PROG(gamer_select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	bool is_born = wake_flags & SCX_VALUE(scx_wake_flags, SCX_WAKE_FORK), is_idle = true;
	struct task_state *ts;
	struct cpu_slot *slot;
	__s32 cpu;

	wake_flags &= ~(__u64)SCX_VALUE(scx_wake_flags, SCX_WAKE_SYNC);
	cpu = best_idle_cpu(p, prev_cpu, wake_flags);
	if (cpu < 0) {
		is_idle = false;
		cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	}
	if (!is_idle)
		return is_born ? least_loaded(p, cpu) : cpu;
	ts = task_state_get(p);
	slot = slot_this_cpu();
	if (!ts || !slot)
		return cpu;
	if (ts->sched.is_limited && limit_is_reached(&ts->sched, scx_now())) {
		/* It is idle still, and the kernel is to count it as such. */
		cpu_kick(cpu, SCX_VALUE(scx_kick_flags, SCX_KICK_IDLE));
		return cpu;
	}
	task_rank_set(p, ts);
	/* By the time it gets there, the CPU may have found something less urgent. */
	local_insert(p, &ts->sched,
		     ts->sched.rank > RANK_NORMAL ? SCX_VALUE(scx_enq_flags, SCX_ENQ_PREEMPT) : 0);
	slot->sched_direct++;
	return cpu;
}

SEC("struct_ops/gamer_enqueue")
void BPF_PROG(gamer_enqueue, struct task_struct *p, __u64 enq_flags)
{
	__s32 own = scx_bpf_task_cpu(p), idle;
	struct task_state *ts = task_state_get(p);
	struct sched_cpu *own_cpu = sched_cpu_get(own);
	struct cpu_slot *slot = slot_this_cpu();
	struct sched_task *st;

	/* Or its CPU is about to go. */
	if (!ts || !own_cpu || !slot || !own_cpu->is_online)
		goto fail;
	st = &ts->sched;
	if (st->cpu == (__u32)own)
		place_leave(st, own_cpu);
	else
		task_move(st, own_cpu, (__u32)own);
	if (!st->load)
		task_join(p, st, own_cpu);
	else if (st->charged_ns != p->se.sum_exec_runtime)
		task_settle(p, st, own_cpu);
	task_rank_set(p, ts);
	/* From a CPU that is about to go no other one can be asked to look for work. */
	if (own != (__s32)bpf_get_smp_processor_id() && !here_is_online()) {
		local_insert(p, st, enq_flags);
		return;
	}
	if (st->is_limited && limit_is_reached(st, scx_now())) {
		limit_insert(p, st, enq_flags);
		return;
	}
	idle = idle_cpu_take(p, own, own_cpu, enq_flags);
	if (idle == own) {
		slot->sched_direct++;
		local_insert(p, st, enq_flags);
		cpu_kick(own, SCX_VALUE(scx_kick_flags, SCX_KICK_IDLE));
		return;
	}
	if (st->rank > RANK_NORMAL) {
		slot->sched_urgent++;
		if (idle < 0)
			urgent_enqueue(p, ts, own, own_cpu, slot, enq_flags);
		else
			urgent_insert(p, ts, own_cpu, enq_flags);
	} else {
		slot->sched_normal++;
		if (idle < 0)
			normal_enqueue(p, st, own, own_cpu, enq_flags);
		else
			normal_insert(p, st, own_cpu, enq_flags);
	}
	/* It finds the thread in the queue, even of another LLC. */
	if (idle >= 0)
		cpu_kick(idle, SCX_VALUE(scx_kick_flags, SCX_KICK_IDLE));
	return;

fail:
	/* Without a state, since memory was short: from the next time on it has one. */
	if (!ts)
		bpf_task_storage_get(&task_states, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	scx_insert(p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_GLOBAL), cfg_sched.slice_ns, enq_flags);
}

/* --- a CPU looks for work ------------------------------------------------------------------- */

SEC("struct_ops/gamer_dispatch")
void BPF_PROG(gamer_dispatch, __s32 index, struct task_struct *prev)
{
	struct sched_cpu *this = sched_cpu_get(index);
	struct far_search search = {};
	struct limit_queue *limits;
	struct sched_llc *llc;
	__u64 now;

	if (!this)
		return;
	llc = sched_llc_get(this->llc);
	if (!llc)
		return;
	if (cpu_owes(this)) {
		if (normal_take(this, index))
			return;
		this->debt_ns = 0; /* nobody to pay it to */
	}
	if (urgent_take(llc, this->llc))
		return;
	if (this->queued) {
		now = scx_now();
		if (now >= this->overdue_ns && overdue_take(this, index, now))
			return;
	}
	limits = limit_queue_get();
	if (limits && limits->count > 0 && limit_take(scx_now()))
		return;
	if (this->pull && balance_pull(this, llc, scx_now()))
		return;
	/* What has failed above may have let go of the CPU's lock: a thread that woke in between
	 * has asked prev to stop, and it must not go on. */
	if (this->claimed != RANK_NONE && (local_count() > 0 || urgent_take(llc, this->llc)))
		return;
	if (prev && prev->on_rq && prev_keeps(prev, index, this))
		return;
	if (normal_take(this, index))
		return;
	this->debt_ns = 0; /* and no normal thread was kept waiting */
	if (llc->movable > 0 && llc_steal(llc, this->order))
		return;
	if (cfg_sched.llc_count < 2)
		return;
	search.own = this->llc;
	bpf_loop(cfg_sched.llc_count - 1, far_visit, &search, 0);
}

/* --- the life of a thread ------------------------------------------------------------------- */

SEC("struct_ops/gamer_quiescent")
void BPF_PROG(gamer_quiescent, struct task_struct *p, __u64 deq_flags)
{
	struct sched_task *st = sched_task_get(p);
	struct sched_cpu *cpu;

	if (!st)
		return;
	/* Where it ran, or is queued. */
	cpu = sched_cpu_get((__s32)st->cpu);
	if (!cpu)
		return;
	place_leave(st, cpu);
	task_charge(p, st, cpu);
	if (deq_flags & SCX_VALUE(scx_deq_flags, SCX_DEQ_SLEEP))
		budget_slept(&st->budget);
	task_part(st, cpu);
}

SEC("struct_ops/gamer_running")
void BPF_PROG(gamer_running, struct task_struct *p)
{
	__s32 index = (__s32)bpf_get_smp_processor_id();
	struct sched_cpu *cpu = sched_cpu_get(index);
	struct sched_task *st = sched_task_get(p);
	bool is_claimed;

	if (!st || !cpu)
		return;
	if (st->cpu == (__u32)index)
		place_leave(st, cpu);
	else
		task_move(st, cpu, (__u32)index);
	/* It has come here directly. */
	if (!st->load)
		task_join(p, st, cpu);
	is_claimed = cpu->claimed != RANK_NONE;
	cpu_runs(cpu, st);
	crowd_check(index, cpu);
	if (st->is_limited)
		limit_arm(index, cpu, st);
	/* Here, since the kernel looks at the slice only when a thread begins to run. */
	if (cpu->is_tickless && !cpu->queued && st->rank <= RANK_NORMAL)
		scx_set_slice(p, SLICE_ENDLESS);
	if (st->rank != RANK_NORMAL || !(cpu->is_parked | cpu->is_passed | is_claimed))
		return;
	if (is_before_running(cpu) && !cpu_owes(cpu))
		cpu_kick(index, SCX_VALUE(scx_kick_flags, SCX_KICK_PREEMPT));
	cpu->is_parked = 0;
	cpu->is_passed = 0;
}

/* Each tick of a CPU that runs one of ours: it looks up if an urgent thread waits that was promised
 * another CPU, or if it is to take a thread from a more loaded one. A nohz_full CPU, whose own tick
 * has stopped, gets one a second from another CPU. */
SEC("struct_ops/gamer_tick")
void BPF_PROG(gamer_tick, struct task_struct *p)
{
	__s32 index = scx_bpf_task_cpu(p);
	struct sched_cpu *cpu = sched_cpu_get(index);
	struct sched_llc *llc = cpu ? sched_llc_get(cpu->llc) : NULL;
	__u64 now;

	if (!llc)
		return;
	now = scx_now();
	if (index == (__s32)bpf_get_smp_processor_id())
		cpu_perf_tick(index, now, cpu);
	if (balance_tick(cpu, now) ||
	    (llc->urgent > 0 && cpu->rank == RANK_NORMAL && !cpu_owes(cpu)))
		scx_set_slice(p, 0);
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

/* Of the thread's nice value, its policy, or both. */
SEC("struct_ops/gamer_set_weight")
void BPF_PROG(gamer_set_weight, struct task_struct *p, __u32 weight)
{
	struct sched_task *st = sched_task_get(p);
	struct sched_cpu *cpu = st ? sched_cpu_get((__s32)st->cpu) : NULL;
	bool is_runnable;

	if (!cpu)
		return;
	is_runnable = st->load != 0;
	task_part(st, cpu);
	task_weight_read(p, st);
	if (is_runnable)
		task_join(p, st, cpu);
}

/* Here the state is made that all else relies on: at fork, or when the scheduler starts. It may
 * sleep until there is memory. */
SEC("struct_ops.s/gamer_init_task")
__s32 BPF_PROG(gamer_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct task_state *ts = bpf_task_storage_get(&task_states, p, NULL,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);

	/* There may be one of a scheduler that was here before. */
	if (ts)
		__builtin_memset(&ts->sched, 0, sizeof(ts->sched));
	/* Not -ENOMEM: the user's fork would fail, where the kernel's own scheduler would have
	 * waited for memory. The thread gets a state when it wakes up, see task_join(). */
	return 0;
}

SEC("struct_ops/gamer_exit_task")
void BPF_PROG(gamer_exit_task, struct task_struct *p, struct scx_exit_task_args *args)
{
	struct sched_task *st = sched_task_get(p);

	if (!st || st->group == GROUP_ROOT)
		return;
	group_put(st->group);
	st->group = GROUP_ROOT;
	st->tg = 0;
}

SEC("struct_ops/gamer_enable")
void BPF_PROG(gamer_enable, struct task_struct *p)
{
	struct sched_task *st = sched_task_get(p);

	if (!st)
		return;
	st->cpu = (__u32)scx_bpf_task_cpu(p);
	task_begin(p, st, sched_cpu_get((__s32)st->cpu));
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
	if (!*error && cfg_sched.llc_count > 1)
		*error = cpu_set_init(llc);
	return *error != 0;
}

static int cpu_init(__u32 cpu, __s32 *error)
{
	cpu_perf_init((__s32)cpu);
	*error = scx_bpf_create_dsq(normal_queue((__s32)cpu), -1);
	return *error != 0;
}

SEC("struct_ops.s/gamer_init")
__s32 BPF_PROG(gamer_init)
{
	__s32 error = 0;

	bpf_loop(cfg_sched.llc_count, llc_init, &error, 0);
	if (!error)
		bpf_loop(cfg_sched.cpu_count, cpu_init, &error, 0);
	if (!error && cfg_sched.has_small)
		error = cpu_set_init(SET_BIG);
	if (!error && cfg_sched.has_small)
		error = cpu_set_init(SET_SMALL);
	if (!error)
		bpf_loop(cfg_sched.cpu_count, slice_timer_init, &error, 0);
	if (!error)
		error = groups_init();
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
	.tick = (void *)gamer_tick,
	.quiescent = (void *)gamer_quiescent,
	.set_weight = (void *)gamer_set_weight,
	.init_task = (void *)gamer_init_task,
	.exit_task = (void *)gamer_exit_task,
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
