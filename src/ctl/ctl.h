/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ctl: the scx_stats server on its UNIX sockets.
 *
 * Owner:    main.
 * Threads:  its own thread `ctl`; counters from any.
 * Blocking: never on a client: sockets are non-blocking, a client that does not read is dropped.
 * Limits:   config->stats_clients clients, of which the longest idle gives way to one more;
 *           requests of at most 4 KiB a line, and config->requests_cpu_percent of a CPU for all of
 *           them; each client holds at most one snapshot, and the server one more during a request.
 *
 * Sockets: <runtime_dir>/stats always; config->scx_stats_path unless a living scheduler holds it. A
 * dead socket file is replaced, a living one never. Each connection keeps the snapshot of its last
 * request as the baseline of its deltas; the first request only takes it.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"
#include "base/errors.h"
#include "metrics/snapshot.h"

#define CTL_CLIENTS_MAX 64 /* whatever the configuration says */

struct ctl;

int ctl_new(const struct config *config, struct ctl **out, struct error *err);

/* Makes the sockets, without a thread: clients may connect, and are answered once it is started. An
 * error if <runtime_dir>/stats can't be had. */
int ctl_open(struct ctl *c, struct error *err);

/* Gives to `uid` the sockets, and the directories made for them. */
void ctl_give(const struct ctl *c, uid_t uid);

int ctl_start(struct ctl *c, struct snapshot_store *store, struct error *err);
/* From now on stats_clients is that of *config. Who is connected beyond that gives way to the next
 * one that comes. Main. */
void ctl_reload(struct ctl *c, const struct config *config);
void ctl_stop(struct ctl *c); /* closes clients, removes the socket files it made */
void ctl_free(struct ctl *c); /* NULL is a no-op */

struct ctl_counters {
	uint64_t requests_total, clients;
};
void ctl_counters(const struct ctl *c, struct ctl_counters *out);

#endif
