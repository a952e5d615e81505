/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics as a JSON object. Numbers come from the table, whose paths say where in the object they
 * go; lists and strings are put in by hand.
 */
#include <errno.h>
#include <string.h>

#include "metrics/render.h"

#define PATH_MAX_LEN 64

static json_t *number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/*
 * A comm is any bytes, JSON is UTF-8: what is none has each byte outside ASCII replaced. `size` is
 * that of the array; the text may fill it without a terminator.
 */
static json_t *text(const char *bytes, size_t size)
{
	size_t length = strnlen(bytes, size), i;
	json_t *value = json_stringn(bytes, length);
	char *copy;

	if (value)
		return value;
	copy = strndup(bytes, length);
	if (!copy)
		return NULL;
	for (i = 0; i < length; i++)
		if ((unsigned char)copy[i] >= 0x80)
			copy[i] = '?';
	value = json_string(copy);
	free(copy);
	return value;
}

#define TEXT(array) text(array, sizeof(array))

/* The object at `path` below root, made with its parents where it is missing; the last component is
 * left to the caller in *leaf. NULL when memory is short. Borrowed. */
static json_t *object_at(json_t *root, const char *path, const char **leaf)
{
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		json_t *child;
		char key[PATH_MAX_LEN];
		size_t length = (size_t)(dot - path);

		if (length >= sizeof(key))
			return NULL;
		memcpy(key, path, length);
		key[length] = '\0';
		child = json_object_get(root, key);
		if (!child) {
			child = json_object();
			if (json_object_set_new(root, key, child))
				return NULL;
		}
		root = child;
		path = dot + 1;
	}
	*leaf = path;
	return root;
}

/* Consumes `value`; a NULL value is a failure. */
static int put(json_t *root, const char *path, json_t *value)
{
	const char *leaf;
	json_t *parent = object_at(root, path, &leaf);

	if (!parent) {
		json_decref(value);
		return -ENOMEM;
	}
	return json_object_set_new_nocheck(parent, leaf, value) ? -ENOMEM : 0;
}

static int put_scope(json_t *root, const struct metrics *m, enum metric_scope scope,
		     unsigned int index)
{
	unsigned int i;
	int failed = 0;

	for (i = 0; i < metrics_table_count; i++) {
		const struct metric *metric = &metrics_table[i];
		uint64_t value;

		if (metric->scope != scope)
			continue;
		value = metrics_value(m, metric, index);
		failed |= put(root, metric->path,
			      metric->size == sizeof(bool) ? json_boolean(value) : number(value));
	}
	return failed;
}

static int put_classes(json_t *root, const struct metrics *m)
{
	json_t *classes = json_object();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < CLASS_COUNT; i++) {
		json_t *class = json_object();

		failed |= put_scope(class, m, SCOPE_CLASS, i);
		failed |= json_object_set_new_nocheck(classes, metrics_class_name(i), class);
	}
	return failed | put(root, "classes", classes);
}

static int put_threads(json_t *root, const struct metrics *m)
{
	json_t *threads = json_object();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < m->thread_count; i++) {
		json_t *thread = json_object();

		failed |= put_scope(thread, m, SCOPE_THREAD, i);
		failed |= json_object_set_new_nocheck(threads, m->threads[i].name, thread);
	}
	return failed | put(root, "self.threads", threads);
}

static int put_servers(json_t *root, const struct metrics *m)
{
	json_t *servers = json_array();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < m->server_count; i++) {
		const struct server *s = &m->servers[i];
		json_t *server;

		if (!metrics_is_audio_role(s->role))
			continue;
		server = json_object();
		failed |= put(server, "pid", json_integer(s->pid));
		failed |= put(server, "comm", TEXT(s->comm));
		failed |= put(server, "exe", TEXT(s->exe));
		failed |= put(server, "role", json_string(metrics_role_name(s->role)));
		failed |= put(server, "source", json_string(metrics_source_name(s->source)));
		failed |= put(server, "threads", json_integer(s->threads));
		failed |= put(server, "detect_latency_ns", number(s->detect_latency_ns));
		failed |= json_array_append_new(servers, server);
	}
	return failed | put(root, "audio.servers", servers);
}

