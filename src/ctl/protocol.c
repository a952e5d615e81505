/* SPDX-License-Identifier: GPL-2.0-only */
#include "ctl/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/report.h"

#define REPLY_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY)
#define LOAD_FLAGS JSON_REJECT_DUPLICATES

/* Consumes resp. */
static char *reply(int code, json_t *resp)
{
	json_t *object = json_pack("{s:i, s:{s:o}}", "errno", code, "args", "resp", resp);
	size_t length;
	char *text;

	if (!object)
		return NULL;
	length = json_dumpb(object, NULL, 0, REPLY_FLAGS);
	text = malloc(length + 2);
	if (text) {
		json_dumpb(object, text, length, REPLY_FLAGS);
		text[length] = '\n';
		text[length + 1] = '\0';
	}
	json_decref(object);
	return text;
}

char *protocol_error(int code, const char *text)
{
	return reply(code, json_string(text));
}

static json_t *stats(const struct protocol_source *source)
{
	const struct metrics *base, *now;

	source->metrics(source->ctx, &base, &now);
	return report_stats(base, now);
}

static json_t *stats_meta(const struct protocol_source *source)
{
	return report_meta();
}

/* All requests, a row each. */
static const struct request {
	const char *name;
	json_t *(*answer)(const struct protocol_source *source);
} requests[] = {
	{"stats", stats},
	{"stats_meta", stats_meta},
};
#define REQUEST_COUNT (sizeof(requests) / sizeof(requests[0]))

static char *unknown_request(void)
{
	char text[256] = "unknown request: there are ";
	size_t length = strlen(text);

	for (size_t i = 0; i < REQUEST_COUNT && length < sizeof(text); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
					   !i			   ? ""
					   : i < REQUEST_COUNT - 1 ? ", "
								   : " and ",
					   requests[i].name);
	return protocol_error(EINVAL, text);
}

/* All values of args are strings; of the keys only target means something. */
static const char *check_args(const json_t *args)
{
	const char *key, *target;
	json_t *value;

	if (!args)
		return NULL;
	if (!json_is_object(args))
		return "args must be an object";
	json_object_foreach(
		(json_t *)args, key,
		value) if (!json_is_string(value)) return "values in args must be strings";
	target = json_string_value(json_object_get(args, "target"));
	return !target || !strcmp(target, "top") ? NULL : "unknown target: there is only top";
}

static char *answer(const json_t *request, const struct protocol_source *source)
{
	const char *name = json_string_value(json_object_get(request, "req"));
	const char *why = check_args(json_object_get(request, "args"));

	if (!name)
		return protocol_error(EINVAL, "req must be a string");
	for (size_t i = 0; i < REQUEST_COUNT; i++)
		if (!strcmp(name, requests[i].name))
			return why ? protocol_error(EINVAL, why)
				   : reply(0, requests[i].answer(source));
	return unknown_request();
}

char *protocol_answer(const char *line, size_t length, const struct protocol_source *source)
{
	json_error_t error;
	json_t *request;
	char *text;

	if (length > PROTOCOL_LINE_MAX)
		return protocol_error(EINVAL, "the request is longer than 4096 bytes");
	request = json_loadb(line, length, LOAD_FLAGS, &error);
	if (!json_is_object(request)) {
		json_decref(request);
		return protocol_error(EINVAL, "the request is not a JSON object");
	}
	text = answer(request, source);
	json_decref(request);
	return text;
}

json_t *protocol_parse_reply(const char *line, size_t length, struct error *err)
{
	json_t *reply = json_loadb(line, length, 0, NULL);
	json_t *resp = json_object_get(json_object_get(reply, "args"), "resp");
	const char *text = json_string_value(resp);

	if (!json_is_integer(json_object_get(reply, "errno")) || !resp) {
		error_set(err, EPROTO, "the answer is not one of the scx_stats protocol");
		resp = NULL;
	} else if (json_integer_value(json_object_get(reply, "errno"))) {
		error_set(err, EPROTO, "the daemon refused: %s", text ? text : "without a reason");
		resp = NULL;
	}
	json_incref(resp);
	json_decref(reply);
	return resp;
}
