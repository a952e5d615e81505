/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bounded loads for measuring schedulers. Each ends by itself and prints what it got done as one
 * line of JSON.
 *
 *   hogs      one process per POLICY that never sleeps; each one's progress, the longest time for
 *             which it did not run, how often it was found on another CPU than before, and its
 *             context switches
 *   spin      the process itself never sleeps: named as a server it is a server gone wild
 *   sleepers  threads that sleep a few ms, run some us and sleep again
 *   exec      processes started one after the other, each of which touches memory, computes and
 * ends: a compiler's load
 *
 * Progress is counted in chunks of the same number of instructions. Nothing counts before all parts
 * run and the warm-up is over. Linked statically, so that an exec reads one file only.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "probe.h"

#define CHUNK_LOOPS 10000
#define PARTS_MAX 1000
#define SLEEP_MS_MAX 20

struct options {
	double seconds, warmup_seconds;
	double start_seconds; /* of CLOCK_MONOTONIC, 0: when the warm-up is over */
	unsigned int count, jobs;
};

/* Written by one part, read after its end. */
struct part {
	uint64_t chunks, cpu_ns, wakeups, late_ns_sum, gap_ns_max, moves, switches;
};

struct shared {
	_Atomic uint32_t ready;
	_Atomic uint64_t start_ns, end_ns; /* 0 until all are ready */
	struct part parts[PARTS_MAX];
};

static struct shared *shared;

static void chunk(void)
{
	burn(CHUNK_LOOPS);
}

/* Context switches of this thread so far. */
static uint64_t count_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)(usage.ru_nvcsw + usage.ru_nivcsw);
}

/* Lets all `parts` begin once they run. 1: too late for a given start, nothing is measured. */
static int open_gate(const struct options *o, uint32_t parts)
{
	uint64_t now, start_ns, end_ns;
	bool is_late;

	while (atomic_load(&shared->ready) < parts)
		usleep(1000);
	now = clock_now_ns();
	start_ns = now + (uint64_t)(o->warmup_seconds * 1e9);
	if (o->start_seconds > 0)
		start_ns = (uint64_t)(o->start_seconds * 1e9);
	is_late = start_ns < now;
	end_ns = is_late ? now : start_ns + (uint64_t)(o->seconds * 1e9);
	if (is_late)
		fputs("sched_load: it is past the time of -a already\n", stderr);
	atomic_store(&shared->end_ns, end_ns);
	atomic_store(&shared->start_ns, start_ns);
	return is_late;
}

/* Computes through warm-up and measurement, without ever sleeping. */
static void compute(struct part *part)
{
	uint64_t start_ns = 0, end_ns = 0, last_ns = 0, cpu_ns = 0, switches = 0, now;
	int last_cpu = 0, cpu;

	atomic_fetch_add(&shared->ready, 1);
	for (;;) {
		chunk();
		now = clock_now_ns();
		if (!start_ns || now < start_ns) {
			start_ns = atomic_load(&shared->start_ns);
			end_ns = atomic_load(&shared->end_ns);
			continue;
		}
		if (!last_ns) {
			last_ns = start_ns;
			cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID);
			switches = count_switches();
			last_cpu = sched_getcpu();
		}
		if (now - last_ns > part->gap_ns_max)
			part->gap_ns_max = now - last_ns;
		last_ns = now;
		cpu = sched_getcpu();
		part->moves += cpu != last_cpu;
		last_cpu = cpu;
		if (now >= end_ns)
			break;
		part->chunks++;
	}
	part->cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
	part->switches = count_switches() - switches;
}

static int run_hogs(const struct options *o, char **policies, int count)
{
	pid_t pids[PARTS_MAX];
	int status, r;

	if (count < 1 || count > PARTS_MAX)
		return 2;
	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (set_policy(policies[i])) {
				fprintf(stderr, "sched_load: '%s' is no policy for this\n",
					policies[i]);
				atomic_fetch_add(&shared->ready, 1);
				_exit(1);
			}
			compute(&shared->parts[i]);
			_exit(0);
		}
	}
	r = open_gate(o, (uint32_t)count);
	for (int i = 0; i < count; i++)
		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			r = 1;
	printf("{\"load\": \"hogs\", \"seconds\": %g, \"hogs\": [", o->seconds);
	for (int i = 0; i < count; i++) {
		const struct part *part = &shared->parts[i];

		printf("%s{\"policy\": \"%s\", \"chunks\": %lu, \"cpu_ns\": %lu, "
		       "\"gap_ns_max\": %lu, \"moves\": %lu, \"switches\": %lu}",
		       i ? ", " : "", policies[i], part->chunks, part->cpu_ns, part->gap_ns_max,
		       part->moves, part->switches);
	}
	printf("]}\n");
	return r;
}

static void *run_spinner(void *arg)
{
	compute(arg);
	return NULL;
}

static int run_spin(const struct options *o)
{
	pthread_t thread;
	int is_late;

	if (pthread_create(&thread, NULL, run_spinner, &shared->parts[0]))
		return 1;
	is_late = open_gate(o, 1);
	pthread_join(thread, NULL);
	printf("{\"load\": \"spin\", \"seconds\": %g, \"chunks\": %lu, \"cpu_ns\": %lu, "
	       "\"gap_ns_max\": %lu}\n",
	       o->seconds, shared->parts[0].chunks, shared->parts[0].cpu_ns,
	       shared->parts[0].gap_ns_max);
	return is_late;
}

