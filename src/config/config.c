/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/config.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "config/config_servers.h"
#include "config/config_table.h"
#include "base/file.h"

#define FILE_MAX_BYTES (64 * 1024)
#define DESCRIPTION "%-20s  %-7s  %-26s  %-23s  %-7s  %s\n"
static void *field_of(struct config *config, const struct setting *s)
{
	return (char *)config + s->offset;
}

void config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	config_servers_init(config);
	for (size_t i = 0; i < config_table_size; i++) {
		const struct setting *s = &config_table[i];

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

static int apply_name(struct config *config, const struct setting *s, const json_t *value,
		      const char *source, struct error *err)
{
	const char *text = json_string_value(value);
	char names[CONFIG_TABLE_TEXT];

	for (uint32_t i = 0; text && s->names[i]; i++) {
		if (strcmp(text, s->names[i]) == 0) {
			*(uint32_t *)field_of(config, s) = i;
			return 0;
		}
	}
	config_table_range(s, names);
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
	struct privilege_user *user = field_of(config, s);

	if (!name)
		return error_set(err, EINVAL, "%s: %s must be a string", source, s->key);
	if (name[0] && (strlen(name) >= sizeof(user->name) || !getpwnam(name)))
		return error_set(err, EINVAL, "%s: %s: there is no user \"%.64s\"", source, s->key,
				 name);
	*user = (struct privilege_user){.is_required = true};
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
	if (number < config_table_min(s) || number > s->max)
		return error_set(err, EINVAL,
				 "%s: %s must be from %" PRIu32 " to %" PRIu32
				 ", not %" JSON_INTEGER_FORMAT,
				 source, s->key, config_table_min(s), s->max, number);
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
	for (size_t i = 0; i < config_table_size; i++)
		if (strcmp(config_table[i].key, key) == 0)
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
	for (size_t i = 0; i < config_table_size; i++) {
		value = json_object_get(root, config_table[i].key);
		if (!value)
			continue;
		ret = apply(config, &config_table[i], value, source, err);
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
	while (strcmp(config_table[i].key, "timeout_ms") != 0)
		i++;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || *end || errno || number < config_table[i].min ||
	    number > config_table[i].max)
		return error_set(err, EINVAL,
				 "SCX_TIMEOUT_MS must be from %" PRIu32 " to %" PRIu32
				 " milliseconds, not '%.32s'",
				 config_table[i].min, config_table[i].max, text);
	config->timeout_ms = (uint32_t)number;
	return 0;
}

void config_change(struct config *config, const struct config *next, char *restart, size_t size)
{
	size_t length = 0;

	restart[0] = '\0';
	for (size_t i = 0; i < config_table_size; i++) {
		const struct setting *s = &config_table[i];
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

void config_describe(FILE *out)
{
	char range[CONFIG_TABLE_TEXT], value[CONFIG_TABLE_TEXT];

	fprintf(out, DESCRIPTION, "KEY", "TYPE", "RANGE", "DEFAULT", "CHANGE", "MEANING");
	for (size_t i = 0; i < config_table_size; i++) {
		const struct setting *s = &config_table[i];

		config_table_range(s, range);
		config_table_default(s, value);
		fprintf(out, DESCRIPTION, s->key, config_table_type(s), range, value,
			s->is_live ? "live" : "restart", s->help);
	}
}
