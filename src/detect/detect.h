/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Detect: knows processes with a role from the moment they exec, fork, rename or exit.
 *
 * Owner:    main. detect_new(), detect_start(), detect_stop(), detect_free().
 * Threads:  its own thread `detect`; detect_offer() from the ring thread, detect_read() from any.
 * Blocking: detect_reload() never; detect_start() waits for subscription, self-test and first scan
 *           (at most about 3 s).
 * Limits:   SERVERS_MAX processes; one /proc scan at start, one per overrun and one when a place
 *           comes free after somebody was refused, rate-limited, and one per reload; the CPU time
 *           of detect/budget.h, and no more than that of it as a real-time thread.
 *
 * Source of events, best first: the proc connector behind the BPF socket filter; the BPF records of
 * exec, fork and exit; a /proc scan each config->scan_interval_ms. It says which one it uses. From
 * a connector that fails, or falls silent again and again, it goes on to the next.
 */
#ifndef DETECT_DETECT_H
#define DETECT_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "base/errors.h"
#include "base/evq.h"
#include "base/feature.h"
#include "bpf/abi/events.h"
#include "bpf/abi/roles.h"

struct detect;

/* The table of roles and the kernel-side filter, as main hands them over from the loader. No
 * function is NULL. */
struct detect_roles {
	void *ctx;
	int (*apply)(void *ctx, const struct role_request *request);
	int (*get)(void *ctx, uint32_t tgid, struct role_entry *out);
	int (*next)(void *ctx, const uint32_t *tgid, uint32_t *next);
	int filter_fd; /* negative: none */
	void (*selftest)(void *ctx, uint32_t tgid);
	/* The list of names, grant_at_exec and the limits are those of *config from now on. */
	int (*reload)(void *ctx, const struct config *config);
	/* Asks for detect_offer() to be called with BPF events; false if the kernel gives none. */
	bool (*offer_bpf)(void *ctx, struct detect *d);
	/* From now on none are wanted, or again. */
	void (*pause_bpf)(void *ctx, bool is_paused);
	/* Asks for detect_silent() to be called once, when the proc connector falls silent. */
	void (*watch_connector)(void *ctx, struct detect *d);
};

struct detect_counters {
	uint64_t received_total; /* events read and looked at */
	uint64_t wakeups_total;	 /* times the thread woke for them */
	uint64_t overruns_total; /* ENOBUFS, inbox full, or the budget used up */
	uint64_t lost_total;	 /* dropped by the kernel (SO_MEMINFO), or thrown away unread */
	uint64_t silences_total; /* times the proc connector fell silent */
	uint64_t resyncs_total;	 /* scans after an overrun or a silence */
	uint64_t scans_total;	 /* all scans, the first one included */
	uint64_t generation;	 /* of the registry: one more with each scan */
	uint64_t registered_total;
	uint64_t unregistered_total;
	uint64_t rejected_total;
	uint64_t gone_total; /* processes that ended before they could be read */
};

/* Makes a copy of *config. */
int detect_new(const struct config *config, const struct detect_roles *roles,
	       struct evq_producer *producer, struct detect **out, struct error *err);
int detect_start(struct detect *d, struct error *err);
void detect_stop(struct detect *d);

/* From about now on *config, of which it makes a copy, is what counts, for processes that run
 * already as well. What is used only at the start must be as it was. After detect_start(); main. */
int detect_reload(struct detect *d, const struct config *config, struct error *err);
void detect_free(struct detect *d); /* NULL is a no-op */

/* A BPF event (exec, fork, exit), copied into a bounded inbox; a full inbox counts as an overrun.
 */
void detect_offer(struct detect *d, const struct event *event);

/* BPF events were lost before they could be offered: counts as an overrun. The ring thread. */
void detect_lost(struct detect *d);

/* Processes execute programs, and the proc connector says nothing of them. The ring thread. */
void detect_silent(struct detect *d);

void detect_read(const struct detect *d, struct detect_counters *out);

/* The source in use: CONFIG_SOURCE_NETLINK, _BPF, _SCAN or _NONE; and what was found out about
 * each. */
enum config_source detect_source(const struct detect *d);
unsigned int detect_features(const struct detect *d, struct feature *out, unsigned int max);

#endif
