/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Source: where the detect thread hears of processes, and why from there.
 *
 * Owner:    detect; chosen once at start.
 * Threads:  detect.
 * Blocking: source_choose() up to about 3 s in the worst case (no answer, silent connector).
 * Limits:   one source at a time.
 *
 * Best first: the proc connector; BPF events of exec, fork and exit; a /proc scan now and then. A
 * source that does not prove itself is not used, and the features say why.
 */
#ifndef DETECT_SOURCE_H
#define DETECT_SOURCE_H

#include "base/config.h"
#include "base/errors.h"
#include "base/feature.h"
#include "detect/connector.h"
#include "detect/detect.h"

#define SOURCE_FEATURES 5

struct source {
	enum config_source kind;
	struct connector connector; /* open for netlink only */
	struct feature features[SOURCE_FEATURES];
	unsigned int feature_count;
	bool may_run_ahead; /* the thread may be real-time */
};

/* The configured source, or with auto the best that works. On failure nothing is open and the
 * sentence says why a forced source can't be had. */
int source_choose(struct source *s, const struct config *config, const struct detect_roles *roles,
		  struct detect *d, struct error *err);
void source_close(struct source *s);

/* Lets the calling thread run ahead of ordinary load if it may, and adds the feature that says so.
 */
void source_set_priority(struct source *s);

/* Real-time or ordinary from now on; no change where the thread may not be real-time. */
void source_run_ahead(const struct source *s, bool is_ahead);

#endif
