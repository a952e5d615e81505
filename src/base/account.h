/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Account: how much CPU time a piece of work may take, whoever causes it.
 *
 * What is used is a debt, and a part of all time that passes pays it back. At `limit_ns` the
 * account is overdrawn, until the debt is down to `end_ns`. Example, with 3 % and a limit of 25 ms:
 * a burst of 20 ms costs nothing if two thirds of a second pass until the next one, and work that
 * never ends is paused again and again, and gets 3 % of one CPU.
 *
 * Owner:    whoever embeds the struct. Threads: the owner's, one at a time.
 * Blocking: never; pure functions of the two clocks' readings.
 */
#ifndef BASE_ACCOUNT_H
#define BASE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct account_terms {
	uint64_t limit_ns; /* overdrawn when the debt comes to this */
	uint64_t end_ns;   /* ... and until it is down to this */
	uint64_t most_ns;  /* the debt is never more */
	uint64_t permille; /* of the time that passes pays back */
};

struct account {
	struct account_terms terms;
	uint64_t now_ns; /* when it was last brought up to date ... */
	uint64_t cpu_ns; /* ... and the CPU time until then */
	uint64_t debt_ns;
	bool is_overdrawn;
};

/* The terms for answering requests: `percent` of a CPU, and at once up to 25 ms; 0: no limit. */
struct account_terms account_terms_requests(unsigned int percent);

/* No debt. `cpu_ns` is the CPU time so far. */
void account_init(struct account *a, struct account_terms terms, uint64_t now_ns, uint64_t cpu_ns);

/* Charges the CPU time used since the last call. */
void account_charge(struct account *a, uint64_t now_ns, uint64_t cpu_ns);

/* The CPU time used since the last call is not charged. */
void account_skip(struct account *a, uint64_t cpu_ns);

/* When the debt is paid back; 0: it is not overdrawn. */
uint64_t account_due_ns(const struct account *a);

#endif
