/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/names.h"

#include <stdio.h>
#include <string.h>

#define NAME_ITEM(id, name, ...) [id] = name,
#define NAME_IN(names, index) \
	((index) < sizeof(names) / sizeof((names)[0]) ? (names)[index] : "unknown")

static const char *const role_names[] = {ROLE_LIST(NAME_ITEM)};
static const char *const class_names[] = {CLASS_LIST(NAME_ITEM)};
static const char *const reason_names[] = {REASON_LIST(NAME_ITEM)};
static const char *const source_names[] = {SOURCE_LIST(NAME_ITEM)};
static const char *const reject_names[] = {REJECT_LIST(NAME_ITEM)};

const char *names_role(unsigned int role)
{
	return NAME_IN(role_names, role);
}

const char *names_class(unsigned int class)
{
	return NAME_IN(class_names, class);
}

const char *names_reason(unsigned int reason)
{
	return NAME_IN(reason_names, reason);
}

const char *names_source(unsigned int source)
{
	return NAME_IN(source_names, source);
}

const char *names_reject(unsigned int reject)
{
	return NAME_IN(reject_names, reject);
}

unsigned int names_find_role(const char *name)
{
	unsigned int role = ROLE_NONE + 1;

	while (role < ROLE_COUNT && strcmp(name, role_names[role]) != 0)
		role++;
	return role;
}

void names_list_roles(char *out, size_t size)
{
	size_t used = 0;

	for (unsigned int role = ROLE_NONE + 1; role < ROLE_COUNT && used < size; role++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
					 role > ROLE_NONE + 1 ? ", " : "", role_names[role]);
}
