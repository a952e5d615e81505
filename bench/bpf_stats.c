// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often each BPF program of a process runs, and how long, as the kernel's bpf_stats say: for
 * `-t SECONDS`, with `-j FILE` also as JSON. The statistics are on for that time only, and only as
 * long as this program lives.
 *
 * What they say of a program includes the reading of their own clock. That much is what they say of
 * an empty program, run hot in a loop; it is taken off, so what is left is rather too much than too
 * little. What they add to each run on top of it (the second reading, the sums) they don't count.
 *
 * Invariant: no program ran less often in the end than in the beginning.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fdinfo.h"

#define PROGRAMS_MAX 64
#define NAME_MAX_LEN 64
#define EMPTY_ROUNDS 9
#define EMPTY_RUNS 100000

struct program {
	int fd;
	char name[NAME_MAX_LEN];
	uint64_t runs, ns; /* since it was loaded; then, since the beginning */
};

static int die(const char *what, int error)
{
	fprintf(stderr, "bpf_stats: %s: %s\n", what, strerror(error));
	return 1;
}

static int read_program(struct program *p, uint64_t *runs, uint64_t *ns)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	*runs = *ns = 0;
	if (bpf_obj_get_info_by_fd(p->fd, &info, &size))
		return -errno;
	*runs = info.run_cnt;
	*ns = info.run_time_ns;
	return 0;
}

/* The name of its function: the kernel keeps 15 bytes of a program's own. */
static void read_name(struct program *p)
{
	struct bpf_func_info function = {0};
	struct bpf_prog_info info = {
		.func_info = (__u64)(uintptr_t)&function,
		.nr_func_info = 1,
		.func_info_rec_size = sizeof(function),
	};
	const struct btf_type *type;
	__u32 size = sizeof(info);
	const char *name = NULL;
	struct btf *btf;

	if (bpf_obj_get_info_by_fd(p->fd, &info, &size))
		return;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	type = btf ? btf__type_by_id(btf, function.type_id) : NULL;
	if (type)
		name = btf__name_by_offset(btf, type->name_off);
	snprintf(p->name, sizeof(p->name), "%s", name && name[0] ? name : info.name);
	btf__free(btf);
}

/* What the statistics say of a program that does nothing: the least of some rounds, in ns a run. */
static int measure_empty(double *out)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	static char packet[64];
	struct program p = {0};
	double least = 1e9;
	int round, r;

	p.fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "nothing", "GPL", nothing, 2, NULL);
	if (p.fd < 0)
		return -errno;
	for (round = 0; round < EMPTY_ROUNDS; round++) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet,
			    .data_size_in = sizeof(packet), .repeat = EMPTY_RUNS);
		uint64_t runs, ns, runs_before, ns_before;

		r = read_program(&p, &runs_before, &ns_before);
		if (r == 0)
			r = bpf_prog_test_run_opts(p.fd, &run);
		if (r == 0)
			r = read_program(&p, &runs, &ns);
		if (r == 0 && runs == runs_before)
			r = -ENODATA;
		if (r < 0)
			break;
		if ((double)(ns - ns_before) / (double)(runs - runs_before) < least)
			least = (double)(ns - ns_before) / (double)(runs - runs_before);
	}
	close(p.fd);
	*out = least;
	return r;
}

static int open_programs(pid_t pid, struct program *programs)
{
	unsigned int ids[PROGRAMS_MAX];
	int found = fdinfo_ids(pid, "prog_id", ids, PROGRAMS_MAX), count = 0, i;

	for (i = 0; i < found; i++) {
		struct program *p = &programs[count];

		p->fd = bpf_prog_get_fd_by_id(ids[i]);
		if (p->fd < 0 || read_program(p, &p->runs, &p->ns))
			continue;
		read_name(p);
		count++;
	}
	return found < 0 ? found : count;
}

/* Turns the counts of the beginning into those since then. */
static int take_differences(struct program *programs, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		struct program *p = &programs[i];
		uint64_t runs, ns;
		int r = read_program(p, &runs, &ns);

		if (r < 0)
			return r;
		if (runs < p->runs || ns < p->ns)
			return -ERANGE;
		p->runs = runs - p->runs;
		p->ns = ns - p->ns;
	}
	return 0;
}

static int by_ns(const void *a, const void *b)
{
	const struct program *x = a, *y = b;

	return x->ns < y->ns ? 1 : -(x->ns > y->ns);
}

/* Below the cost of the statistics there is nothing to be seen. */
static double net_ns(const struct program *p, double empty_ns)
{
	double net = p->runs ? (double)p->ns / (double)p->runs - empty_ns : 0;

	return net > 0 ? net : 0;
}

static int print(const struct program *programs, int count, double empty_ns, double seconds,
		 const char *json)
{
	json_t *list = json_array(), *root;
	int i, r = 0;

	printf("%-24s %12s %10s %14s\n", "program", "runs/s", "ns/run", "% of a core");
	for (i = 0; i < count; i++) {
		const struct program *p = &programs[i];
		double per_second = (double)p->runs / seconds, net = net_ns(p, empty_ns);

		printf("%-24s %12.1f %10.1f %14.4f\n", p->name, per_second, net,
		       per_second * net / 1e7);
		json_array_append_new(list, json_pack("{s:s, s:f, s:f}", "name", p->name,
						      "runs_per_s", per_second, "ns_per_run", net));
	}
	printf("taken off: %.1f ns a run, which bpf_stats say of an empty program\n", empty_ns);
	root = json_pack("{s:f, s:f, s:o}", "seconds", seconds, "empty_ns", empty_ns, "programs",
			 list);
	if (json && json_dump_file(root, json, JSON_INDENT(2)))
		r = die(json, errno);
	json_decref(root);
	return r;
}

static int measure(pid_t pid, double seconds, const char *json)
{
	struct timespec pause = {.tv_sec = (time_t)seconds,
				 .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
	struct program programs[PROGRAMS_MAX];
	double empty_ns = 0;
	uint64_t begin_ns;
	int count, r;

	r = measure_empty(&empty_ns);
	if (r < 0)
		return die("can't measure an empty program", -r);
	count = open_programs(pid, programs);
	if (count <= 0)
		return die("that process has no BPF program", count ? -count : ENOENT);
	begin_ns = clock_now_ns();
	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	r = take_differences(programs, count);
	if (r < 0)
		return die("can't read the statistics", -r);
	qsort(programs, (size_t)count, sizeof(programs[0]), by_ns);
	return print(programs, count, empty_ns, (double)(clock_now_ns() - begin_ns) / 1e9, json);
}

int main(int argc, char **argv)
{
	const char *json = NULL;
	double seconds = 5;
	pid_t pid = 0;
	int c;

	while ((c = getopt(argc, argv, "p:t:j:")) != -1) {
		switch (c) {
		case 'p':
			pid = (pid_t)strtol(optarg, NULL, 10);
			break;
		case 't':
			seconds = strtod(optarg, NULL);
			break;
		case 'j':
			json = optarg;
			break;
		default:
			return 2;
		}
	}
	if (pid <= 0 || !(seconds > 0)) {
		fprintf(stderr, "usage: bpf_stats -p PID [-t SECONDS] [-j FILE]\n");
		return 2;
	}
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		return die("can't switch the statistics on", errno);
	return measure(pid, seconds, json);
}
