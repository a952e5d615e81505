/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Machine: a directory that looks like the sysfs of some machine, made of a short description in
 * tests/data/topology, one fact a line:
 *
 *   possible N                  CPUs 0 to N-1
 *   online LIST                 a LIST is the kernel's: 0-3,8
 *   cache LEVEL SIZE LIST       these CPUs share a cache
 *   threads LIST +DISTANCE      each CPU of LIST shares a core with the one that far above
 *   node N LIST
 *   frequency KHZ LIST          at most
 *   perf N LIST                 the firmware's acpi_cppc/highest_perf
 *   capacity N LIST             the kernel's cpu_capacity
 *   efficient LIST              /sys/devices/cpu_atom/cpus
 *   lowpower LIST               /sys/devices/cpu_lowpower/cpus
 *   nohz_full TEXT
 *   file PATH TEXT              anything else
 *
 * Lines that begin with `expect` are what must come of it: see machine_expect().
 */
#ifndef TESTS_UNIT_MACHINE_H
#define TESTS_UNIT_MACHINE_H

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MACHINE_CPUS 1024
#define MACHINE_EXPECTS 64
#define MACHINE_CPU "sys/devices/system/cpu/"

struct machine {
	char root[64];
	unsigned int possible;
	unsigned int caches[MACHINE_CPUS]; /* files written so far */
	unsigned int expect_count;
	struct {
		char what[16];
		unsigned int value;
		char list[512];
	} expects[MACHINE_EXPECTS];
};

/* Calls do_cpu(cpu) for each CPU of a list. */
#define machine_each(cpu, list)                                                                    \
	for (const char *at_ = (list), *end_ = NULL; at_ && *at_;                                  \
	     at_ = end_ && *end_ == ',' ? end_ + 1 : NULL)                                         \
		for (unsigned int cpu = (unsigned int)strtoul(at_, (char **)&end_, 10),            \
				  last_ = *end_ == '-' ? (unsigned int)strtoul(end_ + 1,           \
									       (char **)&end_, 10) \
						       : cpu;                                      \
		     cpu <= last_; cpu++)

__attribute__((format(printf, 3, 4))) static inline void
machine_write(const struct machine *m, const char *text, const char *fmt, ...)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/", m->root);
	va_list args;
	FILE *file;

	va_start(args, fmt);
	vsnprintf(path + length, sizeof(path) - (size_t)length, fmt, args);
	va_end(args);
	for (char *slash = path + length; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "%s\n", text);
	fclose(file);
}

static inline void machine_cache(struct machine *m, const char *level, const char *size,
				 const char *list)
{
	machine_each(cpu, list)
	{
		unsigned int index = m->caches[cpu]++;

		machine_write(m, level, MACHINE_CPU "cpu%u/cache/index%u/level", cpu, index);
		machine_write(m, size, MACHINE_CPU "cpu%u/cache/index%u/size", cpu, index);
		machine_write(m, list, MACHINE_CPU "cpu%u/cache/index%u/shared_cpu_list", cpu,
			      index);
	}
}

static inline void machine_threads(struct machine *m, const char *list, unsigned int distance)
{
	char text[32];

	machine_each(cpu, list)
	{
		snprintf(text, sizeof(text), "%u,%u", cpu, cpu + distance);
		machine_write(m, text, MACHINE_CPU "cpu%u/topology/core_cpus_list", cpu);
		machine_write(m, text, MACHINE_CPU "cpu%u/topology/core_cpus_list", cpu + distance);
	}
}

static inline void machine_expect(struct machine *m, const char *what, const char *value,
				  const char *list)
{
	unsigned int i = m->expect_count++;

	assert_true(i < MACHINE_EXPECTS);
	snprintf(m->expects[i].what, sizeof(m->expects[i].what), "%s", what);
	m->expects[i].value = (unsigned int)strtoul(value, NULL, 10);
	snprintf(m->expects[i].list, sizeof(m->expects[i].list), "%s", list);
}

/* The file of one value that each CPU of the list has. */
static inline const char *machine_cpu_file(const char *word)
{
	if (!strcmp(word, "frequency"))
		return "cpufreq/cpuinfo_max_freq";
	if (!strcmp(word, "perf"))
		return "acpi_cppc/highest_perf";
	return strcmp(word, "capacity") ? NULL : "cpu_capacity";
}

static inline void machine_line(struct machine *m, char *line)
{
	char *save, *word = strtok_r(line, " \t\n", &save), *arg[3] = {0};
	const char *file;

	if (!word || *word == '#')
		return;
	for (unsigned int i = 0; i < 3; i++)
		arg[i] = strtok_r(NULL, " \t\n", &save);
	file = machine_cpu_file(word);
	if (!strcmp(word, "expect")) {
		machine_expect(m, arg[0], arg[1], arg[2] ? arg[2] : "");
	} else if (!strcmp(word, "possible")) {
		m->possible = (unsigned int)strtoul(arg[0], NULL, 10);
	} else if (!strcmp(word, "online") || !strcmp(word, "nohz_full")) {
		machine_write(m, arg[0] ? arg[0] : "", MACHINE_CPU "%s", word);
	} else if (!strcmp(word, "cache")) {
		machine_cache(m, arg[0], arg[1], arg[2]);
	} else if (!strcmp(word, "threads")) {
		machine_threads(m, arg[0], (unsigned int)strtoul(arg[1] + 1, NULL, 10));
	} else if (!strcmp(word, "node")) {
		machine_write(m, arg[1], "sys/devices/system/node/node%s/cpulist", arg[0]);
	} else if (!strcmp(word, "efficient")) {
		machine_write(m, arg[0], "sys/devices/cpu_atom/cpus");
	} else if (!strcmp(word, "lowpower")) {
		machine_write(m, arg[0], "sys/devices/cpu_lowpower/cpus");
	} else if (!strcmp(word, "file")) {
		machine_write(m, arg[1], "%s", arg[0]);
	} else {
		assert_non_null(file);
		machine_each(cpu, arg[1])
			machine_write(m, arg[0], MACHINE_CPU "cpu%u/%s", cpu, file);
	}
}

static inline void machine_open(struct machine *m, const char *name)
{
	char path[PATH_MAX], line[512];
	FILE *file;

	/* Thousands of small files: in memory, if there is such a place. */
	*m = (struct machine){.root = "/dev/shm/machine.XXXXXX"};
	if (!mkdtemp(m->root)) {
		snprintf(m->root, sizeof(m->root), "/tmp/machine.XXXXXX");
		assert_non_null(mkdtemp(m->root));
	}
	snprintf(path, sizeof(path), TEST_DATA_DIR "/topology/%s.txt", name);
	file = fopen(path, "re");
	if (!file)
		fail_msg("there is no %s", path);
	while (fgets(line, sizeof(line), file))
		machine_line(m, line);
	fclose(file);
	assert_in_range(m->possible, 1, MACHINE_CPUS);
}

static inline int machine_remove(const char *path, const struct stat *info, int kind,
				 struct FTW *place)
{
	return remove(path);
}

static inline void machine_close(struct machine *m)
{
	assert_int_equal(nftw(m->root, machine_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
