/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Owner: whether a file or directory that the daemon relies on is in other people's hands.
 *
 * Threads:  any. Blocking: one stat(2).
 */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include "base/errors.h"

/* 0 if only root and our own user can change it (or there is no such file), else -EPERM with a
 * sentence that says who can. */
int owner_check(const char *path, struct error *err);

#endif
