/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched: what the scheduler and user space share besides the counters.
 */
#ifndef BPF_ABI_SCHED_H
#define BPF_ABI_SCHED_H

#include <linux/types.h>

#define SCHED_LLC_MAX 64 /* more last-level caches share queues */

/* Set by user space before the scheduler is attached; fixed from then on. */
struct sched_settings {
	__u64 slice_ns;
	__u32 cpu_count; /* possible CPUs */
	__u32 llc_count;
};

/* A CPU. User space fills in llc and is_online. */
struct sched_cpu {
	__u64 running_ns; /* what runs since, if rank is not NONE */
	__u64 debt_ns;	  /* urgent work has run for that much more than its share; see DEBT_* */
	__u32 rank;
	__u32 claimed; /* preempted for a thread of this rank that has not begun to run */
	__u32 llc;
	__u32 is_online;
	__u64 pad[4];
} __attribute__((aligned(64)));

/* The CPUs under a last-level cache. User space fills in cpu_count. */
struct sched_llc {
	__u64 vtime;	 /* advances by what ran, weighted, over the weight of all */
	__s64 weight;	 /* of the runnable threads */
	__s64 cpu_count; /* online */
	__u64 pad[5];
} __attribute__((aligned(64)));

#define SCHED_REASON_LEN 128
#define SCHED_MESSAGE_LEN 512

/* Why the kernel ended the scheduler; kind 0: it has not. */
struct sched_exit_record {
	__u64 exit_code;
	__u32 kind; /* the kernel's enum scx_exit_kind */
	__u32 pad;
	char reason[SCHED_REASON_LEN];
	char message[SCHED_MESSAGE_LEN];
};

#define SCHED_EXIT_UNREG 64
#define SCHED_EXIT_UNREG_BPF 65
#define SCHED_EXIT_UNREG_KERN 66
#define SCHED_EXIT_SYSRQ 67
#define SCHED_EXIT_ERROR 1024
#define SCHED_EXIT_ACT_RESTART (1ull << 48) /* of exit_code */

#endif
