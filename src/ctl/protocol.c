/* SPDX-License-Identifier: GPL-2.0-only */
#include "ctl/protocol.h"

#include <errno.h>
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

static char *stats(const struct protocol_source *source)
{
	const struct metrics *base, *now;

	source->metrics(source->ctx, &base, &now);
	return reply(0, report_stats(base, now));
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
	if (strcmp(name, "stats") && strcmp(name, "stats_meta"))
		return protocol_error(EINVAL, "unknown request: there are stats and stats_meta");
	if (why)
		return protocol_error(EINVAL, why);
	return strcmp(name, "stats") ? reply(0, report_meta()) : stats(source);
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
