/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Config servers: the list of process names that may get a role. Internal to config.
 *
 * Threads:  main only, while the configuration is loaded.
 * Limits:   CONFIG_SERVERS_MAX entries; no two with the same first 15 bytes, because the kernel
 *           knows a process by no more than those.
 */
#ifndef CONFIG_CONFIG_SERVERS_H
#define CONFIG_CONFIG_SERVERS_H

#include <jansson.h>

#include "config/config.h"

/* The built-in list. */
void config_servers_init(struct config *config);

/* Reads the array `list`, found under `key` in the file `source`, over the end of the list of
 * *config. An entry with the name of one that was there before replaces that one. -EINVAL with a
 * sentence; then the list is in an undefined state. */
int config_servers_add(struct config *config, const json_t *list, const char *key,
		       const char *source, struct error *err);

#endif
