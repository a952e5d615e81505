/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes what reads the kernel's messages: the proc connector's datagrams, and lines of
 * /proc/PID/stat, whose name field any process chooses. Corpus: tests/data/netlink/.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "detect/connector.h"
#include "detect/proc.h"
#include "cpu_limit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void *ctx, const struct connector_event *event)
{
	/* What the callers rely on. */
	if (event->kind > CONNECTOR_EXIT || !memchr(event->comm, 0, sizeof(event->comm)))
		abort();
	(*(int *)ctx)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proc_stat stat;
	int count = 0, r;

	cpu_limit_restart();
	r = connector_parse(data, size, check, &count);
	if (r >= 0 && r != count)
		abort();
	if (proc_parse_stat((const char *)data, size, &stat) == 0 &&
	    !memchr(stat.comm, 0, sizeof(stat.comm)))
		abort();
	return 0;
}
