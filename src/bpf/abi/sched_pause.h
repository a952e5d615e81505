/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched pause: what the early warning (lib/sched_watch.h) reports to user space besides the stalls.
 */
#ifndef BPF_ABI_SCHED_PAUSE_H
#define BPF_ABI_SCHED_PAUSE_H

#include <linux/types.h>

/* The value of the map sched_pauses: the last time that the whole machine stood still, as a virtual
 * machine does while its host is suspended. All times are those of CLOCK_MONOTONIC. */
struct sched_pause {
	__u64 checked_ns; /* the last check of the early warning */
	__u64 resumed_ns; /* the end of the last pause; 0: there was none */
	__u64 length_ns;
	__u64 is_over; /* the scheduler has ended, and there are no more checks */
};

#define SCHED_EXIT_ERROR_STALL 1026 /* a kind of struct sched_exit_record */

#endif
