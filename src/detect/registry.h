/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registry: the processes with a role, and which changes have not been reported yet.
 *
 * Owner:    the tracker, on the detect thread.
 * Threads:  detect only.
 * Blocking: never.
 * Limits:   SERVERS_MAX processes, REGISTRY_TOMBS ended ones not yet reported. Fixed memory.
 *
 * A process is pid and start_ticks: the same pid with another start is another process, and the
 * first must be removed (DOWN) before the second is put (UP). News wait in the slot (an UP) or
 * among the tombs (a DOWN) until registry_news() takes them, so a full queue loses nothing; tombs
 * go first, which keeps the order right for a reused pid.
 */
#ifndef DETECT_REGISTRY_H
#define DETECT_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "model/server.h"

#define REGISTRY_TOMBS (2 * SERVERS_MAX)

struct registry_slot {
	struct server server; /* pid 0: free */
	uint64_t generation;  /* of the last scan that saw it, or that was current when it came */
	int pidfd;	      /* owned; -1 if the kernel gives none */
	uint64_t exe_dev, exe_ino; /* the file it runs; 0 if it can't be read */
	struct config_server rule; /* the entry of the list that gave the role */
	bool is_reported;	   /* the reader of news knows of it */
	bool has_news;		   /* ... but not its latest state */
};

struct registry {
	struct registry_slot slots[SERVERS_MAX];
	unsigned int count;
	struct {
		int32_t pid;
		uint64_t start_ticks;
	} tombs[REGISTRY_TOMBS];
	unsigned int tomb_count;
};

void registry_init(struct registry *r);
void registry_fini(struct registry *r); /* closes the pidfds */

/* NULL if there is none. */
struct registry_slot *registry_find(struct registry *r, int32_t pid);

/* -EAGAIN if one more process of `uid` would be too many. */
int registry_check(const struct registry *r, uint32_t uid, unsigned int max,
		   unsigned int max_per_uid);

/* Adds, or updates the same process; owns pidfd on success. News only if something changed.
 * -EEXIST: the pid belongs to another process still; -EAGAIN: full. */
int registry_put(struct registry *r, const struct server *server, int pidfd, uint64_t generation,
		 struct registry_slot **out);
void registry_remove(struct registry *r, struct registry_slot *slot);

/* Takes up to `max` pieces of news. */
bool registry_has_news(const struct registry *r);
unsigned int registry_news(struct registry *r, struct server_event *out, unsigned int max);

/* So many ends are unreported that the caller should stop reading events until they are reported.
 * If this was false before, one round of events or one scan always fits. */
bool registry_is_congested(const struct registry *r);

#endif
