/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/config.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "base/config_servers.h"
#include "base/file.h"
#include "base/server.h"

#define FILE_MAX_BYTES (64 * 1024)
#define MIB (1024u * 1024u)
#define DESCRIPTION "%-20s  %-7s  %-26s  %-23s  %-7s  %s\n"

enum setting_type {
	SETTING_PATH,	 /* absolute; "" where that means "none" */
	SETTING_NAME,	 /* an enum, which is as wide as uint32_t, by one of its names */
	SETTING_GROUP,	 /* uint32_t, by the group's name; "" for none */
	SETTING_USER,	 /* struct config_user; "" for none */
	SETTING_BOOL,	 /* true or false */
	SETTING_NUMBER,	 /* uint32_t in a range */
	SETTING_SIZE,	 /* the same, a power of two and at least a page */
	SETTING_SERVERS, /* a list in place of the built-in one */
	SETTING_EXTRA,	 /* entries added to the list */
};

struct setting {
	const char *key;
	enum setting_type type;
	bool is_live;		  /* may change while the daemon runs */
	size_t offset, size;	  /* of the field in struct config */
	uint32_t min, max;	  /* of a number */
	uint32_t value;		  /* default of a number, bool or enum */
	const char *const *names; /* of an enum, by value; NULL ends */
	const char *text;	  /* default of a path or user */
	bool is_optional;	  /* the path may be "" */
	const char *help;
};

/* When a change of the setting takes effect. */
#define LIVE .is_live = true
#define RESTART .is_live = false

#define FIELD(field) \
	.offset = offsetof(struct config, field), .size = sizeof(((struct config *)0)->field)
#define NAMED(field) .key = #field, FIELD(field)
#define PATH(field, when, text_, is_optional_, help_) \
	{                                             \
		NAMED(field),                         \
		when,                                 \
		.type = SETTING_PATH,                 \
		.text = text_,                        \
		.is_optional = is_optional_,          \
		.help = help_,                        \
	}
#define BOOL(field, when, value_, help_) \
	{NAMED(field), when, .type = SETTING_BOOL, .value = value_, .help = help_}
#define NAME(field, when, names_, value_, help_) \
	{NAMED(field), when, .type = SETTING_NAME, .names = names_, .value = value_, .help = help_}
#define NUMBER(field, when, type_, min_, max_, value_, help_)                            \
	{                                                                                \
		NAMED(field),	 when,		.type = type_, .min = min_, .max = max_, \
		.value = value_, .help = help_,                                          \
	}
#define GROUP(key_, when, field, help_) \
	{.key = key_, FIELD(field), when, .type = SETTING_GROUP, .help = help_}
/* The list and, behind it, its length. */
#define LIST(key_, when, type_, help_)                                         \
	{.key = key_,                                                          \
	 when,                                                                 \
	 .offset = offsetof(struct config, servers),                           \
	 .size = sizeof(((struct config *)0)->servers) + sizeof(unsigned int), \
	 .type = type_,                                                        \
	 .help = help_}
#define USER(field, when, text_, help_) \
	{NAMED(field), when, .type = SETTING_USER, .text = text_, .help = help_}
_Static_assert(offsetof(struct config, server_count) ==
		       offsetof(struct config, servers) + sizeof(((struct config *)0)->servers),
	       "LIST() describes both");

static const char *const source_names[] = {
	[CONFIG_SOURCE_AUTO] = "auto",
	[CONFIG_SOURCE_NETLINK] = "netlink",
	[CONFIG_SOURCE_BPF] = "bpf",
	[CONFIG_SOURCE_SCAN] = "scan",
	NULL,
};

static const char *const measure_names[] = {
	[CONFIG_MEASURE_ALL] = "all",
	[CONFIG_MEASURE_LATENCY] = "latency",
	[CONFIG_MEASURE_NONE] = "none",
	NULL,
};

