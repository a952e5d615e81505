/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An audio client for measuring schedulers: what a sound server's threads get.
 *
 * A device wants FRAMES every FRAMES / RATE seconds. Stage 0 (the server) sleeps until that
 * absolute time, works, and wakes stage 1 (a client, in a process of its own), which works and
 * wakes stage 2 (the server again). Periods are handed over as JACK does it: a word in shared
 * memory and a futex.
 *
 *   schedule     T0            T1            T2            T3
 *   stage 0   ...|.work........|...work......|.............|....
 *   stage 1             work            work      (stage 0 was asleep: period 2 is lost,
 *   stage 2                 work            work   its lateness counts as that of any other)
 *
 * Two distributions: how late stage 0 began (wake) and when the last stage was ready (done), both
 * against the schedule. The schedule never waits for us: a period that begins late is measured from
 * its own time, and each one slept through is a sample as well. A period is missed if it was not
 * done when the next one was due; one whose time was over before a stage got to it is not worked on
 * any more (the device has played silence), and its lateness until then is its sample.
 *
 * For scx_gamerd a thread is of class audio_server if its executable is a known server's and owned
 * by root: run a root-owned copy of this program named `pipewire`, and give with -c another copy,
 * of any other name, as the client.
 *
 * Invariant: every period has one wake and one done stamp.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "dist.h"
#include "probe.h"

#define STAGES_MAX 3
#define LINES_MAX 64

/* One audio thread with all that follows it: a chain of stages. */
struct line {
	_Atomic uint32_t posted[STAGES_MAX]; /* periods handed to the stage so far; a futex */
};

/* What server and client share: a memfd, inherited. */
struct shared {
	uint64_t period_ns, burn_loops, start_ns;
	uint32_t chain, line_count, periods;
	uint32_t is_in_phase;
	_Atomic uint32_t ready, is_started; /* futexes */
	struct line lines[LINES_MAX];
	/* Then wake and done of each period, line by line, in ns after its time; 0: not yet. */
	_Atomic uint64_t stamps[];
};

struct options {
	unsigned int frames, rate_hz, chain, lines, burn_us;
	double seconds, warmup_seconds;
	const char *policy, *client, *json_path, *pid_path;
	bool is_in_phase;
};

struct stage {
	struct shared *shared;
	uint32_t line, index;
	pthread_t thread;
};

/* --- the chain ----------------------------------------------------------------------------------
 */

static uint64_t scheduled_ns(const struct shared *s, uint32_t line, uint32_t period)
{
	uint64_t phase_ns = s->is_in_phase ? 0 : s->period_ns * line / s->line_count;

	return s->start_ns + phase_ns + s->period_ns * period;
}

static _Atomic uint64_t *wake_stamp(struct shared *s, uint32_t line, uint32_t period)
{
	return &s->stamps[2 * ((size_t)line * s->periods + period)];
}

static _Atomic uint64_t *done_stamp(struct shared *s, uint32_t line, uint32_t period)
{
	return wake_stamp(s, line, period) + 1;
}

static void hand_over(const struct stage *stage, uint32_t periods)
{
	struct shared *s = stage->shared;
	_Atomic uint32_t *next = &s->lines[stage->line].posted[stage->index + 1];

	if (stage->index + 1 == s->chain)
		return;
	atomic_store(next, periods);
	wake(next);
}

/* The stage's part of a period that it found at late_ns after its time. */
static void work(const struct stage *stage, uint32_t period, uint64_t late_ns)
{
	struct shared *s = stage->shared;

	if (late_ns >= s->period_ns) {
		atomic_store(done_stamp(s, stage->line, period), late_ns);
		return;
	}
	burn(s->burn_loops);
	if (stage->index + 1 == s->chain)
		atomic_store(done_stamp(s, stage->line, period),
			     clock_now_ns() - scheduled_ns(s, stage->line, period));
	else
		hand_over(stage, period + 1);
}

