/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bridge: detect's view of the loader, and the loader's of detect. Neither room includes the other.
 *
 * Owner:    the daemon. It outlives detect's thread and the ring thread, which call its functions.
 * Threads:  bridge_roles() from main, before detect starts; the functions as detect.h and loader.h
 *           say.
 */
#ifndef BRIDGE_H
#define BRIDGE_H

#include "detect/detect.h"
#include "loader/loader.h"

struct bridge {
	struct loader *loader;
	struct loader_proc_sink proc_sink;
	struct loader_silence_sink silence_sink;
};

/* For detect_new(). */
struct detect_roles bridge_roles(struct bridge *b, struct loader *loader);

#endif
