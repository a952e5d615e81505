/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched state: what the scheduler knows about threads, CPUs and last-level caches.
 *
 * Locks: none. A thread's state is written under its run queue's lock; a CPU's by that CPU, but for
 * `claimed`, which is taken by an atomic exchange; what others read of it may be a moment old. An
 * LLC's words are added to atomically.
 */
#ifndef BPF_LIB_SCHED_STATE_H
#define BPF_LIB_SCHED_STATE_H

#include "bpf/kernel/sched_ext.h"

#include "bpf/abi/sched.h"
#include "bpf/lib/budget.h"
#include "bpf/lib/state.h"

/* How urgent what a CPU runs is. Only a higher rank preempts. */
enum rank {
	RANK_NONE, /* idle, or a real-time thread: nothing to preempt */
	RANK_NORMAL,
	RANK_KTHREAD, /* a kernel thread bound to one CPU */
	RANK_INTERACTIVE,
	RANK_INPUT,
	RANK_AUDIO,
};

struct sched_task {
	__u64 vtime;
	__u64 charged_ns;     /* run time is charged up to here */
	__u64 deadline_ns;    /* when urgent */
	struct budget budget; /* of latency classes */
	__u32 weight;	      /* 100: nice 0 */
	__u32 weight_counted; /* in the LLC's sum; 0: not runnable */
	__u16 llc;	      /* whose vtime `vtime` is in */
	__u8 rank;	      /* it was last queued or dispatched with */
	__u8 class;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sched_task);
} sched_tasks SEC(".maps");

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

static __always_inline struct sched_task *sched_task_get(struct task_struct *p)
{
	return bpf_task_storage_get(&sched_tasks, p, NULL, 0);
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

/* Fixed at load. */
const volatile struct sched_settings cfg_sched = {};

static __always_inline __u64 urgent_queue(__u32 llc)
{
	return 2ull * llc;
}

static __always_inline __u64 normal_queue(__u32 llc)
{
	return 2ull * llc + 1;
}

#endif
