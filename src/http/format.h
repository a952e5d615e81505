/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Format: in which form a client wants the metrics, from the query and the Accept header.
 *
 * Pure functions, any thread.
 */
#ifndef HTTP_FORMAT_H
#define HTTP_FORMAT_H

#include <civetweb.h>
#include <stdbool.h>

#include "base/errors.h"
#include "metrics/snapshot.h"

/* The form's name, as in ?format= and in the ETag; its media type. */
const char *format_name(enum snapshot_format format);
const char *format_media_type(enum snapshot_format format);

/* Reads "format=NAME". Sets *is_given and then *format. -EINVAL with one sentence for any other key
 * or value, or if `is_allowed` is false and there is any. A NULL or empty query is none. */
int format_from_query(const char *query, bool is_allowed, enum snapshot_format *format,
		      bool *is_given, struct error *err);

/* Prometheus if the client prefers text/plain or application/openmetrics-text over JSON by its own
 * weights (RFC 9110, 12.5.1); wildcards, as browsers and curl send them, mean JSON. */
enum snapshot_format format_from_accept(const struct mg_request_info *ri);

#endif
