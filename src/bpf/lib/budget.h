/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Budget: how long a thread of a latency class may go on being urgent, as pure functions.
 *
 * Two bounds. What it runs without sleeping (a burst) is bounded by BURST_MAX_NS: a few periods,
 * far above what one audio cycle needs and far below what anyone would notice of a thread that
 * spins. What it runs in all is bounded by a bucket of tokens, one for each ns of CPU, that
 * fills with BUDGET_PERCENT of the time that passes: an honest DSP that takes 70 % of every period
 * stays below it.
 *
 * Over either bound it is scheduled as normal until it has slept and half the bucket is full.
 * Compiles for BPF and for the host (tests/unit/bpf/test_budget.c).
 */
#ifndef BPF_LIB_BUDGET_H
#define BPF_LIB_BUDGET_H

#include <linux/types.h>
#include <stdbool.h>

#define BURST_MAX_NS 16000000ll
#define BUDGET_TOKENS_NS (2 * BURST_MAX_NS)
#define BUDGET_PERCENT 80

struct budget {
	__s64 tokens_ns;
	__s64 burst_ns;	 /* ran since it last slept */
	__u64 refill_ns; /* when the tokens were last brought up to date; 0: never, bucket full */
	__u32 is_over;
	__u32 pad;
};

static inline void budget_refill(struct budget *b, __u64 now_ns)
{
	__u64 passed = now_ns - b->refill_ns;

	/* A clock of another CPU may be a few ns behind. */
	if (b->refill_ns && (__s64)passed < 0)
		return;
	if (!b->refill_ns || passed > 10ull * BUDGET_TOKENS_NS)
		b->tokens_ns = BUDGET_TOKENS_NS;
	else
		b->tokens_ns += passed * BUDGET_PERCENT / 100;
	if (b->tokens_ns > BUDGET_TOKENS_NS)
		b->tokens_ns = BUDGET_TOKENS_NS;
	b->refill_ns = now_ns;
}

/* It ran. True if that has taken it over its budget. */
static inline bool budget_charge(struct budget *b, __u64 now_ns, __u64 ran_ns)
{
	budget_refill(b, now_ns);
	b->tokens_ns -= (__s64)ran_ns;
	if (b->tokens_ns < -BUDGET_TOKENS_NS)
		b->tokens_ns = -BUDGET_TOKENS_NS;
	b->burst_ns += (__s64)ran_ns;
	if (b->is_over || (b->tokens_ns > 0 && b->burst_ns < BURST_MAX_NS))
		return false;
	b->is_over = 1;
	return true;
}

static inline void budget_slept(struct budget *b)
{
	b->burst_ns = 0;
}

/* May it be urgent now? */
static inline bool budget_allows(struct budget *b, __u64 now_ns)
{
	if (!b->is_over)
		return true;
	budget_refill(b, now_ns);
	if (b->burst_ns || b->tokens_ns < BUDGET_TOKENS_NS / 2)
		return false;
	b->is_over = 0;
	return true;
}

/* What it may run in one go. */
static inline __u64 budget_left_ns(const struct budget *b)
{
	__s64 burst = BURST_MAX_NS - b->burst_ns;
	__s64 left = burst < b->tokens_ns ? burst : b->tokens_ns;

	return left > 0 ? (__u64)left : 0;
}

#endif
