/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sysfs: its small files, below a root directory that a test may put in its place.
 *
 * Owner:    nobody; there is no state.
 * Threads:  any.
 * Blocking: one small file.
 * Limits:   paths of 511 bytes; a longer one counts as missing.
 */
#ifndef LOADER_SYSFS_H
#define LOADER_SYSFS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SYSFS_CPU "/sys/devices/system/cpu/"
#define SYSFS_NODE "/sys/devices/system/node/"

/* The file, open for reading, or NULL. `root` is "" for this machine; the rest is a printf()
 * format. */
FILE *sysfs_open(const char *root, const char *fmt, va_list args);

/* The number the file begins with (of a list of CPUs: the lowest one). `out` is untouched if there
 * is none. */
__attribute__((format(printf, 3, 4))) bool sysfs_number(uint32_t *out, const char *root,
							const char *fmt, ...);

/* The first line, without its end, "" if there is none. 0 or a negative errno. */
__attribute__((format(printf, 4, 5))) int sysfs_line(char *line, size_t size, const char *root,
						     const char *fmt, ...);

/* The next range of a list like "0-3,5"; false at its end. A list may also be empty, or "(null)".
 */
bool sysfs_range(FILE *file, uint32_t *first, uint32_t *last);

#endif
