/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracker internal: what events (tracker.c) and scans of /proc (tracker_scan.c) both do with a
 * process.
 *
 * Threads: detect only.
 */
#ifndef DETECT_TRACKER_INTERNAL_H
#define DETECT_TRACKER_INTERNAL_H

#include "detect/sighting.h"
#include "detect/tracker.h"

/* Takes the process out of role table and registry; `why` is for the log. */
void tracker_drop(struct tracker *t, struct registry_slot *slot, const char *why);

/* Gives the process the role, or keeps it, by that rule: first in the role table, which is what the
 * kernel side goes by, then in the registry. */
void tracker_grant(struct tracker *t, struct sighting *s, uint8_t role,
		   const struct config_server *rule);

/* Decides on the full evidence whether the process has a role. */
void tracker_judge(struct tracker *t, struct sighting *s);

/* Does the process still run the file that the slot has? Its path may have changed: a package
 * upgrade renames it. */
bool tracker_is_same_file(const struct registry_slot *slot, const struct proc_identity *id);

#endif
