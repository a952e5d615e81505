/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Route: the one table of what can be asked, and the walk from request to answer.
 *
 * Threads:  any worker. Blocking: at most ROUTE_FRESH_MS, waiting for the aggregator.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include <civetweb.h>
#include <stdbool.h>

#include "metrics/snapshot.h"

/* A snapshot older than this makes a reader wait for the next, at most so long. */
#define ROUTE_MAX_AGE_NS (1100 * 1000000ull)
#define ROUTE_FRESH_MS 100

/* Answers the request, whatever it is: returns the status. *is_rejected: by a guard. */
int route_request(struct snapshot_store *store, struct mg_connection *conn, bool *is_rejected);

#endif
