/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proc scan: how a periodic detection finds processes. One directory read, one file opened for
 * each.
 */
#ifndef BENCH_PROC_SCAN_H
#define BENCH_PROC_SCAN_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Every process's name is read. Returns how many there were. */
static inline unsigned int proc_scan(void)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir))) {
		char path[300], comm[32];
		int fd;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%s/comm", entry->d_name);
		fd = openat(dirfd(dir), path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, comm, sizeof(comm)) > 0)
			count++;
		close(fd);
	}
	if (dir)
		closedir(dir);
	return count;
}

#endif
