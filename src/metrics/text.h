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
#include <string.h>

struct text {
	char *bytes;
	size_t length, capacity;
	bool is_short; /* memory was, and what came after is missing */
};

/* Room for so many bytes more: who knows about how long the text gets saves moving it. */
void text_expect(struct text *text, size_t length);

void text_add_slow(struct text *text, const char *bytes, size_t length);

/* Inline: a body is some thousand short pieces, most of a length the compiler knows. */
static inline void text_add(struct text *text, const char *bytes, size_t length)
{
	if (length >= text->capacity - text->length) {
		text_add_slow(text, bytes, length);
		return;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

static inline void text_puts(struct text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void text_u64(struct text *text, uint64_t value);

/* The string, with a terminator behind its length; free() it. -ENOMEM: it is freed already. Zeroes
 * *text. */
int text_take(struct text *text, char **string, size_t *length);
void text_drop(struct text *text);

#endif
