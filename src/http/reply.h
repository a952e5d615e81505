/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reply: the answer to one request: status line, the headers every answer has, body.
 *
 * Threads:  the worker of that connection. Blocking: the listening socket's send buffer takes a
 *           whole answer, so a client that does not read holds nobody up (slots.h).
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include <civetweb.h>
#include <stdbool.h>
#include <stddef.h>

#define REPLY_ALLOW "GET, HEAD"

struct reply {
	int status;
	const char *media_type; /* NULL: no body at all, not even its length (304) */
	const char *etag;	/* with its quotes; NULL for none */
	const void *body;
	size_t length;
};

/* Whether the connection may be kept once this request is answered; after an error it is not. */
void reply_may_keep(struct mg_connection *conn, bool may_keep);

/* civetweb has refused the request by itself, and we have answered: there is nothing more to come.
 */
void reply_refused(struct mg_connection *conn);
bool reply_was_refused(const struct mg_connection *conn);

/* Sends it; a HEAD request gets the same without the body. Returns the status. */
int reply_send(struct mg_connection *conn, const struct reply *reply);

/* {"error": "..."}; `text` is ours and has nothing that JSON would have to escape but quotes. */
int reply_error(struct mg_connection *conn, int status, const char *text);

#endif
