/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/report.h"

#define COLUMNS 100

static struct metrics base, now;

static void add_waits(struct metrics *m, unsigned int class, uint64_t wait_ns, uint64_t count)
{
	struct wait_hist *hist = &m->counters.classes[class].wait;

	hist->buckets[hist_bucket(wait_ns)] += count;
	hist->sum_ns += wait_ns * count;
	if (wait_ns > hist->max_ns)
		hist->max_ns = wait_ns;
}

static int setup(void **state)
{
	struct server server = {.pid = 4711,
				.threads = 3,
				.detect_latency_ns = 123456,
				.role = ROLE_AUDIO_SERVER,
				.source = SOURCE_NETLINK,
				.comm = "pipewire",
				.exe = "/usr/bin/pipewire"};

	memset(&base, 0, sizeof(base));
	base.started_ns = 1;
	base.published_ns = 10 * NSEC_PER_SEC;
	memcpy(base.source, "netlink", sizeof("netlink"));
	base.servers[0] = server;
	base.server_count = 1;
	base.received_total = 100;
	base.thread_count = 1;
	base.threads[0] = (struct thread_usage){.name = "detect", .wakeups_total = 7};
	base.counters.input_keyboard = 1000;
	add_waits(&base, CLASS_AUDIO_SERVER, 50 * NSEC_PER_MSEC, 10);

	now = base;
	now.published_ns += 2 * NSEC_PER_SEC;
	now.received_total = 130;
	now.rss_bytes = 5 << 20;
	now.threads[0].wakeups_total = 9;
	now.thread_count = 2;
	now.threads[1] = (struct thread_usage){.name = "ctl", .wakeups_total = 4};
	now.counters.input_keyboard = 1024;
	now.counters.classes[CLASS_AUDIO_SERVER].threads = 3;
	now.counters.classes[CLASS_AUDIO_SERVER].wakeups = 94;
	add_waits(&now, CLASS_AUDIO_SERVER, 4096, 99);
	add_waits(&now, CLASS_AUDIO_SERVER, 70000, 1);
	base.kernel_event_count = 3;
	base.kernel_events[0] = (struct kernel_event){"SCX_EV_SELECT_CPU_FALLBACK", 10};
	base.kernel_events[1] = (struct kernel_event){"SCX_EV_ENQ_SKIP_EXITING", 20};
	base.kernel_events[2] = (struct kernel_event){"SCX_EV_BYPASS_ACTIVATE", 1};
	now.kernel_event_count = 3;
	now.kernel_events[0] = (struct kernel_event){"SCX_EV_SELECT_CPU_FALLBACK", 17};
	now.kernel_events[1] = (struct kernel_event){"SCX_EV_ENQ_SKIP_EXITING", 5};
	now.kernel_events[2] = (struct kernel_event){"SCX_EV_BYPASS_ACTIVATE", 1};
	now.oldest_runnable_ns[CLASS_GAME] = 2 * NSEC_PER_SEC;
	now.long_wait_count = 2;
	now.long_waits[0] = (struct metrics_long_wait){.time_ns = 11 * NSEC_PER_SEC,
						       .wait_ns = 12300000,
						       .pid = 99,
						       .comm = "data-loop.0",
						       .holder_comm = "hog"};
	now.long_waits[1] = (struct metrics_long_wait){.time_ns = 9 * NSEC_PER_SEC};
	return 0;
}

static json_int_t get(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail_msg("no number '%s'", key);
	return json_integer_value(value);
}

static char *print(void (*function)(FILE *, const json_t *), const json_t *stats)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	function(out, stats);
	fclose(out);
	return text;
}

static void test_differences(void **state)
{
	json_t *top = report_stats(&base, &now);
	const json_t *threads = json_object_get(top, "threads");

	assert_int_equal(get(top, "interval_ns"), 2 * NSEC_PER_SEC);
	assert_int_equal(get(top, "proc_events_received_total"), 30);
	assert_int_equal(get(top, "self_rss_bytes"), 5 << 20);
	assert_int_equal(get(top, "input_keyboard_events_total"), 24);
	assert_int_equal(get(json_object_get(threads, "detect"), "wakeups_total"), 2);
	assert_int_equal(get(json_object_get(threads, "ctl"), "wakeups_total"), 4);
	assert_string_equal(json_string_value(json_object_get(top, "mode")), "observe");
	assert_int_equal(json_array_size(json_object_get(top, "long_waits")), 1);
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(json_object_get(top, "servers"), "4711"), "comm")),
		"pipewire");
	json_decref(top);
}

/* The second has begun anew, with another attachment. */
static void test_kernel_events(void **state)
{
	json_t *top = report_stats(&base, &now), *events = json_object_get(top, "events");
	char *text;

	assert_int_equal(json_object_size(events), 3);
	assert_int_equal(get(json_object_get(events, "SCX_EV_SELECT_CPU_FALLBACK"), "total"), 7);
	assert_int_equal(get(json_object_get(events, "SCX_EV_ENQ_SKIP_EXITING"), "total"), 5);
	assert_int_equal(get(json_object_get(events, "SCX_EV_BYPASS_ACTIVATE"), "total"), 0);
	text = print(report_print, top);
	assert_non_null(strstr(text, "  kernel  SELECT_CPU_FALLBACK 7  ENQ_SKIP_EXITING 5\n"));
	assert_non_null(strstr(text, "class game has been runnable for 2.00 s"));
	free(text);
	json_decref(top);
}

