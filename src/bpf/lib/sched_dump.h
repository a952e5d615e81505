/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched dump: our lines in the debug dump that the kernel makes when it ends a scheduler.
 */
#ifndef BPF_LIB_SCHED_DUMP_H
#define BPF_LIB_SCHED_DUMP_H

#include <bpf/bpf_tracing.h>

#include "bpf/lib/sched_state.h"

static int llc_dump(__u32 index, void *ctx)
{
	struct sched_llc *llc = sched_llc_get(index);

	if (!llc)
		return 1;
	scx_dump("llc %u: cpus=%lld urgent=%d/%lld movable=%lld", index, llc->cpu_count,
		 scx_bpf_dsq_nr_queued(urgent_queue(index)), llc->urgent, llc->movable);
	return 0;
}

SEC("struct_ops/gamer_dump")
void BPF_PROG(gamer_dump, struct scx_dump_ctx *dump)
{
	bpf_loop(cfg_sched.llc_count, llc_dump, NULL, 0);
}

SEC("struct_ops/gamer_dump_cpu")
void BPF_PROG(gamer_dump_cpu, struct scx_dump_ctx *dump, __s32 index, bool idle)
{
	struct sched_cpu *cpu = sched_cpu_get(index);

	if (cpu)
		scx_dump("gamerd: llc=%u rank=%u claimed=%u debt=%llu queued=%d/%u movable=%u "
			 "load=%lld vtime=%llu parked=%u",
			 cpu->llc, cpu->rank, cpu->claimed, cpu->debt_ns,
			 scx_bpf_dsq_nr_queued(normal_queue(index)), cpu->queued, cpu->movable,
			 cpu->load, cpu->queue_vtime, cpu->is_parked);
}

SEC("struct_ops/gamer_dump_task")
void BPF_PROG(gamer_dump_task, struct scx_dump_ctx *dump, struct task_struct *p)
{
	struct task_state *ts = task_state_get(p);
	struct sched_task *st;

	if (!ts)
		return;
	st = &ts->sched;
	scx_dump("gamerd: class=%u rank=%u place=%u cpu=%u vtime=%llu weight=%u burst=%lld "
		 "tokens=%lld over=%u",
		 ts->class, st->rank, st->place, st->cpu, st->vtime, st->weight,
		 st->budget.burst_ns, st->budget.tokens_ns, st->budget.is_over);
}

#endif
