/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The simplest socket filters, for the proc connector's socket.
 */
#ifndef UNIT_DETECT_FILTER_H
#define UNIT_DETECT_FILTER_H

#include <linux/bpf.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A filter that returns `verdict` for each message: -1 passes all, 0 none. */
static inline int filter_load(int verdict)
{
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = verdict},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)program,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
	};

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

#endif
