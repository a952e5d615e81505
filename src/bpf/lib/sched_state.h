/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched state: what the scheduler knows about threads, CPUs and last-level caches.
 *
 * Locks: none. A thread's part (lib/sched_task.h) is written under its run queue's lock; a CPU's by
 * that CPU or under its run queue's lock, but for `claimed`, which is taken by an atomic exchange,
 * and the counts of its queue, which like those of an LLC are added to atomically. What others read
 * may be a moment old.
 */
#ifndef BPF_LIB_SCHED_STATE_H
#define BPF_LIB_SCHED_STATE_H

#include "bpf/kernel/sched_ext.h"

#include "bpf/abi/sched.h"
#include "bpf/lib/state.h"

/* One for each possible CPU; the loader sets max_entries and fills in llc. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sched_cpu);
} sched_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHED_LLC_MAX);
	__type(key, __u32);
	__type(value, struct sched_llc);
} sched_llcs SEC(".maps");

static __always_inline struct task_state *task_state_get(struct task_struct *p)
{
	return bpf_task_storage_get(&task_states, p, NULL, 0);
}

/* NULL for a thread that the scheduler has not taken over, or that there was no memory for: see
 * gamer_init_task(). */
static __always_inline struct sched_task *sched_task_get(struct task_struct *p)
{
	struct task_state *ts = task_state_get(p);

	return ts ? &ts->sched : NULL;
}

static __always_inline struct sched_cpu *sched_cpu_get(__s32 cpu)
{
	__u32 key = (__u32)cpu;

	return bpf_map_lookup_elem(&sched_cpus, &key);
}

static __always_inline struct sched_llc *sched_llc_get(__u32 llc)
{
	return bpf_map_lookup_elem(&sched_llcs, &llc);
}

#define LLC_CPUS_MAX 256 /* of an LLC, that a search comes to */
#define CPUS_MAX 4096
#define TIMER_CLOCK 1 /* CLOCK_MONOTONIC, for bpf_timer_init() */

/* Fixed at load. */
const volatile struct sched_settings cfg_sched = {};

/* Is the CPU that this runs on neither gone nor about to go? */
static __always_inline bool here_is_online(void)
{
	struct sched_cpu *cpu = sched_cpu_get((__s32)bpf_get_smp_processor_id());

	return cpu && cpu->is_online;
}

/* The kernel kicks from an interrupt that it sends to the CPU it is on. One that is about to go off
 * line may no longer take it; then that CPU could never kick again, and the end of the scheduler
 * would wait for it for ever. */
static __always_inline void cpu_kick(__s32 cpu, __u64 flags)
{
	if (here_is_online())
		scx_bpf_kick_cpu(cpu, flags);
}

/* Queues: an urgent one for each LLC, then a normal one for each CPU. */
static __always_inline __u64 urgent_queue(__u32 llc)
{
	return llc;
}

static __always_inline __u64 normal_queue(__s32 cpu)
{
	return SCHED_LLC_MAX + (__u64)(__u32)cpu;
}

#endif
