/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text: a string that grows at its end.
 *
 * Owner:    whoever zeroes the struct; text_take() hands the string over, text_drop() frees it.
 * Errors:   memory that runs short is remembered, so that a writer asks once, at the end.
 */
#ifndef METRICS_TEXT_H
#define METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *bytes;
	size_t length, capacity;
	bool is_short; /* memory was, and what came after is missing */
};

void text_add(struct text *text, const char *bytes, size_t length);
void text_puts(struct text *text, const char *string);
void text_u64(struct text *text, uint64_t value);
/* For what is written seldom. */
void text_printf(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The string, with a terminator behind its length; free() it. -ENOMEM: it is freed already. Zeroes
 * *text. */
int text_take(struct text *text, char **string, size_t *length);
void text_drop(struct text *text);

#endif