static void test_waits_of_interval(void **state)
{
	json_t *top = report_stats(&base, &now);
	const json_t *class = json_object_get(json_object_get(top, "classes"), "audio_server");

	assert_int_equal(get(class, "wait_count"), 100);
	assert_int_equal(get(class, "wait_sum_ns"), 99 * 4096 + 70000);
	assert_in_range(get(class, "wait_p50_ns"), 4096, 4096 * 9 / 8);
	assert_in_range(get(class, "wait_p99_ns"), 4096, 4096 * 9 / 8);
	/* 50 ms was before; of this interval only the bucket is known */
	assert_in_range(get(class, "wait_max_ns"), 70000, 70000 * 9 / 8);
	json_decref(top);

	add_waits(&now, CLASS_AUDIO_SERVER, 60 * NSEC_PER_MSEC, 1);
	top = report_stats(&base, &now);
	class = json_object_get(json_object_get(top, "classes"), "audio_server");
	assert_int_equal(get(class, "wait_max_ns"), 60 * NSEC_PER_MSEC);
	json_decref(top);
}

static void test_no_interval(void **state)
{
	json_t *top = report_stats(&now, &now);
	const json_t *class = json_object_get(json_object_get(top, "classes"), "audio_server");

	assert_int_equal(get(top, "interval_ns"), 0);
	assert_int_equal(get(top, "proc_events_received_total"), 0);
	assert_int_equal(get(class, "wait_count"), 0);
	assert_int_equal(get(class, "wait_max_ns"), 0);
	assert_int_equal(get(class, "threads"), 3);
	json_decref(top);
}

static void test_counter_never_back(void **state)
{
	json_t *top = report_stats(&now, &base);

	assert_int_equal(get(top, "proc_events_received_total"), 0);
	json_decref(top);
}

/* A comm is whatever bytes a process chose. */
static void test_any_bytes(void **state)
{
	static const char bytes[SERVER_COMM_MAX] = "\xff\xfe\"\\\n\x01pipewire12";
	json_t *top;

	memcpy(now.servers[0].comm, bytes, sizeof(bytes));
	memset(now.servers[0].exe, 'x', sizeof(now.servers[0].exe));
	top = report_stats(&base, &now);
	assert_non_null(top);
	assert_int_equal(json_string_length(json_object_get(
				 json_object_get(json_object_get(top, "servers"), "4711"), "comm")),
			 SERVER_COMM_MAX);
	json_decref(top);
}

/* Every value has its field in the schema with the right type, and the other way round. */
static void compare(const json_t *meta, const char *name, const json_t *object)
{
	const json_t *fields = json_object_get(json_object_get(meta, name), "fields");
	const char *key, *inner;
	json_t *field, *member;
	size_t i;

	assert_string_equal(json_string_value(json_object_get(json_object_get(meta, name), "name")),
			    name);
	assert_int_equal(json_object_size(fields), json_object_size(object));
	json_object_foreach((json_t *)fields, key, field)
	{
		const json_t *value = json_object_get(object, key);
		const char *datum = json_string_value(json_object_get(field, "datum"));
		const json_t *dict = json_object_get(field, "dict");
		const json_t *array = json_object_get(field, "array");

		if (!value)
			fail_msg("%s.%s is in the schema only", name, key);
		assert_non_null(json_string_value(json_object_get(field, "desc")));
		if (datum && !strcmp(datum, "u64")) {
			assert_true(json_is_integer(value));
		} else if (datum) {
			assert_string_equal(datum, "string");
			assert_true(json_is_string(value));
		} else if (dict) {
			const char *of = json_string_value(
				json_object_get(json_object_get(dict, "datum"), "struct"));

			assert_string_equal(json_string_value(json_object_get(dict, "key")),
					    "string");
			assert_true(json_object_size(value) > 0);
			json_object_foreach((json_t *)value, inner, member)
				compare(meta, of, member);
		} else {
			const char *of = json_string_value(json_object_get(array, "struct"));

			assert_true(json_array_size(value) > 0);
			json_array_foreach((json_t *)value, i, member) compare(meta, of, member);
		}
	}
}

static void test_schema(void **state)
{
	json_t *meta = report_meta(), *top = report_stats(&base, &now), *entry;
	const char *name;
	int tops = 0;

	assert_non_null(meta);
	json_object_foreach(meta, name, entry)
	{
		const char *is_top = json_string_value(json_object_get(entry, "top"));

		if (!is_top)
			continue;
		assert_string_equal(is_top, "true");
		tops++;
		compare(meta, name, top);
	}
	assert_int_equal(tops, 1);
	entry = json_object_get(json_object_get(meta, "ClassStats"), "user");
	assert_string_equal(json_string_value(json_object_get(entry, "_om_label")), "class");
	json_decref(meta);
	json_decref(top);
}

