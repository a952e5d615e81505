/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/format.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	const char *media_type;
} formats[SNAPSHOT_FORMATS] = {
	[SNAPSHOT_JSON] = {"json", "application/json"},
	[SNAPSHOT_PRETTY] = {"pretty", "application/json"},
	[SNAPSHOT_PROMETHEUS] = {"prometheus", "text/plain; version=0.0.4; charset=utf-8"},
};

const char *format_name(enum snapshot_format format)
{
	return formats[format].name;
}

const char *format_media_type(enum snapshot_format format)
{
	return formats[format].media_type;
}

static bool equals(const char *text, size_t length, const char *name)
{
	return strlen(name) == length && !strncasecmp(text, name, length);
}

/* Says which key was wrong; a client's bytes come back only as far as they are harmless. */
static int refuse_key(const char *key, size_t length, struct error *err)
{
	char name[33];
	size_t i;

	for (i = 0; i < length && i < sizeof(name) - 1; i++)
		name[i] = isalnum((unsigned char)key[i]) || key[i] == '_' ? key[i] : '?';
	name[i] = '\0';
	return error_set(err, EINVAL, "unknown query key '%s'", name);
}

int format_from_query(const char *query, bool is_allowed, enum snapshot_format *format,
		      bool *is_given, struct error *err)
{
	enum snapshot_format found = SNAPSHOT_FORMATS;
	const char *part, *next;

	for (part = query; part && *part; part = next) {
		size_t length = strcspn(part, "&");
		size_t key = strcspn(part, "=&");
		unsigned int i;

		next = part[length] ? part + length + 1 : NULL;
		if (!is_allowed || !equals(part, key, "format"))
			return refuse_key(part, key, err);
		if (found != SNAPSHOT_FORMATS)
			return error_set(err, EINVAL, "format is given more than once");
		for (i = 0; i < SNAPSHOT_FORMATS && key < length; i++)
			if (equals(part + key + 1, length - key - 1, formats[i].name))
				found = (enum snapshot_format)i;
		if (found == SNAPSHOT_FORMATS)
			return error_set(err, EINVAL, "format must be json, pretty or prometheus");
	}
	*is_given = found != SNAPSHOT_FORMATS;
	if (*is_given)
		*format = found;
	return 0;
}

/* The weight of one media range in thousandths: its q parameter, 1000 without. */
static unsigned int weight(const char *params, size_t length)
{
	const char *end = params + length;
	unsigned int value, scale = 100;

	while (params < end) {
		const char *p = params + strspn(params, "; \t");
		size_t part = strcspn(p, ";,");

		params = p + part;
		if (part < 3 || (p[0] != 'q' && p[0] != 'Q') || p[1] != '=')
			continue;
		if (p[2] != '0')
			return 1000;
		value = 0;
		for (p += 4; p < params && isdigit((unsigned char)*p) && scale; p++, scale /= 10)
			value += (unsigned int)(*p - '0') * scale;
		return value;
	}
	return 1000;
}

static void raise_to(unsigned int *best, unsigned int value)
{
	if (value > *best)
		*best = value;
}

enum snapshot_format format_from_accept(const struct mg_request_info *ri)
{
	unsigned int json = 0, text = 0;
	int i;

	for (i = 0; i < ri->num_headers; i++) {
		const char *range = ri->http_headers[i].value;

		if (strcasecmp(ri->http_headers[i].name, "Accept"))
			continue;
		while (*(range += strspn(range, ", \t"))) {
			size_t length = strcspn(range, ",");
			size_t type = strcspn(range, ";, \t");
			unsigned int q = weight(range + type, length - type);

			if (equals(range, type, "application/json"))
				raise_to(&json, q);
			else if (equals(range, type, "text/plain") ||
				 equals(range, type, "application/openmetrics-text"))
				raise_to(&text, q);
			range += length;
		}
	}
	return text > json ? SNAPSHOT_PROMETHEUS : SNAPSHOT_JSON;
}
