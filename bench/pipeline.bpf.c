// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes records of long waits as trace.bpf.c does, `count` of them one after the other, in the ring
 * and the slots of a loader (the bench `pipeline` puts its maps in the place of these).
 */
#include "bpf/kernel/types.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/maps.h"
#include "bpf/lib/ring.h"

char LICENSE[] SEC("license") = "GPL";

__u32 count;
bool is_forced; /* each wakes the ring thread */

static int emit_one(__u32 i, void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cpu_slot *slot = slot_this_cpu();
	__u64 now = bpf_ktime_get_ns();
	struct event *e;

	if (!slot)
		return 1;
	e = event_new(slot, EVENT_LONG_WAIT, now, task);
	if (!e)
		return 0;
	e->long_wait.wait_ns = i;
	event_submit(slot, e, is_forced ? BPF_RB_FORCE_WAKEUP : long_wait_wake_flag(now));
	return 0;
}

SEC("syscall")
int emit(void *ctx)
{
	bpf_loop(count, emit_one, NULL, 0);
	return 0;
}
