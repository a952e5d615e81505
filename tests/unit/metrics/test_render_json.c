/* SPDX-License-Identifier: GPL-2.0-only */
#include "metrics/render.h"
#include "sample.h"

/* Names others rely on; a class, thread or list entry stands for all of them. */
static const char *const promised[] = {
	"version",
	"mode",
	"sequence",
	"age_ns",
	"uptime_ns",
	"audio.servers.0.pid",
	"audio.servers.0.comm",
	"audio.servers.0.exe",
	"audio.servers.0.role",
	"audio.servers.0.source",
	"audio.servers.0.threads",
	"audio.servers.0.detect_latency_ns",
	"audio.registered_total",
	"audio.unregistered_total",
	"audio.rejected_total",
	"proc_events.received_total",
	"proc_events.wakeups_total",
	"proc_events.overruns_total",
	"proc_events.silences_total",
	"proc_events.resyncs_total",
	"proc_events.scans_total",
	"proc_events.source",
	"proc_events.lost_total",
	"proc_events.generation",
	"proc_events.filter_seen_total",
	"proc_events.filter_passed_total",
	"proc_events.gone_total",
	"classes.audio_server.threads",
	"classes.audio_support.threads",
	"classes.audio_client.threads",
	"classes.input.threads",
	"classes.compositor.threads",
	"classes.game.threads",
	"classes.normal.threads",
	"classes.background.threads",
	"classes.normal.wakeups_total",
	"classes.normal.runtime_ns_total",
	"classes.normal.wait.count",
	"classes.normal.wait.sum_ns",
	"classes.normal.wait.p50_ns",
	"classes.normal.wait.p99_ns",
	"classes.normal.wait.p999_ns",
	"classes.normal.wait.max_ns",
	"classes.normal.wait.rt_waits_total",
	"roles.entries",
	"roles.generation",
	"roles.lookups_total",
	"roles.cached_total",
	"roles.granted_total",
	"roles.inherited_total",
	"roles.ended_total",
	"roles.rejected_total",
	"pipeline.attempted_total",
	"pipeline.submitted_total",
	"pipeline.dropped_total",
	"pipeline.consumed_total",
	"pipeline.aggregated_total",
	"pipeline.queued",
	"pipeline.unmeasured_waits_total",
	"sched.enabled",
	"sched.ops",
	"sched.direct_total",
	"sched.urgent_total",
	"sched.normal_total",
	"sched.preempts_total",
	"sched.budget_exhausted_total",
	"sched.groupless_total",
	"input.events_total",
	"input.keyboard_events_total",
	"input.pointer_events_total",
	"input.readers",
	"http.requests_total",
	"http.bodies_rendered_total",
	"http.bodies_shared_total",
	"config.reloads_total",
	"config.reload_errors_total",
	"self.cpu_ns_total",
	"self.rss_bytes",
	"self.snapshots_live",
	"self.threads.main.cpu_ns_total",
	"self.threads.main.wakeups_total",
	"self.threads.main.beats_total",
	"long_waits.total",
	"long_waits.recent.0.age_ns",
	"long_waits.recent.0.wait_ns",
	"long_waits.recent.0.class",
	"long_waits.recent.0.pid",
	"long_waits.recent.0.tgid",
	"long_waits.recent.0.comm",
	"long_waits.recent.0.cpu",
	"long_waits.recent.0.is_rt",
	"long_waits.recent.0.holder_pid",
	"long_waits.recent.0.holder_comm",
	"long_waits.recent.0.holder_is_rt",
};

static struct metrics m;

static int setup(void **state)
{
	sample_metrics(&m);
	return 0;
}

static const json_t *at(const json_t *node, const char *path)
{
	char *copy = strdup(path), *rest = copy, *key;

	assert_non_null(copy);
	while (node && (key = strsep(&rest, ".")))
		node = json_is_array(node) ? json_array_get(node, strtoul(key, NULL, 10))
					   : json_object_get(node, key);
	free(copy);
	return node;
}

static json_int_t int_at(const json_t *root, const char *path)
{
	const json_t *node = at(root, path);

	assert_true(json_is_integer(node));
	return json_integer_value(node);
}

static const char *string_at(const json_t *root, const char *path)
{
	const json_t *node = at(root, path);

	assert_true(json_is_string(node));
	return json_string_value(node);
}

static void json_has_every_promised_name(void **state)
{
	json_t *root = sample_json(&m, SAMPLE_NOW_NS, false);
	size_t i;

	for (i = 0; i < sizeof(promised) / sizeof(promised[0]); i++)
		if (!at(root, promised[i]))
			fail_msg("%s is missing", promised[i]);
	json_decref(root);
}

static void json_is_as_recorded(void **state)
{
	json_t *root = sample_json(&m, SAMPLE_NOW_NS, false);
	char *text;

	assert_string_equal(string_at(root, "version"), GAMERD_VERSION);
	assert_int_equal(json_object_set_new(root, "version", json_string("X")), 0);
	text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS);
	assert_non_null(text);
	golden_check(TEST_DATA_DIR "/metrics/sample.json", text);
	free(text);
	json_decref(root);
}

