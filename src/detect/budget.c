/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/budget.h"

#include "base/clock.h"

/* What the thread uses while it is not ahead is charged to this account as well, but no debt is
 * made of it: a second after the last event the thread is ahead again. */
static const struct account_terms ahead_terms = {
	.limit_ns = 5 * NSEC_PER_MSEC,
	.end_ns = NSEC_PER_MSEC,
	.most_ns = 5 * NSEC_PER_MSEC,
	.permille = 5,
};

static const struct account_terms reading_terms = {
	.limit_ns = 25 * NSEC_PER_MSEC,
	.end_ns = 20 * NSEC_PER_MSEC,
	.most_ns = UINT64_MAX,
	.permille = 50,
};

void budget_init(struct budget *b, uint64_t now_ns, uint64_t cpu_ns)
{
	account_init(&b->ahead, ahead_terms, now_ns, cpu_ns);
	account_init(&b->reading, reading_terms, now_ns, cpu_ns);
}

void budget_charge(struct budget *b, uint64_t now_ns, uint64_t cpu_ns)
{
	account_charge(&b->ahead, now_ns, cpu_ns);
	account_charge(&b->reading, now_ns, cpu_ns);
}

void budget_skip(struct budget *b, uint64_t cpu_ns)
{
	account_skip(&b->ahead, cpu_ns);
	account_skip(&b->reading, cpu_ns);
}

uint64_t budget_due_ns(const struct budget *b)
{
	/* Reading goes on long before the thread is ahead again. */
	return b->reading.is_overdrawn ? account_due_ns(&b->reading) : account_due_ns(&b->ahead);
}
