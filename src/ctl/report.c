/* SPDX-License-Identifier: GPL-2.0-only */
#include "ctl/report.h"

#include <errno.h>
#include <string.h>

#include "ctl/report_fields.h"
#include "model/names.h"

static json_t *number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* A comm may be any bytes, and JSON must be UTF-8. If the comm is not UTF-8, every byte outside
 * ASCII is replaced. */
static json_t *text(const char *bytes, size_t size)
{
	char copy[SERVER_EXE_MAX];
	size_t length = strnlen(bytes, size < sizeof(copy) ? size : sizeof(copy)), i;
	json_t *value = json_stringn(bytes, length);

	if (value)
		return value;
	for (i = 0; i < length; i++)
		copy[i] = bytes[i] & 0x80 ? '?' : bytes[i];
	return json_stringn(copy, length);
}

static int put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) ? -ENOMEM : 0;
}

#define PUT_U64(name, value) failed |= put(object, name, number(value));
#define PUT_TEXT(name, value) failed |= put(object, name, text(value, SIZE_MAX));
#define PUT_BYTES(name, value) failed |= put(object, name, text(value, sizeof(value)));
#define PUT_FIELD(kind, name, value, desc) PUT_##kind(name, value)

/* A counter never goes back; if one does, nothing was added rather than 2^64. */
static uint64_t difference(uint64_t now, uint64_t base)
{
	return now > base ? now - base : 0;
}

static const char *input_hook(const struct metrics *m)
{
	unsigned int i;

	for (i = 0; i < m->feature_count && i < FEATURE_MAX; i++)
		if (!strncmp(m->features[i].name, "input", 5) && !m->features[i].is_available)
			return m->features[i].detail;
	return "available";
}

/* What was added to a histogram. Its maximum is not kept per interval: it is the new one if that
 * has grown, else the greatest value of the last bucket that has. */
static void subtract(const struct wait_hist *now, const struct wait_hist *base,
		     struct wait_hist *out)
{
	unsigned int i, last = 0;
	bool is_empty = true;

	for (i = 0; i < HIST_BUCKETS; i++) {
		out->buckets[i] = difference(now->buckets[i], base->buckets[i]);
		if (!out->buckets[i])
			continue;
		last = i;
		is_empty = false;
	}
	out->sum_ns = difference(now->sum_ns, base->sum_ns);
	out->max_ns = now->max_ns;
	if (is_empty)
		out->max_ns = 0;
	else if (now->max_ns <= base->max_ns && hist_lower(last + 1) - 1 < now->max_ns)
		out->max_ns = hist_lower(last + 1) - 1;
}

static int put_classes(json_t *top, const struct metrics *base, const struct metrics *now)
{
	json_t *classes = json_object();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < CLASS_COUNT; i++) {
		const struct class_counters *c = &now->counters.classes[i];
		const struct class_counters *b = &base->counters.classes[i];
		json_t *object = json_object();
		struct wait_hist wait;

		subtract(&c->wait, &b->wait, &wait);
		CLASS_FIELDS(PUT_FIELD)
		failed |= put(classes, names_class(i), object);
	}
	return failed | put(top, "classes", classes);
}

static int put_servers(json_t *top, const struct metrics *now)
{
	json_t *servers = json_object();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < now->server_count && i < SERVERS_MAX; i++) {
		const struct server *s = &now->servers[i];
		json_t *object = json_object();
		char pid[16];

		snprintf(pid, sizeof(pid), "%d", s->pid);
		SERVER_FIELDS(PUT_FIELD)
		failed |= put(servers, pid, object);
	}
	return failed | put(top, "servers", servers);
}

static int put_long_waits(json_t *top, const struct metrics *base, const struct metrics *now)
{
	json_t *waits = json_array();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < now->long_wait_count && i < METRICS_LONG_WAITS; i++) {
		const struct metrics_long_wait *w = &now->long_waits[i];
		json_t *object;

		if (w->time_ns <= base->published_ns)
			continue;
		object = json_object();
		LONG_WAIT_FIELDS(PUT_FIELD)
		failed |= json_array_append_new(waits, object);
	}
	return failed | put(top, "long_waits", waits);
}

void report_field_name(const char *path, char name[REPORT_NAME_MAX])
{
	unsigned int i;

	for (i = 0; path[i] && i < REPORT_NAME_MAX - 1; i++)
		name[i] = path[i] == '.' ? '_' : path[i];
	name[i] = '\0';
}

static int put_scope(json_t *object, enum metric_scope scope, const struct metrics *base,
		     unsigned int base_index, const struct metrics *now, unsigned int index)
{
	char name[REPORT_NAME_MAX];
	unsigned int i;
	int failed = 0;

	for (i = 0; i < metrics_table_count; i++) {
		const struct metric *metric = &metrics_table[i];
		uint64_t value;

		if (metric->scope != scope)
			continue;
		value = metrics_value(now, metric, index);
		if (metric->type == METRIC_COUNTER && base)
			value = difference(value, metrics_value(base, metric, base_index));
		report_field_name(metric->path, name);
		failed |= put(object, name, number(value));
	}
	return failed;
}

static int put_threads(json_t *top, const struct metrics *base, const struct metrics *now)
{
	json_t *threads = json_object();
	unsigned int i, k;
	int failed = 0;

	for (i = 0; i < now->thread_count; i++) {
		json_t *object = json_object();

		for (k = 0; k < base->thread_count; k++)
			if (!strcmp(base->threads[k].name, now->threads[i].name))
				break;
		failed |= put_scope(object, SCOPE_THREAD, k < base->thread_count ? base : NULL, k,
				    now, i);
		failed |= put(threads, now->threads[i].name, object);
	}
	return failed | put(top, "threads", threads);
}

/* The kernel counts anew when a scheduler is attached: then what it has counted is what was added.
 */
static int put_events(json_t *top, const struct metrics *base, const struct metrics *now)
{
	json_t *events = json_object();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < now->kernel_event_count; i++) {
		bool has_base = i < base->kernel_event_count &&
				!strcmp(base->kernel_events[i].name, now->kernel_events[i].name) &&
				base->kernel_events[i].value <= now->kernel_events[i].value;
		json_t *object = json_object();

		failed |= put_scope(object, SCOPE_EVENT, has_base ? base : NULL, i, now, i);
		failed |= put(events, now->kernel_events[i].name, object);
	}
	return failed | put(top, "events", events);
}

json_t *report_stats(const struct metrics *base, const struct metrics *now)
{
	json_t *object = json_object();
	int failed = 0;

	TOP_FIELDS(PUT_FIELD)
	failed |= put_scope(object, SCOPE_GLOBAL, base, 0, now, 0);
	failed |= put_classes(object, base, now);
	failed |= put_servers(object, now);
	failed |= put_threads(object, base, now);
	failed |= put_events(object, base, now);
	failed |= put_long_waits(object, base, now);
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}
