/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/internal.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "trace.skel.h"

static struct server_key key_of(const struct config_server *server)
{
	struct server_key key = {0};

	memcpy(key.comm, server->name, strnlen(server->name, COMM_LEN - 1));
	return key;
}

static bool is_key_of(const struct server_key *key, const struct config_server *server)
{
	struct server_key other = key_of(server);

	return !memcmp(key, &other, sizeof(other));
}

static int fill_name(int fd, const struct config_server *server)
{
	struct server_rule rule = {.role = server->role};
	struct server_key key = key_of(server);

	memcpy(rule.name, server->name, strnlen(server->name, EXE_LEN - 1));
	memcpy(rule.exe, server->exe, strnlen(server->exe, EXE_LEN - 1));
	return bpf_map_update_elem(fd, &key, &rule, BPF_ANY) ? -errno : 0;
}

static int fill_names(int fd, const struct config *config)
{
	int ret = 0;

	for (unsigned int i = 0; i < config->server_count && !ret; i++) {
		const struct config_server *server = &config->servers[i];
		struct config_server wrapped;

		ret = fill_name(fd, server);
		if (!ret && config_server_wrapped(server, &wrapped))
			ret = fill_name(fd, &wrapped);
	}
	return ret;
}

static bool is_listed(const struct config *config, const struct server_key *key)
{
	struct config_server wrapped;

	for (unsigned int i = 0; i < config->server_count; i++)
		if (is_key_of(key, &config->servers[i]) ||
		    (config_server_wrapped(&config->servers[i], &wrapped) &&
		     is_key_of(key, &wrapped)))
			return true;
	return false;
}

/* The iteration goes on from the last key that is still there. */
static int drop_other_names(int fd, const struct config *config)
{
	struct server_key kept, key;
	bool has_kept = false;

	while (!bpf_map_get_next_key(fd, has_kept ? &kept : NULL, &key)) {
		if (is_listed(config, &key)) {
			kept = key;
			has_kept = true;
		} else if (bpf_map_delete_elem(fd, &key)) {
			return -errno;
		}
	}
	return 0;
}

/* The map has room for two lists: what stays is there all the time. */
int roles_set_names(struct loader *l, const struct config *config)
{
	int fd = bpf_map__fd(l->trace->maps.server_names);
	int ret = fill_names(fd, config);

	if (!ret)
		ret = drop_other_names(fd, config);
	__atomic_fetch_add(&l->trace->bss->names_generation, 1, __ATOMIC_RELEASE);
	return ret;
}

int loader_role_apply(struct loader *l, const struct role_request *request)
{
	struct role_request copy = *request; /* the kernel writes the context back */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &copy, .ctx_size_in = sizeof(copy));
	int fd = bpf_program__fd(l->trace->progs.roles_apply);

	if (fd < 0)
		return -ENOTSUP;
	if (bpf_prog_test_run_opts(fd, &opts))
		return -errno;
	return (int)opts.retval;
}

int loader_role_get(struct loader *l, uint32_t tgid, struct role_entry *out)
{
	struct role_entry entry;

	if (bpf_map_lookup_elem(bpf_map__fd(l->trace->maps.tgid_roles), &tgid, &entry))
		return -errno;
	*out = entry;
	return 0;
}

int loader_role_next(struct loader *l, const uint32_t *tgid, uint32_t *next)
{
	uint32_t found;

	if (bpf_map_get_next_key(bpf_map__fd(l->trace->maps.tgid_roles), tgid, &found))
		return -errno;
	*next = found;
	return 0;
}

uint32_t loader_roles_generation(const struct loader *l)
{
	return __atomic_load_n(&l->trace->bss->roles_generation, __ATOMIC_RELAXED);
}

uint32_t loader_roles_count(const struct loader *l)
{
	return __atomic_load_n(&l->trace->bss->roles_total, __ATOMIC_RELAXED);
}

int loader_filter_fd(const struct loader *l)
{
	int fd = bpf_program__fd(l->trace->progs.proc_filter);

	return fd < 0 ? -ENOTSUP : fd;
}

void loader_filter_selftest(struct loader *l, uint32_t tgid)
{
	__atomic_store_n(&l->trace->bss->selftest_tgid, tgid, __ATOMIC_RELEASE);
}

void loader_set_readers_until(struct loader *l, uint64_t until_ns)
{
	__atomic_store_n(&l->trace->bss->readers_until_ns, until_ns, __ATOMIC_RELAXED);
	ring_fetch(&l->ring);
}
