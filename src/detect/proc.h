/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proc: the /proc reader. Who is this process, really?
 *
 * Owner:    nobody; it holds no state. The pidfd handed out is the caller's.
 * Threads:  any.
 * Blocking: a few system calls, 25 to 60 us. A file server is asked only about an executable that
 *           the kernel's cached attributes say root owns.
 * Limits:   paths are cut at SERVER_EXE_MAX.
 *
 * The process is pinned by a pidfd before anything is read and found alive through it afterwards,
 * so all that was read is of one process and not of a successor with the same pid. Where the kernel
 * or a sandbox gives no pidfd, the start time is read before and after instead.
 */
#ifndef DETECT_PROC_H
#define DETECT_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "model/server.h"

struct proc_stat {
	char comm[SERVER_COMM_MAX];
	uint64_t start_ticks;
	uint32_t threads;
};

struct proc_identity {
	int32_t pid;
	uint32_t uid; /* real uid */
	struct proc_stat stat;
	char exe[SERVER_EXE_MAX];  /* without " (deleted)"; "" if it can't be read */
	int exe_error;		   /* then why: negative errno */
	uint64_t exe_dev, exe_ino; /* which file it is, whatever it is called by now */
	uint32_t exe_uid;
	uint32_t exe_mode; /* st_mode */
	bool is_deleted;   /* the executable was unlinked (or replaced by an upgrade) */
	bool is_fuse;
	bool is_mounted; /* the file itself is a mount: its name is the mount point's */
};

/* Are the process numbers of /proc and of our system calls those of the kernel side, which are the
 * first pid namespace's? 0, or a negative errno with the reason. */
int proc_check(struct error *err);

/* Name of the leader. -ESRCH if there is no such process. */
int proc_comm(int32_t pid, char comm[SERVER_COMM_MAX]);

/* The same of a file, `path` below `dir`. */
int proc_comm_in(int dir, const char *path, char comm[SERVER_COMM_MAX]);

/* Everything above. *pidfd is -1 if the kernel gives none. -ESRCH: gone, or a zombie. */
int proc_read(int32_t pid, struct proc_identity *out, int *pidfd);

/* All of it but the pid, from the files stat, status and exe of a directory, whatever they hold. */
int proc_read_in(int dir, struct proc_identity *out);

/* Does that very process still run? `pidfd` may be -1. */
bool proc_is_alive(int32_t pid, uint64_t start_ticks, int pidfd);

/* The pure part: a line of /proc/PID/stat. -EBADMSG if it is none. */
int proc_parse_stat(const char *text, size_t length, struct proc_stat *out);

/* Calls `each` with every pid of /proc until it returns false. `buffer` is where directory entries
 * are read to. */
int proc_walk(void *buffer, size_t size, bool (*each)(void *ctx, int32_t pid), void *ctx);

#endif
