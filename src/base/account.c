/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/account.h"

#include "base/clock.h"

/* To wake up at the end of a debt costs as well, and is charged. So the work rests until the debt
 * is this much below its end, or it would never come to it. */
#define WAKE_NS NSEC_PER_MSEC

/* Whatever requests have cost: nobody waits longer for the debt. */
#define PAID_BACK_WITHIN_NS (10 * NSEC_PER_SEC)

struct account_terms account_terms_requests(unsigned int percent)
{
	return (struct account_terms){
		.limit_ns = percent ? 25 * NSEC_PER_MSEC : UINT64_MAX,
		.end_ns = 23 * NSEC_PER_MSEC,
		.most_ns = percent ? percent * PAID_BACK_WITHIN_NS / 100 : UINT64_MAX,
		.permille = percent * UINT64_C(10),
	};
}

void account_init(struct account *a, struct account_terms terms, uint64_t now_ns, uint64_t cpu_ns)
{
	*a = (struct account){.terms = terms, .now_ns = now_ns, .cpu_ns = cpu_ns};
}

void account_charge(struct account *a, uint64_t now_ns, uint64_t cpu_ns)
{
	const struct account_terms *t = &a->terms;
	uint64_t paid_ns = (now_ns - a->now_ns) * t->permille / 1000;

	a->debt_ns = a->debt_ns > paid_ns ? a->debt_ns - paid_ns : 0;
	/* A sum over several threads' clocks, read one after the other, may come out a little
	 * lower. */
	if (cpu_ns > a->cpu_ns)
		a->debt_ns += cpu_ns - a->cpu_ns;
	if (a->debt_ns > t->most_ns)
		a->debt_ns = t->most_ns;
	if (a->debt_ns >= t->limit_ns)
		a->is_overdrawn = true;
	else if (a->debt_ns <= t->end_ns)
		a->is_overdrawn = false;
	a->now_ns = now_ns;
	a->cpu_ns = cpu_ns;
}

void account_skip(struct account *a, uint64_t cpu_ns)
{
	a->cpu_ns = cpu_ns;
}

uint64_t account_due_ns(const struct account *a)
{
	const struct account_terms *t = &a->terms;

	if (!a->is_overdrawn)
		return 0;
	return a->now_ns + (a->debt_ns - (t->end_ns - WAKE_NS)) * 1000 / t->permille;
}
