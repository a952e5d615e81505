/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events: what goes through the BPF ring buffer. Rare by construction; one size, no padding holes.
 */
#ifndef BPF_ABI_EVENTS_H
#define BPF_ABI_EVENTS_H

#include <linux/types.h>

#include "bpf/abi/roles.h"

#define EVENT_LIST(X)                   \
	X(EVENT_EXEC, "exec")           \
	X(EVENT_FORK, "fork")           \
	X(EVENT_EXIT, "exit")           \
	X(EVENT_LONG_WAIT, "long_wait") \
	X(EVENT_SILENCE, "silence")

enum event_type { EVENT_LIST(ABI_ENUM_ITEM) EVENT_COUNT };

struct event {
	__u64 time_ns; /* bpf_ktime_get_ns() */
	__u32 type;
	__u32 cpu;
	__u32 pid;  /* thread */
	__u32 tgid; /* process */
	char comm[COMM_LEN];
	union {
		struct { /* EVENT_EXEC: a listed name, or a process that held a role */
			__u64 start_ns;
			__u32 uid;
			__u8 role; /* granted, or ROLE_NONE */
			__u8 old_role;
			__u8 reject; /* enum reject: why it got none */
			__u8 pad;
		} exec;
		struct { /* EVENT_FORK: a new process inherited a role */
			__u64 start_ns;
			__u32 parent_tgid;
			__u8 role;
			__u8 pad[3];
		} fork;
		struct { /* EVENT_EXIT: the last thread of a process with a role is gone */
			__u64 start_ns;
			__u32 role;
			__u32 pad;
		} exit;
		/* EVENT_SILENCE has nothing more: the process is the one that has executed a
		 * program last. */
		struct { /* EVENT_LONG_WAIT */
			__u64 wait_ns;
			__u32 class;
			__u32 holder_pid; /* what left the CPU when this thread got it */
			char holder_comm[COMM_LEN];
			__u8 is_rt; /* the waiter's policy is real-time */
			__u8 holder_is_rt;
			__u8 reason; /* enum class_reason: why the waiter has its class */
			__u8 pad[5];
		} long_wait;
		__u8 bytes[40];
	};
};
_Static_assert(sizeof(struct event) == 80, "event is part of the ABI");

/* What a record takes in the ring: its header, and itself in multiples of 8. */
#define EVENT_RING_BYTES (sizeof(struct event) + 8)

#endif
