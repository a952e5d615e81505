/* SPDX-License-Identifier: GPL-2.0-only */
#include "metrics/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 8192 /* a compact body */
#define U64_DIGITS 20

/* Room for `length` bytes and a terminator; NULL if there is none. */
static char *reserve(struct text *text, size_t length)
{
	size_t needed = text->length + length + 1;
	size_t capacity = text->capacity ? text->capacity : FIRST_CAPACITY;
	char *bytes;

	if (text->is_short)
		return NULL;
	if (needed > text->capacity) {
		while (capacity < needed)
			capacity *= 2;
		bytes = realloc(text->bytes, capacity);
		if (!bytes) {
			text->is_short = true;
			return NULL;
		}
		text->bytes = bytes;
		text->capacity = capacity;
	}
	return text->bytes + text->length;
}

void text_expect(struct text *text, size_t length)
{
	reserve(text, length);
}

void text_add_slow(struct text *text, const char *bytes, size_t length)
{
	char *end = reserve(text, length);

	if (!end)
		return;
	memcpy(end, bytes, length);
	text->length += length;
}

void text_u64(struct text *text, uint64_t value)
{
	char digits[U64_DIGITS], *first = digits + U64_DIGITS;

	do {
		*--first = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	text_add(text, first, (size_t)(digits + U64_DIGITS - first));
}

int text_take(struct text *text, char **string, size_t *length)
{
	char *end = reserve(text, 0);

	if (!end) {
		text_drop(text);
		return -ENOMEM;
	}
	*end = '\0';
	*string = text->bytes;
	*length = text->length;
	*text = (struct text){0};
	return 0;
}

void text_drop(struct text *text)
{
	free(text->bytes);
	*text = (struct text){0};
}