static void run_first(const struct stage *stage)
{
	struct shared *s = stage->shared;

	for (uint32_t period = 0; period < s->periods; period++) {
		uint64_t due_ns = scheduled_ns(s, stage->line, period), late_ns;
		struct timespec due = {.tv_sec = (time_t)(due_ns / NSEC_PER_SEC),
				       .tv_nsec = (long)(due_ns % NSEC_PER_SEC)};

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL))
			;
		late_ns = clock_now_ns() - due_ns;
		atomic_store(wake_stamp(s, stage->line, period), late_ns ? late_ns : 1);
		work(stage, period, late_ns);
	}
}

static void run_follower(const struct stage *stage)
{
	struct shared *s = stage->shared;
	_Atomic uint32_t *posted = &s->lines[stage->line].posted[stage->index];
	uint32_t period = 0;

	while (period < s->periods) {
		wait_while(posted, period);
		for (uint32_t end = atomic_load(posted); period < end; period++)
			/* Lost by an earlier stage? Then it has its stamp and was never handed on.
			 */
			if (!atomic_load(done_stamp(s, stage->line, period)))
				work(stage, period,
				     clock_now_ns() - scheduled_ns(s, stage->line, period));
	}
}

static void *run_stage(void *arg)
{
	const struct stage *stage = arg;
	struct shared *s = stage->shared;

	atomic_fetch_add(&s->ready, 1);
	wake(&s->ready);
	wait_while(&s->is_started, 0);
	if (stage->index)
		run_follower(stage);
	else
		run_first(stage);
	hand_over(stage, s->periods);
	return NULL;
}

/* Starts stage `index` of every line; `stages` has room for them. */
static int start_stages(struct shared *s, uint32_t index, struct stage *stages)
{
	pthread_attr_t attr;
	int r = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (uint32_t i = 0; i < s->line_count && !r; i++) {
		stages[i] = (struct stage){.shared = s, .line = i, .index = index};
		r = pthread_create(&stages[i].thread, &attr, run_stage, &stages[i]);
	}
	pthread_attr_destroy(&attr);
	return -r;
}

static void join_stages(const struct shared *s, const struct stage *stages)
{
	for (uint32_t i = 0; i < s->line_count; i++)
		pthread_join(stages[i].thread, NULL);
}

/* --- the processes ------------------------------------------------------------------------------
 */

static size_t shared_size(uint32_t lines, uint32_t periods)
{
	return sizeof(struct shared) + 2 * sizeof(uint64_t) * lines * (size_t)periods;
}

