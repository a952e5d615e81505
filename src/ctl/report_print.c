/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The "top" object as lines for people. It may come from another version of the daemon, so every
 * field may be missing or of another type: it then counts as 0 or "". Strings in it are names that
 * anybody chose, so text() and shown() are the only ways to print one.
 */
#include "ctl/report.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

#define TEXT_MAX 32
#define COLUMNS 100
#define OLDEST_SHOWN_NS (500 * NSEC_PER_MSEC)

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

/* As much of a string as a column has, without control characters. */
static const char *shown(const char *string, char out[TEXT_MAX])
{
	snprintf(out, TEXT_MAX, "%s", string);
	utf8_mask(out, strlen(out));
	return out;
}

static const char *string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static const char *text(const json_t *object, const char *key, char out[TEXT_MAX])
{
	return shown(string(object, key), out);
}

static double per_second(const json_t *object, const char *key, double seconds)
{
	return seconds > 0 ? (double)number(object, key) / seconds : 0;
}

/* Three digits and a unit: "873 ns", "12.4 us", "3.10 ms", "2.00 s". */
static const char *duration(uint64_t ns, char out[TEXT_MAX])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned int unit = 0;

	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	snprintf(out, TEXT_MAX, "%.*f %s",
		 !unit || value >= 100 ? 0
		 : value >= 10	       ? 1
				       : 2,
		 value, units[unit]);
	return out;
}

