/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Daemon process: a private scx_gamerd started for a bench, with its own runtime directory.
 *
 * One thread. start returns when the daemon has said "ready"; stop sends SIGTERM and waits.
 */
#ifndef BENCH_DAEMON_PROCESS_H
#define BENCH_DAEMON_PROCESS_H

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdinfo.h"

#define DAEMON_PROCESS_MAPS 64			      /* more than it has */
#define BENCH_DIR_TEMPLATE "/tmp/gamerd-bench-XXXXXX" /* for mkdtemp() */

struct daemon_process {
	pid_t pid;
	int port; /* of the debug API; 0 without */
	char dir[64];
};

/* 0 if it ended as it should. */
static inline int daemon_process_stop(struct daemon_process *d)
{
	char path[128];
	int status = -1;

	if (d->pid > 0) {
		kill(d->pid, SIGTERM);
		waitpid(d->pid, &status, 0);
	}
	snprintf(path, sizeof(path), "%s/config.json", d->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/log", d->dir);
	unlink(path);
	rmdir(d->dir);
	*d = (struct daemon_process){0};
	return status;
}

/* Has the log said "ready"? It has said the port before. */
static inline int daemon_process_is_ready(struct daemon_process *d, const char *log)
{
	static const char url[] = "http://127.0.0.1:";
	char line[1024], *port;
	FILE *f = fopen(log, "re");
	int is_ready = 0;

	while (f && !is_ready && fgets(line, sizeof(line), f)) {
		port = strstr(line, url);
		if (port)
			d->port = (int)strtol(port + sizeof(url) - 1, NULL, 10);
		is_ready = strstr(line, "ready:") != NULL;
	}
	if (f)
		fclose(f);
	return is_ready;
}

/* `settings` are further JSON members ("\"grant_at_exec\": false"), "" for none; `has_api`: with
 * the debug API on a free port. */
static inline int daemon_process_start(struct daemon_process *d, const char *binary,
				       const char *settings, bool has_api)
{
	char config[128], log[128];
	int fd, turn;
	FILE *f;

	*d = (struct daemon_process){0};
	snprintf(d->dir, sizeof(d->dir), "%s", BENCH_DIR_TEMPLATE);
	if (!mkdtemp(d->dir))
		return -errno;
	snprintf(log, sizeof(log), "%s/log", d->dir);
	snprintf(config, sizeof(config), "%s/config.json", d->dir);
	f = fopen(config, "we");
	fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (!f || fd < 0)
		return -errno;
	/* It stays root, whose directory this is. */
	fprintf(f,
		"{ \"runtime_dir\": \"%s/run\", \"scx_stats_path\": \"\", \"user\": \"\"%s%s }\n",
		d->dir, settings[0] ? ", " : "", settings);
	fclose(f);
	d->pid = fork();
	if (!d->pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(fd, STDERR_FILENO);
		execl(binary, "scx_gamerd", "--config", config, "--observe",
		      has_api ? "--debug-api" : (char *)NULL, "0", (char *)NULL);
		_exit(127);
	}
	close(fd);
	for (turn = 0; turn < 10000; turn++) {
		if (daemon_process_is_ready(d, log))
			return 0;
		if (d->pid < 0 || waitpid(d->pid, NULL, WNOHANG) == d->pid)
			break;
		usleep(1000);
	}
	daemon_process_stop(d);
	return -ECHILD;
}

/* A file descriptor of the daemon's BPF map of that name, or a negative errno. */
static inline int daemon_process_map(const struct daemon_process *d, const char *name)
{
	unsigned int ids[DAEMON_PROCESS_MAPS];
	int count = fdinfo_ids(d->pid, "map_id", ids, DAEMON_PROCESS_MAPS), i;

	for (i = 0; i < count; i++) {
		struct bpf_map_info info = {0};
		__u32 size = sizeof(info);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && !strcmp(info.name, name))
			return fd;
		close(fd);
	}
	return count < 0 ? count : -ENOENT;
}

#endif