/* The client: stage 1 of every line. */
static int run_client(const char *fd_text, const char *size_text)
{
	struct shared *s = mmap(NULL, strtoul(size_text, NULL, 10), PROT_READ | PROT_WRITE,
				MAP_SHARED, (int)strtol(fd_text, NULL, 10), 0);
	struct stage stages[LINES_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	if (s == MAP_FAILED || start_stages(s, 1, stages)) {
		perror("audio_probe: client");
		return 1;
	}
	join_stages(s, stages);
	return 0;
}

static pid_t start_client(const char *program, int fd, size_t size)
{
	char fd_text[16], size_text[24];
	pid_t pid;

	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	snprintf(size_text, sizeof(size_text), "%zu", size);
	pid = fork();
	if (!pid) {
		execl(program, program, "--client", fd_text, size_text, (char *)NULL);
		perror(program);
		_exit(127);
	}
	return pid;
}

/* Loops of burn() that take 1 ms of CPU: the fastest of ten tries, so that others' use of the CPU
 * does not count. */
static uint64_t loops_per_ms(void)
{
	const uint64_t loops = 200000;
	uint64_t best_ns = UINT64_MAX;

	for (int i = 0; i < 10; i++) {
		uint64_t start = clock_read(CLOCK_THREAD_CPUTIME_ID), ns;

		burn(loops);
		ns = clock_read(CLOCK_THREAD_CPUTIME_ID) - start;
		if (ns < best_ns)
			best_ns = ns;
	}
	return loops * NSEC_PER_MSEC / (best_ns ? best_ns : 1);
}

static struct shared *prepare(const struct options *o, int *fd)
{
	uint64_t period_ns = o->frames * NSEC_PER_SEC / o->rate_hz;
	double total = (o->seconds + o->warmup_seconds) * 1e9 / (double)period_ns;
	size_t size = shared_size(o->lines, (uint32_t)total);
	struct shared *s;

	*fd = memfd_create("audio_probe", 0);
	if (*fd < 0 || ftruncate(*fd, (off_t)size))
		return NULL;
	s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (s == MAP_FAILED)
		return NULL;
	s->period_ns = period_ns;
	s->burn_loops = loops_per_ms() * o->burn_us / 1000;
	s->chain = o->chain;
	s->line_count = o->lines;
	s->periods = (uint32_t)total;
	s->is_in_phase = o->is_in_phase;
	return s;
}

static int run(const struct options *o, struct shared *s, int fd)
{
	struct stage first[LINES_MAX], last[LINES_MAX];
	uint32_t ready, expected = s->chain * s->line_count;
	pid_t client = 0;
	int status = 0;

	if (s->chain > 1)
		client = start_client(o->client, fd, shared_size(s->line_count, s->periods));
	if (client < 0 || start_stages(s, 0, first) || (s->chain > 2 && start_stages(s, 2, last)))
		return -EAGAIN;
	while ((ready = atomic_load(&s->ready)) < expected) {
		struct timespec second = {.tv_sec = 1};

		syscall(SYS_futex, &s->ready, FUTEX_WAIT, ready, &second, NULL, 0);
		if (client && waitpid(client, &status, WNOHANG) == client)
			return -ECHILD;
	}
	s->start_ns = clock_now_ns() + 20 * NSEC_PER_MSEC;
	atomic_store(&s->is_started, 1);
	wake(&s->is_started);
	join_stages(s, first);
	if (s->chain > 2)
		join_stages(s, last);
	if (client && (waitpid(client, &status, 0) != client || status))
		return -ECHILD;
	return 0;
}

/* --- the report ---------------------------------------------------------------------------------
 */

static json_t *distribution_json(struct dist *d)
{
	json_t *json = dist_json(d);

	json_object_set_new(json, "p999_ns", json_integer((json_int_t)dist_quantile(d, 0.999)));
	return json;
}

static void print_distribution(const char *name, struct dist *d)
{
	printf("%s p50 %.1f p99 %.1f p99.9 %.1f max %.1f us; ", name,
	       (double)dist_quantile(d, 0.5) / 1e3, (double)dist_quantile(d, 0.99) / 1e3,
	       (double)dist_quantile(d, 0.999) / 1e3, (double)dist_quantile(d, 1.0) / 1e3);
}

static int report(const struct options *o, struct shared *s)
{
	uint32_t warmup = (uint32_t)(o->warmup_seconds * 1e9 / (double)s->period_ns);
	size_t count = (size_t)s->line_count * (s->periods - warmup), missed = 0;
	struct dist late, done;
	json_t *json;
	int r = 0;

	dist_init(&late, count);
	dist_init(&done, count);
	for (uint32_t line = 0; line < s->line_count; line++)
		for (uint32_t period = warmup; period < s->periods; period++) {
			uint64_t done_ns = atomic_load(done_stamp(s, line, period));

			if (!done_ns || !atomic_load(wake_stamp(s, line, period)))
				abort();
			dist_add(&late, atomic_load(wake_stamp(s, line, period)));
			dist_add(&done, done_ns);
			missed += done_ns > s->period_ns;
		}
	print_distribution("wake", &late);
	print_distribution("done", &done);
	printf("missed %zu of %zu\n", missed, count);
	json = json_pack("{s:i, s:i, s:i, s:i, s:i, s:s, s:I, s:I, s:I, s:o, s:o}", "frames",
			 (int)o->frames, "rate_hz", (int)o->rate_hz, "chain", (int)o->chain,
			 "lines", (int)o->lines, "burn_us", (int)o->burn_us, "policy", o->policy,
			 "period_ns", (json_int_t)s->period_ns, "periods", (json_int_t)count,
			 "missed", (json_int_t)missed, "wake", distribution_json(&late), "done",
			 distribution_json(&done));
	if (o->json_path && json_dump_file(json, o->json_path, JSON_INDENT(2))) {
		perror(o->json_path);
		r = -EIO;
	}
	json_decref(json);
	dist_fini(&late);
	dist_fini(&done);
	return r;
}

static void usage(FILE *out)
{
	fputs("usage: audio_probe [OPTION]...\n"
	      "  -f FRAMES   of a period, 64 to 1024; default 128\n"
	      "  -r RATE     in Hz; default 48000\n"
	      "  -C STAGES   of the chain, 1 to 3: server, client, server; default 1\n"
	      "  -n LINES    such chains at the same time, 1 to 64, spread over the period; default 1\n"
	      "  -s          all of them at the same instant instead\n"
	      "  -b US       of CPU time that each stage takes; default 100\n"
	      "  -p POLICY   other, nice:N, rr:PRIO or fifo:PRIO; default other\n"
	      "  -t SECS     default 2\n"
	      "  -w SECS     before that, which don't count; default 0.5\n"
	      "  -c PROGRAM  the client, a copy of this program; default: this one\n"
	      "  -P FILE     gets the pid of the server\n"
	      "  -j FILE     gets the result as JSON\n",
	      out);
}

static bool parse(int argc, char **argv, struct options *o)
{
	unsigned int *numbers[] = {['f'] = &o->frames, ['r'] = &o->rate_hz, ['C'] = &o->chain,
				   ['n'] = &o->lines,  ['b'] = &o->burn_us, ['z'] = NULL};
	double *seconds[] = {['t'] = &o->seconds, ['w'] = &o->warmup_seconds, ['z'] = NULL};
	const char **texts[] = {['p'] = &o->policy,
				['c'] = &o->client,
				['P'] = &o->pid_path,
				['j'] = &o->json_path,
				['z'] = NULL};
	char *end;
	int c;

	while ((c = getopt(argc, argv, "f:r:C:n:sb:p:t:w:c:P:j:")) != -1) {
		end = "";
		if (c == '?')
			return false;
		if (c == 's')
			o->is_in_phase = true;
		else if (numbers[c])
			*numbers[c] = (unsigned int)strtoul(optarg, &end, 10);
		else if (seconds[c])
			*seconds[c] = strtod(optarg, &end);
		else
			*texts[c] = optarg;
		if (*end)
			return false;
	}
	return optind == argc && o->frames >= 64 && o->frames <= 1024 && o->rate_hz >= 8000 &&
	       o->rate_hz <= 192000 && o->chain >= 1 && o->chain <= STAGES_MAX && o->lines >= 1 &&
	       o->lines <= LINES_MAX && o->burn_us <= 100000 && o->seconds >= 0.1 &&
	       o->seconds <= 3600 && o->warmup_seconds >= 0 && o->warmup_seconds <= 60;
}

static int write_pid(const char *path)
{
	FILE *f = fopen(path, "we");

	if (f)
		fprintf(f, "%d\n", (int)getpid());
	return !f || fclose(f) ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct options o = {.frames = 128,
			    .rate_hz = 48000,
			    .chain = 1,
			    .lines = 1,
			    .burn_us = 100,
			    .seconds = 2,
			    .warmup_seconds = 0.5,
			    .policy = "other",
			    .client = "/proc/self/exe"};
	struct shared *s;
	int fd, r;

	if (argc == 4 && !strcmp(argv[1], "--client"))
		return run_client(argv[2], argv[3]);
	if (!parse(argc, argv, &o)) {
		usage(stderr);
		return 2;
	}
	/* Ends it where a scheduler never lets it run: that is a result, too. */
	alarm((unsigned int)(4 * (o.seconds + o.warmup_seconds)) + 30);
	prctl(PR_SET_TIMERSLACK, 1);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	r = o.pid_path ? write_pid(o.pid_path) : 0;
	s = r ? NULL : prepare(&o, &fd);
	if (!r && !s)
		r = -errno;
	if (!r)
		r = set_policy(o.policy);
	if (!r)
		r = run(&o, s, fd);
	if (!r)
		r = report(&o, s);
	if (r)
		fprintf(stderr, "audio_probe: %s\n", strerror(-r));
	return r ? 1 : 0;
}
