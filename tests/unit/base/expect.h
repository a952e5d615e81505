/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Expect: a claim in a process or thread of a test where cmocka's own assertions do not work: one
 * that fails ends the process by a signal, which its parent sees.
 */
#ifndef TESTS_UNIT_BASE_EXPECT_H
#define TESTS_UNIT_BASE_EXPECT_H

#include <stdio.h>
#include <stdlib.h>

#define expect(claim)                                                       \
	do {                                                                \
		if (!(claim)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #claim); \
			abort();                                            \
		}                                                           \
	} while (0)

#endif
