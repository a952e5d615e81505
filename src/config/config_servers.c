/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/config_servers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/names.h"

static const struct config_server builtin[] = {
	{"pipewire", "", ROLE_AUDIO_SERVER},
	{"pipewire-pulse", "pipewire", ROLE_AUDIO_SERVER}, /* a symbolic link to it */
	{"wireplumber", "", ROLE_AUDIO_SERVER},
	{"pipewire-media-session", "", ROLE_AUDIO_SERVER},
	{"pulseaudio", "", ROLE_AUDIO_SERVER},
	{"jackd", "", ROLE_AUDIO_SERVER},
	{"jackdbus", "", ROLE_AUDIO_SERVER},
	{"sndiod", "", ROLE_AUDIO_SERVER},
	{"rtkit-daemon", "", ROLE_AUDIO_SUPPORT},
	{"xdg-desktop-portal", "", ROLE_AUDIO_SUPPORT},
};
_Static_assert(sizeof(builtin) / sizeof(builtin[0]) <= CONFIG_SERVERS_MAX, "the list has room");
_Static_assert(CONFIG_NAME_MAX == EXE_LEN, "names go into the BPF map as they are");

/* Where in the file a complaint points to. */
struct place {
	const char *source;
	const char *key;
	size_t index;
};

void config_servers_init(struct config *config)
{
	memset(config->servers, 0, sizeof(config->servers));
	memcpy(config->servers, builtin, sizeof(builtin));
	config->server_count = sizeof(builtin) / sizeof(builtin[0]);
}

static bool wrap_name(const char *name, char out[CONFIG_NAME_MAX])
{
	return snprintf(out, CONFIG_NAME_MAX, ".%s-wrapped", name) < CONFIG_NAME_MAX;
}

bool config_server_wrapped(const struct config_server *server, struct config_server *out)
{
	memset(out, 0, sizeof(*out));
	out->role = server->role;
	return wrap_name(server->name, out->name) &&
	       (!server->exe[0] || wrap_name(server->exe, out->exe));
}

static int parse_name(const json_t *value, const struct place *at, const char *field,
		      char out[CONFIG_NAME_MAX], struct error *err)
{
	const char *text = json_string_value(value);
	size_t length;

	if (!text)
		return error_set(err, EINVAL, "%s: %s[%zu].%s must be a string", at->source,
				 at->key, at->index, field);
	length = json_string_length(value);
	if (length >= CONFIG_NAME_MAX)
		return error_set(err, EINVAL, "%s: %s[%zu].%s is longer than %d bytes", at->source,
				 at->key, at->index, field, CONFIG_NAME_MAX - 1);
	for (size_t i = 0; i < length; i++)
		if (text[i] == '/' || (unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return error_set(err, EINVAL,
					 "%s: %s[%zu].%s must be a base name, without '/' or "
					 "control characters",
					 at->source, at->key, at->index, field);
	memset(out, 0, CONFIG_NAME_MAX);
	memcpy(out, text, length);
	return 0;
}

static int parse_role(const json_t *value, const struct place *at, uint8_t *out, struct error *err)
{
	const char *text = json_string_value(value);
	unsigned int role = text ? names_find_role(text) : ROLE_COUNT;
	char names[128];

	if (role < ROLE_COUNT) {
		*out = (uint8_t)role;
		return 0;
	}
	names_list_roles(names, sizeof(names));
	return error_set(err, EINVAL, "%s: %s[%zu].role must be one of %s", at->source, at->key,
			 at->index, names);
}

static int parse_server(json_t *item, const struct place *at, struct config_server *out,
			struct error *err)
{
	struct config_server server = {0};
	bool has_role = false;
	const char *field;
	json_t *value;
	int ret = 0;

	if (!json_is_object(item))
		return error_set(err, EINVAL, "%s: %s[%zu] must be an object with name and role",
				 at->source, at->key, at->index);
	json_object_foreach(item, field, value)
	{
		if (strcmp(field, "name") == 0) {
			ret = parse_name(value, at, field, server.name, err);
		} else if (strcmp(field, "exe") == 0) {
			ret = parse_name(value, at, field, server.exe, err);
		} else if (strcmp(field, "role") == 0) {
			ret = parse_role(value, at, &server.role, err);
			has_role = true;
		} else {
			ret = error_set(err, EINVAL, "%s: %s[%zu] has the unknown key \"%.64s\"",
					at->source, at->key, at->index, field);
		}
		if (ret < 0)
			return ret;
	}
	if (server.name[0] == '\0' || !has_role)
		return error_set(err, EINVAL, "%s: %s[%zu] needs a %s", at->source, at->key,
				 at->index, has_role ? "name" : "role");
	*out = server;
	return 0;
}

/* The entry the kernel could not tell from `server`. */
static struct config_server *find_same_comm(struct config *config,
					    const struct config_server *server)
{
	for (unsigned int i = 0; i < config->server_count; i++)
		if (strncmp(config->servers[i].name, server->name, COMM_LEN - 1) == 0)
			return &config->servers[i];
	return NULL;
}

int config_servers_add(struct config *config, const json_t *list, const char *key,
		       const char *source, struct error *err)
{
	const struct config_server *before = &config->servers[config->server_count];
	struct place at = {.source = source, .key = key};
	int ret;

	if (!json_is_array(list))
		return error_set(err, EINVAL, "%s: %s must be an array of objects", source, key);
	for (at.index = 0; at.index < json_array_size(list); at.index++) {
		struct config_server server, *same;

		ret = parse_server(json_array_get(list, at.index), &at, &server, err);
		if (ret < 0)
			return ret;
		same = find_same_comm(config, &server);
		if (same && same < before && strcmp(same->name, server.name) == 0) {
			*same = server;
			continue;
		}
		if (same)
			return error_set(err, EINVAL,
					 "%s: %s[%zu].name \"%s\" can't be told from \"%s\" by its "
					 "first %d bytes, all that the kernel keeps",
					 source, key, at.index, server.name, same->name,
					 COMM_LEN - 1);
		if (config->server_count == CONFIG_SERVERS_MAX)
			return error_set(err, EINVAL, "%s: %s: more than %d servers in all", source,
					 key, CONFIG_SERVERS_MAX);
		config->servers[config->server_count++] = server;
	}
	return 0;
}
