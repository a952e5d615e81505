/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * File: small files, read as a whole.
 *
 * Threads:  any. Blocking: as long as the disk.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/* The first `size` bytes of a file: their number, or a negative errno. */
ssize_t file_read(const char *path, void *buffer, size_t size);

#endif
