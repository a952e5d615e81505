/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Privilege: who the daemon is once it has started, and what that user may do beyond others.
 *
 * Root, or an ambient set of capabilities, starts it. Afterwards five capabilities remain:
 *
 *   bpf, perfmon   load, attach and run BPF programs; the scheduler is loaded anew after its end
 *   net_admin      listen to the proc connector, and its buffer beyond net.core.rmem_max; both
 *                  again when the connector is opened anew
 *   sys_ptrace     read the executable of other users' processes in /proc
 *   sys_nice       the detect thread is real-time, and main while it attaches the scheduler
 *
 * sys_resource is not among them: since Linux 5.11 BPF's memory counts against no RLIMIT_MEMLOCK.
 *
 * Owner:    main.
 * Threads:  privilege_drop() while there is one thread: capabilities are a thread's own, and those
 *           that are made later inherit them. privilege_shed() in any thread, for itself.
 * Blocking: privilege_choose() reads the database of users.
 * Limits:   there is no way back. An exec gives nothing back either (no_new_privs, and the bounding
 *           set is emptied if that may be done).
 * Errors:   where something can't be given up, the feature says so, and the daemon goes on; only a
 *           user that is required and can't be had is an error.
 */
#ifndef BASE_PRIVILEGE_H
#define BASE_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/errors.h"
#include "base/feature.h"

#define PRIVILEGE_UID_KEPT ((uid_t) - 1) /* what chown(2) takes for "as it is" */

#define PRIVILEGE_USER_MAX 33

/* Whom the daemon is to become. */
struct privilege_user {
	char name[PRIVILEGE_USER_MAX]; /* "": it stays who it is */
	bool is_required; /* somebody asked for it: then it exists, and nothing else will do */
};

struct privilege {
	int obstacle; /* why it does not become who it should: a negative errno; 0: nothing */
	uid_t uid; /* whom the files of the daemon are to belong to; PRIVILEGE_UID_KEPT: no change
		    */
	gid_t gid;
	struct privilege_user user; /* "": nobody is to be become */
};

/* Only root becomes somebody else, and only if there is that user. */
void privilege_choose(const struct privilege_user *user, struct privilege *out);

/* Becomes that user, in no supplementary group, and keeps what is listed above. A core can be
 * dumped as before, and the signal at the end of the parent stays. */
int privilege_drop(const struct privilege *p, struct feature *out, struct error *err);

/* Gives up all capabilities of the calling thread. 0 or a negative errno. */
int privilege_shed(void);

#endif
