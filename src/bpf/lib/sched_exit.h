/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched exit: how user space learns that, and why, the kernel has ended the scheduler.
 */
#ifndef BPF_LIB_SCHED_EXIT_H
#define BPF_LIB_SCHED_EXIT_H

#include <bpf/bpf_tracing.h>

#include "bpf/lib/sched_state.h"

/* What user space reads after the end: the record, and the debug dump, whose size it sets. The
 * record is alone in its section. */
struct sched_exit_record exit_record;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 64);
} exit_dump SEC(".maps");

const volatile __u32 cfg_exit_dump_size = 64;

/* User space polls its fd: see enum sched_signal. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} sched_signal SEC(".maps");

static __always_inline void signal_send(enum sched_signal signal)
{
	__u32 kind = signal;

	bpf_ringbuf_output(&sched_signal, &kind, sizeof(kind), BPF_RB_FORCE_WAKEUP);
}

SEC("struct_ops.s/gamer_exit")
void BPF_PROG(gamer_exit, struct scx_exit_info *info)
{
	__u32 zero = 0, size = cfg_exit_dump_size;
	char *dump = bpf_map_lookup_elem(&exit_dump, &zero);

	exit_record.exit_code = (__u64)info->exit_code;
	bpf_probe_read_kernel_str(exit_record.reason, sizeof(exit_record.reason), info->reason);
	bpf_probe_read_kernel_str(exit_record.message, sizeof(exit_record.message), info->msg);
	if (dump)
		bpf_probe_read_kernel_str(dump, size, info->dump);
	exit_record.kind = (__u32)info->kind;
	signal_send(SCHED_SIGNAL_END);
}

#endif
