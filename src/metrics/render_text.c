/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics as text: the dumped JSON object, and Prometheus exposition format 0.0.4.
 *
 * Times are printed as seconds from the integer of nanoseconds, nine digits behind the point:
 * exact.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "metrics/render.h"

#define PREFIX "scx_gamerd_"

/* Upper bounds of the exported wait buckets are 2^k ns, 1 us to 1 s. */
#define WAIT_MIN_EXP 10
#define WAIT_MAX_EXP 30

int render_text_json(const struct metrics *m, uint64_t now_ns, bool is_pretty, char **body,
		     size_t *length)
{
	json_t *root = render_json(m, now_ns);
	char *dump;

	if (!root)
		return -ENOMEM;
	dump = json_dumps(root, is_pretty ? JSON_INDENT(2) : JSON_COMPACT);
	json_decref(root);
	if (!dump)
		return -ENOMEM;
	*body = dump;
	*length = strlen(dump);
	return 0;
}

static void write_seconds(FILE *out, uint64_t ns)
{
	const uint64_t second = NSEC_PER_SEC;

	fprintf(out, "%" PRIu64 ".%09" PRIu64, ns / second, ns % second);
}

static void write_value(FILE *out, enum metric_unit unit, uint64_t value)
{
	if (unit == UNIT_NS)
		write_seconds(out, value);
	else
		fprintf(out, "%" PRIu64, value);
	fputc('\n', out);
}

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}

static void write_family(FILE *out, const struct metrics *m, const struct metric *metric)
{
	unsigned int i;

	write_head(out, metric->prometheus, metric->type == METRIC_COUNTER ? "counter" : "gauge",
		   metric->help);
	switch (metric->scope) {
	case SCOPE_GLOBAL:
		fprintf(out, PREFIX "%s ", metric->prometheus);
		write_value(out, metric->unit, metrics_value(m, metric, 0));
		break;
	case SCOPE_CLASS:
		for (i = 0; i < CLASS_COUNT; i++) {
			fprintf(out, PREFIX "%s{class=\"%s\"} ", metric->prometheus,
				metrics_class_name(i));
			write_value(out, metric->unit, metrics_value(m, metric, i));
		}
		break;
	case SCOPE_THREAD:
		for (i = 0; i < m->thread_count; i++) {
			fprintf(out, PREFIX "%s{thread=\"%s\"} ", metric->prometheus,
				m->threads[i].name);
			write_value(out, metric->unit, metrics_value(m, metric, i));
		}
		break;
	}
}

/*
 * Powers of two are bounds of the log-linear buckets, so that each exported bucket is an exact sum.
 * It counts the waits below its bound; one of exactly 2^k ns is counted in the next.
 */
static void write_wait_histogram(FILE *out, const char *class, const struct wait_hist *h)
{
	uint64_t sum = 0;
	unsigned int bucket = 0, exp;

	for (exp = WAIT_MIN_EXP; exp <= WAIT_MAX_EXP; exp++) {
		uint64_t bound = (uint64_t)1 << exp;

		for (; bucket < HIST_BUCKETS && hist_lower(bucket) < bound; bucket++)
			sum += h->buckets[bucket];
		fprintf(out, PREFIX "wait_seconds_bucket{class=\"%s\",le=\"", class);
		write_seconds(out, bound);
		fprintf(out, "\"} %" PRIu64 "\n", sum);
	}
	for (; bucket < HIST_BUCKETS; bucket++)
		sum += h->buckets[bucket];
	fprintf(out, PREFIX "wait_seconds_bucket{class=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", class,
		sum);
	fprintf(out, PREFIX "wait_seconds_sum{class=\"%s\"} ", class);
	write_value(out, UNIT_NS, h->sum_ns);
	fprintf(out, PREFIX "wait_seconds_count{class=\"%s\"} %" PRIu64 "\n", class, sum);
}

static void write_all(FILE *out, const struct metrics *m, uint64_t now_ns)
{
	unsigned int i;

	write_head(out, "build_info", "gauge", "Always 1; version and mode are in the labels.");
	fprintf(out, PREFIX "build_info{version=\"%s\",mode=\"%s\"} 1\n", GAMERD_VERSION,
		m->is_sched ? "sched" : "observe");
	write_head(out, "uptime_seconds", "gauge", "Time since the daemon started.");
	fputs(PREFIX "uptime_seconds ", out);
	write_value(out, UNIT_NS, now_ns > m->started_ns ? now_ns - m->started_ns : 0);
	write_head(out, "snapshot_age_seconds", "gauge",
		   "Age of this snapshot when its text was made.");
	fputs(PREFIX "snapshot_age_seconds ", out);
	write_value(out, UNIT_NS, now_ns > m->published_ns ? now_ns - m->published_ns : 0);

	for (i = 0; i < metrics_table_count; i++)
		if (metrics_table[i].prometheus)
			write_family(out, m, &metrics_table[i]);

	write_head(out, "wait_seconds", "histogram",
		   "How long threads of a class waited for a CPU, from runnable until running.");
	for (i = 0; i < CLASS_COUNT; i++)
		write_wait_histogram(out, metrics_class_name(i), &m->counters.classes[i].wait);
}

int render_text_prometheus(const struct metrics *m, uint64_t now_ns, char **body, size_t *length)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int failed;

	if (!out)
		return -ENOMEM;
	write_all(out, m, now_ns);
	failed = ferror(out);
	failed |= fclose(out);
	if (failed) {
		free(text);
		return -ENOMEM;
	}
	*body = text;
	*length = size;
	return 0;
}
