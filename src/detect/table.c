/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/table.h"

#include <errno.h>

#include "base/clock.h"

uint64_t table_ticks(uint64_t start_ns)
{
	return start_ns / (NSEC_PER_SEC / 100);
}

void table_clear(const struct detect_roles *roles, int32_t pid, uint64_t start_ticks)
{
	const struct role_request request = {
		.op = ROLE_OP_CLEAR,
		.tgid = (uint32_t)pid,
		.start_ticks = start_ticks,
	};

	(void)roles->apply(roles->ctx, &request);
}

void table_clear_entry(const struct detect_roles *roles, int32_t pid)
{
	struct role_entry entry;

	if (roles->get(roles->ctx, (uint32_t)pid, &entry) == 0)
		table_clear(roles, pid, table_ticks(entry.start_ns));
}

int table_confirm(const struct detect_roles *roles, const struct role_request *request)
{
	int r = roles->apply(roles->ctx, request);

	/* Twice if there is another's entry: the first answer may only mean that the kernel side
	 * made its own in between. What is there then is a dead predecessor's, and in the way. */
	if (r == -EEXIST)
		r = roles->apply(roles->ctx, request);
	if (r == -EEXIST) {
		table_clear(roles, (int32_t)request->tgid, 0);
		r = roles->apply(roles->ctx, request);
	}
	return r == -ENOTSUP ? 0 : r;
}
