/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/backoff.h"

static const unsigned int pauses_s[] = {0, 10, 60, 300, 600};

#define PAUSES (sizeof(pauses_s) / sizeof(pauses_s[0]))

void backoff_began(struct backoff *b, uint64_t now_ns)
{
	if (!b->began_ns)
		b->began_ns = now_ns;
}

uint64_t backoff_failed(struct backoff *b, uint64_t now_ns)
{
	unsigned int pause_s;

	if (b->began_ns && now_ns - b->began_ns >= BACKOFF_GOOD_NS)
		b->failures = 0;
	pause_s = pauses_s[b->failures < PAUSES ? b->failures : PAUSES - 1];
	b->failures++;
	b->began_ns = 0;
	return pause_s * 1000000000ull;
}
