/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names: what people and readers call the roles, classes, reasons, sources and refusals of
 * bpf/abi/roles.h.
 *
 * Threads:  any; nothing changes.
 * Errors:   a number that is none has the name "unknown".
 */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#include <stddef.h>

#include "bpf/abi/roles.h"

const char *names_role(unsigned int role);
const char *names_class(unsigned int class);
const char *names_reason(unsigned int reason); /* why a thread has its class */
const char *names_source(unsigned int source);
const char *names_reject(unsigned int reject); /* a clause */

/* ROLE_COUNT: there is no such role that a process may have. */
unsigned int names_find_role(const char *name);

/* The names that names_find_role() knows, between commas. */
void names_list_roles(char *out, size_t size);

#endif