/* In the order in which they are applied: the list of servers before what is added to it. */
static const struct setting settings[] = {
	PATH(runtime_dir, RESTART, "/run/scx_gamerd", false,
	     "directory of the pid file and the stats socket"),
	PATH(scx_stats_path, RESTART, "/var/run/scx/root/stats", true,
	     "second stats socket, where the tools of sched_ext look; \"\" for none"),
	NAME(source, RESTART, source_names, CONFIG_SOURCE_AUTO,
	     "where events of processes come from; auto takes the first that works"),
	LIST("servers", LIVE, SETTING_SERVERS,
	     "names that may get a role, instead of the built-in ones"),
	LIST("servers_extra", LIVE, SETTING_EXTRA,
	     "more of them; one with the same name is replaced"),
	BOOL(grant_at_exec, LIVE, true,
	     "the kernel side grants a role at exec, before user space has looked"),
	NUMBER(scan_interval_ms, RESTART, SETTING_NUMBER, 100, 3600000, 5000,
	       "period of the /proc scan, used only where there are no events"),
	NUMBER(roles_max, LIVE, SETTING_NUMBER, 1, SERVERS_MAX, 64,
	       "processes with a role, in all"),
	NUMBER(roles_per_uid_max, LIVE, SETTING_NUMBER, 1, SERVERS_MAX, 8,
	       "processes with a role, of one user"),
	NUMBER(receive_buffer_bytes, RESTART, SETTING_NUMBER, 65536, 256 * MIB, 8 * MIB,
	       "buffer of the proc connector's socket"),
	NUMBER(ring_bytes, RESTART, SETTING_SIZE, 4096, 64 * MIB, MIB / 4, "BPF ring buffer"),
	NUMBER(queue_batches, RESTART, SETTING_NUMBER, 2, 1024, 16,
	       "batches of 8 KiB in the pool of each producer"),
	NUMBER(long_wait_us, LIVE, SETTING_NUMBER, 100, 10000000, 5000,
	       "a latency-critical thread's wait that is recorded by itself"),
	NAME(measure, RESTART, measure_names, CONFIG_MEASURE_ALL,
	     "waits for a CPU: of all threads, of the latency-critical ones, or of none, which "
	     "makes each switch of threads cheaper"),
	NUMBER(timeout_ms, RESTART, SETTING_NUMBER, 1000, 30000, 10000,
	       "a runnable thread that gets no CPU for so long ends the scheduler"),
	NUMBER(http_threads, RESTART, SETTING_NUMBER, 2, 64, 6, "workers of the debug API"),
	NUMBER(http_timeout_ms, RESTART, SETTING_NUMBER, 100, 60000, 2000,
	       "how long the debug API waits for a slow client"),
	USER(user, RESTART, "scx_gamerd",
	     "whom the daemon becomes if root starts it and there is that user; \"\": it stays root"),
	GROUP("stats_group", RESTART, stats_gid,
	      "group that may use the stats sockets besides root"),
	NUMBER(stats_clients, LIVE, SETTING_NUMBER, 1, 64, 8,
	       "clients on the stats sockets at a time"),
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static void *field_of(struct config *config, const struct setting *s)
{
	return (char *)config + s->offset;
}

static uint32_t min_of(const struct setting *s)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	return s->type == SETTING_SIZE && s->min < page ? page : s->min;
}

void config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	config_servers_init(config);
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];

		switch (s->type) {
		case SETTING_PATH:
		case SETTING_USER:
			memcpy(field_of(config, s), s->text, strlen(s->text) + 1);
			break;
		case SETTING_GROUP:
			*(uint32_t *)field_of(config, s) = CONFIG_GID_NONE;
			break;
		case SETTING_BOOL:
			*(bool *)field_of(config, s) = s->value;
			break;
		case SETTING_NAME:
		case SETTING_NUMBER:
		case SETTING_SIZE:
			*(uint32_t *)field_of(config, s) = s->value;
			break;
		case SETTING_SERVERS:
		case SETTING_EXTRA:
			break;
		}
	}
}

static int apply_path(struct config *config, const struct setting *s, const json_t *value,
		      const char *source, struct error *err)
{
	const char *text = json_string_value(value);
	bool is_none;

	if (!text)
		return error_set(err, EINVAL, "%s: %s must be a string", source, s->key);
	is_none = s->is_optional && text[0] == '\0';
	if (text[0] != '/' && !is_none)
		return error_set(err, EINVAL, "%s: %s must be an absolute path%s", source, s->key,
				 s->is_optional ? " or \"\"" : "");
	if (json_string_length(value) >= s->size)
		return error_set(err, EINVAL, "%s: %s is longer than %zu bytes", source, s->key,
				 s->size - 1);
	memset(field_of(config, s), 0, s->size);
	memcpy(field_of(config, s), text, json_string_length(value));
	return 0;
}

/* The names of an enum: a, b, c. */
static void names_join(const struct setting *s, char *out, size_t size)
{
	size_t length = 0;

	out[0] = '\0';
	for (unsigned int i = 0; s->names[i] && length < size; i++)
		length += (size_t)snprintf(out + length, size - length, "%s%s", i ? ", " : "",
					   s->names[i]);
}

