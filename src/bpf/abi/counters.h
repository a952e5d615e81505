/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters: one slot per possible CPU, written by BPF on that CPU, read by user space through mmap.
 *
 * Every field is a 64-bit word that one CPU adds to, so a reader needs no lock: each word is exact,
 * words of one slot may be one event apart. Gauges (threads) are signed and mean something only
 * summed over all slots.
 */
#ifndef BPF_ABI_COUNTERS_H
#define BPF_ABI_COUNTERS_H

#include <linux/types.h>

#include "bpf/abi/roles.h"

/* What is measured, fixed at load. */
enum measure {
	MEASURE_ALL,	 /* waits and run time of all threads */
	MEASURE_LATENCY, /* the waits of latency classes only */
	MEASURE_NONE,	 /* nothing: threads are still classified, for the scheduler */
};

/*
 * Log-linear histogram of nanoseconds: 8 buckets per power of two.
 *
 *   value < 8:             bucket = value
 *   2^e <= value < 2^e+1:  bucket = (e - 2) * 8 + the three bits below the leading one
 *
 * A bucket is at most 1/8 of its lower bound wide. The last bucket (from 2^35 * 15/8, 64 s) is
 * open. Bounds of powers of two are bucket bounds, so exp2 buckets are exact sums.
 */
#define HIST_SUB_BITS 3
#define HIST_MAX_EXP 35
#define HIST_BUCKETS ((HIST_MAX_EXP - HIST_SUB_BITS + 2) << HIST_SUB_BITS)

struct wait_hist {
	__u64 sum_ns;
	__u64 max_ns;
	__u64 buckets[HIST_BUCKETS];
};

struct class_counters {
	__s64 threads; /* gauge */
	__u64 wakeups;
	__u64 runtime_ns;
	__u64 rt_waits; /* of the waits below, those of real-time threads */
	struct wait_hist wait;
};

struct cpu_slot {
	struct class_counters classes[CLASS_COUNT];
	__u64 roles_lookups; /* verdict older than the table: hash lookup done */
	__u64 roles_cached;  /* verdict reused */
	__u64 ring_attempted;
	__u64 ring_submitted;
	__u64 ring_dropped;
	__u64 waits_unmeasured; /* switched in without a known time of becoming runnable */
	__u64 roles_granted;
	__u64 roles_inherited;
	__u64 roles_ended;
	__u64 roles_rejected; /* listed name, evidence wrong, at exec */
	__u64 filter_seen;    /* proc connector messages that came to the socket filter */
	__u64 filter_passed;
	__u64 input_keyboard; /* the kind of an input event is counted, never its code */
	__u64 input_pointer;
	__u64 input_other;
	__u64 input_readers;   /* threads that became class input */
	__u64 input_since_ns;  /* no counter: when the input event path was last entered here */
	__u64 input_visitor;   /* no counter: who is in it, input_path_key(); 0: nobody */
	__u64 switched_ns;     /* no counter: when it last switched threads; 0: not yet */
	__u64 sched_direct;    /* the scheduler's: to an idle CPU */
	__u64 sched_urgent;    /* ahead of a busy CPU's work, or to an urgent queue */
	__u64 sched_normal;    /* to a queue by vtime */
	__u64 sched_preempts;  /* CPUs taken from less urgent work */
	__u64 sched_over;      /* threads whose budget was used up */
	__u64 sched_groupless; /* wake-ups of threads whose group has no place */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct cpu_slot) % 64 == 0, "slots must not share cache lines");

/* Of a thread, in no interrupt (0) or with one on top of it; never 0. */
static inline __u64 input_path_key(__u32 pid, __u32 interrupt)
{
	return 1ull << 63 | (__u64)interrupt << 32 | pid;
}

/* The smallest value of a bucket; hist_lower(HIST_BUCKETS) is the open end. */
static inline __u64 hist_lower(__u32 bucket)
{
	__u32 exp = (bucket >> HIST_SUB_BITS) + HIST_SUB_BITS - 1;

	if (bucket < (1u << HIST_SUB_BITS))
		return bucket;
	return (((__u64)1 << HIST_SUB_BITS) | (bucket & ((1u << HIST_SUB_BITS) - 1)))
	       << (exp - HIST_SUB_BITS);
}

/*
 * Position of the leading one; value must not be 0. BPF has no instruction for it, and branches
 * cost more than this: with all bits below set, too, there are 64 values, and the top six bits of
 * their products with a de Bruijn sequence are 64 different numbers.
 */
static inline __u32 hist_log2(__u64 value)
{
	static const __u8 exponents[64] = {
		0,  58, 1,  59, 47, 53, 2,  60, 39, 48, 27, 54, 33, 42, 3,  61,
		51, 37, 40, 49, 18, 28, 20, 55, 30, 34, 11, 43, 14, 22, 4,  62,
		57, 46, 52, 38, 26, 32, 41, 50, 36, 17, 19, 29, 10, 13, 21, 56,
		45, 25, 31, 35, 16, 9,	12, 44, 24, 15, 8,  23, 7,  6,	5,  63,
	};

	value |= value >> 1;
	value |= value >> 2;
	value |= value >> 4;
	value |= value >> 8;
	value |= value >> 16;
	value |= value >> 32;
	return exponents[(value * 0x03f6eaf2cd271461ull) >> 58];
}

static inline __u32 hist_bucket(__u64 value)
{
	__u32 exp;

	if (value < (1u << HIST_SUB_BITS))
		return (__u32)value;
	exp = hist_log2(value);
	if (exp > HIST_MAX_EXP)
		return HIST_BUCKETS - 1;
	return ((exp - HIST_SUB_BITS + 1) << HIST_SUB_BITS) |
	       ((__u32)(value >> (exp - HIST_SUB_BITS)) & ((1u << HIST_SUB_BITS) - 1));
}

#endif