static void test_print(void **state)
{
	json_t *top = report_stats(&base, &now);
	char *text = print(report_print, top), *line, *next;

	assert_non_null(strstr(text, "observe"));
	assert_non_null(strstr(text, "pipewire"));
	assert_non_null(strstr(text, "123 us"));
	assert_non_null(strstr(text, "47.0")); /* wake-ups a second */
	assert_non_null(strstr(text, "12.3 ms"));
	assert_null(strstr(text, "compositor")); /* a class without threads and activity */
	for (line = text; (next = strchr(line, '\n')); line = next + 1)
		assert_true(next - line <= COLUMNS);
	free(text);
	json_decref(top);
}

/* What another version, or no daemon at all, may have sent. */
static void test_print_anything(void **state)
{
	static const char *const objects[] = {
		"{}",
		"[]",
		"{\"servers\":{},\"classes\":{},\"long_waits\":[]}",
		"{\"servers\":[1],\"classes\":7,\"long_waits\":{\"a\":1},\"mode\":3}",
		"{\"servers\":{\"x\":null},\"classes\":{\"y\":[]},\"long_waits\":[null,1]}",
		"{\"interval_ns\":-5,\"uptime_ns\":9223372036854775807}",
	};
	size_t i;

	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		json_t *stats = json_loads(objects[i], 0, NULL);
		char *text = print(report_print, stats);

		assert_true(strlen(text) > 0);
		free(text);
		text = print(report_print_input, stats);
		assert_non_null(strstr(text, "KBD:off"));
		free(text);
		assert_null(report_input_missing(stats));
		json_decref(stats);
	}
}

/* No name, wherever it comes from, brings a line or a command for the terminal with it. */
static void test_print_masks(void **state)
{
#define EVIL "\\u001b[3\\u009b\\u007f\\n"
	static const char object[] = "{\"version\":\"" EVIL "\",\"mode\":\"" EVIL
				     "\",\"source\":\"" EVIL "\","
				     "\"input_hook\":\"" EVIL "\","
				     "\"servers\":{\"" EVIL "\":{\"comm\":\"" EVIL
				     "\",\"role\":\"" EVIL "\",\"source\":\"" EVIL "\"}},"
				     "\"classes\":{\"" EVIL
				     "\":{\"threads\":1,\"oldest_runnable_ns\":2000000000}},"
				     "\"events\":{\"" EVIL "\":{\"total\":1}},"
				     "\"long_waits\":[{\"class\":\"" EVIL "\",\"comm\":\"" EVIL
				     "\",\"holder_comm\":\"" EVIL "\"}]}";
	json_t *stats = json_loads(object, 0, NULL);
	json_t *plain = json_loads("{\"servers\":{\"1\":{}},\"classes\":{\"a\":{\"threads\":1,"
				   "\"oldest_runnable_ns\":2000000000}},"
				   "\"events\":{\"e\":{\"total\":1}},\"long_waits\":[{}]}",
				   0, NULL);
	char *text = print(report_print, stats), *expected = print(report_print, plain), *c;
	unsigned int lines = 0, expected_lines = 0, masked = 0;

	for (c = text; *c; c++) {
		lines += *c == '\n';
		masked += *c == '?';
		assert_true(*c == '\n' || (*c >= ' ' && *c < 0x7f));
	}
	for (c = expected; *c; c++)
		expected_lines += *c == '\n';
	assert_int_equal(lines, expected_lines);
	assert_true(masked > 0);
	free(text);
	free(expected);
	json_decref(stats);
	json_decref(plain);
}

static void test_print_input(void **state)
{
	json_t *top = report_stats(&base, &now);
	char *text = print(report_print_input, top);
	unsigned int hour, minute, second;

	assert_int_equal(sscanf(text, "[%2u:%2u:%2u] ", &hour, &minute, &second), 3);
	assert_string_equal(text + 11, "INPUT:ON  KBD:ON ( 12/s)  MOUSE:off (  0/s)  "
				       "OTHER:off  readers:0\n");
	free(text);
	json_decref(top);
}

static void test_input_missing(void **state)
{
	json_t *top;

	now.feature_count = 1;
	now.features[0] = (struct feature){.name = "input_hook", .detail = "no fentry here"};
	top = report_stats(&base, &now);
	assert_string_equal(report_input_missing(top), "no fentry here");
	json_decref(top);
	now.features[0].is_available = true;
	top = report_stats(&base, &now);
	assert_null(report_input_missing(top));
	json_decref(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_differences, setup),
		cmocka_unit_test_setup(test_kernel_events, setup),
		cmocka_unit_test_setup(test_waits_of_interval, setup),
		cmocka_unit_test_setup(test_no_interval, setup),
		cmocka_unit_test_setup(test_counter_never_back, setup),
		cmocka_unit_test_setup(test_any_bytes, setup),
		cmocka_unit_test_setup(test_schema, setup),
		cmocka_unit_test_setup(test_print, setup),
		cmocka_unit_test_setup(test_print_anything, setup),
		cmocka_unit_test_setup(test_print_masks, setup),
		cmocka_unit_test_setup(test_print_input, setup),
		cmocka_unit_test_setup(test_input_missing, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
