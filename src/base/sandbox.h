/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sandbox: the system calls that the daemon may make once it has started, by seccomp filters.
 *
 * Both filters are lists of what is allowed. All else fails with EPERM, and the daemon goes on:
 * with another C library, or a newer one, a call that the lists lack must not be its end. Neither
 * allows to exec, to trace, to mount, to load a module, to enter a namespace, to open a file for
 * writing or to make memory executable. That of readers, which parse what others send, has no
 * sockets to make, no processes, no BPF and no perf either.
 *
 * Owner:    none: the filters are the threads'.
 * Threads:  sandbox_enter() from main while it is the only one: those that are made later inherit
 *           the filter. sandbox_enter_reader() in any thread, for itself.
 * Blocking: never.
 * Limits:   there is no way back. In a build with a sanitizer there is no filter.
 * Errors:   without seccomp in the kernel there is no filter; the feature says so.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include "base/feature.h"

void sandbox_enter(struct feature *out);

/* For a thread that parses what others send: the narrower filter, and no capabilities. 0, or a
 * negative errno; then it may do more than it should. */
int sandbox_enter_reader(void);

#endif
