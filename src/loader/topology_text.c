/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/topology.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "loader/sysfs.h"

#define GROUPS_MAX 4 /* distinct figures that are listed one by one */

/* Equal figures, counted together. */
struct groups {
	unsigned int count; /* GROUPS_MAX + 1: there are more, and they are left out */
	struct {
		uint32_t figure;
		unsigned int members;
	} group[GROUPS_MAX];
};

static void groups_add(struct groups *g, uint32_t figure)
{
	unsigned int i;

	for (i = 0; i < g->count && i < GROUPS_MAX; i++)
		if (g->group[i].figure == figure) {
			g->group[i].members++;
			return;
		}
	if (i == GROUPS_MAX) {
		g->count = GROUPS_MAX + 1;
		return;
	}
	g->group[i].figure = figure;
	g->group[i].members = 1;
	g->count++;
}

static void describe_cpus(const struct topology *t, struct feature *out)
{
	unsigned int online = 0, cores = 0, nodes = 0, tickless = 0;
	bool has_node[UINT8_MAX + 1] = {false};
	struct groups strengths = {0};

	for (uint32_t i = 0; i < t->cpu_count; i++) {
		const struct topology_cpu *cpu = &t->cpus[i];

		if (!cpu->is_online)
			continue;
		online++;
		cores += cpu->core == i;
		tickless += cpu->is_tickless;
		nodes += !has_node[cpu->node];
		has_node[cpu->node] = true;
		groups_add(&strengths, cpu->capacity);
	}
	snprintf(out->detail, sizeof(out->detail),
		 "%u on line of %u possible; %u cores, %u NUMA node%s", online, t->cpu_count, cores,
		 nodes, nodes == 1 ? "" : "s");
	if (tickless)
		feature_append(out, ", %u in nohz_full", tickless);
	if (strengths.count < 2)
		feature_append(out, ", all equally strong");
	for (unsigned int i = 0; strengths.count > 1 && i < GROUPS_MAX && i < strengths.count; i++)
		feature_append(out, "%s%u of strength %u", i ? ", " : "; ",
			       strengths.group[i].members, strengths.group[i].figure);
}

static void describe_caches(const struct topology *t, struct feature *out)
{
	struct groups sizes = {0};
	char *detail = out->detail;

	for (uint32_t i = 0; i < t->llc_count; i++)
		groups_add(&sizes, t->llcs[i].kib);
	out->is_available = t->llc_count > 1 || t->llcs[0].kib;
	if (!out->is_available) {
		snprintf(detail, sizeof(out->detail),
			 "sysfs names none: all CPUs count as if they shared one");
		return;
	}
	snprintf(detail, sizeof(out->detail), "last level: ");
	if (sizes.count > GROUPS_MAX)
		feature_append(out, "%u, of many sizes", t->llc_count);
	for (unsigned int i = 0; sizes.count <= GROUPS_MAX && i < sizes.count; i++)
		feature_append(out, "%s%u of %u KiB", i ? ", " : "", sizes.group[i].members,
			       sizes.group[i].figure);
}

/* Of the CPUs on line, which may differ. */
static bool describe_energy(const struct topology *t, const char *root, struct feature *out)
{
	char first[32] = "", line[32];

	for (uint32_t cpu = 0; cpu < t->cpu_count; cpu++) {
		if (!t->cpus[cpu].is_online ||
		    sysfs_line(line, sizeof(line), root,
			       SYSFS_CPU "cpu%u/cpufreq/energy_performance_preference", cpu) ||
		    !line[0])
			continue;
		if (!first[0])
			snprintf(first, sizeof(first), "%s", line);
		if (strcmp(first, line) != 0)
			snprintf(first, sizeof(first), "differs from CPU to CPU");
	}
	snprintf(out->detail, sizeof(out->detail), "%s; read, never set", first);
	return first[0] != '\0';
}

/* The name of the device is the firmware's. */
static bool describe_x3d(const char *root, struct feature *out)
{
	char pattern[512], mode[32] = "";
	glob_t found = {0};

	snprintf(pattern, sizeof(pattern),
		 "%s/sys/bus/platform/drivers/amd_x3d_vcache/*/amd_x3d_mode", root);
	if (!glob(pattern, GLOB_NOSORT, NULL, &found) && found.gl_pathc)
		sysfs_line(mode, sizeof(mode), "", "%s", found.gl_pathv[0]);
	globfree(&found);
	snprintf(out->detail, sizeof(out->detail),
		 "%s: the firmware prefers the die with %s; read, never set", mode,
		 strcmp(mode, "cache") != 0 ? "the higher clock" : "more cache");
	return mode[0] != '\0';
}

unsigned int topology_describe(const struct topology *t, const char *root, struct feature *out,
			       unsigned int max)
{
	struct feature all[] = {{.name = "cpus", .is_available = true},
				{.name = "caches"},
				{.name = "energy_preference"},
				{.name = "amd_x3d_mode"}};
	unsigned int count = 0;

	describe_cpus(t, &all[0]);
	describe_caches(t, &all[1]);
	all[2].is_available = describe_energy(t, root, &all[2]);
	all[3].is_available = describe_x3d(root, &all[3]);
	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]) && count < max; i++)
		if (i < 2 || all[i].is_available) /* most machines lack the others */
			out[count++] = all[i];
	return count;
}

unsigned int topology_probe(struct feature *out, unsigned int max)
{
	int possible = libbpf_num_possible_cpus();
	struct topology t;
	unsigned int count;

	if (possible < 1 || topology_init(&t, "", (unsigned int)possible))
		return 0;
	count = topology_describe(&t, "", out, max);
	topology_fini(&t);
	return count;
}