static uint64_t age(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

static int put_long_waits(json_t *root, const struct metrics *m, uint64_t now_ns)
{
	json_t *recent = json_array();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < m->long_wait_count; i++) {
		const struct metrics_long_wait *w = &m->long_waits[i];
		json_t *wait = json_object();

		failed |= put(wait, "age_ns", number(age(now_ns, w->time_ns)));
		failed |= put(wait, "wait_ns", number(w->wait_ns));
		failed |= put(wait, "class", json_string(metrics_class_name(w->class)));
		failed |= put(wait, "pid", json_integer(w->pid));
		failed |= put(wait, "tgid", json_integer(w->tgid));
		failed |= put(wait, "comm", TEXT(w->comm));
		failed |= put(wait, "cpu", json_integer(w->cpu));
		failed |= put(wait, "is_rt", json_boolean(w->is_rt));
		failed |= put(wait, "holder_pid", json_integer(w->holder_pid));
		failed |= put(wait, "holder_comm", TEXT(w->holder_comm));
		failed |= put(wait, "holder_is_rt", json_boolean(w->holder_is_rt));
		failed |= json_array_append_new(recent, wait);
	}
	return failed | put(root, "long_waits.recent", recent);
}

static json_t *mode(const struct metrics *m)
{
	return json_string(m->is_sched ? "sched" : "observe");
}

json_t *render_json(const struct metrics *m, uint64_t now_ns)
{
	json_t *root = json_object();
	int failed = 0;

	failed |= put(root, "version", json_string(GAMERD_VERSION));
	failed |= put(root, "mode", mode(m));
	failed |= put(root, "age_ns", number(age(now_ns, m->published_ns)));
	failed |= put(root, "uptime_ns", number(age(now_ns, m->started_ns)));
	failed |= put_scope(root, m, SCOPE_GLOBAL, 0);
	failed |= put_servers(root, m);
	failed |= put(root, "proc_events.source", TEXT(m->source));
	failed |= put_classes(root, m);
	failed |= put(root, "sched.ops", TEXT(m->sched_ops));
	failed |= put_long_waits(root, m, now_ns);
	failed |= put_threads(root, m);
	if (!failed)
		return root;
	json_decref(root);
	return NULL;
}

/* The first thread that neither slept nor beat for too long when the picture was taken, or NULL. */
static const struct thread_usage *hung_thread(const struct metrics *m)
{
	unsigned int i;

	for (i = 0; i < m->thread_count; i++) {
		const struct thread_usage *t = &m->threads[i];

		if (!t->is_sleeping && age(m->published_ns, t->last_beat_ns) > RENDER_HUNG_NS)
			return t;
	}
	return NULL;
}

static int put_health_lists(json_t *root, const struct metrics *m)
{
	json_t *threads = json_object(), *features = json_array();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < m->thread_count; i++) {
		const struct thread_usage *t = &m->threads[i];
		json_t *thread = json_object();

		failed |= put(thread, "beats_total", number(t->beats_total));
		failed |= put(thread, "sleeping", json_boolean(t->is_sleeping));
		failed |= json_object_set_new_nocheck(threads, t->name, thread);
	}
	for (i = 0; i < m->feature_count; i++) {
		const struct feature *f = &m->features[i];
		json_t *feature = json_object();

		failed |= put(feature, "name", TEXT(f->name));
		failed |= put(feature, "available", json_boolean(f->is_available));
		failed |= put(feature, "detail", TEXT(f->detail));
		failed |= json_array_append_new(features, feature);
	}
	failed |= put(root, "threads", threads);
	return failed | put(root, "features", features);
}

json_t *render_health(const struct metrics *m, uint64_t now_ns, bool *is_healthy)
{
	const struct thread_usage *hung = hung_thread(m);
	uint64_t age_ns = age(now_ns, m->published_ns);
	const char *status = "ok";
	json_t *root = json_object(), *reason;
	int failed = 0;

	*is_healthy = false;
	if (age_ns > RENDER_STALE_NS) {
		status = "stale";
		reason = json_sprintf("The latest snapshot is %llu ms old: the aggregate thread "
				      "brings no fresh one.",
				      (unsigned long long)(age_ns / NSEC_PER_MSEC));
	} else if (hung) {
		status = "hung";
		reason = json_sprintf(
			"Thread %s neither beats nor sleeps for %llu ms.", hung->name,
			(unsigned long long)(age(m->published_ns, hung->last_beat_ns) /
					     NSEC_PER_MSEC));
	} else {
		reason = json_null();
	}

	failed |= put(root, "status", json_string(status));
	failed |= put(root, "reason", reason);
	failed |= put(root, "mode", mode(m));
	failed |= put(root, "age_ns", number(age_ns));
	failed |= put(root, "sequence", number(m->sequence));
	failed |= put_health_lists(root, m);
	if (failed) {
		json_decref(root);
		return NULL;
	}
	*is_healthy = strcmp(status, "ok") == 0;
	return root;
}
