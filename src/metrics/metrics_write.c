/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table for people: docs/metrics.md and --help-stats.
 */
#include <string.h>

#include "metrics/metrics.h"
#include "model/names.h"

/* What render_json.c puts beside the table's numbers. */
struct described {
	const char *path, *prometheus, *type, *unit, *help;
};

static const struct described described[] = {
	{"version", "build_info", "string", "", "Version of the daemon; in Prometheus a label."},
	{"mode", "build_info", "string", "", "\"sched\" or \"observe\"; in Prometheus a label."},
	{"age_ns", "snapshot_age_seconds", "gauge", "ns",
	 "Age of the snapshot when its text was made."},
	{"uptime_ns", "uptime_seconds", "gauge", "ns", "Time since the daemon started."},
	{"audio.servers[].pid", NULL, "integer", "", "Process of an audio server or support."},
	{"audio.servers[].comm", NULL, "string", "", "Its name."},
	{"audio.servers[].exe", NULL, "string", "", "Its executable; empty if it can't be read."},
	{"audio.servers[].role", NULL, "string", "", "\"audio_server\" or \"audio_support\"."},
	{"audio.servers[].source", NULL, "string", "",
	 "How it was found: \"netlink\", \"scan\", \"fork\" or \"bpf\"."},
	{"audio.servers[].threads", NULL, "gauge", "", "Its live threads."},
	{"audio.servers[].detect_latency_ns", NULL, "gauge", "ns",
	 "From its exec or fork until its role was confirmed; 0 if a scan found it."},
	{"proc_events.source", NULL, "string", "",
	 "Where process events come from: \"netlink\", \"bpf\", \"scan\" or \"none\"."},
	{"classes.<class>.wait", "wait_seconds", "histogram", "ns",
	 "Waits for a CPU by class, exp2 buckets from 1 us to 1 s."},
	{"sched.ops", NULL, "string", "",
	 "Name of the sched_ext scheduler attached now; empty if none."},
	{"long_waits.recent[].age_ns", NULL, "gauge", "ns",
	 "How long ago a wait over the configured bound ended; newest first, at most 16."},
	{"long_waits.recent[].wait_ns", NULL, "gauge", "ns", "How long it was."},
	{"long_waits.recent[].class", NULL, "string", "", "Class of the thread that waited."},
	{"long_waits.recent[].reason", NULL, "string", "",
	 "Why it has that class: \"role\" of its process, \"client\" (woken by an audio server or a "
	 "client of one), \"input\" (woken from the input event path), \"policy\", \"nice\", "
	 "\"default\"."},
	{"long_waits.recent[].pid", NULL, "integer", "", "That thread."},
	{"long_waits.recent[].tgid", NULL, "integer", "", "Its process."},
	{"long_waits.recent[].comm", NULL, "string", "", "Its name."},
	{"long_waits.recent[].cpu", NULL, "integer", "", "The CPU it got."},
	{"long_waits.recent[].is_rt", NULL, "boolean", "", "Its policy is real-time."},
	{"long_waits.recent[].holder_pid", NULL, "integer", "",
	 "The thread that left the CPU when this one got it."},
	{"long_waits.recent[].holder_comm", NULL, "string", "", "Its name."},
	{"long_waits.recent[].holder_is_rt", NULL, "boolean", "", "Its policy is real-time."},
};

static const char *type_name(const struct metric *metric)
{
	if (metric->size == sizeof(bool))
		return "boolean";
	return metric->type == METRIC_COUNTER ? "counter" : "gauge";
}

static const char *unit_name(enum metric_unit unit)
{
	switch (unit) {
	case UNIT_NS:
		return "ns";
	case UNIT_BYTES:
		return "bytes";
	case UNIT_NONE:
		break;
	}
	return "";
}

static const char *scope_label(enum metric_scope scope)
{
	switch (scope) {
	case SCOPE_CLASS:
		return "{class}";
	case SCOPE_THREAD:
		return "{thread}";
	case SCOPE_EVENT:
		return "{event}";
	case SCOPE_GLOBAL:
		break;
	}
	return "";
}

static void write_row(FILE *out, const char *prefix, const struct described *d, const char *label)
{
	fprintf(out, "| `%s%s` | ", prefix, d->path);
	if (d->prometheus)
		fprintf(out, "`scx_gamerd_%s%s`", d->prometheus, label);
	fprintf(out, " | %s | %s | %s |\n", d->type, d->unit, d->help);
}

static const char intro[] =
	"# Metrics\n"
	"\n"
	"Made from the table in `src/metrics/metrics_table.c`; a test keeps this file equal to it.\n"
	"\n"
	"`GET /metrics` answers with JSON or Prometheus text. In JSON times are integers of\n"
	"nanoseconds; in Prometheus they are seconds. Counters (`_total`) count since the daemon\n"
	"started. `<class>` is one of the classes below, `<thread>` a thread of the daemon,\n"
	"`<event>` a counter that the kernel keeps of the attached sched_ext scheduler.\n"
	"\n"
	"Wait times are kept in log-linear histograms, eight buckets for each power of two.\n"
	"Quantiles in JSON are the middle of their bucket, at most the maximum. The Prometheus\n"
	"histogram has buckets at powers of two of nanoseconds, from 2^10 to 2^30.\n"
	"\n";

void metrics_write_markdown(FILE *out)
{
	unsigned int i;

	fputs(intro, out);
	fputs("Classes, most latency-critical first: ", out);
	for (i = 0; i < CLASS_COUNT; i++)
		fprintf(out, "%s`%s`", i ? ", " : "", names_class(i));
	fputs(".\n\n", out);

	fputs("## Numbers\n\n| JSON | Prometheus | type | unit | meaning |\n|---|---|---|---|---|\n",
	      out);
	for (i = 0; i < metrics_table_count; i++) {
		const struct metric *metric = &metrics_table[i];
		struct described row = {metric->path, metric->prometheus, type_name(metric),
					unit_name(metric->unit), metric->help};

		write_row(out, metrics_scope_prefix(metric->scope), &row,
			  scope_label(metric->scope));
	}

	fputs("\n## Lists, strings and what else is put beside them\n\n"
	      "| JSON | Prometheus | type | unit | meaning |\n|---|---|---|---|---|\n",
	      out);
	for (i = 0; i < sizeof(described) / sizeof(described[0]); i++)
		write_row(out, "", &described[i],
			  strcmp(described[i].type, "histogram") == 0 ? "{class}" : "");
}

void metrics_write_help(FILE *out)
{
	unsigned int i;

	for (i = 0; i < metrics_table_count; i++) {
		const struct metric *metric = &metrics_table[i];
		const char *unit = unit_name(metric->unit);

		fprintf(out, "%s%s (%s%s%s)\n        %s\n", metrics_scope_prefix(metric->scope),
			metric->path, type_name(metric), *unit ? ", " : "", unit, metric->help);
	}
	for (i = 0; i < sizeof(described) / sizeof(described[0]); i++)
		fprintf(out, "%s (%s%s%s)\n        %s\n", described[i].path, described[i].type,
			*described[i].unit ? ", " : "", described[i].unit, described[i].help);
}
