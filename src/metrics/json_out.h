/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON out: writes a JSON value from its beginning to its end, without a tree of it in memory. A
 * body is made once a second in a daemon that else sleeps; built as a tree, value by value on the
 * heap, it took five times as long.
 *
 * Owner:    the caller zeroes the struct, sets is_pretty, and takes text.
 * Limits:   the caller sees to it that keys are unique and plain (no quotes), and that what is
 * begun is ended.
 *
 * Each call writes one value; `key` is its name in the object it is in, NULL in a list or at the
 * top.
 */
#ifndef METRICS_JSON_OUT_H
#define METRICS_JSON_OUT_H

#include "metrics/text.h"

struct json_out {
	struct text text;
	bool is_pretty; /* two spaces for each level, else no space at all */
	bool has_value; /* in the innermost object or list, so that a comma is due */
	unsigned int depth;
};

void json_out_object(struct json_out *out, const char *key);
void json_out_object_end(struct json_out *out);
void json_out_list(struct json_out *out, const char *key);
void json_out_list_end(struct json_out *out);

/* What is greater than INT64_MAX is written as that: readers have signed integers. */
void json_out_u64(struct json_out *out, const char *key, uint64_t value);
void json_out_i64(struct json_out *out, const char *key, int64_t value);
void json_out_bool(struct json_out *out, const char *key, bool value);
void json_out_null(struct json_out *out, const char *key);
void json_out_string(struct json_out *out, const char *key, const char *string);

/* `bytes` are any, as a comm is, up to `size` or a terminator. JSON is UTF-8: what is none has each
 * byte outside ASCII replaced by a question mark. */
void json_out_bytes(struct json_out *out, const char *key, const char *bytes, size_t size);

#endif
