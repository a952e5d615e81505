/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched: what the scheduler and user space share besides the counters.
 */
#ifndef BPF_ABI_SCHED_H
#define BPF_ABI_SCHED_H

#include <linux/types.h>

#include "bpf/abi/roles.h"

#define SCHED_LLC_MAX 64	/* more last-level caches share queues */
#define SCHED_GROUP_MAX 4096	/* cgroups and sessions with shares of their own, and the root */
#define SCHED_CAPACITY_MAX 1024 /* of the strongest CPU of the machine */
#define SCHED_CAPACITY_BIG 820	/* from here on a CPU is a big one */

/* Set by user space before the scheduler is attached; fixed from then on. */
struct sched_settings {
	__u64 slice_ns;
	__u64 min_ns;	 /* what the running thread has before an equal one preempts it */
	__u32 cpu_count; /* possible CPUs */
	__u32 llc_count;
	__u32 has_small; /* some CPUs are weak; see lib/sched_capacity.h */
	__u32 pad;
	__u64 watch_period_ns; /* see lib/sched_watch.h */
	__u64 watch_warn_ns;
	__u64 watch_end_ns;
};

/* A CPU. User space fills in llc, is_online and all from core on. */
struct sched_cpu {
	/* What runs, as wakers see it. */
	__u64 started_ns; /* it began then */
	__u64 vtime;	  /* it had then */
	__u64 charged_ns; /* of what runs; see struct sched_task */
	__u64 debt_ns;	  /* urgent work has run for that much more than its share; see DEBT_* */
	__u32 weight;	  /* of what runs */
	__u32 claimed;	  /* preempted for a thread of this rank that has not begun to run */
	__u8 rank;
	__u8 had_urgent; /* since the last tick */
	__u8 pad[1];
	__u8 is_limited;    /* a group of what runs has cpu.max */
	__u8 is_idle_class; /* what runs is of SCHED_IDLE: everybody else preempts it */
	__u8 is_parked;	    /* the thread that was preempted here runs next, before the queue */
	__u8 is_passed;	    /* a thread has woken since then whose turn is before that one's */
	__u8 is_online;
	__u32 llc;
	__u32 local; /* threads that wait here because they may run nowhere else */
	/* The queue of normal threads. */
	__u64 queue_vtime; /* where a thread is that has had exactly its share here */
	__u64 overdue_ns;  /* when to look again; see lib/sched_overdue.h */
	__u64 balance_ns;  /* likewise; see lib/sched_balance.h */
	__s64 load;	   /* the weights of its runnable threads */
	__u64 load_mean;   /* the same over the last ticks */
	__u32 queued;	   /* threads in the queue, or on their way from there to a CPU */
	__u32 movable;	   /* of them, those that other CPUs may run */
	__u32 pull;	   /* 1 + the CPU that the next thread is to be taken from, or 0 */
	__u32 slice_due;   /* the lower half of when its timer will fire; see lib/sched_preempt.h */
	/* From user space. */
	__u16 capacity;	  /* 1 to SCHED_CAPACITY_MAX */
	__u8 node;	  /* NUMA */
	__u8 is_tickless; /* of the kernel's nohz_full= */
	__u32 order;	  /* its position in the map sched_order */
	__u64 busy_ns;	  /* ran ours since the last tick; see lib/sched_perf.h */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct sched_cpu) == 128, "a CPU has two cache lines");

/* The CPUs under a last-level cache. User space fills in cpu_count, first, size and node. */
struct sched_llc {
	__s64 cpu_count; /* online */
	__s64 urgent;	 /* threads in its urgent queue, or on their way from there to a CPU */
	__s64 movable;	 /* threads in its CPUs' queues that other CPUs may run */
	__u64 rotate_ns; /* when a thread may next change places for fairness' sake only */
	__u32 first;	 /* its possible CPUs are sched_order[first] to [first + size - 1] */
	__u32 size;
	__u8 node;
	__u8 pad[7];
} __attribute__((aligned(64)));

/* The age of the oldest thread of each class that is runnable and does not run, as of the last
 * check. */
struct sched_watch {
	__u64 checks;
	__u64 oldest_ns[CLASS_COUNT];
};

/* The records of the ring `sched_signal`, for user space. Each begins with one of these, as __u32;
 * only a stall has more than that. */
enum sched_signal {
	SCHED_SIGNAL_END,	   /* of the scheduler: see struct sched_exit_record */
	SCHED_SIGNAL_CPUS_CHANGED, /* one has come on line or gone since the last check */
	SCHED_SIGNAL_GROUPS_FULL,  /* for the first time a group has found no place */
	SCHED_SIGNAL_STALL,	   /* struct sched_stall */
};

/* A thread has been runnable for too long. */
struct sched_stall {
	__u32 kind; /* SCHED_SIGNAL_STALL */
	__u32 cpu;
	__u64 age_ns;
	__u32 pid;
	__u32 tgid;
	__u32 holder_pid; /* what runs there; 0: nothing */
	__u8 class;
	__u8 holder_is_rt;
	__u8 is_end; /* the scheduler ends itself for it */
	__u8 pad[1];
	char comm[COMM_LEN];
	char holder_comm[COMM_LEN];
};
_Static_assert(sizeof(struct sched_stall) == 64, "sched_stall is part of the ABI");

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
#define SCHED_EXIT_STALL 1		    /* the exit_code of our own end, with UNREG_BPF */

#endif
