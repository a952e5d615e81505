/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fdinfo: which BPF objects a process holds, by what the kernel says of its file descriptors.
 *
 * One thread. A program that is held twice (itself and its link) counts once.
 */
#ifndef BENCH_FDINFO_H
#define BENCH_FDINFO_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/* The number after `key` in one file of /proc/PID/fdinfo, 0 if there is none. */
static inline unsigned int fdinfo_id(const char *path, const char *key)
{
	size_t length = strlen(key);
	unsigned int id = 0;
	char line[128];
	FILE *f = fopen(path, "re");

	while (f && !id && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, length) && sscanf(line + length, ": %u", &id) != 1)
			id = 0;
	if (f)
		fclose(f);
	return id;
}

/* The different ids under `key` ("prog_id", "map_id") of a process: how many, at most max, or a
 * negative errno. */
static inline int fdinfo_ids(pid_t pid, const char *key, unsigned int *ids, int max)
{
	struct dirent *entry;
	char path[300];
	int count = 0, i;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (count < max && (entry = readdir(dir))) {
		unsigned int id;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, entry->d_name);
		id = fdinfo_id(path, key);
		for (i = 0; i < count && ids[i] != id; i++)
			;
		if (id && i == count)
			ids[count++] = id;
	}
	closedir(dir);
	return count;
}

#endif
