/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched task: what the scheduler knows about a thread, as a part of its state (lib/state.h), so
 * that one lookup serves verdict and queue.
 *
 * Written under the lock of the thread's run queue, by sched.bpf.c only.
 */
#ifndef BPF_LIB_SCHED_TASK_H
#define BPF_LIB_SCHED_TASK_H

#include <linux/types.h>

#include "bpf/lib/budget.h"

/* How urgent what a CPU runs is. Only a higher rank preempts. */
enum rank {
	RANK_NONE, /* idle, or a real-time thread: nothing to preempt */
	RANK_NORMAL,
	RANK_KTHREAD, /* a kernel thread bound to one CPU */
	RANK_INTERACTIVE,
	RANK_INPUT,
	RANK_AUDIO,
};

/* Where a thread waits that has been counted there. */
enum place {
	PLACE_NONE,   /* it runs, sleeps, or has been given to a CPU that is idle or preempted */
	PLACE_URGENT, /* its LLC's queues */
	PLACE_NORMAL,
	PLACE_LOCAL, /* its CPU */
};

struct sched_task {
	__u64 vtime;
	__u64 charged_ns;     /* so much of the kernel's sum of its run time has been charged */
	__u64 queued_ns;      /* waits in the normal queue since */
	struct budget budget; /* of latency classes */
	__u32 weight_counted; /* in the LLC's sum; 0: not runnable */
	__u16 llc;	      /* whose vtime `vtime` is in */
	__u8 rank;	      /* it was last queued or dispatched with */
	__u8 place;
	__u32 cpu; /* of PLACE_LOCAL */
	__u32 pad;
};

#endif
