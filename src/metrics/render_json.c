/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics as a JSON object. Numbers come from the table, whose paths say where in the object they
 * go; the entries of an object stand together there. Lists and strings are put in by hand, at the
 * end of the object they belong to.
 */
#include <string.h>

#include "metrics/json_out.h"
#include "metrics/render.h"
#include "model/names.h"

#define GROUP_MAX 32

static uint64_t age(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

#define ARRAY(array) array, sizeof(array)

static void write_servers(struct json_out *out, const struct metrics *m, uint64_t now_ns)
{
	unsigned int i;

	json_out_list(out, "servers");
	for (i = 0; i < m->server_count; i++) {
		const struct server *s = &m->servers[i];

		if (!metrics_is_audio_role(s->role))
			continue;
		json_out_object(out, NULL);
		json_out_i64(out, "pid", s->pid);
		json_out_bytes(out, "comm", ARRAY(s->comm));
		json_out_bytes(out, "exe", ARRAY(s->exe));
		json_out_string(out, "role", names_role(s->role));
		json_out_string(out, "source", names_source(s->source));
		json_out_u64(out, "threads", s->threads);
		json_out_u64(out, "detect_latency_ns", s->detect_latency_ns);
		json_out_object_end(out);
	}
	json_out_list_end(out);
}

static void write_source(struct json_out *out, const struct metrics *m, uint64_t now_ns)
{
	json_out_bytes(out, "source", ARRAY(m->source));
}

static void write_long_waits(struct json_out *out, const struct metrics *m, uint64_t now_ns)
{
	unsigned int i;

	json_out_list(out, "recent");
	for (i = 0; i < m->long_wait_count; i++) {
		const struct metrics_long_wait *w = &m->long_waits[i];

		json_out_object(out, NULL);
		json_out_u64(out, "age_ns", age(now_ns, w->time_ns));
		json_out_u64(out, "wait_ns", w->wait_ns);
		json_out_string(out, "class", names_class(w->class));
		json_out_string(out, "reason", names_reason(w->reason));
		json_out_u64(out, "pid", w->pid);
		json_out_u64(out, "tgid", w->tgid);
		json_out_bytes(out, "comm", ARRAY(w->comm));
		json_out_u64(out, "cpu", w->cpu);
		json_out_bool(out, "is_rt", w->is_rt);
		json_out_u64(out, "holder_pid", w->holder_pid);
		json_out_bytes(out, "holder_comm", ARRAY(w->holder_comm));
		json_out_bool(out, "holder_is_rt", w->holder_is_rt);
		json_out_object_end(out);
	}
	json_out_list_end(out);
}

static void write_scope(struct json_out *out, const struct metrics *m, enum metric_scope scope,
			unsigned int index, uint64_t now_ns);

static void write_threads(struct json_out *out, const struct metrics *m, uint64_t now_ns)
{
	unsigned int i;

	json_out_object(out, "threads");
	for (i = 0; i < m->thread_count; i++) {
		json_out_object(out, m->threads[i].name);
		write_scope(out, m, SCOPE_THREAD, i, now_ns);
		json_out_object_end(out);
	}
	json_out_object_end(out);
}

static void write_sched(struct json_out *out, const struct metrics *m, uint64_t now_ns)
{
	unsigned int i;

	json_out_bytes(out, "ops", ARRAY(m->sched_ops));
	json_out_object(out, "events");
	for (i = 0; i < m->kernel_event_count; i++) {
		json_out_object(out, m->kernel_events[i].name);
		write_scope(out, m, SCOPE_EVENT, i, now_ns);
		json_out_object_end(out);
	}
	json_out_object_end(out);
}

/* What is no number. */
static const struct {
	const char *group;
	void (*write)(struct json_out *out, const struct metrics *m, uint64_t now_ns);
} by_hand[] = {
	{"audio", write_servers},	  {"proc_events", write_source}, {"sched", write_sched},
	{"long_waits", write_long_waits}, {"self", write_threads},
};

static void end_group(struct json_out *out, const struct metrics *m, const char *group,
		      uint64_t now_ns)
{
	size_t i;

	if (!*group)
		return;
	for (i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++)
		if (!strcmp(by_hand[i].group, group))
			by_hand[i].write(out, m, now_ns);
	json_out_object_end(out);
}

static void write_scope(struct json_out *out, const struct metrics *m, enum metric_scope scope,
			unsigned int index, uint64_t now_ns)
{
	char group[GROUP_MAX] = "";
	unsigned int i;

	for (i = 0; i < metrics_table_count; i++) {
		const struct metric *metric = &metrics_table[i];
		const char *dot, *leaf;
		uint64_t value;
		size_t length;

		if (metric->scope != scope)
			continue;
		dot = strchr(metric->path, '.');
		leaf = dot ? dot + 1 : metric->path;
		length = dot ? (size_t)(dot - metric->path) : 0;
		if (length >= sizeof(group))
			continue;
		if (strncmp(group, metric->path, length) || group[length]) {
			end_group(out, m, group, now_ns);
			memcpy(group, metric->path, length);
			group[length] = '\0';
			if (length)
				json_out_object(out, group);
		}
		value = metrics_value(m, metric, index);
		if (metric->size == sizeof(bool))
			json_out_bool(out, leaf, value);
		else
			json_out_u64(out, leaf, value);
	}
	end_group(out, m, group, now_ns);
}

static void write_classes(struct json_out *out, const struct metrics *m, uint64_t now_ns)
{
	unsigned int i;

	json_out_object(out, "classes");
	for (i = 0; i < CLASS_COUNT; i++) {
		json_out_object(out, names_class(i));
		write_scope(out, m, SCOPE_CLASS, i, now_ns);
		json_out_object_end(out);
	}
	json_out_object_end(out);
}

static const char *mode(const struct metrics *m)
{
	return m->is_sched ? "sched" : "observe";
}

int render_json(const struct metrics *m, uint64_t now_ns, bool is_pretty, char **text,
		size_t *length)
{
	struct json_out out = {.is_pretty = is_pretty};

	json_out_object(&out, NULL);
	json_out_string(&out, "version", GAMERD_VERSION);
	json_out_string(&out, "mode", mode(m));
	json_out_u64(&out, "age_ns", age(now_ns, m->published_ns));
	json_out_u64(&out, "uptime_ns", age(now_ns, m->started_ns));
	write_scope(&out, m, SCOPE_GLOBAL, 0, now_ns);
	write_classes(&out, m, now_ns);
	json_out_object_end(&out);
	return text_take(&out.text, text, length);
}

static void write_health_lists(struct json_out *out, const struct metrics *m)
{
	unsigned int i;

	json_out_object(out, "threads");
	for (i = 0; i < m->thread_count; i++) {
		const struct thread_usage *t = &m->threads[i];

		json_out_object(out, t->name);
		json_out_u64(out, "beats_total", t->beats_total);
		json_out_bool(out, "sleeping", t->is_sleeping);
		json_out_object_end(out);
	}
	json_out_object_end(out);
	json_out_list(out, "features");
	for (i = 0; i < m->feature_count; i++) {
		const struct feature *f = &m->features[i];

		json_out_object(out, NULL);
		json_out_bytes(out, "name", ARRAY(f->name));
		json_out_bool(out, "available", f->is_available);
		json_out_bytes(out, "detail", ARRAY(f->detail));
		json_out_object_end(out);
	}
	json_out_list_end(out);
}

int render_health(const struct metrics *m, uint64_t now_ns, bool *is_healthy, char **text,
		  size_t *length)
{
	/* As it was when the picture was taken. */
	const struct thread_usage *hung = thread_first_hung(m->threads, m->thread_count,
							    m->published_ns);
	uint64_t age_ns = age(now_ns, m->published_ns);
	struct json_out out = {.is_pretty = true};
	const char *status = "ok";
	char reason[128] = "";
	int ret;

	if (age_ns > RENDER_STALE_NS) {
		status = "stale";
		snprintf(reason, sizeof(reason),
			 "The latest snapshot is %llu ms old: the aggregate thread brings no "
			 "fresh one.",
			 (unsigned long long)(age_ns / NSEC_PER_MSEC));
	} else if (hung) {
		status = "hung";
		snprintf(reason, sizeof(reason), "Thread %s neither beats nor sleeps for %llu ms.",
			 hung->name,
			 (unsigned long long)(age(m->published_ns, hung->last_beat_ns) /
					      NSEC_PER_MSEC));
	}

	json_out_object(&out, NULL);
	json_out_string(&out, "status", status);
	if (reason[0])
		json_out_string(&out, "reason", reason);
	else
		json_out_null(&out, "reason");
	json_out_string(&out, "mode", mode(m));
	json_out_u64(&out, "age_ns", age_ns);
	json_out_u64(&out, "sequence", m->sequence);
	write_health_lists(&out, m);
	json_out_object_end(&out);
	ret = text_take(&out.text, text, length);
	*is_healthy = !ret && !reason[0];
	return ret;
}
