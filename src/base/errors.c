/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *fmt, ...)
{
	/* Built aside, so that a caller may put the sentence it got into a longer one. */
	char text[ERROR_MAX];
	va_list args;

	if (!err)
		return -code;
	va_start(args, fmt);
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		text[0] = '\0';
	va_end(args);
	memcpy(err->text, text, strlen(text) + 1);
	return -code;
}

const char *error_name(int negative_errno)
{
	const char *name = strerrordesc_np(-negative_errno);

	return name ? name : "Unknown error";
}
