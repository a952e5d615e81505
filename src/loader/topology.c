/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which CPUs share a last-level cache, from sysfs. A CPU that is off line, or of which sysfs says
 * nothing (virtual machines), counts to the first cache.
 */
#include "loader/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "bpf/abi/sched.h"

#define CACHE_INDEX_MAX 10
#define HOTPLUG_PATH "/sys/kernel/sched_ext/hotplug_seq"

static bool number_read(const char *path, unsigned int *out)
{
	FILE *file = fopen(path, "re");
	bool is_read;

	if (!file)
		return false;
	is_read = fscanf(file, "%u", out) == 1;
	fclose(file);
	return is_read;
}

/* The lowest CPU that shares this CPU's cache of the highest level. */
static bool llc_leader(unsigned int cpu, unsigned int *leader)
{
	unsigned int level, level_max = 0;
	char path[96];

	for (unsigned int i = 0; i < CACHE_INDEX_MAX; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/cache/index%u/level",
			 cpu, i);
		if (!number_read(path, &level) || level < level_max)
			continue;
		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%u/cache/index%u/shared_cpu_list", cpu, i);
		if (number_read(path, leader))
			level_max = level;
	}
	return level_max > 0;
}

/* "0-3,5": the CPUs that are on line. */
static void online_read(struct topology *t)
{
	FILE *file = fopen("/sys/devices/system/cpu/online", "re");
	unsigned int first, last;
	int c = ',';

	while (file && c == ',' && fscanf(file, "%u", &first) == 1) {
		last = first;
		c = fgetc(file);
		if (c == '-') {
			if (fscanf(file, "%u", &last) != 1)
				break;
			c = fgetc(file);
		}
		for (; first <= last && first < t->cpu_count; first++)
			t->cpus[first].is_online = true;
	}
	if (file)
		fclose(file);
}

static uint64_t hotplug_read(void)
{
	FILE *file = fopen(HOTPLUG_PATH, "re");
	uint64_t sequence;

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &sequence) != 1)
		sequence = 0;
	fclose(file);
	return sequence;
}

/* The sequence comes first: no change after it can go unnoticed. */
int topology_init(struct topology *t, unsigned int cpu_count)
{
	unsigned int leaders[SCHED_LLC_MAX] = {0}, leader, llc;

	*t = (struct topology){.cpu_count = cpu_count, .hotplug_seq = hotplug_read()};
	t->cpus = calloc(cpu_count, sizeof(*t->cpus));
	if (!t->cpus)
		return -ENOMEM;
	online_read(t);
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		if (!llc_leader(cpu, &leader))
			continue;
		for (llc = 0; llc < t->llc_count && leaders[llc] != leader; llc++)
			;
		if (llc == SCHED_LLC_MAX)
			llc = leader % SCHED_LLC_MAX;
		else if (llc == t->llc_count)
			leaders[t->llc_count++] = leader;
		t->cpus[cpu].llc = llc;
	}
	if (!t->llc_count)
		t->llc_count = 1;
	return 0;
}

void topology_fini(struct topology *t)
{
	free(t->cpus);
	t->cpus = NULL;
}

int topology_publish(const struct topology *t, int cpus_fd, int llcs_fd)
{
	struct sched_llc llcs[SCHED_LLC_MAX] = {0};

	for (uint32_t i = 0; i < t->cpu_count; i++) {
		struct sched_cpu cpu = {.llc = t->cpus[i].llc, .is_online = t->cpus[i].is_online};

		llcs[cpu.llc].cpu_count += cpu.is_online;
		if (bpf_map_update_elem(cpus_fd, &i, &cpu, BPF_ANY))
			return -errno;
	}
	for (uint32_t i = 0; i < t->llc_count; i++)
		if (bpf_map_update_elem(llcs_fd, &i, &llcs[i], BPF_ANY))
			return -errno;
	return 0;
}
