/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Budget: how much CPU time the detect thread may use for events, whoever causes them.
 *
 * Any user can make events that the thread has to look at (names, execs, forks, exits), and a
 * real-time thread runs before all ordinary ones. So what it has used is charged to two accounts:
 *
 *      account   overdrawn at         paid back    while it is overdrawn
 *      ahead     5 ms of CPU time     0.5 %        the thread is not real-time; ends at 1 ms, so
 *                                                  after a second without events
 *      reading   25 ms of CPU time    5 %          no event is read; ends at 20 ms, after 120 ms
 *
 * A login that starts ten servers uses 1 to 2 ms. A flood that never ends gets 5 % of one CPU, and
 * none of it as a real-time thread.
 *
 * Owner:    detect. Threads: detect. Blocking: never; pure functions of the two clocks' readings.
 */
#ifndef DETECT_BUDGET_H
#define DETECT_BUDGET_H

#include <stdint.h>

#include "base/account.h"

struct budget {
	struct account ahead;
	struct account reading;
};

/* Both accounts at 0. `cpu_ns` is the thread's CPU time so far. */
void budget_init(struct budget *b, uint64_t now_ns, uint64_t cpu_ns);

/* Charges the CPU time used since the last call. */
void budget_charge(struct budget *b, uint64_t now_ns, uint64_t cpu_ns);

/* The CPU time used since the last call is not for events, and is not charged. */
void budget_skip(struct budget *b, uint64_t cpu_ns);

/* When the next of the overdrawn accounts is paid back; 0: none is overdrawn. */
uint64_t budget_due_ns(const struct budget *b);

#endif
