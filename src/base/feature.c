/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/feature.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void feature_append(struct feature *f, const char *fmt, ...)
{
	size_t length = strlen(f->detail);
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->detail + length, sizeof(f->detail) - length, fmt, args);
	va_end(args);
}
