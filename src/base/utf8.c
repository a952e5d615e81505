/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/utf8.h"

#include <stdbool.h>

size_t utf8_length(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t length = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	size_t i;

	if (length == 1)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4 || length > left)
		return 0;
	for (i = 1; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return length;
}

/* Of a character of `length` bytes. */
static bool is_control(const unsigned char *s, size_t length)
{
	if (length == 1)
		return s[0] < ' ' || s[0] == 0x7f;
	return length == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

void utf8_mask(char *text, size_t length)
{
	size_t at = 0;

	while (at < length) {
		size_t step = utf8_length(text + at, length - at), i;
		bool is_shown = step && !is_control((const unsigned char *)text + at, step);

		if (!step)
			step = 1;
		for (i = 0; i < step && !is_shown; i++)
			text[at + i] = '?';
		at += step;
	}
}
