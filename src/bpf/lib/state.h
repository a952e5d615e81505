/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State: the two maps that every object shares, a thread's verdict and a CPU's counters.
 *
 * trace.bpf.c makes them; the other objects use its maps (bpf_map__reuse_fd in the loader). A
 * thread's state is written by the tracepoints of trace.bpf.c only, but for `sched`.
 */
#ifndef BPF_LIB_STATE_H
#define BPF_LIB_STATE_H

#include "bpf/kernel/types.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/counters.h"
#include "bpf/abi/roles.h"
#include "bpf/lib/classify.h"
#include "bpf/lib/sched_task.h"

/* Keeps the compiler from proving an index in bounds and dropping the check the verifier needs. */
#define opaque(var) asm volatile("" : "+r"(var))

/* A thread's verdict and what it rests on. Zero is a valid start: nothing known. */
struct task_state {
	struct sched_task sched; /* first: the verifier follows no offset from what may be NULL */
	__u64 runnable_ns;	 /* runnable since, 0: asleep, running, or not known */
	__u64 client_run_ns;	 /* its run time in all when the audio chain last woke it */
	__u64 input_ns;		 /* last wake from the input event path */
	__u64 expires_ns;	 /* of the verdict; 0: never */
	struct client_evidence client;
	__u32 generation; /* of the roles when the verdict was made; 0: must be made */
	__u32 policy;	  /* cached: a change asks for a new verdict */
	__s32 static_prio;
	__u32 gauge; /* 1 + the class in whose gauge the thread is; 0: none, it has no verdict */
	__u8 role;   /* of the process, as of `generation` */
	__u8 class;
	__u8 reason;
	__u8 is_dead;
	__u8 is_wake_pending; /* a wake-up was seen while it was still on its queue */
	__u8 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} task_states SEC(".maps");

/* One for each possible CPU; the loader sets max_entries. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_slot);
} slots SEC(".maps");

/* NULL can't happen (there is a slot for each possible CPU), but the verifier wants to see it
 * handled. */
static __always_inline struct cpu_slot *slot_this_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&slots, &cpu);
}

#endif
