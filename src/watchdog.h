/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watchdog: reports to the service manager at intervals that no thread hangs, if the unit has a
 * watchdog (WatchdogSec=; sd_watchdog_enabled(3) documents the two variables). Without a report for
 * that time the service manager ends the daemon and starts it again.
 *
 * Owner:    main embeds it.
 * Threads:  main only: if main hangs, nothing is reported either.
 * Blocking: never.
 */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdint.h>

struct watchdog {
	uint64_t interval_ns; /* half the service manager's patience; 0: it wants to hear nothing */
	uint64_t due_ns;      /* call watchdog_feed() then; 0: never */
};

/* From the environment; due at once. */
void watchdog_init(struct watchdog *w);

/* Says that all is well, unless a thread hangs: then it logs which, and is due again soon. */
void watchdog_feed(struct watchdog *w);

#endif
