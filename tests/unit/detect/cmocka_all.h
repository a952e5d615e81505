/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each test of this folder needs: cmocka with its headers, and a skip that says why.
 */
#ifndef DETECT_CMOCKA_ALL_H
#define DETECT_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A skip, or a failure where the platform must have it. */
#define skip_because(...)                                                  \
	do {                                                               \
		const char *require_ = getenv("GAMERD_TEST_REQUIRE");      \
		print_message("skipped: " __VA_ARGS__);                    \
		print_message("\n");                                       \
		if (require_ && !strcmp(require_, "1"))                    \
			fail_msg("GAMERD_TEST_REQUIRE=1 forbids to skip"); \
		skip();                                                    \
	} while (0)

#endif
