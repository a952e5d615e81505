/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A part of a test in namespaces of its own: in a child, because there is no way back.
 */
#ifndef DETECT_NAMESPACE_H
#define DETECT_NAMESPACE_H

#include <errno.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"

#define STATUS_NO_RIGHT 77
#define STATUS_THREADS 78

/* `body` returns 0, or a small number that says where it failed. `flags` are those of unshare(2);
 * in a new pid namespace the body is the first process. */
static inline void in_namespace(int flags, int (*body)(const void *arg), const void *arg)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (unshare(flags) < 0) /* EINVAL: a sanitizer's thread is in the way */
			_exit(errno == EINVAL ? STATUS_THREADS : STATUS_NO_RIGHT);
		if (!(flags & CLONE_NEWPID))
			_exit(body(arg));
		child = fork();
		if (child == 0)
			_exit(body(arg));
		_exit(waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status)
									       : 9);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == STATUS_THREADS) {
		print_message("skipped: this build has threads of its own\n");
		skip();
	}
	if (WEXITSTATUS(status) == STATUS_NO_RIGHT)
		skip_because("no right to unshare");
	assert_int_equal(WEXITSTATUS(status), 0);
}

#endif
