/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Forbidden: included before every file by the build. These functions lose data or overrun buffers
 * silently; using one is a compile error. Standard headers that define them come first.
 */
#ifndef BASE_FORBIDDEN_H
#define BASE_FORBIDDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf gets atoi atol strtok

#endif
