/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scx_stats schema: what generic clients of that ecosystem read first, to know the names, types
 * and descriptions of the fields, and how to make OpenMetrics of them. What has a pid or a comm in
 * it is marked _om_skip: those are no labels.
 */
#include <errno.h>
#include <stdbool.h>

#include "ctl/report.h"
#include "ctl/report_fields.h"
#include "model/names.h"

#define KIND_U64 "u64"
#define KIND_TEXT "string"
#define KIND_BYTES "string"

static int put(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) ? -ENOMEM : 0;
}

static int put_datum(json_t *fields, const char *name, const char *kind, const char *desc)
{
	return put(fields, name, json_pack("{s:s, s:s}", "datum", kind, "desc", desc));
}

#define PUT_FIELD(kind, name, value, desc) failed |= put_datum(fields, name, KIND_##kind, desc);

static int put_scope(json_t *fields, enum metric_scope scope)
{
	char name[REPORT_NAME_MAX];
	unsigned int i;
	int failed = 0;

	for (i = 0; i < metrics_table_count; i++) {
		if (metrics_table[i].scope != scope)
			continue;
		report_field_name(metrics_table[i].path, name);
		failed |= put_datum(fields, name, KIND_U64, metrics_table[i].help);
	}
	return failed;
}

/* A dict keyed by strings, or an array (key NULL), of structs. */
static int put_structs(json_t *fields, const char *name, const char *key, const char *of,
		       const char *desc, bool is_skipped)
{
	json_t *field = key ? json_pack("{s:{s:s, s:{s:s}}, s:s}", "dict", "key", key, "datum",
					"struct", of, "desc", desc)
			    : json_pack("{s:{s:s}, s:s}", "array", "struct", of, "desc", desc);

	if (field && is_skipped)
		put(field, "user", json_pack("{s:s}", "_om_skip", "true"));
	return put(fields, name, field);
}

static json_t *finish(json_t *fields, int failed)
{
	if (!failed)
		return fields;
	json_decref(fields);
	return NULL;
}

static json_t *top_fields(void)
{
	json_t *fields = json_object();
	int failed = 0;

	TOP_FIELDS(PUT_FIELD)
	failed |= put_scope(fields, SCOPE_GLOBAL);
	failed |= put_structs(fields, "classes", "string", "ClassStats", "By class of threads",
			      false);
	failed |= put_structs(fields, "threads", "string", "ThreadStats", "By thread of the daemon",
			      false);
	failed |= put_structs(fields, "events", "string", "EventStats",
			      "What the kernel counts of the attached scheduler", false);
	failed |= put_structs(fields, "servers", "string", "ServerStats",
			      "Processes with a role, by pid", true);
	failed |= put_structs(fields, "long_waits", NULL, "LongWait",
			      "Latest waits over the configured bound in the interval", true);
	return finish(fields, failed);
}

static json_t *class_fields(void)
{
	json_t *fields = json_object();
	int failed = 0;

	CLASS_FIELDS(PUT_FIELD)
	return finish(fields, failed);
}

static json_t *server_fields(void)
{
	json_t *fields = json_object();
	int failed = 0;

	SERVER_FIELDS(PUT_FIELD)
	return finish(fields, failed);
}

static json_t *long_wait_fields(void)
{
	json_t *fields = json_object();
	int failed = 0;

	LONG_WAIT_FIELDS(PUT_FIELD)
	return finish(fields, failed);
}

static json_t *thread_fields(void)
{
	json_t *fields = json_object();
	int failed = 0;

	failed |= put_scope(fields, SCOPE_THREAD);
	return finish(fields, failed);
}

static json_t *event_fields(void)
{
	json_t *fields = json_object();
	int failed = 0;

	failed |= put_scope(fields, SCOPE_EVENT);
	return finish(fields, failed);
}

static const struct schema {
	const char *name;
	const char *desc;
	json_t *(*fields)(void);
	const char *om_prefix;
	const char *om_label; /* NULL: not a member of a dict that is exported */
} schemas[] = {
	{"GamerdStats", "What scx_gamerd saw since the last request", top_fields, "gamerd_", NULL},
	{"ClassStats", "Threads of one class and their waits for a CPU", class_fields,
	 "gamerd_class_", "class"},
	{"ThreadStats", "One thread of the daemon", thread_fields, "gamerd_thread_", "thread"},
	{"EventStats", "One counter of the kernel", event_fields, "gamerd_event_", "event"},
	{"ServerStats", "A process with a role", server_fields, NULL, NULL},
	{"LongWait", "One wait over the configured bound", long_wait_fields, NULL, NULL},
};

json_t *report_meta(void)
{
	json_t *meta = json_object();
	unsigned int i;
	int failed = 0;

	for (i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++) {
		const struct schema *s = &schemas[i];
		json_t *entry = json_pack("{s:s, s:s, s:o}", "name", s->name, "desc", s->desc,
					  "fields", s->fields());

		if (i == 0)
			failed |= put(entry, "top", json_string("true"));
		if (s->om_prefix)
			failed |= put(entry, "user",
				      json_pack("{s:s, s:s*}", "_om_prefix", s->om_prefix,
						"_om_label", s->om_label));
		failed |= put(meta, s->name, entry);
	}
	if (!failed)
		return meta;
	json_decref(meta);
	return NULL;
}
