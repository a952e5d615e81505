/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LOADER_SCHED_OBJECT_H
#define LOADER_SCHED_OBJECT_H

#include <stddef.h>

const void *sched_object_bytes(size_t *size);

#endif