/* Each thread has its own row of sleeps, the same one in every run. */
static void *run_sleeper(void *arg)
{
	struct part *part = arg;
	uint32_t random = (uint32_t)(part - shared->parts) * 2654435761u + 1;
	uint64_t due_ns, now;

	prctl(PR_SET_TIMERSLACK, 1);
	atomic_fetch_add(&shared->ready, 1);
	do {
		struct timespec due;

		random = random * 1664525u + 1013904223u;
		due_ns = clock_now_ns() +
			 NSEC_PER_MSEC / 2 * (1 + (random >> 16) % (2 * SLEEP_MS_MAX));
		due = (struct timespec){.tv_sec = (time_t)(due_ns / NSEC_PER_SEC),
					.tv_nsec = (long)(due_ns % NSEC_PER_SEC)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		now = clock_now_ns();
		chunk();
		if (!atomic_load(&shared->start_ns) || due_ns < atomic_load(&shared->start_ns))
			continue;
		part->wakeups++;
		part->late_ns_sum += now - due_ns;
		if (now - due_ns > part->gap_ns_max)
			part->gap_ns_max = now - due_ns;
	} while (!atomic_load(&shared->end_ns) || now < atomic_load(&shared->end_ns));
	return NULL;
}

static int run_sleepers(const struct options *o)
{
	uint64_t wakeups = 0, late_ns_sum = 0, late_ns_max = 0;
	pthread_t threads[PARTS_MAX];
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (unsigned int i = 0; i < o->count; i++)
		if (pthread_create(&threads[i], &attr, run_sleeper, &shared->parts[i]))
			return 1;
	open_gate(o, o->count);
	for (unsigned int i = 0; i < o->count; i++) {
		const struct part *part = &shared->parts[i];

		pthread_join(threads[i], NULL);
		wakeups += part->wakeups;
		late_ns_sum += part->late_ns_sum;
		if (part->gap_ns_max > late_ns_max)
			late_ns_max = part->gap_ns_max;
	}
	printf("{\"load\": \"sleepers\", \"seconds\": %g, \"threads\": %u, \"wakeups\": %lu, "
	       "\"late_ns_mean\": %lu, \"late_ns_max\": %lu}\n",
	       o->seconds, o->count, wakeups, wakeups ? late_ns_sum / wakeups : 0, late_ns_max);
	return 0;
}

/* What a started process does: a quarter of a MiB of fresh memory and about 2 ms of computing. */
static int run_job(void)
{
	enum { SIZE = 256 * 1024 };
	volatile char *memory = malloc(SIZE);

	if (!memory)
		return 1;
	for (int i = 0; i < SIZE; i += 4096)
		memory[i] = 1;
	for (int i = 0; i < 100; i++)
		chunk();
	free((void *)memory);
	return 0;
}

static int run_exec(const struct options *o, const char *self)
{
	unsigned int started = 0, running = 0, failed = 0;
	uint64_t begin_ns = clock_now_ns();
	int status;

	while (started < o->count || running) {
		if (started < o->count && running < o->jobs) {
			pid_t pid = fork();

			if (!pid) {
				execl(self, "job", (char *)NULL);
				_exit(127);
			}
			if (pid < 0)
				return 1;
			started++;
			running++;
		} else if (wait(&status) > 0) {
			running--;
			failed += status != 0;
		}
	}
	printf("{\"load\": \"exec\", \"processes\": %u, \"jobs\": %u, \"ns\": %lu}\n", o->count,
	       o->jobs, clock_now_ns() - begin_ns);
	return failed != 0;
}

static int usage(void)
{
	fputs("usage: sched_load hogs [-t SECS] [-w SECS] [-a SECS] POLICY...\n"
	      "       sched_load spin [-t SECS] [-w SECS] [-a SECS]\n"
	      "       sched_load sleepers [-t SECS] [-w SECS] [-n THREADS]\n"
	      "       sched_load exec [-n PROCESSES] [-J JOBS]\n"
	      "  -t  measured time, default 2; -w  warm-up before, default 0.5\n"
	      "  -a  measure from this uptime on instead: the same for several loads\n"
	      "  -n  default 100; -J  at the same time, default 2\n"
	      "  POLICY is a nice value, or idle, batch, rr:PRIO or fifo:PRIO\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct options o = {.seconds = 2, .warmup_seconds = 0.5, .count = 100, .jobs = 2};
	const char *what;
	int c;

	if (!strcmp(argv[0], "job"))
		return run_job();
	if (argc < 2)
		return usage();
	what = argv[1];
	optind = 2;
	while ((c = getopt(argc, argv, "+t:w:a:n:J:")) != -1) {
		if (c == 't')
			o.seconds = strtod(optarg, NULL);
		else if (c == 'w')
			o.warmup_seconds = strtod(optarg, NULL);
		else if (c == 'a')
			o.start_seconds = strtod(optarg, NULL);
		else if (c == 'n')
			o.count = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 'J')
			o.jobs = (unsigned int)strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	if (!(o.seconds > 0 && o.seconds <= 3600 && o.warmup_seconds >= 0 &&
	      o.warmup_seconds <= 60) ||
	    !o.count || o.count > PARTS_MAX || !o.jobs)
		return usage();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED) {
		perror("sched_load");
		return 1;
	}
	if (!strcmp(what, "hogs"))
		return run_hogs(&o, argv + optind, argc - optind);
	if (!strcmp(what, "spin"))
		return run_spin(&o);
	if (!strcmp(what, "sleepers"))
		return run_sleepers(&o);
	if (!strcmp(what, "exec"))
		return run_exec(&o, "/proc/self/exe");
	return usage();
}
