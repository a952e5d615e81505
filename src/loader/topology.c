/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What sysfs says in many small files, read once and put in order.
 *
 *   which CPUs share a cache     cpu/cpuN/cache/indexM/{level,shared_cpu_list,size}
 *   which are threads of a core  cpu/cpuN/topology/core_cpus_list
 *   which belong to a NUMA node  node/nodeN/cpulist
 *   how strong each is           cpu/cpuN/cpu_capacity, acpi_cppc/highest_perf,
 *                                cpufreq/cpuinfo_max_freq; cpu_atom/cpus, cpu_lowpower/cpus
 *   which run without a tick     cpu/nohz_full
 *
 * The order: a machine of two nodes, two caches each and two threads a core is laid out as
 *
 *   order:   0 8 1 9 | 2 10 3 11 | 4 12 5 13 | 6 14 7 15
 *   cache:     0     |     1     |     2     |     3
 *   node:            0           |           1
 *
 * so that a cache, and a node, is a range, and the threads of a core are neighbours.
 */
#include "loader/topology.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "loader/sysfs.h"

#define CACHE_INDEX_MAX 10

/* What an E core does in a cycle, in percent of what a P core does. Only for kernels that tell
 * nothing but frequencies. */
#define EFFICIENT_PERCENT 75

/* --- lists of CPUs -------------------------------------------------------------------------- */

typedef void cpu_mark(struct topology_cpu *cpu, uint32_t value);

/* Marks each possible CPU that the file lists. */
__attribute__((format(printf, 5, 6))) static void list_mark(struct topology *t, cpu_mark *mark,
							    uint32_t value, const char *root,
							    const char *fmt, ...)
{
	uint32_t first, last;
	va_list args;
	FILE *file;

	va_start(args, fmt);
	file = sysfs_open(root, fmt, args);
	va_end(args);
	if (!file)
		return;
	while (sysfs_range(file, &first, &last))
		for (; first <= last && first < t->cpu_count; first++)
			mark(&t->cpus[first], value);
	fclose(file);
}

static void mark_online(struct topology_cpu *cpu, uint32_t value)
{
	cpu->is_online = true;
}

static void mark_tickless(struct topology_cpu *cpu, uint32_t value)
{
	cpu->is_tickless = true;
}

static void mark_efficient(struct topology_cpu *cpu, uint32_t value)
{
	cpu->is_efficient = true;
}

static void mark_node(struct topology_cpu *cpu, uint32_t node)
{
	cpu->node = node < UINT8_MAX ? (uint8_t)node : UINT8_MAX;
}

static uint64_t hotplug_read(const char *root)
{
	uint32_t sequence;

	return sysfs_number(&sequence, root, "/sys/kernel/sched_ext/hotplug_seq") ? sequence : 0;
}

/* --- what is shared ------------------------------------------------------------------------- */

/* The lowest CPU that shares this CPU's cache of the highest level, and the cache's index. */
static bool llc_leader(const char *root, uint32_t cpu, uint32_t *leader, unsigned int *index)
{
	uint32_t level, level_max = 0;

	for (unsigned int i = 0; i < CACHE_INDEX_MAX; i++) {
		if (!sysfs_number(&level, root, SYSFS_CPU "cpu%u/cache/index%u/level", cpu, i) ||
		    level < level_max)
			continue;
		if (!sysfs_number(leader, root, SYSFS_CPU "cpu%u/cache/index%u/shared_cpu_list",
				  cpu, i))
			continue;
		level_max = level;
		*index = i;
	}
	return level_max > 0;
}

static void caches_read(struct topology *t, const char *root)
{
	uint32_t leaders[SCHED_LLC_MAX] = {0}, leader, llc;
	unsigned int index;

	for (uint32_t cpu = 0; cpu < t->cpu_count; cpu++) {
		if (!llc_leader(root, cpu, &leader, &index))
			continue;
		for (llc = 0; llc < t->llc_count && leaders[llc] != leader; llc++)
			;
		if (llc == SCHED_LLC_MAX) {
			llc = leader % SCHED_LLC_MAX;
		} else if (llc == t->llc_count) {
			leaders[t->llc_count++] = leader;
			t->llcs[llc].node = t->cpus[cpu].node;
			sysfs_number(&t->llcs[llc].kib, root, SYSFS_CPU "cpu%u/cache/index%u/size",
				     cpu, index);
		}
		t->cpus[cpu].llc = llc;
		t->cpus[cpu].is_known = true;
	}
	if (!t->llc_count)
		t->llc_count = 1;
}

