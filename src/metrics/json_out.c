/* SPDX-License-Identifier: GPL-2.0-only */
#include "metrics/json_out.h"

#include <string.h>

#include "base/utf8.h"

/* From here on a value may follow, in its place and with its name. */
static void begin_value(struct json_out *out, const char *key)
{
	unsigned int i;

	if (out->has_value)
		text_add(&out->text, ",", 1);
	if (out->is_pretty && out->depth) {
		text_add(&out->text, "\n", 1);
		for (i = 0; i < out->depth; i++)
			text_add(&out->text, "  ", 2);
	}
	out->has_value = true;
	if (!key)
		return;
	text_add(&out->text, "\"", 1);
	text_puts(&out->text, key);
	text_puts(&out->text, out->is_pretty ? "\": " : "\":");
}

static void begin_level(struct json_out *out, const char *key, const char *bracket)
{
	begin_value(out, key);
	text_add(&out->text, bracket, 1);
	out->has_value = false;
	out->depth++;
}

static void end_level(struct json_out *out, const char *bracket)
{
	unsigned int i;

	out->depth--;
	if (out->is_pretty && out->has_value) {
		text_add(&out->text, "\n", 1);
		for (i = 0; i < out->depth; i++)
			text_add(&out->text, "  ", 2);
	}
	text_add(&out->text, bracket, 1);
	out->has_value = true;
}

void json_out_object(struct json_out *out, const char *key)
{
	begin_level(out, key, "{");
}

void json_out_object_end(struct json_out *out)
{
	end_level(out, "}");
}

void json_out_list(struct json_out *out, const char *key)
{
	begin_level(out, key, "[");
}

void json_out_list_end(struct json_out *out)
{
	end_level(out, "]");
}

void json_out_u64(struct json_out *out, const char *key, uint64_t value)
{
	begin_value(out, key);
	text_u64(&out->text, value > INT64_MAX ? INT64_MAX : value);
}

void json_out_i64(struct json_out *out, const char *key, int64_t value)
{
	begin_value(out, key);
	if (value < 0)
		text_add(&out->text, "-", 1);
	text_u64(&out->text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json_out_bool(struct json_out *out, const char *key, bool value)
{
	begin_value(out, key);
	text_puts(&out->text, value ? "true" : "false");
}

void json_out_null(struct json_out *out, const char *key)
{
	begin_value(out, key);
	text_puts(&out->text, "null");
}

static bool is_utf8(const char *bytes, size_t length)
{
	size_t at = 0, step;

	for (; at < length; at += step) {
		step = utf8_length(bytes + at, length - at);
		if (!step)
			return false;
	}
	return true;
}

static void add_char(struct text *text, char c, bool is_text)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char byte = (unsigned char)c;

	if (byte == '"' || byte == '\\') {
		text_add(text, "\\", 1);
	} else if (byte < ' ') {
		text_puts(text, "\\u00");
		text_add(text, &hex[byte >> 4], 1);
		c = hex[byte & 15];
	} else if (byte >= 0x80 && !is_text) {
		c = '?';
	}
	text_add(text, &c, 1);
}

void json_out_bytes(struct json_out *out, const char *key, const char *bytes, size_t size)
{
	size_t length = strnlen(bytes, size), i;
	bool is_text = is_utf8(bytes, length);

	begin_value(out, key);
	text_add(&out->text, "\"", 1);
	for (i = 0; i < length; i++)
		add_char(&out->text, bytes[i], is_text);
	text_add(&out->text, "\"", 1);
}

void json_out_string(struct json_out *out, const char *key, const char *string)
{
	json_out_bytes(out, key, string, SIZE_MAX);
}
