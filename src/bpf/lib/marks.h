/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marks: what a tracepoint knows about a process, left for the socket filter.
 *
 * The kernel fires the tracepoints of exec and exit just before it sends the proc connector's
 * message about the same thing. The message itself says too little (an exec: only the PID), so the
 * tracepoint marks the processes that matter and the filter drops the rest, at no cost for the
 * daemon. A mark nobody takes (no filter attached) ages out of the LRU map.
 */
#ifndef BPF_LIB_MARKS_H
#define BPF_LIB_MARKS_H

#include "bpf/lib/maps.h"

enum mark {
	MARK_EXEC = 1,	   /* a listed name, or held a role before */
	MARK_EXIT = 2,	   /* held a role, its last thread is gone */
	MARK_SELFTEST = 4, /* child of the daemon's self-test */
	MARK_NAMED = 8,	   /* has taken a listed name since its exec: user space was told */
};

/* Above these bits: the generation of the list of names, for MARK_NAMED. */
#define MARK_BITS 8

/* True if it was not set. */
static __always_inline bool mark_set(__u32 tgid, __u32 mark)
{
	__u32 *marks = bpf_map_lookup_elem(&exec_marks, &tgid);

	if (marks)
		return !(__sync_fetch_and_or(marks, mark) & mark);
	bpf_map_update_elem(&exec_marks, &tgid, &mark, BPF_ANY);
	return true;
}

/* True if MARK_NAMED was not set under the present list. Of two at once both may hear so. */
static __always_inline bool mark_named(__u32 tgid)
{
	__u32 named = names_generation << MARK_BITS | MARK_NAMED, *marks, old;

	marks = bpf_map_lookup_elem(&exec_marks, &tgid);
	if (!marks) {
		bpf_map_update_elem(&exec_marks, &tgid, &named, BPF_ANY);
		return true;
	}
	old = *marks;
	if ((old & MARK_NAMED) && old >> MARK_BITS == named >> MARK_BITS)
		return false;
	named |= old & ((1u << MARK_BITS) - 1);
	__sync_val_compare_and_swap(marks, old, named);
	return true;
}

static __always_inline bool mark_has(__u32 tgid, __u32 mark)
{
	__u32 *marks = bpf_map_lookup_elem(&exec_marks, &tgid);

	return marks && (*marks & mark);
}

/* True once for each mark_set(). */
static __always_inline bool mark_take(__u32 tgid, __u32 mark)
{
	__u32 *marks = bpf_map_lookup_elem(&exec_marks, &tgid);

	return marks && (__sync_fetch_and_and(marks, ~mark) & mark);
}

#endif