static void cores_read(struct topology *t, const char *root)
{
	for (uint32_t cpu = 0; cpu < t->cpu_count; cpu++) {
		uint32_t *core = &t->cpus[cpu].core;

		if (!sysfs_number(core, root, SYSFS_CPU "cpu%u/topology/core_cpus_list", cpu) &&
		    !sysfs_number(core, root, SYSFS_CPU "cpu%u/topology/thread_siblings_list", cpu))
			*core = cpu;
	}
}

static void nodes_read(struct topology *t, const char *root)
{
	for (uint32_t node = 0; node <= UINT8_MAX; node++)
		list_mark(t, mark_node, node, root, SYSFS_NODE "node%u/cpulist", node);
}

/* --- how strong each is --------------------------------------------------------------------- */

enum capacity_source {
	CAPACITY_KERNEL, /* its own figure, where it has one: arm64, RISC-V, newer x86 */
	CAPACITY_CPPC,	 /* the firmware's */
	CAPACITY_FREQUENCY,
	CAPACITY_NONE,
};

static bool capacity_read(const char *root, enum capacity_source source, uint32_t cpu,
			  uint32_t *out)
{
	switch (source) {
	case CAPACITY_KERNEL:
		return sysfs_number(out, root, SYSFS_CPU "cpu%u/cpu_capacity", cpu);
	case CAPACITY_CPPC:
		return sysfs_number(out, root, SYSFS_CPU "cpu%u/acpi_cppc/highest_perf", cpu);
	case CAPACITY_FREQUENCY:
		return sysfs_number(out, root, SYSFS_CPU "cpu%u/cpufreq/cpuinfo_max_freq", cpu);
	default:
		*out = 1;
		return true;
	}
}

/* Reads the figure of each CPU, in whatever unit; 0 where there is none. Returns whether these
 * figures are of use. */
static bool capacities_read(struct topology *t, const char *root, enum capacity_source source)
{
	uint32_t min = UINT32_MAX, max = 0;

	for (uint32_t cpu = 0; cpu < t->cpu_count; cpu++) {
		uint32_t *capacity = &t->cpus[cpu].capacity;

		if (!capacity_read(root, source, cpu, capacity))
			*capacity = 0;
		if (!*capacity)
			continue;
		min = *capacity < min ? *capacity : min;
		max = *capacity > max ? *capacity : max;
	}
	/* Some firmware gives P and E cores one figure, 255. */
	return max && (source != CAPACITY_CPPC || min < max);
}

/*
 * The firmware's figures are asked on hybrid processors only. Elsewhere (AMD's preferred cores)
 * they rank cores whose strength hardly differs: 166 and 231 may be 4.9 and 5.1 GHz.
 */
static void capacity_fill(struct topology *t, const char *root)
{
	enum capacity_source source = CAPACITY_KERNEL;
	uint64_t scaled, max = 0;
	bool is_hybrid = false;

	for (uint32_t cpu = 0; cpu < t->cpu_count; cpu++)
		is_hybrid |= t->cpus[cpu].is_efficient;
	while ((source == CAPACITY_CPPC && !is_hybrid) || !capacities_read(t, root, source))
		source++;
	for (uint32_t cpu = 0; cpu < t->cpu_count; cpu++) {
		struct topology_cpu *this = &t->cpus[cpu];

		scaled = (uint64_t)this->capacity * 100;
		if (source >= CAPACITY_FREQUENCY && this->is_efficient)
			scaled = (uint64_t)this->capacity * EFFICIENT_PERCENT;
		this->capacity = (uint32_t)scaled;
		max = scaled > max ? scaled : max;
	}
	for (uint32_t cpu = 0; cpu < t->cpu_count; cpu++) {
		scaled = t->cpus[cpu].capacity ? t->cpus[cpu].capacity : max;
		scaled = (scaled * SCHED_CAPACITY_MAX + max / 2) / max;
		t->cpus[cpu].capacity = scaled ? (uint32_t)scaled : 1;
	}
}

/* --- order ---------------------------------------------------------------------------------- */

