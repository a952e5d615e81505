/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/rules.h"

#include <string.h>
#include <sys/stat.h>

#include "bpf/abi/roles.h"

/* The kernel cut both the same way, so the first 15 bytes decide. */
static bool is_comm_of(const struct config_server *server, const char *comm)
{
	return comm[0] && !strncmp(server->name, comm, COMM_LEN - 1);
}

const char *rules_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The server as that comm names it: itself, or (then in *wrapped) its wrapped form; else NULL. */
static const struct config_server *form_of(const struct config_server *server, const char *comm,
					   struct config_server *wrapped)
{
	if (is_comm_of(server, comm))
		return server;
	if (comm[0] != '.' || !config_server_wrapped(server, wrapped))
		return NULL;
	return is_comm_of(wrapped, comm) ? wrapped : NULL;
}

const struct config_server *rules_find(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->server_count; i++)
		if (!strcmp(config->servers[i].name, name))
			return &config->servers[i];
	return NULL;
}

bool rules_is_listed(const struct config *config, const char *comm)
{
	struct config_server wrapped;

	for (unsigned int i = 0; i < config->server_count; i++)
		if (form_of(&config->servers[i], comm, &wrapped))
			return true;
	return false;
}

/* Is it a program of another name, which has only its first 15 bytes in common with a listed one?
 * Its comm is its own name's, so it claims nothing. */
static bool is_namesake(const char *comm, const char *exe)
{
	return strlen(comm) == COMM_LEN - 1 && !strncmp(comm, exe, COMM_LEN - 1);
}

static uint8_t judge_file(const struct rules_evidence *evidence)
{
	if (!S_ISREG(evidence->exe_mode))
		return REJECT_EXE;
	if (evidence->exe_uid != 0)
		return REJECT_OWNER;
	if (evidence->exe_mode & (S_IWGRP | S_IWOTH))
		return REJECT_WRITABLE;
	if (evidence->is_fuse)
		return REJECT_FILESYSTEM;
	return REJECT_NONE;
}

struct rules_verdict rules_judge(const struct config *config, const struct rules_evidence *evidence)
{
	struct rules_verdict verdict = {.role = ROLE_NONE, .reject = REJECT_NONE};
	const char *exe = rules_base_name(evidence->exe);

	/* Names that share their first 15 bytes share a comm: the executable distinguishes them. */
	for (unsigned int i = 0; i < config->server_count; i++) {
		const struct config_server *server;
		struct config_server wrapped;

		server = form_of(&config->servers[i], evidence->comm, &wrapped);
		if (!server)
			continue;
		verdict.is_listed = true;
		verdict.rule = &config->servers[i];
		verdict.reject = is_namesake(evidence->comm, exe) ? REJECT_NONE : REJECT_EXE;
		if (!exe[0] || evidence->is_mounted ||
		    (strcmp(exe, server->name) && strcmp(exe, server->exe)))
			continue;
		verdict.reject = judge_file(evidence);
		if (verdict.reject == REJECT_NONE)
			verdict.role = server->role;
		break;
	}
	return verdict;
}
