/* SPDX-License-Identifier: GPL-2.0-only */
/* Records: an input that is several things in a row, each ended by one byte that none can hold. */
#ifndef FUZZ_RECORDS_H
#define FUZZ_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RECORD_END 0x1e /* ASCII's record separator */

struct record {
	const uint8_t *data;
	size_t size;
};

/* Takes the first one off the input: false, and an empty one, if nothing is left. */
static inline bool record_next(const uint8_t **data, size_t *size, struct record *out)
{
	const uint8_t *end = *size ? memchr(*data, RECORD_END, *size) : NULL;

	*out = (struct record){*data, end ? (size_t)(end - *data) : *size};
	if (!*size)
		return false;
	*data += out->size + (end != NULL);
	*size -= out->size + (end != NULL);
	return true;
}

#endif
