/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/protocol.h"

static struct metrics picture;
static unsigned int asked;

static void give(void *ctx, const struct metrics **base, const struct metrics **now)
{
	asked++;
	*base = *now = &picture;
}

static const struct protocol_source source = {.metrics = give};

/* The errno of the answer; *resp is a new reference. */
static int answer(const char *line, size_t length, json_t **resp)
{
	char *text = protocol_answer(line, length, &source);
	json_t *reply;
	int code;

	assert_non_null(text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	reply = json_loads(text, 0, NULL);
	assert_true(json_is_integer(json_object_get(reply, "errno")));
	code = (int)json_integer_value(json_object_get(reply, "errno"));
	*resp = json_incref(json_object_get(json_object_get(reply, "args"), "resp"));
	assert_non_null(*resp);
	json_decref(reply);
	free(text);
	return code;
}

static void test_requests(void **state)
{
	static const struct {
		const char *line;
		const char *expected; /* a key of the answer, or words of the refusal */
		int code;
	} table[] = {
		{"{\"req\":\"stats\",\"args\":{\"target\":\"top\"}}", "classes", 0},
		{"{\"req\":\"stats\"}", "classes", 0},
		{" {\"req\" : \"stats\", \"args\": {}} \r", "servers", 0},
		{"{\"req\":\"stats\",\"args\":{\"target\":\"top\",\"other\":\"x\"}}", "mode", 0},
		{"{\"req\":\"stats_meta\"}", "GamerdStats", 0},
		{"{\"req\":\"stats_meta\",\"args\":{},\"more\":1}", "ClassStats", 0},
		{"{\"req\":\"stats\",\"args\":{\"target\":\"bottom\"}}", "unknown target", 22},
		{"{\"req\":\"stats\",\"args\":{\"target\":1}}", "strings", 22},
		{"{\"req\":\"stats\",\"args\":[]}", "object", 22},
		{"{\"req\":\"stats\",\"args\":null}", "object", 22},
		{"{\"req\":\"frobnicate\"}", "unknown request", 22},
		{"{\"req\":7}", "req must be a string", 22},
		{"{}", "req must be a string", 22},
		{"[]", "not a JSON object", 22},
		{"\"stats\"", "not a JSON object", 22},
		{"", "not a JSON object", 22},
		{"{\"req\":\"stats\"", "not a JSON object", 22},
		{"{\"req\":\"stats\"}{\"req\":\"stats\"}", "not a JSON object", 22},
		{"{\"req\":\"stats\",\"req\":\"stats_meta\"}", "not a JSON object", 22},
		{"\xff\xfe", "not a JSON object", 22},
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *resp;
		int code = answer(table[i].line, strlen(table[i].line), &resp);

		if (code != table[i].code)
			fail_msg("%s got errno %d", table[i].line, code);
		if (code)
			assert_non_null(strstr(json_string_value(resp), table[i].expected));
		else
			assert_non_null(json_object_get(resp, table[i].expected));
		json_decref(resp);
	}
}

static void test_only_good_requests_ask(void **state)
{
	json_t *resp;

	asked = 0;
	answer("{\"req\":\"stats\",\"args\":{\"target\":\"x\"}}", 38, &resp);
	json_decref(resp);
	answer("{\"req\":\"stats_meta\"}", 20, &resp);
	json_decref(resp);
	assert_int_equal(asked, 0);
	answer("{\"req\":\"stats\"}", 15, &resp);
	json_decref(resp);
	assert_int_equal(asked, 1);
}

static void test_limits(void **state)
{
	static char line[PROTOCOL_LINE_MAX + 1];
	json_t *resp;

	memset(line, '[', sizeof(line));
	assert_int_equal(answer(line, PROTOCOL_LINE_MAX, &resp), EINVAL);
	json_decref(resp);
	assert_int_equal(answer(line, PROTOCOL_LINE_MAX + 1, &resp), EINVAL);
	assert_non_null(strstr(json_string_value(resp), "4096"));
	json_decref(resp);
}

static void test_reply(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"errno\":0}",
		"{\"errno\":0,\"args\":{}}",
		"{\"args\":{\"resp\":{}}}",
		"{\"errno\":\"0\",\"args\":{\"resp\":{}}}",
	};
	struct error err;
	json_t *resp;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(protocol_parse_reply(bad[i], strlen(bad[i]), &err));
	resp = protocol_parse_reply("{\"errno\":0,\"args\":{\"resp\":{\"a\":1}}}\n", 36, &err);
	assert_int_equal(json_integer_value(json_object_get(resp, "a")), 1);
	json_decref(resp);
	assert_null(protocol_parse_reply("{\"errno\":22,\"args\":{\"resp\":\"no\"}}", 33, &err));
	assert_non_null(strstr(err.text, "no"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_only_good_requests_ask),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
