/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched hotplug: CPUs that come and go while the scheduler runs, which needs no restart.
 */
#ifndef BPF_LIB_SCHED_HOTPLUG_H
#define BPF_LIB_SCHED_HOTPLUG_H

#include <bpf/bpf_tracing.h>

#include "bpf/lib/sched_state.h"

static __always_inline void cpu_online_set(__s32 index, __u32 is_online)
{
	struct sched_cpu *cpu = sched_cpu_get(index);
	struct sched_llc *llc;

	if (!cpu || cpu->is_online == is_online)
		return;
	cpu->is_online = is_online;
	cpu->rank = RANK_NONE;
	cpu->claimed = RANK_NONE;
	cpu->is_parked = 0;
	cpu->debt_ns = 0;
	cpu->load_mean = 0;
	llc = sched_llc_get(cpu->llc);
	if (llc)
		__sync_fetch_and_add(&llc->cpu_count, is_online ? 1 : -1);
}

/* With these two the kernel needs no restart when CPUs come and go. */
SEC("struct_ops/gamer_cpu_online")
void BPF_PROG(gamer_cpu_online, __s32 cpu)
{
	cpu_online_set(cpu, 1);
}

/* What is counted to the CPU goes to the kernel's queue of it. */
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
	queue_evacuate(normal_queue(cpu), cpu);
}

#endif
