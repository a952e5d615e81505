/* SPDX-License-Identifier: GPL-2.0-only */
/* Require: a claim that does not hold is a failure, and libFuzzer keeps the input. */
#ifndef FUZZ_REQUIRE_H
#define FUZZ_REQUIRE_H

#include <stdlib.h>

static inline void require(int claim)
{
	if (!claim)
		abort();
}

#endif
