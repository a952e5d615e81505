/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched weight: what a thread's nice value and policy are worth, as the kernel's own scheduler has
 * it: 1024 at nice 0, a tenth more or less of the CPU for each step. Kept times 1024, so that the
 * share of one thread of a large group is still a number.
 *
 * Compiles for BPF and for the host.
 */
#ifndef BPF_LIB_SCHED_WEIGHT_H
#define BPF_LIB_SCHED_WEIGHT_H

#include <linux/types.h>

#define WEIGHT_SHIFT 10
#define WEIGHT_NICE_0 (1024u << WEIGHT_SHIFT)
#define WEIGHT_SCHED_IDLE (3u << WEIGHT_SHIFT)
#define WEIGHT_MIN 2u
#define NICE_COUNT 40
#define STATIC_PRIO_MIN 100 /* nice -20 */

/* sched_prio_to_weight[] of the kernel: nice -20 to 19. */
static const __u32 nice_weights[NICE_COUNT] = {
	88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
	9548,  7620,  6100,  4904,  3906,  3121,  2501,	 1991,	1586,  1277,
	1024,  820,   655,   526,   423,   335,	  272,	 215,	172,   137,
	110,   87,    70,    56,    45,	   36,	  29,	 23,	18,    15,
};

/* Virtual ns for `ns` of CPU: the same for nice 0, more for a lighter thread. Most are of nice 0,
 * and a division is slow. */
static inline __u64 weighted_ns(__u64 ns, __u32 weight)
{
	return weight == WEIGHT_NICE_0 ? ns : ns * WEIGHT_NICE_0 / weight;
}

#endif
