/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * docs/metrics.md is what the table says (GAMERD_UPDATE_GOLDEN=1 writes it), and says everything
 * that /metrics answers.
 */
#include "metrics/render.h"
#include "sample.h"

#define DOC TEST_DATA_DIR "/../../docs/metrics.md"

static char *written(void (*write)(FILE *out))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	write(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void doc_is_up_to_date(void **state)
{
	char *text = written(metrics_write_markdown);

	golden_check(DOC, text);
	free(text);
}

/* What follows `path` in the documents: one entry stands for each class, thread and list entry. */
static void next_path(char *out, size_t size, const char *path, const char *key)
{
	if (strcmp(path, "classes") == 0)
		key = "<class>";
	else if (strcmp(path, "self.threads") == 0)
		key = "<thread>";
	else if (strcmp(path, "sched.events") == 0)
		key = "<event>";
	snprintf(out, size, "%s%s%s", path, *path ? "." : "", key);
}

static void is_described(const json_t *node, const char *path, const char *doc, const char *help)
{
	char child[128];
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(node)) {
		json_object_foreach((json_t *)node, key, value)
		{
			next_path(child, sizeof(child), path, key);
			is_described(value, child, doc, help);
		}
	} else if (json_is_array(node)) {
		snprintf(child, sizeof(child), "%s[]", path);
		json_array_foreach((json_t *)node, i, value) is_described(value, child, doc, help);
	} else {
		snprintf(child, sizeof(child), "| `%s` |", path);
		if (!strstr(doc, child))
			fail_msg("%s is not in docs/metrics.md", path);
		snprintf(child, sizeof(child), "%s (", path);
		if (!strstr(help, child))
			fail_msg("%s is not in --help-stats", path);
	}
}

static void everything_is_described(void **state)
{
	static struct metrics m;
	char *doc = written(metrics_write_markdown), *help = written(metrics_write_help);
	json_t *root;

	sample_metrics(&m);
	root = sample_json(&m, SAMPLE_NOW_NS, false);
	is_described(root, "", doc, help);
	json_decref(root);
	free(doc);
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doc_is_up_to_date),
		cmocka_unit_test(everything_is_described),
	};

	return cmocka_run_group_tests_name("metrics documentation", tests, NULL, NULL);
}