static int apply_name(struct config *config, const struct setting *s, const json_t *value,
		      const char *source, struct error *err)
{
	const char *text = json_string_value(value);
	char names[48];

	for (uint32_t i = 0; text && s->names[i]; i++) {
		if (strcmp(text, s->names[i]) == 0) {
			*(uint32_t *)field_of(config, s) = i;
			return 0;
		}
	}
	names_join(s, names, sizeof(names));
	return error_set(err, EINVAL, "%s: %s must be one of %s", source, s->key, names);
}

static int apply_group(struct config *config, const struct setting *s, const json_t *value,
		       const char *source, struct error *err)
{
	const char *name = json_string_value(value);
	const struct group *group;

	if (!name)
		return error_set(err, EINVAL, "%s: %s must be a string", source, s->key);
	group = name[0] ? getgrnam(name) : NULL; /* main alone asks */
	if (name[0] && !group)
		return error_set(err, EINVAL, "%s: %s: there is no group \"%.64s\"", source, s->key,
				 name);
	*(uint32_t *)field_of(config, s) = group ? group->gr_gid : CONFIG_GID_NONE;
	return 0;
}

static int apply_user(struct config *config, const struct setting *s, const json_t *value,
		      const char *source, struct error *err)
{
	const char *name = json_string_value(value);
	struct config_user *user = field_of(config, s);

	if (!name)
		return error_set(err, EINVAL, "%s: %s must be a string", source, s->key);
	if (name[0] && (strlen(name) >= sizeof(user->name) || !getpwnam(name)))
		return error_set(err, EINVAL, "%s: %s: there is no user \"%.64s\"", source, s->key,
				 name);
	*user = (struct config_user){.is_required = true};
	memcpy(user->name, name, strlen(name));
	return 0;
}

static int apply_bool(struct config *config, const struct setting *s, const json_t *value,
		      const char *source, struct error *err)
{
	if (!json_is_boolean(value))
		return error_set(err, EINVAL, "%s: %s must be true or false", source, s->key);
	*(bool *)field_of(config, s) = json_is_true(value);
	return 0;
}

static int apply_number(struct config *config, const struct setting *s, const json_t *value,
			const char *source, struct error *err)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value))
		return error_set(err, EINVAL, "%s: %s must be an integer", source, s->key);
	if (number < min_of(s) || number > s->max)
		return error_set(err, EINVAL,
				 "%s: %s must be from %" PRIu32 " to %" PRIu32
				 ", not %" JSON_INTEGER_FORMAT,
				 source, s->key, min_of(s), s->max, number);
	if (s->type == SETTING_SIZE && (number & (number - 1)) != 0)
		return error_set(err, EINVAL,
				 "%s: %s must be a power of two, not %" JSON_INTEGER_FORMAT, source,
				 s->key, number);
	*(uint32_t *)field_of(config, s) = (uint32_t)number;
	return 0;
}

static int apply(struct config *config, const struct setting *s, const json_t *value,
		 const char *source, struct error *err)
{
	switch (s->type) {
	case SETTING_PATH:
		return apply_path(config, s, value, source, err);
	case SETTING_NAME:
		return apply_name(config, s, value, source, err);
	case SETTING_GROUP:
		return apply_group(config, s, value, source, err);
	case SETTING_USER:
		return apply_user(config, s, value, source, err);
	case SETTING_BOOL:
		return apply_bool(config, s, value, source, err);
	case SETTING_NUMBER:
	case SETTING_SIZE:
		return apply_number(config, s, value, source, err);
	case SETTING_SERVERS:
		config->server_count = 0;
		memset(config->servers, 0, sizeof(config->servers));
		return config_servers_add(config, value, s->key, source, err);
	case SETTING_EXTRA:
		return config_servers_add(config, value, s->key, source, err);
	}
	return -EINVAL;
}

static bool is_known(const char *key)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(settings[i].key, key) == 0)
			return true;
	return false;
}

