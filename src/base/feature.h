/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Feature: one thing the kernel or the system may or may not offer, and what follows.
 *
 * Filled at start by the room that probes for it, and read-only afterwards: where something fails
 * later, another list takes its place.
 */
#ifndef BASE_FEATURE_H
#define BASE_FEATURE_H

#include <stdbool.h>

#define FEATURE_MAX 24

struct feature {
	char name[32]; /* snake_case, stable: a key in /health */
	bool is_available;
	char detail[160]; /* one clause: how it is used, or why it is missing and what is lost */
};

/* To its detail, as far as there is room. Any thread. */
__attribute__((format(printf, 2, 3))) void feature_append(struct feature *f, const char *fmt, ...);

#endif
