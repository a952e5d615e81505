/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Usage: what the kernel counts of a process, all its threads together.
 */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "base/clock.h"

struct usage {
	uint64_t time_ns;
	uint64_t cpu_ns, sleeps; /* of all threads; a thread wakes as often as it goes to sleep */
};

/* A number in a file: the one after `key`, or, without one, the first. */
static inline uint64_t usage_number(const char *path, const char *key)
{
	unsigned long long number = 0;
	size_t length = key ? strlen(key) : 0;
	char text[256];
	FILE *f = fopen(path, "re");

	while (f && fgets(text, sizeof(text), f))
		if (!strncmp(text, key ? key : "", length)) {
			sscanf(text + length, "%llu", &number);
			break;
		}
	if (f)
		fclose(f);
	return number;
}

static inline struct usage usage_of(pid_t pid)
{
	struct usage usage = {.time_ns = clock_now_ns()};
	struct dirent *entry;
	char path[320];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, entry->d_name);
		usage.cpu_ns += usage_number(path, NULL);
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, entry->d_name);
		usage.sleeps += usage_number(path, "voluntary_ctxt_switches:");
	}
	if (dir)
		closedir(dir);
	return usage;
}

#endif
