/* SPDX-License-Identifier: GPL-2.0-only */
/* Scratch: an empty directory for files that change with each input, in memory if there is room. */
#ifndef FUZZ_SCRATCH_H
#define FUZZ_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "require.h"

#define SCRATCH_MAX 64

static inline void scratch_make(char path[SCRATCH_MAX], const char *name)
{
	snprintf(path, SCRATCH_MAX, "%s/%s.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
		 name);
	require(mkdtemp(path) != NULL);
}

#endif
