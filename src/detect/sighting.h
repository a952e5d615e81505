/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sighting: a process as it was seen at one moment, in /proc and in the role table, and what that
 * says about its role.
 *
 * Owner:    the tracker, for the time of one event or one step of a scan.
 * Threads:  any.
 * Blocking: sighting_open() reads /proc, see proc.h.
 * Limits:   see proc.h.
 */
#ifndef DETECT_SIGHTING_H
#define DETECT_SIGHTING_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "detect/detect.h"
#include "detect/proc.h"
#include "detect/rules.h"

struct sighting {
	struct proc_identity id;
	int pidfd;	  /* -1: the kernel gave none, or it was taken over */
	uint64_t time_ns; /* the kernel's time stamp of the event that made us look; 0 for a scan */
	uint8_t source;	  /* enum role_source: where that event came from */
	bool has_entry;	  /* the role table has an entry of this very process */
	struct role_entry entry;
};

/* Reads who it is and what the role table says. -ESRCH: gone. Then there is nothing to close. */
int sighting_open(struct sighting *s, const struct detect_roles *roles, int32_t pid,
		  uint64_t time_ns, uint8_t source);
void sighting_close(struct sighting *s);

/* As if the process had the name `comm`. */
struct rules_verdict sighting_judge_as(const struct sighting *s, const struct config *config,
				       const char *comm);

/* On the full evidence, which is also what the kernel side saw. */
struct rules_verdict sighting_judge(const struct sighting *s, const struct config *config);

#endif
