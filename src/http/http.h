/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP: the debug API on 127.0.0.1, served by civetweb from RCU snapshots.
 *
 * Owner:    main, and only with --debug-api: without it nothing of this exists.
 * Threads:  civetweb's own (config->http_threads workers); counters from any.
 * Blocking: http_start() until the port is bound; http_stop() until all workers are gone (tens of
 *           ms, whatever the clients do).
 * Limits:   GET and HEAD; a request of at most 8 KiB; config->http_timeout_ms for a slow one, and
 *           no time at all once others wait; all workers but two serve connections that are kept
 *           open between requests, the others one request each (slots.h). Each worker holds at
 *           most one snapshot. config->requests_cpu_percent of a CPU for all of it (throttle.h).
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdint.h>

#include "config/config.h"
#include "base/errors.h"
#include "metrics/snapshot.h"

struct http_server;

/* Port 0 picks a free one. -EADDRINUSE and the like with one sentence. */
int http_start(const struct config *config, uint16_t port, struct snapshot_store *store,
	       struct http_server **out, struct error *err);
uint16_t http_port(const struct http_server *server);
void http_stop(struct http_server *server); /* NULL is a no-op */

struct http_counters {
	uint64_t requests_total; /* answered, whatever the status */
	uint64_t rejected_total; /* of them, 4xx by a guard */
};
void http_counters(const struct http_server *server, struct http_counters *out); /* NULL: zeros */

#endif
