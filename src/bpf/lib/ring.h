/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ring: records for user space, and the ledger attempted = submitted + dropped.
 *
 * The counters are atomic: a record may be made in process context and, in an interrupt above it
 * on the same CPU, another.
 *
 * A wake-up costs a thousand times as much as a record. Records of exec, fork and exit are made
 * only if user space takes them, which it does where there is no proc connector; every one of them
 * wakes the ring thread. A record of a long wait wakes it ten times a second at most, and only
 * while the metrics have a reader; without one, only once the ring is a quarter full, so that role
 * events keep room.
 */
#ifndef BPF_LIB_RING_H
#define BPF_LIB_RING_H

#include "bpf/lib/maps.h"

#define LONG_WAIT_WAKE_NS 100000000ull
#define FULL_WAKE_NS 1000000ull

/* A record with its head filled in and the rest zero, or NULL (counted). */
static __always_inline struct event *event_new(struct cpu_slot *slot, __u32 type, __u64 now,
					       struct task_struct *p)
{
	struct event *e;

	slot_add_atomic(slot->ring_attempted, 1);
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		slot_add_atomic(slot->ring_dropped, 1);
		return NULL;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = now;
	e->type = type;
	e->cpu = bpf_get_smp_processor_id();
	e->pid = p->pid;
	e->tgid = p->tgid;
	bpf_probe_read_kernel_str(e->comm, sizeof(e->comm), p->comm);
	return e;
}

/* The same for an exec, fork or exit; NULL if nobody takes them, or (counted) not now. */
static __always_inline struct event *proc_event_new(struct cpu_slot *slot, __u32 type, __u64 now,
						    struct task_struct *p)
{
	if (!has_proc_reader)
		return NULL;
	if (!is_proc_reader_paused)
		return event_new(slot, type, now, p);
	slot_add_atomic(slot->ring_attempted, 1);
	slot_add_atomic(slot->ring_dropped, 1);
	return NULL;
}

static __always_inline void event_submit(struct cpu_slot *slot, struct event *e, __u64 flags)
{
	bpf_ringbuf_submit(e, flags);
	slot_add_atomic(slot->ring_submitted, 1);
}

/* Wake-ups for long waits are limited to one per LONG_WAIT_WAKE_NS, and without a reader to one per
 * FULL_WAKE_NS above a quarter. Above half full there is no limit: a full ring refuses records, and
 * a refused record wakes no thread, so the ring would never be drained. Two CPUs may both wake at
 * the same time, which does no harm. */
static __always_inline __u64 long_wait_wake_flag(__u64 now)
{
	__u64 pause = now - long_wait_wake_ns, used;

	if (now >= readers_until_ns || pause < LONG_WAIT_WAKE_NS) {
		used = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
		if (used <= cfg_ring_bytes / 2 &&
		    (used <= cfg_ring_bytes / 4 || pause < FULL_WAKE_NS))
			return BPF_RB_NO_WAKEUP;
	}
	long_wait_wake_ns = now;
	return BPF_RB_FORCE_WAKEUP;
}

#endif
