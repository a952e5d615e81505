/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Daemon: the graph of all objects, started in one order and stopped in the reverse one.
 *
 * Owner:    main; one per process.
 * Threads:  main only.
 * Blocking: reload never; start takes as long as the BPF verifier, the self-test and the first scan
 *           (well below a second); stop as long as the slowest thread needs to leave its poll.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "config/config.h"
#include "base/errors.h"
#include "metrics/snapshot.h"
#include "options.h"

struct daemon;

/* Everything up and attached, or an error and nothing left behind. The signals that main waits for
 * must be blocked. */
int daemon_start(const struct config *config, const struct options *options, struct daemon **out,
		 struct error *err);

/* Detaches first, then stops every thread and frees everything. NULL is a no-op. */
void daemon_stop(struct daemon *d);

/* Takes over from *next what may change while the daemon runs, or, with an error, nothing. The keys
 * of what else differs are written to `restart`, as by config_change(). */
int daemon_reload(struct daemon *d, const struct config *next, char *restart, size_t size,
		  struct error *err);

/* For the metrics: the configuration was read again, and taken over or refused. */
void daemon_count_reload(struct daemon *d, bool is_taken);

struct snapshot_store *daemon_store(struct daemon *d);

/* Poll the fd for reading (-1: nothing to wait for) until the due time (0: for ever), then call
 * scheduler_event: 0, or an error that ends the daemon. */
int daemon_scheduler_fd(const struct daemon *d);
uint64_t daemon_scheduler_due_ns(const struct daemon *d);
int daemon_scheduler_event(struct daemon *d, struct error *err);

/* "scheduling: ..." or "observing: ...", with the scheduler's name or the reason. */
void daemon_mode(const struct daemon *d, char *text, size_t size);

/* One line for people: mode, source of process events, addresses. */
void daemon_describe(const struct daemon *d, char *text, size_t size);

/* --check: probes, prints what is supported in words, leaves nothing behind. 0, or 1 when the
 * daemon could not run here. */
int daemon_check(const struct config *config, FILE *out);

#endif
