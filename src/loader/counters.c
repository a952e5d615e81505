/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOT_WORDS (sizeof(struct cpu_slot) / sizeof(__u64))

int counters_init(struct counters *counters, int map_fd, unsigned int cpu_count)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (cpu_count * sizeof(struct cpu_slot) + page - 1) / page * page;
	void *memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED, map_fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*counters = (struct counters){.slots = memory, .cpu_count = cpu_count, .bytes = bytes};
	return 0;
}

void counters_fini(struct counters *counters)
{
	if (counters->slots)
		munmap((void *)counters->slots, counters->bytes);
	counters->slots = NULL;
}

uint64_t counters_ring_dropped(const struct counters *counters)
{
	uint64_t sum = 0;

	for (unsigned int cpu = 0; cpu < counters->cpu_count; cpu++)
		sum += __atomic_load_n(&counters->slots[cpu].ring_dropped, __ATOMIC_RELAXED);
	return sum;
}

void counters_sum(const struct counters *counters, struct cpu_slot *sum)
{
	/* __u64 as in the struct: uint64_t may be another type of that size, and then no alias. */
	__u64 *total = (__u64 *)sum;

	memset(sum, 0, sizeof(*sum));
	for (unsigned int cpu = 0; cpu < counters->cpu_count; cpu++) {
		const __u64 *words = (const __u64 *)&counters->slots[cpu];
		uint64_t max_ns[CLASS_COUNT];

		for (unsigned int c = 0; c < CLASS_COUNT; c++)
			max_ns[c] = sum->classes[c].wait.max_ns;
		for (size_t i = 0; i < SLOT_WORDS; i++)
			total[i] += __atomic_load_n(&words[i], __ATOMIC_RELAXED);
		/* The loop has added the maxima, too. Undo that: the difference is this CPU's. */
		for (unsigned int c = 0; c < CLASS_COUNT; c++) {
			struct wait_hist *wait = &sum->classes[c].wait;
			uint64_t here = wait->max_ns - max_ns[c];

			wait->max_ns = here > max_ns[c] ? here : max_ns[c];
		}
	}
	sum->input_since_ns = 0;
	sum->input_visitor = 0;
}
