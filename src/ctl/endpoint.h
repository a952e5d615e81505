/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Endpoint: a listening UNIX stream socket with a file, made and removed with care.
 *
 * Whoever can connect to the file is alive and keeps it; a file nobody listens on is left over from
 * a dead process and is replaced. At the end the file is removed only if it is still ours: another
 * scheduler may have taken the path over.
 *
 * The mode is 0660, whatever the umask: like the sockets of the ecosystem's schedulers, which
 * root's tools use, it admits root, and a group if the administrator names one.
 *
 * Owner:    ctl. Threads: one. Blocking: never (a probe of a full socket counts as alive).
 */
#ifndef CTL_ENDPOINT_H
#define CTL_ENDPOINT_H

#include <stdbool.h>
#include <sys/types.h>

#include "config/config.h"
#include "base/errors.h"

struct endpoint {
	int fd; /* listening, non-blocking; -1: closed */
	char path[CONFIG_PATH_MAX];
	dev_t device; /* identity of our file */
	ino_t inode;
	bool has_made_dir; /* the one that the file is in */
};

/* Makes missing directories of the path (0755), which stay. -EADDRINUSE if somebody listens there,
 * or why it can't be had, with one sentence. */
int endpoint_open(struct endpoint *e, const char *path, struct error *err);
int endpoint_set_group(struct endpoint *e, gid_t group, struct error *err);

/* Gives to `uid` the file, and the directory it is in if that was made for it; (uid_t)-1 to nobody.
 */
void endpoint_give(const struct endpoint *e, uid_t uid);

/* The file stays where the user that the daemon has become may not remove it: it is dead then, and
 * the next start replaces it. */
void endpoint_close(struct endpoint *e);

/* Connects a blocking socket to `path` without waiting: the fd, or -ENOENT, -ECONNREFUSED, ... */
int endpoint_connect(const char *path);

#endif
