/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instance: one daemon at a time, by a lock on <runtime_dir>/pid.
 *
 * Owner:    main; opened before anything visible is made, closed last.
 * Threads:  main only.
 * Blocking: never; a lock that is held is refused at once.
 *
 * The lock, not the file, says that a daemon lives: the kernel drops it with the process, and a
 * file left by a dead one is locked and written anew. A child that outlives the daemon without exec
 * would keep it, so children exec or exit. Nobody but the daemon's user can open the file, so
 * nobody else can hold the lock and keep the daemon from starting.
 */
#ifndef BASE_INSTANCE_H
#define BASE_INSTANCE_H

#include <sys/types.h>

#include "base/errors.h"

struct instance;

/* Makes runtime_dir (0755) if it is missing, locks its file `pid` (0600) and writes our pid.
 * -EEXIST with the pid of the one that runs, or why it can't be done; then nothing is left behind.
 */
int instance_open(const char *runtime_dir, struct instance **out, struct error *err);

/* Gives to `uid` what instance_open() made; (uid_t)-1 to nobody. */
void instance_give(const struct instance *instance, uid_t uid);

/* Removes the file, and the directory if instance_open() made it and it is empty, where
 * the user that the daemon has become may do so: a file that stays is taken over by the next start.
 * NULL is a no-op. */
void instance_close(struct instance *instance);

#endif
