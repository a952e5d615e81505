/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules: from evidence to a role, or to the reason why there is none.
 *
 * Owner:    nobody; pure functions on the configuration and on what the caller read.
 * Threads:  any.
 * Blocking: never.
 * Limits:   CONFIG_SERVERS_MAX names.
 *
 * A name alone gives nothing: anyone can call a process `pipewire`. It takes a listed comm, an
 * executable of that name (or the alias the list gives), root as its owner, no write permission for
 * group and others, and a file system whose owners and modes the kernel itself vouches for. A file
 * that is bind-mounted shows the mount point's name, which anyone chooses in a user namespace of
 * his own. A near name (`pipewire-foo`) is simply not listed, and neither rejected is a program of
 * another name that begins like a listed one (xdg-desktop-portal-gnome). A listed name also stands
 * for its wrapped form, config_server_wrapped().
 */
#ifndef DETECT_RULES_H
#define DETECT_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

struct rules_evidence {
	const char *comm; /* of the leader, at most 15 bytes */
	const char *exe;  /* path; "" if it can't be read */
	uint32_t exe_uid;
	uint32_t exe_mode; /* st_mode */
	bool is_fuse;	   /* the executable lies on a FUSE file system */
	bool is_mounted;   /* the file is a mount by itself, under any name */
};

struct rules_verdict {
	bool is_listed; /* the comm is on the list; else role and reject are none */
	uint8_t role;	/* enum role */
	uint8_t reject; /* enum reject, when listed and role is none; none for a namesake */
	const struct config_server *rule; /* when listed: the entry that the verdict is by */
};

/* The entry of that full name; NULL if there is none. */
const struct config_server *rules_find(const struct config *config, const char *name);

bool rules_is_listed(const struct config *config, const char *comm);
struct rules_verdict rules_judge(const struct config *config,
				 const struct rules_evidence *evidence);

/* What follows the last slash. */
const char *rules_base_name(const char *path);

#endif
