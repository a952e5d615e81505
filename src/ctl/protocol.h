/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Protocol: one request line of the scx_stats protocol, and the line that answers it.
 *
 *   {"req":"stats","args":{"target":"top"}}  ->  {"errno":0,"args":{"resp":{...}}}
 *   {"req":"stats_meta"}                     ->  {"errno":0,"args":{"resp":{...}}}
 *   anything else                            ->  {"errno":22,"args":{"resp":"what was wrong"}}
 *
 * Pure functions, any thread. Limits: PROTOCOL_LINE_MAX bytes a request.
 */
#ifndef CTL_PROTOCOL_H
#define CTL_PROTOCOL_H

#include <jansson.h>
#include <stddef.h>

#include "base/errors.h"
#include "metrics/metrics.h"

#define PROTOCOL_LINE_MAX 4096

/* Where an answer to "stats" comes from; asked only when the request is good. */
struct protocol_source {
	void *ctx;
	/* The two pictures to compare, valid until protocol_answer() returns. */
	void (*metrics)(void *ctx, const struct metrics **base, const struct metrics **now);
};

/* The answer with its newline, to be freed; NULL when memory is short. `line` needs no
 * terminator. */
char *protocol_answer(const char *line, size_t length, const struct protocol_source *source);

/* The answer to what is not even a line. */
char *protocol_error(int code, const char *text);

/* The client's side: the request, and what a reply brought. protocol_parse_reply() gives a new
 * reference, or NULL with the server's words (or ours) in *err. */
#define PROTOCOL_REQUEST "{\"req\":\"stats\",\"args\":{\"target\":\"top\"}}\n"
json_t *protocol_parse_reply(const char *line, size_t length, struct error *err);

#endif
