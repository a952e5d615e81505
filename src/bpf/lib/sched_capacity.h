/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched capacity: which of several idle CPUs a thread prefers on a machine whose CPUs differ, as
 * pure functions.
 *
 * A CPU is big or small. On a Core i9-14900K a P core can do 971 to 1024 of the strongest one, an E
 * core 598; so a fifth less and more is small. Smaller differences (preferred cores, dies of one
 * processor) are left alone: nobody leaves its caches for them.
 *
 *   urgent       big ones first
 *   background   small ones first
 *   the rest     where its caches are
 *
 * Idle CPUs only: a thread that could run now never waits for a better one. Compiles for BPF and
 * for the host (tests/unit/bpf/test_sched_capacity.c).
 */
#ifndef BPF_LIB_SCHED_CAPACITY_H
#define BPF_LIB_SCHED_CAPACITY_H

#include <linux/types.h>
#include <stdbool.h>

#include "bpf/abi/sched.h"

enum capacity_wish {
	CAPACITY_ANY,
	CAPACITY_BIG,
	CAPACITY_SMALL,
};

static inline bool capacity_is_big(__u32 capacity)
{
	return capacity >= SCHED_CAPACITY_BIG;
}

/* A background thread stays one, however heavy it is: that is what its user says of it. */
static inline enum capacity_wish capacity_wish(bool is_urgent, bool is_background)
{
	if (is_urgent)
		return CAPACITY_BIG;
	return is_background ? CAPACITY_SMALL : CAPACITY_ANY;
}

#endif
