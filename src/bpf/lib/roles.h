/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Roles: the only writers of tgid_roles, for tracepoints and for user space alike.
 *
 * Exactly one caller wins where two meet: an entry is made with BPF_NOEXIST, and only the caller
 * whose delete succeeds gives the places back. A grant takes its places (total, uid) before it
 * makes the entry and returns them on failure, so the limits hold at every instant.
 *
 * Deleting a uid's count that has come to zero can race with a grant for the same uid on another
 * CPU; then that uid's count is one too low until its next drop. The total is exact.
 */
#ifndef BPF_LIB_ROLES_H
#define BPF_LIB_ROLES_H

#include "bpf/kernel/compat.h"
#include "bpf/lib/maps.h"

#define NSEC_PER_TICK 10000000ull /* of /proc/PID/stat */

static __always_inline void role_uid_release(__u32 uid)
{
	__u32 *count = bpf_map_lookup_elem(&role_uids, &uid);

	if (!count)
		return;
	/* Count down first: of two that leave at once, the one that leaves last deletes. */
	if (__sync_fetch_and_add(count, -1) <= 1)
		bpf_map_delete_elem(&role_uids, &uid);
}

static __always_inline int role_uid_acquire(__u32 uid, __u32 max)
{
	__u32 zero = 0, *count;

	count = bpf_map_lookup_elem(&role_uids, &uid);
	if (!count) {
		bpf_map_update_elem(&role_uids, &uid, &zero, BPF_NOEXIST);
		count = bpf_map_lookup_elem(&role_uids, &uid);
		if (!count)
			return -EAGAIN;
	}
	if (__sync_fetch_and_add(count, 1) < max)
		return 0;
	__sync_fetch_and_add(count, -1);
	return -EAGAIN;
}

/* Threads look at their role again when they next wake or get a CPU. */
static __always_inline void roles_changed(void)
{
	__sync_fetch_and_add(&roles_generation, 1);
}

/* The entry of a role that BPF grants by itself. */
static __always_inline void entry_fill(struct role_entry *entry, struct task_struct *p, __u64 now,
				       __u8 role, __u8 source)
{
	entry->start_ns = task_start_ns(p);
	entry->exec_ns = now;
	entry->granted_ns = bpf_ktime_get_ns(); /* after the evidence was looked at */
	entry->uid = task_uid(p);
	entry->threads = task_live_threads(p);
	entry->role = role;
	entry->source = source;
}

/* Makes the entry. 0; -EAGAIN: a limit; -EEXIST: there is one already. */
static __always_inline int role_grant(__u32 tgid, const struct role_entry *entry)
{
	__u32 taken = __sync_fetch_and_add(&roles_total, 1);
	int ret = -EAGAIN;

	if (taken >= cfg_roles_max)
		goto release_total;
	if (role_uid_acquire(entry->uid, ROLE_PLACES(taken, cfg_roles_max, cfg_roles_per_uid_max)))
		goto release_total;
	if (bpf_map_update_elem(&tgid_roles, &tgid, entry, BPF_NOEXIST)) {
		ret = -EEXIST;
		goto release_uid;
	}
	roles_changed();
	return 0;

release_uid:
	role_uid_release(entry->uid);
release_total:
	__sync_fetch_and_add(&roles_total, -1);
	return ret;
}

/* Removes the entry and says what it was. -ESRCH: there is none (any more). */
static __always_inline int role_drop(__u32 tgid, struct role_entry *old)
{
	struct role_entry *entry = bpf_map_lookup_elem(&tgid_roles, &tgid);

	if (!entry)
		return -ESRCH;
	*old = *entry;
	if (bpf_map_delete_elem(&tgid_roles, &tgid))
		return -ESRCH;
	role_uid_release(old->uid);
	__sync_fetch_and_add(&roles_total, -1);
	roles_changed();
	return 0;
}

/* User space confirms what BPF granted, or makes an entry BPF could not. */
static __always_inline int role_confirm(const struct role_request *req, __u64 now)
{
	struct role_entry *entry, fresh = {};
	__u32 tgid = req->tgid;

	if (req->role == ROLE_NONE || req->role >= ROLE_COUNT || req->source >= SOURCE_COUNT)
		return -EINVAL;
	entry = bpf_map_lookup_elem(&tgid_roles, &tgid);
	if (!entry) {
		fresh.start_ns = req->start_ticks * NSEC_PER_TICK;
		fresh.exec_ns = req->exec_ns;
		fresh.granted_ns = now;
		fresh.confirmed_ns = now;
		fresh.uid = req->uid;
		fresh.threads = req->threads;
		fresh.role = req->role;
		fresh.source = req->source;
		return role_grant(tgid, &fresh);
	}
	if (entry->start_ns / NSEC_PER_TICK != req->start_ticks)
		return -EEXIST;
	entry->confirmed_ns = now;
	if (entry->role != req->role) {
		entry->role = req->role;
		roles_changed();
	}
	return 0;
}

static __always_inline int role_clear(const struct role_request *req)
{
	struct role_entry *entry, old;
	__u32 tgid = req->tgid;

	entry = bpf_map_lookup_elem(&tgid_roles, &tgid);
	if (!entry)
		return -ESRCH;
	if (req->start_ticks && entry->start_ns / NSEC_PER_TICK != req->start_ticks)
		return -EEXIST;
	return role_drop(tgid, &old);
}

#endif
