/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is written is what a parser that is not ours reads back.
 */
#include "metrics/json_out.h"
#include "sample.h"

static json_t *parsed(struct json_out *out)
{
	json_error_t why;
	json_t *value;
	char *text;
	size_t length;

	assert_int_equal(text_take(&out->text, &text, &length), 0);
	value = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (!value)
		fail_msg("%s: %s", text, why.text);
	free(text);
	return value;
}

static char *taken(struct json_out *out)
{
	char *text;
	size_t length;

	assert_int_equal(text_take(&out->text, &text, &length), 0);
	return text;
}

static void write_some(struct json_out *out)
{
	json_out_object(out, NULL);
	json_out_list(out, "empty");
	json_out_list_end(out);
	json_out_list(out, "list");
	json_out_i64(out, NULL, INT64_MIN);
	json_out_null(out, NULL);
	json_out_object(out, NULL);
	json_out_object_end(out);
	json_out_list_end(out);
	json_out_bool(out, "yes", true);
	json_out_u64(out, "most", UINT64_MAX);
	json_out_object_end(out);
}

static void form_is_compact_or_indented(void **state)
{
	struct json_out compact = {0}, pretty = {.is_pretty = true};
	char *text;

	write_some(&compact);
	text = taken(&compact);
	assert_string_equal(text, "{\"empty\":[],\"list\":[-9223372036854775808,null,{}],"
				  "\"yes\":true,\"most\":9223372036854775807}");
	free(text);
	write_some(&pretty);
	text = taken(&pretty);
	assert_string_equal(text, "{\n"
				  "  \"empty\": [],\n"
				  "  \"list\": [\n"
				  "    -9223372036854775808,\n"
				  "    null,\n"
				  "    {}\n"
				  "  ],\n"
				  "  \"yes\": true,\n"
				  "  \"most\": 9223372036854775807\n"
				  "}");
	free(text);
}

/* jansson decides whether it is UTF-8, too. */
static void check_bytes(const char *bytes, size_t size)
{
	size_t length = strnlen(bytes, size), i;
	json_t *expected = json_stringn(bytes, length), *value;
	struct json_out out = {0};
	char copy[64];

	if (!expected) {
		assert_true(length < sizeof(copy));
		for (i = 0; i < length; i++)
			copy[i] = (unsigned char)bytes[i] < 0x80 ? bytes[i] : '?';
		expected = json_stringn(copy, length);
	}
	assert_non_null(expected);
	json_out_bytes(&out, NULL, bytes, size);
	value = parsed(&out);
	assert_true(json_equal(value, expected));
	json_decref(value);
	json_decref(expected);
}

static void any_bytes_are_a_string(void **state)
{
	static const char *const known[] = {
		"",
		"plain",
		"quote\" back\\slash",
		"\b\f\n\r\t\x01\x1f\x7f",
		"\xc3\xa9t\xc3\xa9",
		"\xe2\x82\xac",
		"\xf0\x9f\x8e\xae",
		"\xc3",
		"\x80",
		"\xc0\xaf",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"a\xffz",
	};
	unsigned int seed = 1, round;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		check_bytes(known[i], strlen(known[i]));
	check_bytes("not terminated", 3);
	for (round = 0; round < 20000; round++) {
		char bytes[6];

		/* Mostly lead and continuation bytes, whose order is what matters. */
		for (i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = (char)(seed >> 16 & 3 ? 0x80 | seed >> 18 : seed >> 18 & 0x7f);
		}
		check_bytes(bytes, sizeof(bytes));
	}
}

static void text_grows(void **state)
{
	struct text text = {0};
	char *string;
	size_t length, i;

	text_expect(&text, 10000);
	for (i = 0; i < 3000; i++) {
		text_u64(&text, i);
		text_puts(&text, " and so on\n");
	}
	assert_true(text.capacity > text.length);
	text_u64(&text, UINT64_MAX);
	assert_int_equal(text_take(&text, &string, &length), 0);
	assert_int_equal(length, strlen(string));
	assert_memory_equal(string, "0 and so on\n1 and so on\n", 24);
	assert_string_equal(strstr(string, "2999 "), "2999 and so on\n18446744073709551615");
	assert_null(text.bytes);
	free(string);
}

static void text_of_nothing_is_empty(void **state)
{
	struct text text = {0};
	char *string;
	size_t length;

	assert_int_equal(text_take(&text, &string, &length), 0);
	assert_int_equal(length, 0);
	assert_string_equal(string, "");
	free(string);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form_is_compact_or_indented),
		cmocka_unit_test(any_bytes_are_a_string),
		cmocka_unit_test(text_grows),
		cmocka_unit_test(text_of_nothing_is_empty),
	};

	return cmocka_run_group_tests_name("json_out", tests, NULL, NULL);
}
