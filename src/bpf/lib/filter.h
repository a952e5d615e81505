/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Filter: which messages of the proc connector the daemon gets to see.
 *
 * Only messages that concern a role pass. A message does not say, for example, whether the program
 * that was executed is on the list; the tracepoints run a moment earlier and leave such facts as
 * marks (lib/marks.h).
 *
 * Any process can rename itself to a listed name, as often as it likes. The first time user space
 * finds that its executable is another one. That holds until its next exec, or until the list of
 * names changes, so only the first such message of a process passes.
 */
#ifndef BPF_LIB_FILTER_H
#define BPF_LIB_FILTER_H

#include "bpf/lib/marks.h"

/* Offsets in a proc connector message: nlmsghdr (16), cn_msg (20), proc_event. */
#define MESSAGE_WHAT 36
#define MESSAGE_DATA 52

enum { WHAT_ACK = 0, WHAT_FORK = 1, WHAT_EXEC = 2, WHAT_COMM = 0x200 };
#define WHAT_EXIT 0x80000000u

static __always_inline bool filter_fork(const __u32 *data)
{
	__u32 parent_tgid = data[1], child_pid = data[2], child_tgid = data[3];

	if (child_pid != child_tgid)
		return false;
	mark_take(child_tgid, MARK_NAMED); /* of a process that had this PID before */
	if (selftest_tgid && parent_tgid == selftest_tgid) {
		mark_set(child_tgid, MARK_SELFTEST);
		return true;
	}
	return bpf_map_lookup_elem(&tgid_roles, &parent_tgid) != NULL;
}

static __always_inline bool filter_comm(const __u32 *data)
{
	__u32 pid = data[0], tgid = data[1];

	if (pid != tgid)
		return false;
	if (bpf_map_lookup_elem(&tgid_roles, &tgid) || mark_has(tgid, MARK_SELFTEST))
		return true;
	/* The comm follows; the kernel pads it with zeros. */
	return bpf_map_lookup_elem(&server_names, &data[2]) && mark_named(tgid);
}

static __always_inline bool filter_exec(const __u32 *data)
{
	__u32 tgid = data[1];

	mark_take(tgid, MARK_NAMED);
	return !has_exec_hook || mark_take(tgid, MARK_EXEC);
}

static __always_inline bool filter_exit(const __u32 *data)
{
	__u32 tgid = data[1];

	if (mark_take(tgid, MARK_EXIT | MARK_SELFTEST))
		return true;
	return !has_exit_hook && bpf_map_lookup_elem(&tgid_roles, &tgid) != NULL;
}

static __always_inline bool filter_passes(struct __sk_buff *skb)
{
	__u32 what, data[6] = {};

	/* Too short to be an event: user space decides. */
	if (bpf_skb_load_bytes(skb, MESSAGE_WHAT, &what, sizeof(what)) ||
	    bpf_skb_load_bytes(skb, MESSAGE_DATA, data, sizeof(data)))
		return true;
	switch (what) {
	case WHAT_ACK:
		return true;
	case WHAT_FORK:
		return filter_fork(data);
	case WHAT_EXEC:
		return filter_exec(data);
	case WHAT_COMM:
		return filter_comm(data);
	case WHAT_EXIT:
		return filter_exit(data);
	default:
		return false;
	}
}

#endif
