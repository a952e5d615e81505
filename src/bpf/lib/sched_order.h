/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched order: all possible CPUs in one array, by NUMA node, then last-level cache, then core. The
 * CPUs of cache `llc` are sched_order[llc->first] to sched_order[llc->first + llc->size - 1], and
 * the threads of a core are neighbours. User space fills it in before the scheduler is attached.
 */
#ifndef BPF_LIB_SCHED_ORDER_H
#define BPF_LIB_SCHED_ORDER_H

#include "bpf/kernel/types.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* The loader sets max_entries: one for each possible CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sched_order SEC(".maps");

/* The CPU at a position of the order; -1 beyond its end. */
static __always_inline __s32 sched_order_cpu(__u32 position)
{
	__u32 *cpu = bpf_map_lookup_elem(&sched_order, &position);

	return cpu ? (__s32)*cpu : -1;
}

#endif
