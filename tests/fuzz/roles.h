/* SPDX-License-Identifier: GPL-2.0-only */
/* Roles: the kernel side's table as the detect room sees it, in which nobody has an entry. */
#ifndef FUZZ_ROLES_H
#define FUZZ_ROLES_H

#include <errno.h>

#include "detect/detect.h"
#include "require.h"

static int roles_apply(void *ctx, const struct role_request *request)
{
	require(request->op == ROLE_OP_CONFIRM || request->op == ROLE_OP_CLEAR);
	require(request->op == ROLE_OP_CLEAR || request->role < ROLE_COUNT);
	return 0;
}

static int roles_get(void *ctx, uint32_t tgid, struct role_entry *out)
{
	return -ENOENT;
}

static int roles_next(void *ctx, const uint32_t *tgid, uint32_t *next)
{
	return -ENOENT;
}

static inline struct detect_roles roles_empty(void)
{
	return (struct detect_roles){
		.apply = roles_apply, .get = roles_get, .next = roles_next, .filter_fd = -1};
}

#endif
