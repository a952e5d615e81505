/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guard: what a request must satisfy before any route sees it.
 *
 * The API is for programs on this machine. A web page in a browser on this machine is not one of
 * them: it can reach 127.0.0.1 by rebinding its DNS name, but it can't choose the Host header. So
 * exactly one Host that names the loopback interface is asked for, and no CORS header is ever sent.
 *
 * Pure functions, any thread.
 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <civetweb.h>
#include <stdbool.h>

/* Whether `value` of a Host header is localhost, 127.x.x.x or [::1], with or without a port. */
bool guard_host_is_loopback(const char *value);

/* The only value of a header; NULL if there is none; *count says how often it is there. */
const char *guard_header(const struct mg_request_info *ri, const char *name, unsigned int *count);

/* Framing and Host: 0, or the HTTP status of the refusal and one sentence in *why. */
int guard_request(const struct mg_request_info *ri, const char **why);

/* What is asked for: a path, "*", or an http URI (RFC 9112, 3.2), whose host must be what a Host
 * header must be. Sets *path, which may go on with a query, within `target`; or as above. */
int guard_target(const char *target, const char **path, const char **why);

/* Neither GET nor HEAD has a body here: 0 or 400. */
int guard_body(const struct mg_request_info *ri, const char **why);

#endif
