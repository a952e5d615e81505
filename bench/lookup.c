// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs the kernel side to know a thread's role when it wakes and when it stops: a lookup
 * of its TGID in a hash map each time (docs/review.md, 3), or the verdict in its task storage,
 * which holds as long as the table has not changed. Run in the kernel by BPF_PROG_RUN, on the
 * project's own maps and functions (lookup.bpf.c); a sample is the mean of a loop, less that of the
 * empty loop of the same round.
 *
 * Invariant: in the steady state no verdict makes a lookup, and after each change of the table
 * every one does.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "bpf/abi/counters.h"
#include "bpf/abi/roles.h"
#include "line.h"
#include "lookup.skel.h"
#include "stopwatch.h"

#define KEYS 1024
#define MISS 0x40000000u /* more than any PID */
#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct way {
	const char *name;
	const char *program;
	unsigned int entries; /* in the table */
	bool is_hit;
	int lookups; /* each turn's, as the slot counts them; -1: does not count */
};

static const struct way ways[] = {
	{"empty", "bench_empty", 16, true, -1},
	{"hit.16", "bench_lookup", 16, true, -1},
	{"miss.16", "bench_lookup", 16, false, -1},
	{"hit.1024", "bench_lookup", 1024, true, -1},
	{"miss.1024", "bench_lookup", 1024, false, -1},
	{"storage", "bench_storage", 16, true, -1},
	{"cached", "bench_cached", 16, true, 0},
	{"stale", "bench_stale", 16, true, 1},
	{"both_lookup", "bench_both_lookup", 16, false, -1},
	{"both_cached", "bench_both_cached", 16, true, 0},
};

static struct lookup_bpf *skel;
static unsigned int entries;  /* in the table now */
static double steady_lookups; /* of a cached verdict */

static int fill(unsigned int wanted, bool is_hit)
{
	int fd = bpf_map__fd(skel->maps.tgid_roles);
	struct role_entry entry = {.role = ROLE_AUDIO_SERVER};
	unsigned int i;
	uint32_t key;
	int r = 0;

	/* Keys far apart, as TGIDs are. */
	for (; !r && entries < wanted; entries++) {
		key = 1000 + entries * 37;
		r = bpf_map_update_elem(fd, &key, &entry, BPF_ANY);
	}
	for (; !r && entries > wanted; entries--) {
		key = 1000 + (entries - 1) * 37;
		r = bpf_map_delete_elem(fd, &key);
	}
	for (i = 0; i < KEYS; i++)
		skel->bss->keys[i] = (is_hit ? 0 : MISS) + 1000 + i % wanted * 37;
	return r;
}

static struct cpu_slot slots_sum(void)
{
	int fd = bpf_map__fd(skel->maps.slots), cpus = libbpf_num_possible_cpus(), i;
	struct cpu_slot sum = {0}, slot;

	for (i = 0; i < cpus; i++) {
		if (bpf_map_lookup_elem(fd, &i, &slot))
			continue;
		sum.roles_lookups += slot.roles_lookups;
		sum.roles_cached += slot.roles_cached;
	}
	return sum;
}

/* Picoseconds of a turn, loop and all; 0 if it could not run or broke the invariant. */
static uint64_t run(const struct way *way)
{
	struct bpf_program *program = bpf_object__find_program_by_name(skel->obj, way->program);
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct cpu_slot before, after;

	if (fill(way->entries, way->is_hit))
		return 0;
	/* Once before, so that a verdict is there and caches are warm. */
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts) || opts.retval)
		return 0;
	before = slots_sum();
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &opts) || opts.retval)
		return 0;
	after = slots_sum();
	if (way->lookups >= 0 && after.roles_lookups - before.roles_lookups !=
					 (uint64_t)way->lookups * skel->bss->turns) {
		fprintf(stderr, "lookup: %s: %llu lookups in %u turns\n", way->name,
			after.roles_lookups - before.roles_lookups, skel->bss->turns);
		return 0;
	}
	if (way->lookups == 0) {
		if (after.roles_cached == before.roles_cached)
			return 0;
		steady_lookups = (double)(after.roles_lookups - before.roles_lookups) /
				 (double)(after.roles_cached - before.roles_cached);
	}
	return skel->bss->elapsed_ns * PS_PER_NS / skel->bss->turns;
}

static int measure(unsigned int rounds)
{
	struct dist dists[WAYS];
	unsigned int round, i;
	int r = 0;

	for (i = 0; i < WAYS; i++)
		dist_init(&dists[i], rounds);
	for (round = 0; !r && round < rounds; round++) {
		uint64_t empty_ps = 0, ps;

		for (i = 0; !r && i < WAYS; i++) {
			ps = run(&ways[i]);
			if (!ps)
				r = -EINVAL;
			else if (i == 0)
				empty_ps = ps;
			else
				dist_add(&dists[i], ps > empty_ps ? ps - empty_ps : 0);
			if (r)
				fprintf(stderr, "lookup: %s failed\n", ways[i].name);
		}
	}
	for (i = 1; i < WAYS; i++)
		if (!r)
			line_dist("lookup", ways[i].name, "ns", &dists[i], PS_PER_NS);
	for (i = 0; i < WAYS; i++)
		dist_fini(&dists[i]);
	return r;
}

int main(int argc, char **argv)
{
	unsigned int rounds = 101;
	int c, r;

	while ((c = getopt(argc, argv, "q")) != -1) {
		if (c != 'q')
			return 2;
		rounds = 21;
	}
	skel = lookup_bpf__open();
	if (!skel)
		return 1;
	bpf_map__set_max_entries(skel->maps.slots, (uint32_t)libbpf_num_possible_cpus());
	skel->bss->roles_generation = 1;
	r = lookup_bpf__load(skel);
	if (!r) {
		skel->bss->turns = 10000;
		stopwatch_pin(0);
		r = measure(rounds);
		if (!r)
			line_value("lookup", "steady", "lookups", steady_lookups);
	}
	lookup_bpf__destroy(skel);
	return r ? 1 : 0;
}