static void json_is_the_same_pretty_or_not(void **state)
{
	json_t *compact = sample_json(&m, SAMPLE_NOW_NS, false);
	json_t *pretty = sample_json(&m, SAMPLE_NOW_NS, true);

	assert_true(json_equal(compact, pretty));
	json_decref(compact);
	json_decref(pretty);
}

static void json_lists_audio_roles_only(void **state)
{
	json_t *root = sample_json(&m, SAMPLE_NOW_NS, false);

	assert_int_equal(json_array_size(at(root, "audio.servers")), 2);
	assert_int_equal(int_at(root, "audio.servers.0.pid"), 321);
	assert_string_equal(string_at(root, "audio.servers.1.role"), "audio_support");
	assert_string_equal(string_at(root, "audio.servers.1.comm"), "rtkit?\"daemon");
	assert_string_equal(string_at(root, "long_waits.recent.0.holder_comm"), "sixteen-bytes-16");
	json_decref(root);
}

static void json_of_an_empty_picture_is_complete(void **state)
{
	static const struct metrics empty;
	json_t *root = sample_json(&empty, 0, false);

	assert_string_equal(string_at(root, "mode"), "observe");
	assert_int_equal(json_object_size(at(root, "classes")), CLASS_COUNT);
	assert_int_equal(int_at(root, "classes.game.wait.p99_ns"), 0);
	assert_int_equal(json_object_size(at(root, "self.threads")), 0);
	assert_int_equal(json_array_size(at(root, "long_waits.recent")), 0);
	json_decref(root);
}

static void json_keeps_what_an_integer_cannot_hold_at_its_greatest(void **state)
{
	json_t *root;

	m.received_total = UINT64_MAX;
	root = sample_json(&m, SAMPLE_NOW_NS, false);
	assert_int_equal(int_at(root, "proc_events.received_total"), INT64_MAX);
	json_decref(root);
}

static json_t *health(uint64_t now_ns, bool expected, const char *status)
{
	bool is_healthy = !expected;
	json_t *root;
	char *text;
	size_t length;

	assert_int_equal(render_health(&m, now_ns, &is_healthy, &text, &length), 0);
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	free(text);
	assert_int_equal(is_healthy, expected);
	assert_string_equal(string_at(root, "status"), status);
	assert_int_equal(json_is_null(at(root, "reason")), expected);
	return root;
}

static void health_is_ok(void **state)
{
	json_t *root = health(SAMPLE_NOW_NS, true, "ok");

	assert_string_equal(string_at(root, "mode"), "observe");
	assert_int_equal(int_at(root, "age_ns"), SAMPLE_NOW_NS - SAMPLE_PUBLISHED_NS);
	assert_int_equal(int_at(root, "sequence"), 42);
	assert_int_equal(int_at(root, "threads.aggregate.beats_total"), 242);
	assert_true(json_is_false(at(root, "threads.aggregate.sleeping")));
	assert_true(json_is_true(at(root, "threads.main.sleeping")));
	assert_string_equal(string_at(root, "features.1.name"), "sched_ext");
	assert_true(json_is_true(at(root, "features.0.available")));
	assert_string_equal(string_at(root, "features.1.detail"),
			    "kernel built without it: observing");
	json_decref(root);
}

static void health_sees_a_stale_snapshot(void **state)
{
	json_decref(health(SAMPLE_PUBLISHED_NS + RENDER_STALE_NS, true, "ok"));
	json_decref(health(SAMPLE_PUBLISHED_NS + RENDER_STALE_NS + 1, false, "stale"));
}

static void health_sees_a_thread_that_hangs(void **state)
{
	json_t *root;

	m.threads[1].last_beat_ns = SAMPLE_PUBLISHED_NS - THREAD_HUNG_NS;
	json_decref(health(SAMPLE_NOW_NS, true, "ok"));
	m.threads[1].last_beat_ns--;
	root = health(SAMPLE_NOW_NS, false, "hung");
	assert_non_null(strstr(string_at(root, "reason"), "aggregate"));
	json_decref(root);
	m.threads[1].is_sleeping = true;
	json_decref(health(SAMPLE_NOW_NS, true, "ok"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(json_has_every_promised_name, setup),
		cmocka_unit_test_setup(json_is_as_recorded, setup),
		cmocka_unit_test_setup(json_is_the_same_pretty_or_not, setup),
		cmocka_unit_test_setup(json_lists_audio_roles_only, setup),
		cmocka_unit_test_setup(json_of_an_empty_picture_is_complete, setup),
		cmocka_unit_test_setup(json_keeps_what_an_integer_cannot_hold_at_its_greatest,
				       setup),
		cmocka_unit_test_setup(health_is_ok, setup),
		cmocka_unit_test_setup(health_sees_a_stale_snapshot, setup),
		cmocka_unit_test_setup(health_sees_a_thread_that_hangs, setup),
	};

	return cmocka_run_group_tests_name("render_json", tests, NULL, NULL);
}
