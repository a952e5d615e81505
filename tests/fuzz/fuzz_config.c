/* SPDX-License-Identifier: GPL-2.0-only */
/* Any bytes as a configuration file: taken whole and within the ranges, or refused with one
 * sentence and nothing changed. Corpus: tests/data/config. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "config/config.h"
#include "bpf/abi/roles.h"
#include "cpu_limit.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refused(const struct config *config, const struct config *before,
			  const struct error *err, int ret)
{
	require(ret == -EINVAL);
	require(memcmp(config, before, sizeof(*config)) == 0);
	require(strncmp(err->text, "fuzz.json: ", 11) == 0);
	require(strlen(err->text) > 11);
}

static void check_taken(const struct config *config)
{
	require(config->runtime_dir[0] == '/');
	require(memchr(config->runtime_dir, '\0', sizeof(config->runtime_dir)) != NULL);
	require(memchr(config->scx_stats_path, '\0', sizeof(config->scx_stats_path)) != NULL);
	require(config->ring_bytes >= 4096 && (config->ring_bytes & (config->ring_bytes - 1)) == 0);
	require(config->roles_max >= 1 && config->http_threads >= 2 && config->stats_clients >= 1);
	require(config->source <= CONFIG_SOURCE_SCAN);
	require(config->server_count <= CONFIG_SERVERS_MAX);
	for (unsigned int i = 0; i < config->server_count; i++) {
		const struct config_server *s = &config->servers[i];

		require(s->name[0] != '\0' && memchr(s->name, '\0', sizeof(s->name)) != NULL);
		require(memchr(s->exe, '\0', sizeof(s->exe)) != NULL);
		require(s->role > ROLE_NONE && s->role < ROLE_COUNT);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config, before;
	struct error err = {""};
	int ret;

	cpu_limit_restart();
	config_init(&config);
	before = config;
	ret = config_parse(&config, (const char *)data, size, "fuzz.json", &err);
	if (ret < 0)
		check_refused(&config, &before, &err, ret);
	else
		check_taken(&config);
	return 0;
}
