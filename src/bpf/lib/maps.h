/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Maps: everything the programs of trace.bpf.c share with each other and with user space.
 *
 * Locks: none. Who may write what, and why that is enough:
 *  - `slots`: each CPU its own. The scheduler's tracepoints run with interrupts off, so what only
 *    they write takes plain adds; words that other programs write too take atomic ones.
 *  - `tgid_roles`, `role_uids`: role_grant() and role_drop() only (lib/roles.h).
 *  - a thread's state: waking (while the thread is off its queue) and the switch on its CPU; the
 *    kernel orders these.
 */
#ifndef BPF_LIB_MAPS_H
#define BPF_LIB_MAPS_H

#include "bpf/kernel/types.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/events.h"
#include "bpf/abi/roles.h"
#include "bpf/lib/state.h"

#define ROLES_CAPACITY 1024

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ROLES_CAPACITY);
	__type(key, __u32);
	__type(value, struct role_entry);
} tgid_roles SEC(".maps");

/* Processes with a role, per uid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ROLES_CAPACITY);
	__type(key, __u32);
	__type(value, __u32);
} role_uids SEC(".maps");

/* Each listed name, and its wrapped form. Room for two lists: a reload of the configuration adds
 * the new one before it drops the old one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct server_key);
	__type(value, struct server_rule);
} server_names SEC(".maps");

/* The loader sets max_entries (bytes). */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

/* What a tracepoint tells the socket filter about a process; see lib/marks.h. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} exec_marks SEC(".maps");

/* Settings, fixed at load ... */
const volatile __u32 cfg_ring_bytes = 256 * 1024;
const volatile __u32 cfg_measure = MEASURE_ALL;

/* ... and those that a reload of the configuration changes. */
__u64 cfg_long_wait_ns = 5000000;
__u32 cfg_roles_max = 64;
__u32 cfg_roles_per_uid_max = 8;
bool cfg_grant_at_exec = true;

/* Shared with user space by mmap. */
__u32 roles_generation;	 /* one more after each change of tgid_roles; starts at 1 */
__u32 roles_total;	 /* entries in tgid_roles */
__u32 names_generation;	 /* one more after each change of server_names */
__u32 selftest_tgid;	 /* the filter passes this process's forks; 0: none */
__u64 readers_until_ns;	 /* somebody reads long waits until then */
__u64 long_wait_wake_ns; /* last wake-up for long waits */
bool has_exec_hook;	 /* on_sched_process_exec is attached: the filter may rely on its marks */
bool has_exit_hook;
bool has_proc_reader;	    /* user space takes the records of exec, fork and exit ... */
bool is_proc_reader_paused; /* ... but not now: they are refused */
__u32 is_connector_watched; /* its silence is to be told; a word, for it is exchanged */
__u32 unheard_execs;	    /* since the socket filter has last seen a message */
__u64 unheard_since_ns;	    /* when the first of them was */

#define slot_add_atomic(word, n) ((void)__sync_fetch_and_add(&(word), (n)))

#endif
