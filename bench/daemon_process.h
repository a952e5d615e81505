/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Daemon process: a private scx_gamerd started for a bench, with its own runtime directory.
 *
 * One thread. start returns when the daemon has said "ready"; stop sends SIGTERM and waits.
 */
#ifndef BENCH_DAEMON_PROCESS_H
#define BENCH_DAEMON_PROCESS_H

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct daemon_process {
	pid_t pid;
	char dir[64];
	FILE *log;
};

static inline void daemon_process_stop(struct daemon_process *d)
{
	char path[128];

	if (d->pid > 0) {
		kill(d->pid, SIGTERM);
		waitpid(d->pid, NULL, 0);
	}
	if (d->log)
		fclose(d->log);
	snprintf(path, sizeof(path), "%s/config.json", d->dir);
	unlink(path);
	rmdir(d->dir);
	*d = (struct daemon_process){0};
}

/* `settings` are further JSON members ("\"grant_at_exec\": false"), "" for none. */
static inline int daemon_process_start(struct daemon_process *d, const char *binary,
				       const char *settings)
{
	char config[128], line[1024];
	int fds[2];
	FILE *f;

	*d = (struct daemon_process){0};
	snprintf(d->dir, sizeof(d->dir), "/tmp/gamerd-bench-XXXXXX");
	if (!mkdtemp(d->dir))
		return -errno;
	snprintf(config, sizeof(config), "%s/config.json", d->dir);
	f = fopen(config, "we");
	if (!f || pipe2(fds, O_CLOEXEC))
		return -errno;
	fprintf(f, "{ \"runtime_dir\": \"%s/run\", \"scx_stats_path\": \"\"%s%s }\n", d->dir,
		settings[0] ? ", " : "", settings);
	fclose(f);
	d->pid = fork();
	if (!d->pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(fds[1], STDERR_FILENO);
		execl(binary, "scx_gamerd", "--config", config, "--observe", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	d->log = fdopen(fds[0], "re");
	while (d->log && fgets(line, sizeof(line), d->log)) {
		if (strstr(line, "ready:"))
			return 0;
		fputs(line, stderr);
	}
	daemon_process_stop(d);
	return -ECHILD;
}

/* A file descriptor of the daemon's BPF map of that name, or a negative errno. */
static inline int daemon_process_map(const struct daemon_process *d, const char *name)
{
	char path[300], line[128];
	struct dirent *entry;
	int found = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", d->pid);
	dir = opendir(path);
	while (dir && found < 0 && (entry = readdir(dir))) {
		unsigned int id;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", d->pid, entry->d_name);
		f = fopen(path, "re");
		while (f && found < 0 && fgets(line, sizeof(line), f)) {
			struct bpf_map_info info = {0};
			__u32 size = sizeof(info);
			int fd;

			if (sscanf(line, "map_id: %u", &id) != 1)
				continue;
			fd = bpf_map_get_fd_by_id(id);
			if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
			    !strcmp(info.name, name))
				found = fd;
			else if (fd >= 0)
				close(fd);
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

#endif
