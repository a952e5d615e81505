/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Topology: which CPUs there are, what they share and how strong each is, as sysfs tells.
 *
 * Owner:    whoever calls topology_init(); read-only afterwards.
 * Threads:  any, but one topology belongs to one thread.
 * Blocking: reads about ten small files of sysfs for each CPU.
 * Limits:   SCHED_LLC_MAX last-level caches; further ones share a number. Nodes above 255 count
 *           as 255.
 *
 * A CPU that is off line, or of which sysfs says nothing (virtual machines, CPUs that are possible
 * but not present), counts to the first cache and to node 0, is a core of its own and as strong as
 * the strongest.
 */
#ifndef LOADER_TOPOLOGY_H
#define LOADER_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/feature.h"
#include "bpf/abi/sched.h"

struct topology_cpu {
	uint32_t llc;
	uint32_t core;	   /* the lowest CPU of the same core */
	uint32_t order;	   /* its position in topology.order */
	uint32_t capacity; /* 1 to SCHED_CAPACITY_MAX, which is the strongest CPU of the machine */
	uint8_t node;
	bool is_known; /* sysfs names its last-level cache */
	bool is_online;
	bool is_tickless;  /* of the kernel's nohz_full= */
	bool is_efficient; /* an E core of a hybrid processor */
};

struct topology_llc {
	uint32_t first; /* its possible CPUs are order[first] to order[first + size - 1] */
	uint32_t size;
	uint32_t kib; /* of cache; 0: unknown */
	uint8_t node; /* of the first CPU under it */
};

struct topology {
	unsigned int cpu_count; /* possible */
	unsigned int llc_count; /* at least 1 */
	uint64_t hotplug_seq;	/* the kernel's count of CPUs that came or went; 0: unknown */
	struct topology_cpu *cpus;
	uint32_t *order; /* all possible CPUs, by node, then cache, then core, then number */
	struct topology_llc llcs[SCHED_LLC_MAX];
};

/* Reads sysfs below `root`: "" is this machine, a test gives the directory of another one. Returns
 * 0 or -ENOMEM. */
int topology_init(struct topology *t, const char *root, unsigned int cpu_count);
/* Are there CPUs so much weaker than others that lib/sched_capacity.h calls them small? */
bool topology_has_small(const struct topology *t);
void topology_fini(struct topology *t); /* a zeroed one is fine */

/* Does sysfs know more of a CPU now than it did in `before`, and was the guess wrong? It has
 * nothing on a CPU that has never been on line. */
bool topology_has_learned(const struct topology *before, const struct topology *now);

/* In words, for --check: CPUs, caches, and what the system prefers where it has a choice (the power
 * profile, AMD's choice between the die with more cache and the faster one), which is read and
 * never set. Returns the number of features written, at most `max`. */
unsigned int topology_describe(const struct topology *t, const char *root, struct feature *out,
			       unsigned int max);
/* The same of this machine. */
unsigned int topology_probe(struct feature *out, unsigned int max);

/* The maps of the scheduler that topology_publish() fills in. */
struct topology_maps {
	int cpus_fd;
	int llcs_fd;
	int order_fd;
};
int topology_publish(const struct topology *t, const struct topology_maps *maps);

#endif
