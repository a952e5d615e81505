/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/budget.h"

#include "base/clock.h"

/* To wake up at the end of a debt costs as well, and is charged. So the thread sleeps until the
 * debt is this much below its end, or it would never come to it. */
#define WAKE_NS NSEC_PER_MSEC

/* An account in numbers: of `per` ns that pass, one is paid back. */
struct terms {
	uint64_t limit_ns; /* overdrawn when the debt comes to this */
	uint64_t end_ns;   /* ... and until it is down to this */
	uint64_t most_ns;  /* the debt is never more */
	uint64_t per;
};

/* What the thread uses while it is not ahead is charged to this account as well, but no debt is
 * made of it: a second after the last event the thread is ahead again. */
static const struct terms ahead_terms = {
	.limit_ns = 5 * NSEC_PER_MSEC,
	.end_ns = NSEC_PER_MSEC,
	.most_ns = 5 * NSEC_PER_MSEC,
	.per = 200,
};

static const struct terms reading_terms = {
	.limit_ns = 25 * NSEC_PER_MSEC,
	.end_ns = 20 * NSEC_PER_MSEC,
	.most_ns = UINT64_MAX,
	.per = 20,
};

void budget_init(struct budget *b, uint64_t now_ns, uint64_t cpu_ns)
{
	*b = (struct budget){.now_ns = now_ns, .cpu_ns = cpu_ns};
}

static void charge(struct budget_account *a, const struct terms *t, uint64_t passed_ns,
		   uint64_t used_ns)
{
	uint64_t paid_ns = passed_ns / t->per;

	a->debt_ns = a->debt_ns > paid_ns ? a->debt_ns - paid_ns : 0;
	a->debt_ns += used_ns;
	if (a->debt_ns > t->most_ns)
		a->debt_ns = t->most_ns;
	if (a->debt_ns >= t->limit_ns)
		a->is_overdrawn = true;
	else if (a->debt_ns <= t->end_ns)
		a->is_overdrawn = false;
}

void budget_charge(struct budget *b, uint64_t now_ns, uint64_t cpu_ns)
{
	uint64_t passed_ns = now_ns - b->now_ns, used_ns = cpu_ns - b->cpu_ns;

	charge(&b->ahead, &ahead_terms, passed_ns, used_ns);
	charge(&b->reading, &reading_terms, passed_ns, used_ns);
	b->now_ns = now_ns;
	b->cpu_ns = cpu_ns;
}

void budget_skip(struct budget *b, uint64_t cpu_ns)
{
	b->cpu_ns = cpu_ns;
}

static uint64_t due_ns(const struct budget *b, const struct budget_account *a,
		       const struct terms *t)
{
	return b->now_ns + (a->debt_ns - (t->end_ns - WAKE_NS)) * t->per;
}

uint64_t budget_due_ns(const struct budget *b)
{
	/* Reading goes on long before the thread is ahead again. */
	if (b->reading.is_overdrawn)
		return due_ns(b, &b->reading, &reading_terms);
	if (b->ahead.is_overdrawn)
		return due_ns(b, &b->ahead, &ahead_terms);
	return 0;
}
