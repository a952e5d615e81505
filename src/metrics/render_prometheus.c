/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics in Prometheus' text format 0.0.4.
 *
 * Times are printed as seconds from the integer of nanoseconds, nine digits behind the point:
 * exact.
 */
#include "metrics/render.h"
#include "metrics/text.h"
#include "model/names.h"

#define PREFIX "scx_gamerd_"
#define USUAL_LENGTH (31 * 1024)

/* Upper bounds of the exported wait buckets are 2^k ns, 1 us to 1 s. */
#define WAIT_MIN_EXP 10
#define WAIT_MAX_EXP 30

static void write_seconds(struct text *out, uint64_t ns)
{
	uint64_t unit = NSEC_PER_SEC / 10, part = ns % NSEC_PER_SEC;

	text_u64(out, ns / NSEC_PER_SEC);
	text_puts(out, ".");
	for (; unit > part && unit > 1; unit /= 10)
		text_puts(out, "0");
	text_u64(out, part);
}

static void write_value(struct text *out, enum metric_unit unit, uint64_t value)
{
	if (unit == UNIT_NS)
		write_seconds(out, value);
	else
		text_u64(out, value);
	text_puts(out, "\n");
}

static void write_head(struct text *out, const char *name, const char *type, const char *help)
{
	text_puts(out, "# HELP " PREFIX);
	text_puts(out, name);
	text_puts(out, " ");
	text_puts(out, help);
	text_puts(out, "\n# TYPE " PREFIX);
	text_puts(out, name);
	text_puts(out, " ");
	text_puts(out, type);
	text_puts(out, "\n");
}

/* Up to the value; without a label if `label` is NULL. */
static void write_name(struct text *out, const char *name, const char *label, const char *value)
{
	text_puts(out, PREFIX);
	text_puts(out, name);
	if (label) {
		text_puts(out, "{");
		text_puts(out, label);
		text_puts(out, "=\"");
		text_puts(out, value);
		text_puts(out, "\"}");
	}
	text_puts(out, " ");
}

static void write_family(struct text *out, const struct metrics *m, const struct metric *metric)
{
	const char *name = metric->prometheus;
	unsigned int i;

	write_head(out, name, metric->type == METRIC_COUNTER ? "counter" : "gauge", metric->help);
	switch (metric->scope) {
	case SCOPE_GLOBAL:
		write_name(out, name, NULL, NULL);
		write_value(out, metric->unit, metrics_value(m, metric, 0));
		break;
	case SCOPE_CLASS:
		for (i = 0; i < CLASS_COUNT; i++) {
			write_name(out, name, "class", names_class(i));
			write_value(out, metric->unit, metrics_value(m, metric, i));
		}
		break;
	case SCOPE_EVENT:
		for (i = 0; i < m->kernel_event_count; i++) {
			write_name(out, name, "event", m->kernel_events[i].name);
			write_value(out, metric->unit, metrics_value(m, metric, i));
		}
		break;
	case SCOPE_THREAD:
		for (i = 0; i < m->thread_count; i++) {
			write_name(out, name, "thread", m->threads[i].name);
			write_value(out, metric->unit, metrics_value(m, metric, i));
		}
		break;
	}
}

/*
 * Powers of two are bounds of the log-linear buckets, so that each exported bucket is an exact sum.
 * It counts the waits below its bound; one of exactly 2^k ns is counted in the next.
 */
static void write_wait_histogram(struct text *out, const char *class, const struct wait_hist *h)
{
	uint64_t sum = 0;
	unsigned int bucket = 0, exp;

	for (exp = WAIT_MIN_EXP; exp <= WAIT_MAX_EXP; exp++) {
		uint64_t bound = (uint64_t)1 << exp;
		unsigned int end = hist_bucket(bound);

		for (; bucket < end; bucket++)
			sum += h->buckets[bucket];
		text_puts(out, PREFIX "wait_seconds_bucket{class=\"");
		text_puts(out, class);
		text_puts(out, "\",le=\"");
		write_seconds(out, bound);
		text_puts(out, "\"} ");
		write_value(out, UNIT_NONE, sum);
	}
	for (; bucket < HIST_BUCKETS; bucket++)
		sum += h->buckets[bucket];
	text_puts(out, PREFIX "wait_seconds_bucket{class=\"");
	text_puts(out, class);
	text_puts(out, "\",le=\"+Inf\"} ");
	write_value(out, UNIT_NONE, sum);
	write_name(out, "wait_seconds_sum", "class", class);
	write_value(out, UNIT_NS, h->sum_ns);
	write_name(out, "wait_seconds_count", "class", class);
	write_value(out, UNIT_NONE, sum);
}

int render_prometheus(const struct metrics *m, uint64_t now_ns, char **string, size_t *length)
{
	struct text text = {0}, *out = &text;
	unsigned int i;

	text_expect(out, USUAL_LENGTH);
	write_head(out, "build_info", "gauge", "Always 1; version and mode are in the labels.");
	text_puts(out, PREFIX "build_info{version=\"" GAMERD_VERSION "\",mode=\"");
	text_puts(out, m->is_sched ? "sched" : "observe");
	text_puts(out, "\"} 1\n");
	write_head(out, "uptime_seconds", "gauge", "Time since the daemon started.");
	write_name(out, "uptime_seconds", NULL, NULL);
	write_value(out, UNIT_NS, now_ns > m->started_ns ? now_ns - m->started_ns : 0);
	write_head(out, "snapshot_age_seconds", "gauge",
		   "Age of this snapshot when its text was made.");
	write_name(out, "snapshot_age_seconds", NULL, NULL);
	write_value(out, UNIT_NS, now_ns > m->published_ns ? now_ns - m->published_ns : 0);

	for (i = 0; i < metrics_table_count; i++)
		if (metrics_table[i].prometheus)
			write_family(out, m, &metrics_table[i]);

	write_head(out, "wait_seconds", "histogram",
		   "How long threads of a class waited for a CPU, from runnable until running.");
	for (i = 0; i < CLASS_COUNT; i++)
		write_wait_histogram(out, names_class(i), &m->counters.classes[i].wait);
	return text_take(out, string, length);
}
