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

/* How urgent what a CPU runs is. Only a higher rank preempts without regard to shares. */
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
	PLACE_URGENT, /* the queue of its LLC */
	PLACE_NORMAL, /* the queue of its CPU */
	PLACE_LOCAL,  /* the kernel's queue of its CPU */
	PLACE_LIMIT,  /* its group's cpu.max is used up */
};

struct sched_task {
	__u64 vtime;	      /* on the scale of its CPU's queue_vtime */
	__u64 charged_ns;     /* so much of the kernel's sum of its run time has been charged */
	__u64 queued_ns;      /* waits in a queue since */
	__u64 moved_ns;	      /* came to its CPU then */
	struct budget budget; /* of latency classes */
	__u64 tg;	      /* the kernel's group of it, see lib/sched_group.h */
	__u32 base_weight;    /* by nice and policy; see lib/sched_weight.h */
	__u32 group_load;     /* counted in its group's weight; 0: not runnable, or of the root */
	__u32 weight;	      /* what it counts for, with its group's share */
	__u32 load;	      /* counted in its CPU's load; 0: not runnable */
	__u32 cpu;	      /* whose queue_vtime `vtime` is on, and whose load it is in */
	__u8 rank;	      /* it was last queued or dispatched with */
	__u8 place;
	__u8 is_movable; /* counted as such where it is queued */
	__u8 is_idle;	 /* SCHED_IDLE, or in an idle group */
	__u8 is_batch;	 /* that, or SCHED_BATCH: preempts nobody */
	__u8 is_limited; /* a group of it has cpu.max */
	__u16 group;	 /* its place in sched_groups */
};

#endif