static const char *uptime(uint64_t ns, char out[TEXT_MAX])
{
	uint64_t s = ns / NSEC_PER_SEC;

	if (s < 60)
		snprintf(out, TEXT_MAX, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(out, TEXT_MAX, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, TEXT_MAX, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, TEXT_MAX, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
	return out;
}

static void print_servers(FILE *out, const json_t *servers)
{
	const char *pid;
	json_t *s;

	if (!json_object_size(servers)) {
		fputs("  no audio server is running\n", out);
		return;
	}
	fprintf(out, "  %-16s%8s  %-14s%-9s%8s%12s\n", "SERVER", "PID", "ROLE", "SOURCE", "THREADS",
		"FOUND IN");
	json_object_foreach((json_t *)servers, pid, s)
	{
		uint64_t latency_ns = number(s, "detect_latency_ns");
		char found[TEXT_MAX] = "-", comm[TEXT_MAX], id[TEXT_MAX];
		char role[TEXT_MAX], source[TEXT_MAX];

		if (latency_ns)
			duration(latency_ns, found);
		fprintf(out, "  %-16.15s%8.8s  %-14.13s%-9.8s%8" PRIu64 "%12s\n",
			text(s, "comm", comm), shown(pid, id), text(s, "role", role),
			text(s, "source", source), number(s, "threads"), found);
	}
}

static void print_classes(FILE *out, const json_t *classes, double seconds)
{
	const char *name;
	json_t *c;

	fprintf(out, "  %-16s%8s%11s%8s%10s%11s%11s%11s\n", "CLASS", "THREADS", "WAKEUPS/S",
		"CPU %", "WAITS/S", "P50", "P99", "MAX");
	json_object_foreach((json_t *)classes, name, c)
	{
		char p50[TEXT_MAX] = "-", p99[TEXT_MAX] = "-", max[TEXT_MAX] = "-";
		char class[TEXT_MAX];

		if (!number(c, "threads") && !number(c, "wakeups") && !number(c, "wait_count"))
			continue;
		if (number(c, "wait_count")) {
			duration(number(c, "wait_p50_ns"), p50);
			duration(number(c, "wait_p99_ns"), p99);
			duration(number(c, "wait_max_ns"), max);
		}
		fprintf(out, "  %-16.15s%8" PRIu64 "%11.1f%8.2f%10.1f%11s%11s%11s\n",
			shown(name, class), number(c, "threads"), per_second(c, "wakeups", seconds),
			per_second(c, "runtime_ns", seconds) / 1e7,
			per_second(c, "wait_count", seconds), p50, p99, max);
	}
}

static void print_events(FILE *out, const json_t *stats)
{
	fprintf(out,
		"  proc events %" PRIu64 "  wakeups %" PRIu64 "  overruns %" PRIu64
		"  rejected %" PRIu64 "  |  ring %" PRIu64 "  dropped %" PRIu64 "  queued %" PRIu64
		"\n",
		number(stats, "proc_events_received_total"),
		number(stats, "proc_events_wakeups_total"),
		number(stats, "proc_events_overruns_total"), number(stats, "audio_rejected_total"),
		number(stats, "pipeline_attempted_total"), number(stats, "pipeline_dropped_total"),
		number(stats, "pipeline_queued"));
}

static void print_sched(FILE *out, const json_t *stats, double seconds)
{
	if (!number(stats, "sched_enabled"))
		return;
	fprintf(out,
		"  dispatched/s direct %.1f  urgent %.1f  normal %.1f  |  preempts/s %.1f  over "
		"budget %" PRIu64 "\n",
		per_second(stats, "sched_direct_total", seconds),
		per_second(stats, "sched_urgent_total", seconds),
		per_second(stats, "sched_normal_total", seconds),
		per_second(stats, "sched_preempts_total", seconds),
		number(stats, "sched_budget_exhausted_total"));
}

/* What the kernel counted of the scheduler in the interval. */
static void print_kernel_events(FILE *out, const json_t *events)
{
	static const char prefix[] = "SCX_EV_";
	const char *name;
	json_t *event;
	int column = 0;

	json_object_foreach((json_t *)events, name, event)
	{
		char entry[COLUMNS / 2], label[TEXT_MAX];
		const char *part;
		int length;

		if (!number(event, "total"))
			continue;
		part = strncmp(name, prefix, strlen(prefix)) ? name : name + strlen(prefix);
		length = snprintf(entry, sizeof(entry), "  %.24s %" PRIu64, shown(part, label),
				  number(event, "total"));
		if (column + length > COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		if (!column)
			column = fprintf(out, "  kernel");
		column += fprintf(out, "%s", entry);
	}
	if (column)
		fputc('\n', out);
}

/* The class with the thread that has been runnable longest, if it is worth a line. */
static void print_oldest(FILE *out, const json_t *classes)
{
	const char *name, *class = NULL;
	char age[TEXT_MAX], label[TEXT_MAX];
	uint64_t oldest_ns = OLDEST_SHOWN_NS - 1;
	json_t *c;

	json_object_foreach((json_t *)classes, name, c)
	{
		if (number(c, "oldest_runnable_ns") <= oldest_ns)
			continue;
		oldest_ns = number(c, "oldest_runnable_ns");
		class = name;
	}
	if (class)
		fprintf(out, "  a thread of class %.15s has been runnable for %s\n",
			shown(class, label), duration(oldest_ns, age));
}

static void print_long_waits(FILE *out, const json_t *waits)
{
	size_t i;
	json_t *w;

	json_array_foreach((json_t *)waits, i, w)
	{
		char wait[TEXT_MAX], class[TEXT_MAX], comm[TEXT_MAX], holder[TEXT_MAX];

		fprintf(out,
			"  waited %-8s %s %.15s[%" PRIu64 "]%s on CPU %" PRIu64
			" behind %.15s[%" PRIu64 "]%s\n",
			duration(number(w, "wait_ns"), wait), text(w, "class", class),
			text(w, "comm", comm), number(w, "pid"), number(w, "is_rt") ? " (rt)" : "",
			number(w, "cpu"), text(w, "holder_comm", holder), number(w, "holder_pid"),
			number(w, "holder_is_rt") ? " (rt)" : "");
	}
}

void report_print(FILE *out, const json_t *stats)
{
	double seconds = (double)number(stats, "interval_ns") / 1e9;
	char up[TEXT_MAX], version[TEXT_MAX], mode[TEXT_MAX], source[TEXT_MAX];

	fprintf(out, "scx_gamerd %.16s  %.8s, %.8s  up %s  last %.1f s  cpu %.3f %%\n",
		text(stats, "version", version), text(stats, "mode", mode),
		text(stats, "source", source), uptime(number(stats, "uptime_ns"), up), seconds,
		per_second(stats, "self_cpu_ns_total", seconds) / 1e7);
	print_servers(out, json_object_get(stats, "servers"));
	print_classes(out, json_object_get(stats, "classes"), seconds);
	print_sched(out, stats, seconds);
	print_kernel_events(out, json_object_get(stats, "events"));
	print_oldest(out, json_object_get(stats, "classes"));
	print_events(out, stats);
	print_long_waits(out, json_object_get(stats, "long_waits"));
	fputc('\n', out);
}

const char *report_input_missing(const json_t *stats)
{
	const char *hook = string(stats, "input_hook");

	return *hook && strcmp(hook, "available") ? hook : NULL;
}

void report_print_input(FILE *out, const json_t *stats)
{
	double seconds = (double)number(stats, "interval_ns") / 1e9;
	double keyboard = per_second(stats, "input_keyboard_events_total", seconds);
	double pointer = per_second(stats, "input_pointer_events_total", seconds);
	double all = per_second(stats, "input_events_total", seconds);
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	fprintf(out,
		"[%02d:%02d:%02d] INPUT:%s  KBD:%s (%3.0f/s)  MOUSE:%s (%3.0f/s)  OTHER:%s  "
		"readers:%" PRIu64 "\n",
		tm.tm_hour, tm.tm_min, tm.tm_sec, all > 0 ? "ON" : "off",
		keyboard > 0 ? "ON" : "off", keyboard, pointer > 0 ? "ON" : "off", pointer,
		number(stats, "input_other_events_total") ? "ON" : "off",
		number(stats, "input_readers"));
}
