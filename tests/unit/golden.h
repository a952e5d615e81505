/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Golden files: text to compare with. GAMERD_UPDATE_GOLDEN=1 writes them.
 */
#ifndef TESTS_UNIT_GOLDEN_H
#define TESTS_UNIT_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The file's text with a terminator, or NULL. */
static inline char *golden_read(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

/* Fails unless `text` is what the file says; with GAMERD_UPDATE_GOLDEN=1 writes the file first. */
static inline void golden_check(const char *path, const char *text)
{
	const char *update = getenv("GAMERD_UPDATE_GOLDEN");
	char *golden;

	if (update && strcmp(update, "1") == 0) {
		FILE *file = fopen(path, "we");

		assert_non_null(file);
		assert_true(fputs(text, file) >= 0);
		assert_int_equal(fclose(file), 0);
	}
	golden = golden_read(path);
	if (!golden)
		fail_msg("%s cannot be read", path);
	assert_string_equal(text, golden);
	free(golden);
}

#endif
