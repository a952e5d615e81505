/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Table: what user space says to the kernel side's table of roles.
 *
 * Owner:    nobody; calls of struct detect_roles.
 * Threads:  detect.
 * Blocking: a few system calls.
 * Limits:   see struct role_request in bpf/abi/roles.h.
 */
#ifndef DETECT_TABLE_H
#define DETECT_TABLE_H

#include <stdint.h>

#include "detect/detect.h"

/* start_boottime in ns, as /proc shows it in ticks. */
uint64_t table_ticks(uint64_t start_ns);

/* Removes that process's entry, if it has one. */
void table_clear(const struct detect_roles *roles, int32_t pid, uint64_t start_ticks);

/* Removes whatever the table has for that pid, but not what a successor gets meanwhile. */
void table_clear_entry(const struct detect_roles *roles, int32_t pid);

/* Makes or confirms the entry: 0, or negative errno. Where the kernel takes no verdicts from us
 * (the loader says so) its own stand, and what we find out is published all the same: 0, too. */
int table_confirm(const struct detect_roles *roles, const struct role_request *request);

#endif
