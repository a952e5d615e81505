/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Source: where the detect thread hears of processes, and why from there.
 *
 * Owner:    detect; chosen once at start.
 * Threads:  detect; source_features() from any.
 * Blocking: source_choose() up to about 3 s in the worst case (no answer, silent connector).
 * Limits:   one source at a time.
 *
 * Best first: the proc connector; BPF events of exec, fork and exit; a /proc scan now and then. A
 * source that does not prove itself is not used, and the features say why. None at all where the
 * kernel side's process numbers are not ours (another pid namespace, no /proc): then its verdicts
 * stand, and end only by its own exec and exit hooks.
 */
#ifndef DETECT_SOURCE_H
#define DETECT_SOURCE_H

#include <stdatomic.h>

#include "config/config.h"
#include "base/errors.h"
#include "base/feature.h"
#include "detect/connector.h"
#include "detect/detect.h"

#define SOURCE_FEATURES 5

struct source_features {
	struct feature list[SOURCE_FEATURES];
	unsigned int count;
};

/* What was found out at start, and what holds after the connector has failed: any thread reads the
 * one that is in force, so it never changes. */
enum { SOURCE_AT_START, SOURCE_FALLEN, SOURCE_STATES };

struct source {
	enum config_source kind;
	struct connector connector; /* open for netlink only */
	struct source_features features[SOURCE_STATES];
	unsigned int being_made; /* detect's own */
	_Atomic unsigned int in_force;
	uint64_t silent_ns; /* when the connector last fell silent; 0: never */
	bool may_run_ahead; /* the thread may be real-time */
};

/* The configured source, or with auto the best that works. On failure nothing is open and the
 * sentence says why a forced source can't be had. */
int source_choose(struct source *s, const struct config *config, const struct detect_roles *roles,
		  struct detect *d, struct error *err);
void source_close(struct source *s);

/* The connector has fallen silent: subscribes anew and tests it, or falls back. The events of that
 * time are lost, so a scan must follow. Takes up to about 3 s. */
void source_mend(struct source *s, const struct config *config, const struct detect_roles *roles,
		 struct detect *d);

/* The connector is beyond help: closed, and BPF events or else scans of /proc are used from now on.
 * Once at most. */
void source_fall_back(struct source *s, const struct config *config,
		      const struct detect_roles *roles, struct detect *d, const char *why);

/* Any thread, once the source is chosen. */
const struct source_features *source_features(const struct source *s);

/* Lets the calling thread run ahead of ordinary load if it may, and adds the feature that says so.
 */
void source_set_priority(struct source *s);

/* Real-time or ordinary from now on; no change where the thread may not be real-time. */
void source_run_ahead(const struct source *s, bool is_ahead);

#endif