static int differ(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int order_compare(const void *left, const void *right, void *ctx)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	const struct topology *t = ctx;
	const struct topology_cpu *x = &t->cpus[a], *y = &t->cpus[b];
	int ret = differ(t->llcs[x->llc].node, t->llcs[y->llc].node);

	if (!ret)
		ret = differ(x->llc, y->llc);
	if (!ret)
		ret = differ(x->core, y->core);
	return ret ? ret : differ(a, b);
}

static void order_fill(struct topology *t)
{
	for (uint32_t cpu = 0; cpu < t->cpu_count; cpu++)
		t->order[cpu] = cpu;
	qsort_r(t->order, t->cpu_count, sizeof(*t->order), order_compare, t);
	for (uint32_t i = 0; i < t->cpu_count; i++) {
		struct topology_cpu *cpu = &t->cpus[t->order[i]];
		struct topology_llc *llc = &t->llcs[cpu->llc];

		cpu->order = i;
		if (!llc->size++)
			llc->first = i;
	}
}

/* --- the whole ------------------------------------------------------------------------------ */

/* The sequence comes first: no change after it can go unnoticed. */
int topology_init(struct topology *t, const char *root, unsigned int cpu_count)
{
	*t = (struct topology){.cpu_count = cpu_count, .hotplug_seq = hotplug_read(root)};
	t->cpus = calloc(cpu_count, sizeof(*t->cpus));
	t->order = calloc(cpu_count, sizeof(*t->order));
	if (!t->cpus || !t->order) {
		topology_fini(t);
		return -ENOMEM;
	}
	list_mark(t, mark_online, 0, root, SYSFS_CPU "online");
	list_mark(t, mark_tickless, 0, root, SYSFS_CPU "nohz_full");
	list_mark(t, mark_efficient, 0, root, "/sys/devices/cpu_atom/cpus");
	list_mark(t, mark_efficient, 0, root, "/sys/devices/cpu_lowpower/cpus");
	nodes_read(t, root);
	caches_read(t, root);
	cores_read(t, root);
	capacity_fill(t, root);
	order_fill(t);
	return 0;
}

bool topology_has_small(const struct topology *t)
{
	for (unsigned int cpu = 0; cpu < t->cpu_count; cpu++)
		if (t->cpus[cpu].capacity && t->cpus[cpu].capacity < SCHED_CAPACITY_BIG)
			return true;
	return false;
}

void topology_fini(struct topology *t)
{
	free(t->cpus);
	free(t->order);
	t->cpus = NULL;
	t->order = NULL;
}

bool topology_has_learned(const struct topology *before, const struct topology *now)
{
	for (uint32_t i = 0; i < before->cpu_count && i < now->cpu_count; i++) {
		const struct topology_cpu *old = &before->cpus[i], *new = &now->cpus[i];

		if (old->is_known || !new->is_known)
			continue;
		if (old->llc != new->llc || old->core != new->core || old->node != new->node ||
		    old->capacity != new->capacity)
			return true;
	}
	return false;
}

static struct sched_cpu cpu_published(const struct topology_cpu *cpu)
{
	return (struct sched_cpu){.llc = cpu->llc,
				  .is_online = cpu->is_online,
				  .capacity = (uint16_t)cpu->capacity,
				  .node = cpu->node,
				  .is_tickless = cpu->is_tickless,
				  .order = cpu->order};
}

int topology_publish(const struct topology *t, const struct topology_maps *maps)
{
	struct sched_llc llcs[SCHED_LLC_MAX] = {0};

	for (uint32_t i = 0; i < t->cpu_count; i++) {
		struct sched_cpu cpu = cpu_published(&t->cpus[i]);

		llcs[cpu.llc].cpu_count += cpu.is_online;
		if (bpf_map_update_elem(maps->cpus_fd, &i, &cpu, BPF_ANY) ||
		    bpf_map_update_elem(maps->order_fd, &i, &t->order[i], BPF_ANY))
			return -errno;
	}
	for (uint32_t i = 0; i < t->llc_count; i++) {
		llcs[i].first = t->llcs[i].first;
		llcs[i].size = t->llcs[i].size;
		llcs[i].node = t->llcs[i].node;
		if (bpf_map_update_elem(maps->llcs_fd, &i, &llcs[i], BPF_ANY))
			return -errno;
	}
	return 0;
}
