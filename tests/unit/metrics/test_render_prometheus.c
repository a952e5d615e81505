/* SPDX-License-Identifier: GPL-2.0-only */
#include <sys/wait.h>

#include "metrics/render.h"
#include "sample.h"

static struct metrics m;
static char *text;
static size_t length;

static int setup(void **state)
{
	sample_metrics(&m);
	return render_prometheus(&m, SAMPLE_NOW_NS, &text, &length);
}

static int teardown(void **state)
{
	free(text);
	return 0;
}

static void prometheus_is_as_recorded(void **state)
{
	static const char version[] = "version=\"" GAMERD_VERSION "\"";
	char *at = strstr(text, version), *stable;

	assert_int_equal(length, strlen(text));
	assert_non_null(at);
	assert_true(asprintf(&stable, "%.*sversion=\"X\"%s", (int)(at - text), text,
			     at + strlen(version)) > 0);
	golden_check(TEST_DATA_DIR "/metrics/sample.prom", stable);
	free(stable);
}

static void has_line(const char *line)
{
	const char *at = strstr(text, line);

	if (!at || at[strlen(line)] != '\n' || (at > text && at[-1] != '\n'))
		fail_msg("no line: %s", line);
}

static void prometheus_times_are_exact_seconds(void **state)
{
	has_line("scx_gamerd_thread_cpu_seconds_total{thread=\"aggregate\"} 1.500000001");
	has_line("scx_gamerd_uptime_seconds 100.250000000");
	has_line("scx_gamerd_snapshot_age_seconds 0.249999995");
	has_line("scx_gamerd_class_runtime_seconds_total{class=\"input\"} 2.000000003");
}

/* 1 below 8 ns, 2 of 1023, 4 of 1024, 900 of 3 us, 90 of 2 ms, 1 of 3 s. */
static void prometheus_buckets_are_cumulative_and_exact(void **state)
{
#define BUCKET "scx_gamerd_wait_seconds_bucket{class=\"audio_server\",le="
	has_line(BUCKET "\"0.000001024\"} 3");
	has_line(BUCKET "\"0.000002048\"} 7");
	has_line(BUCKET "\"0.000004096\"} 907");
	has_line(BUCKET "\"0.001048576\"} 907");
	has_line(BUCKET "\"0.002097152\"} 997");
	has_line(BUCKET "\"1.073741824\"} 997");
	has_line(BUCKET "\"+Inf\"} 998");
	has_line("scx_gamerd_wait_seconds_count{class=\"audio_server\"} 998");
	has_line("scx_gamerd_wait_seconds_sum{class=\"audio_server\"} 3.182706142");
}

/* Labels are few and known beforehand: a pid or a name would make a series for each process. */
static void prometheus_labels_are_bounded(void **state)
{
	static const char *const allowed[] = {
		"class=", "thread=", "event=", "le=", "version=", "mode="};
	const char *at = text;

	while ((at = strpbrk(at, "{,"))) {
		bool is_label = at[0] == '{' || at[-1] == '"';
		bool is_allowed = !is_label;
		size_t i;

		at++;
		for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
			is_allowed |= strncmp(at, allowed[i], strlen(allowed[i])) == 0;
		if (!is_allowed)
			fail_msg("label at: %.40s", at);
	}
	assert_null(strstr(text, "pipewire"));
}

static void prometheus_satisfies_promtool(void **state)
{
	const char *require = getenv("GAMERD_TEST_REQUIRE");
	FILE *promtool;
	int status;

	if (system("command -v promtool >/dev/null") != 0) {
		print_message("skipped: promtool is not installed (Debian: prometheus)\n");
		if (require && strcmp(require, "1") == 0)
			fail();
		skip();
	}
	promtool = popen("promtool check metrics >&2", "w");
	assert_non_null(promtool);
	assert_int_equal(fwrite(text, 1, length, promtool), length);
	status = pclose(promtool);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(prometheus_is_as_recorded, setup, teardown),
		cmocka_unit_test_setup_teardown(prometheus_times_are_exact_seconds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(prometheus_buckets_are_cumulative_and_exact, setup,
						teardown),
		cmocka_unit_test_setup_teardown(prometheus_labels_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(prometheus_satisfies_promtool, setup, teardown),
	};

	return cmocka_run_group_tests_name("render_prometheus", tests, NULL, NULL);
}
