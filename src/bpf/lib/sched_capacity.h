/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched capacity: which of several idle CPUs a thread prefers, as pure functions.
 *
 * CPUs differ. On a Core i9-14900K a P core that has nothing else to do can do 971 to 1024, an E
 * core 598, and a P core whose other thread is busy, for either of the two, some 55 % of the whole.
 *
 *   wish                       P core, idle   E core   P core, half busy
 *   BIG    urgent or heavy          1st         2nd         3rd
 *   ANY    the rest                 where it ran before, if it fits there; else as BIG
 *   SMALL  background               2nd         1st         3rd
 *
 * Idle CPUs only: a thread that could run now never waits for a better one. And nobody leaves its
 * caches for a fifth or less (preferred cores, dies of one processor, the big cores of a phone).
 *
 * The capacities are those of struct sched_cpu, and so is the unit of `util`, what the thread needs
 * of a CPU. Compiles for BPF and for the host (tests/unit/bpf/test_sched_capacity.c).
 */
#ifndef BPF_LIB_SCHED_CAPACITY_H
#define BPF_LIB_SCHED_CAPACITY_H

#include <linux/types.h>
#include <stdbool.h>

#define CAPACITY_HALF_PERCENT 55 /* of a core's capacity, for a thread beside another one */
#define CAPACITY_HEAVY 512	 /* half of the strongest CPU, and more */
#define CAPACITY_MARGIN 205	 /* a fifth of the strongest CPU; smaller differences are none */

enum capacity_wish {
	CAPACITY_BIG,
	CAPACITY_ANY,
	CAPACITY_SMALL,
};

/* A background thread stays one, however heavy it is: that is what its user says of it. */
static inline enum capacity_wish capacity_wish(bool is_urgent, bool is_background, __u32 util)
{
	if (is_urgent)
		return CAPACITY_BIG;
	if (is_background)
		return CAPACITY_SMALL;
	return util >= CAPACITY_HEAVY ? CAPACITY_BIG : CAPACITY_ANY;
}

/* What a CPU has to give now. `is_whole`: no other thread of its core runs. */
static inline __u32 capacity_now(__u32 capacity, bool is_whole)
{
	return is_whole ? capacity : capacity * CAPACITY_HALF_PERCENT / 100;
}

/* The kernel's rule: a fifth is left over. */
static inline bool capacity_fits(__u32 capacity, bool is_whole, __u32 util)
{
	return (__u64)util * 1280 < (__u64)capacity_now(capacity, is_whole) * 1024;
}

/* How much such a thread wants this CPU; the more the better. For ANY see capacity_stays(). */
static inline __u32 capacity_liking(enum capacity_wish wish, __u32 capacity, bool is_whole)
{
	if (wish != CAPACITY_SMALL)
		return capacity_now(capacity, is_whole);
	/* Beside another thread, on whatever core, it would take from that one. */
	return is_whole ? 4096 - capacity : 1024 - capacity;
}

/* Is the one so much better than the other that a thread leaves its caches for it? */
static inline bool capacity_is_better(__u32 liking, __u32 than)
{
	return liking > than + CAPACITY_MARGIN;
}

/* Does a thread that ran on this CPU, which is idle, look for no better one? `best` is the capacity
 * of the strongest CPU it may run on, for SMALL of the weakest. */
static inline bool capacity_stays(enum capacity_wish wish, __u32 capacity, bool is_whole,
				  __u32 util, __u32 best)
{
	if (!is_whole)
		return false;
	if (wish == CAPACITY_ANY)
		return capacity_fits(capacity, true, util);
	return !capacity_is_better(capacity_liking(wish, best, true),
				   capacity_liking(wish, capacity, true));
}

#endif
