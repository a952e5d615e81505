/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Input path: what is inside the kernel's input_event(), and so wakes the threads that read a
 * device.
 *
 * The slot of a CPU says it, but not all that happens on a CPU in that time belongs to the visit.
 * Before the function takes its lock, and on PREEMPT_RT all through it, another thread may take the
 * CPU, or an interrupt come on top. So the slot names the visitor: the current thread, and the kind
 * of interrupt on top of it, if any. An interrupt of a device that reports an event finds the same
 * current thread at its beginning, at its wake-ups and at its end: the one it has interrupted. That
 * thread's own wake-ups come from no interrupt, so the two can be distinguished.
 *
 *      thread A   |-- input_event -----.    - wakes the reader --|    (A, none)
 *      thread B                        |-- wakes a stranger --|       (B, none): another
 *      interrupt            |- wakes -|                               (A, hard): another
 *
 * Of two visits on one CPU at a time the later one counts; what the other still wakes is not seen.
 * A visit that ends on another CPU than it began on (outside of the lock a thread may be moved)
 * leaves its name behind. A visit takes microseconds, so a name counts for INPUT_PATH_MAX_NS only.
 */
#ifndef BPF_LIB_INPUT_PATH_H
#define BPF_LIB_INPUT_PATH_H

#include "bpf/abi/counters.h"
#include "bpf/kernel/compat.h"

#define INPUT_PATH_MAX_NS 1000000ull

/* Who runs on this CPU now. Where the kernel hides whether it is in an interrupt, only the thread
 * counts. */
static __always_inline __u64 input_path_visitor(void)
{
	__u32 count = 0;

	if (!preempt_count_read(&count))
		count = 0;
	return input_path_key((__u32)bpf_get_current_pid_tgid(), count & cfg_preempt_in_interrupt);
}

static __always_inline void input_path_enter(struct cpu_slot *slot)
{
	slot->input_since_ns = bpf_ktime_get_ns();
	slot->input_visitor = input_path_visitor();
}

static __always_inline void input_path_leave(struct cpu_slot *slot)
{
	if (slot->input_visitor == input_path_visitor())
		slot->input_visitor = 0;
}

/* Is a wake-up that happens now a visitor's? */
static __always_inline bool input_path_is_visited(const struct cpu_slot *slot, __u64 now)
{
	return slot->input_visitor && slot->input_visitor == input_path_visitor() &&
	       now - slot->input_since_ns < INPUT_PATH_MAX_NS;
}

#endif