/* Fills *config, which is the caller's copy, from the file's one object. */
static int apply_object(struct config *config, json_t *root, const char *source, struct error *err)
{
	const char *key;
	json_t *value;
	int ret;

	if (!json_is_object(root))
		return error_set(err, EINVAL, "%s: the file must hold one object, { ... }", source);
	json_object_foreach(root, key, value)
	{
		if (!is_known(key))
			return error_set(err, EINVAL, "%s: unknown key \"%.64s\"", source, key);
	}
	for (size_t i = 0; i < SETTINGS; i++) {
		value = json_object_get(root, settings[i].key);
		if (!value)
			continue;
		ret = apply(config, &settings[i], value, source, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int config_parse(struct config *config, const char *text, size_t length, const char *source,
		 struct error *err)
{
	struct config copy = *config;
	json_error_t error;
	json_t *root;
	int ret;

	if (length > FILE_MAX_BYTES)
		return error_set(err, EINVAL, "%s: longer than %d KiB", source,
				 FILE_MAX_BYTES / 1024);
	root = json_loadb(length ? text : "", length, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return error_set(err, EINVAL, "%s: line %d, column %d: %s", source, error.line,
				 error.column, error.text);
	ret = apply_object(&copy, root, source, err);
	json_decref(root);
	if (ret == 0)
		*config = copy;
	return ret;
}

int config_load(struct config *config, const char *path, struct error *err)
{
	size_t size = FILE_MAX_BYTES + 1; /* one more shows that the file is too long */
	char *buffer = malloc(size);
	ssize_t length;
	int ret;

	if (!buffer)
		return error_set(err, ENOMEM, "%s: out of memory", path);
	length = file_read(path, buffer, size);
	if (length < 0)
		ret = error_set(err, (int)-length, "cannot read %s: %s", path,
				error_name((int)length));
	else
		ret = config_parse(config, buffer, (size_t)length, path, err);
	free(buffer);
	return ret;
}

/* The variable is the other sched_ext schedulers', too. */
int config_environment(struct config *config, struct error *err)
{
	const char *text = getenv("SCX_TIMEOUT_MS");
	char *end;
	long long number;
	size_t i = 0;

	if (!text)
		return 0;
	while (strcmp(settings[i].key, "timeout_ms") != 0)
		i++;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || *end || errno || number < settings[i].min || number > settings[i].max)
		return error_set(err, EINVAL,
				 "SCX_TIMEOUT_MS must be from %" PRIu32 " to %" PRIu32
				 " milliseconds, not '%.32s'",
				 settings[i].min, settings[i].max, text);
	config->timeout_ms = (uint32_t)number;
	return 0;
}

void config_change(struct config *config, const struct config *next, char *restart, size_t size)
{
	size_t length = 0;

	restart[0] = '\0';
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		const char *value = (const char *)next + s->offset;

		if (!memcmp(field_of(config, s), value, s->size))
			continue;
		if (s->is_live)
			memcpy(field_of(config, s), value, s->size);
		else if (length < size)
			length += (size_t)snprintf(restart + length, size - length, "%s%s",
						   length ? ", " : "", s->key);
	}
}

static void describe(FILE *out, const struct setting *s)
{
	char range[48] = "", value[48] = "";
	const char *type = "string";

	switch (s->type) {
	case SETTING_PATH:
		snprintf(range, sizeof(range), "absolute path%s", s->is_optional ? " or \"\"" : "");
		snprintf(value, sizeof(value), "%s", s->text);
		break;
	case SETTING_NAME:
		names_join(s, range, sizeof(range));
		snprintf(value, sizeof(value), "%s", s->names[s->value]);
		break;
	case SETTING_GROUP:
		snprintf(range, sizeof(range), "name of a group or \"\"");
		snprintf(value, sizeof(value), "none");
		break;
	case SETTING_USER:
		snprintf(range, sizeof(range), "name of a user or \"\"");
		snprintf(value, sizeof(value), "%s", s->text);
		break;
	case SETTING_BOOL:
		type = "boolean";
		snprintf(range, sizeof(range), "true, false");
		snprintf(value, sizeof(value), "%s", s->value ? "true" : "false");
		break;
	case SETTING_NUMBER:
	case SETTING_SIZE:
		type = "integer";
		snprintf(range, sizeof(range), "%" PRIu32 " to %" PRIu32 "%s", min_of(s), s->max,
			 s->type == SETTING_SIZE ? ", 2^n" : "");
		snprintf(value, sizeof(value), "%" PRIu32, s->value);
		break;
	case SETTING_SERVERS:
	case SETTING_EXTRA:
		type = "array";
		snprintf(range, sizeof(range), "of {name, exe, role}");
		snprintf(value, sizeof(value), s->type == SETTING_SERVERS ? "built-in" : "none");
		break;
	}
	fprintf(out, DESCRIPTION, s->key, type, range, value, s->is_live ? "live" : "restart",
		s->help);
}

void config_describe(FILE *out)
{
	fprintf(out, DESCRIPTION, "KEY", "TYPE", "RANGE", "DEFAULT", "CHANGE", "MEANING");
	for (size_t i = 0; i < SETTINGS; i++)
		describe(out, &settings[i]);
}
