/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads of programs without a role, for measuring schedulers: what editors, browsers and games
 * that nobody has recognised get beside other work.
 *
 * Each line is a thread that sleeps until an absolute time, works, and may have help: workers that
 * it wakes by futex and waits for (as a game's), or stages that hand the period on over pipes (as
 * programs of a shell). With -R it sleeps for a random time instead, from the end of its work on.
 *
 *   due          T0                 T1                 T2
 *   the line  ...|.work|wait|.......|..................|....
 *   workers            |work|                 (it was asleep: period 1 is lost, and a sample)
 *   or stages          |work|work|
 *
 * Two distributions: how late the line's thread began (wake), and when all were ready (done), both
 * against the schedule. The schedule does not wait. A period is missed if it was not done when the
 * next one was due; one that begins after that is not worked on, and its lateness counts. With -R a
 * period is missed if its lateness is longer than the sleep was, and all are worked on.
 *
 * Work is a number of instructions, calibrated in us of a CPU that nothing else uses. In a
 * deterministic guest, whose CPUs execute in turn, work takes as many times longer as CPUs are
 * busy; calibration does not see the others' turns, for it takes the shortest of many pieces that
 * are shorter than a turn.
 *
 * For scx_gamerd these threads have no role unless the program has the name of a known server.
 *
 * Invariant: every period has one wake and one done stamp.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "dist.h"
#include "probe.h"

#define LINES_MAX 128
#define HELPERS_MAX 8
#define CPUS_MAX 128
#define SLEEP_MIN_NS (NSEC_PER_MSEC / 2)
#define SLEEP_MAX_NS (20 * NSEC_PER_MSEC)
#define END UINT32_MAX /* instead of a period's number */

struct options {
	double period_us, work_us, helper_us, seconds, warmup_seconds, start_seconds;
	unsigned int lines, stages, workers, random_percent;
	int first_cpu; /* -1: any */
	const char *policy, *json_path;
};

struct sample {
	uint64_t due_ns, limit_ns, late_ns;
	_Atomic uint64_t done_ns; /* after due_ns; 0: not yet */
	uint32_t cpu;
	bool is_worked;
};

struct line {
	const struct options *options;
	uint32_t index, count, capacity;
	struct sample *samples;
	pthread_t thread, helpers[HELPERS_MAX];
	_Atomic uint32_t round, pending; /* of the workers; futexes */
	_Atomic bool is_over;
	int pipes[HELPERS_MAX][2]; /* [i]: from the thread before stage i + 1 */
};

/* What the thread of a stage or a worker is given. */
struct helper {
	struct line *line;
	uint32_t index;
};

static uint64_t loops_per_ms, start_ns, end_ns;
static cpu_set_t allowed;
static _Atomic uint32_t ready, is_started;

static void work(double us)
{
	burn((uint64_t)(us * (double)loops_per_ms / 1000));
}

static uint64_t shortest_ns(uint64_t loops)
{
	uint64_t best_ns = UINT64_MAX;

	for (int i = 0; i < 1000; i++) {
		uint64_t begin_ns = clock_now_ns(), ns;

		burn(loops);
		ns = clock_now_ns() - begin_ns;
		if (ns < best_ns)
			best_ns = ns;
	}
	return best_ns;
}

/* The difference of two lengths, so that reading the clock does not count. */
static void calibrate(void)
{
	uint64_t short_ns = shortest_ns(100), long_ns = shortest_ns(1600);

	loops_per_ms = 1500 * NSEC_PER_MSEC / (long_ns > short_ns ? long_ns - short_ns : 1);
}

/* --- the threads --------------------------------------------------------------------------------
 */

static void begin(void)
{
	atomic_fetch_add(&ready, 1);
	wake(&ready);
	sched_setaffinity(0, sizeof(allowed), &allowed);
	wait_while(&is_started, 0);
}

/* Threads are born on CPU, and may leave it when they begin. 0 or negative errno. */
static int choose_birthplace(int cpu)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET((unsigned int)cpu, &first);
	return sched_setaffinity(0, sizeof(first), &first) ? -errno : 0;
}

static void finish(struct line *line, uint32_t number)
{
	struct sample *sample = &line->samples[number];

	atomic_store(&sample->done_ns, clock_now_ns() - sample->due_ns);
}

static void hand_on(struct line *line, uint32_t stage, uint32_t number)
{
	if (write(line->pipes[stage][1], &number, sizeof(number)) != sizeof(number))
		abort();
}

static void *run_stage(void *arg)
{
	const struct helper *self = arg;
	struct line *line = self->line;
	bool is_last = self->index + 1 == line->options->stages;
	uint32_t number;

	begin();
	while (read(line->pipes[self->index][0], &number, sizeof(number)) == sizeof(number)) {
		if (number != END &&
		    clock_now_ns() - line->samples[number].due_ns < line->samples[number].limit_ns)
			work(line->options->helper_us);
		if (!is_last)
			hand_on(line, self->index + 1, number);
		else if (number != END)
			finish(line, number);
		if (number == END)
			return NULL;
	}
	abort();
}

static void *run_worker(void *arg)
{
	const struct helper *self = arg;
	struct line *line = self->line;

	begin();
	for (uint32_t round = 0;; round++) {
		wait_while(&line->round, round);
		if (atomic_load(&line->is_over))
			return NULL;
		work(line->options->helper_us);
		if (atomic_fetch_sub(&line->pending, 1) == 1)
			wake(&line->pending);
	}
}

static void use_workers(struct line *line)
{
	uint32_t pending;

	atomic_store(&line->pending, line->options->workers);
	atomic_fetch_add(&line->round, 1);
	wake(&line->round);
	while ((pending = atomic_load(&line->pending)))
		wait_while(&line->pending, pending);
}

static void run_period(struct line *line, uint32_t number, double work_us)
{
	line->samples[number].is_worked = true;
	work(work_us);
	if (line->options->workers)
		use_workers(line);
	if (line->options->stages)
		hand_on(line, 0, number);
	else
		finish(line, number);
}

static void sleep_until(uint64_t due_ns)
{
	struct timespec due = {.tv_sec = (time_t)(due_ns / NSEC_PER_SEC),
			       .tv_nsec = (long)(due_ns % NSEC_PER_SEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL))
		;
}

/* Each line has its own row of sleeps, the same one in every run. */
static uint64_t random_sleep_ns(uint32_t *random)
{
	*random = *random * 1664525u + 1013904223u;
	return SLEEP_MIN_NS + (SLEEP_MAX_NS - SLEEP_MIN_NS) / 65536 * (*random >> 16);
}

static void *run_line(void *arg)
{
	struct line *line = arg;
	const struct options *o = line->options;
	uint64_t period_ns = (uint64_t)(o->period_us * 1e3), due_ns, limit_ns = period_ns;
	uint32_t random = line->index * 2654435761u + 1;

	begin();
	due_ns = start_ns + period_ns * line->index / o->lines;
	for (uint32_t i = 0; due_ns < end_ns; i++) {
		struct sample *sample = &line->samples[i];

		if (i == line->capacity)
			abort();
		sleep_until(due_ns);
		*sample = (struct sample){.due_ns = due_ns,
					  .limit_ns = limit_ns,
					  .late_ns = clock_now_ns() - due_ns,
					  .cpu = (uint32_t)sched_getcpu()};
		line->count++;
		if (o->random_percent) {
			run_period(line, i, (double)limit_ns / 1e3 * o->random_percent / 100);
			limit_ns = random_sleep_ns(&random);
			due_ns = clock_now_ns() + limit_ns;
			continue;
		}
		if (sample->late_ns < limit_ns)
			run_period(line, i, o->work_us);
		else
			atomic_store(&sample->done_ns, sample->late_ns);
		due_ns += period_ns;
	}
	atomic_store(&line->is_over, true);
	atomic_fetch_add(&line->round, 1);
	wake(&line->round);
	if (o->stages)
		hand_on(line, 0, END);
	return NULL;
}

static void start_line(struct line *line, const struct options *o, uint32_t index)
{
	static struct helper helpers[LINES_MAX][HELPERS_MAX];
	double total_us = (o->seconds + o->warmup_seconds) * 1e6;
	pthread_attr_t attr;
	int r = 0;

	line->options = o;
	line->index = index;
	line->capacity = (uint32_t)(total_us / (o->random_percent ? (double)SLEEP_MIN_NS / 1e3
								  : o->period_us)) +
			 2;
	line->samples = calloc(line->capacity, sizeof(*line->samples));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (uint32_t i = 0; i < o->stages + o->workers; i++) {
		helpers[index][i] = (struct helper){.line = line, .index = i};
		r |= o->stages && pipe(line->pipes[i]);
		r |= pthread_create(&line->helpers[i], &attr, o->stages ? run_stage : run_worker,
				    &helpers[index][i]);
	}
	r |= pthread_create(&line->thread, &attr, run_line, line);
	if (r || !line->samples)
		abort();
}

/* --- the report ---------------------------------------------------------------------------------
 */

struct result {
	struct dist late, done;
	uint64_t missed, moves;
	double asked_us, worked_us; /* CPU time by calibration */
	uint64_t cpus[CPUS_MAX];    /* wake-ups of the lines on each */
};

static void add_line(struct result *r, const struct line *line, uint64_t from_ns)
{
	const struct options *o = line->options;
	double each_us = o->work_us + o->helper_us * (o->workers + o->stages);
	const struct sample *before = NULL;

	for (uint32_t i = 0; i < line->count; i++) {
		const struct sample *s = &line->samples[i];
		uint64_t done_ns = atomic_load(&s->done_ns);
		uint64_t limited_ns = o->random_percent ? s->late_ns : done_ns;

		if (!done_ns || !s->limit_ns)
			abort();
		if (s->due_ns < from_ns)
			continue;
		dist_add(&r->late, s->late_ns);
		dist_add(&r->done, done_ns);
		r->missed += limited_ns > s->limit_ns;
		r->moves += before && before->cpu != s->cpu;
		r->cpus[s->cpu % CPUS_MAX]++;
		before = s;
		if (o->random_percent)
			each_us = (double)s->limit_ns / 1e3 * o->random_percent / 100;
		r->worked_us += s->is_worked ? each_us : 0;
		r->asked_us += o->random_percent ? 0 : each_us;
	}
	if (o->random_percent)
		r->asked_us += o->seconds * 1e6 * o->random_percent / (100 + o->random_percent);
}

static json_t *cpus_json(const struct result *r)
{
	json_t *json = json_array();
	int last = CPUS_MAX - 1;

	while (last && !r->cpus[last])
		last--;
	for (int i = 0; i <= last; i++)
		json_array_append_new(json, json_integer((json_int_t)r->cpus[i]));
	return json;
}

static int report(const struct options *o, const struct line *lines)
{
	uint64_t from_ns = start_ns + (uint64_t)(o->warmup_seconds * 1e9);
	struct result r = {.missed = 0};
	struct rusage usage;
	size_t count = 0;
	json_t *json;
	int error = 0;

	for (uint32_t i = 0; i < o->lines; i++)
		count += lines[i].count;
	dist_init(&r.late, count + 1);
	dist_init(&r.done, count + 1);
	for (uint32_t i = 0; i < o->lines; i++)
		add_line(&r, &lines[i], from_ns);
	getrusage(RUSAGE_SELF, &usage);
	json = json_pack("{s:f, s:f, s:I, s:I, s:I, s:f, s:f, s:I, s:o, s:o, s:o}", "period_us",
			 o->period_us, "seconds", o->seconds, "loops_per_ms",
			 (json_int_t)loops_per_ms, "periods", (json_int_t)r.late.count, "missed",
			 (json_int_t)r.missed, "asked_us", r.asked_us, "worked_us", r.worked_us,
			 "moves", (json_int_t)r.moves, "cpus", cpus_json(&r), "wake",
			 dist_json(&r.late), "done", dist_json(&r.done));
	json_object_set_new(json, "switches", json_integer(usage.ru_nvcsw + usage.ru_nivcsw));
	printf("wake p50 %.1f p90 %.1f p99 %.1f max %.1f us; done p50 %.1f p99 %.1f max %.1f us; "
	       "missed %lu of %zu; CPU %.2f of %.2f %%; moves %lu\n",
	       (double)dist_quantile(&r.late, 0.5) / 1e3, (double)dist_quantile(&r.late, 0.9) / 1e3,
	       (double)dist_quantile(&r.late, 0.99) / 1e3, (double)dist_quantile(&r.late, 1) / 1e3,
	       (double)dist_quantile(&r.done, 0.5) / 1e3,
	       (double)dist_quantile(&r.done, 0.99) / 1e3, (double)dist_quantile(&r.done, 1) / 1e3,
	       r.missed, r.late.count, r.worked_us / o->seconds / 1e4,
	       r.asked_us / o->seconds / 1e4, r.moves);
	if (o->json_path && json_dump_file(json, o->json_path, JSON_COMPACT)) {
		perror(o->json_path);
		error = -EIO;
	}
	json_decref(json);
	dist_fini(&r.late);
	dist_fini(&r.done);
	return error;
}

/* --- main ---------------------------------------------------------------------------------------
 */

static int run(const struct options *o)
{
	static struct line lines[LINES_MAX];
	uint32_t now, expected = o->lines * (1 + o->stages + o->workers);

	for (uint32_t i = 0; i < o->lines; i++)
		start_line(&lines[i], o, i);
	while ((now = atomic_load(&ready)) < expected)
		wait_while(&ready, now);
	start_ns = clock_now_ns() + 20 * NSEC_PER_MSEC;
	if (o->start_seconds > 0) {
		if (o->start_seconds * 1e9 - o->warmup_seconds * 1e9 < (double)clock_now_ns())
			return -ETIME;
		start_ns = (uint64_t)((o->start_seconds - o->warmup_seconds) * 1e9);
	}
	end_ns = start_ns + (uint64_t)((o->warmup_seconds + o->seconds) * 1e9);
	atomic_store(&is_started, 1);
	wake(&is_started);
	for (uint32_t i = 0; i < o->lines; i++) {
		pthread_join(lines[i].thread, NULL);
		for (uint32_t j = 0; j < o->stages + o->workers; j++)
			pthread_join(lines[i].helpers[j], NULL);
	}
	return report(o, lines);
}

static void usage(FILE *out)
{
	fputs("usage: normal_probe [OPTION]...\n"
	      "  -P US       the period, from 100; default 2664.89 (128 frames at 48032 Hz)\n"
	      "  -R PERCENT  random sleeps from 0.5 to 20 ms instead, and that much of each as work\n"
	      "  -b US       of work in each period, default 20; -B US of each helper, default 20\n"
	      "  -W WORKERS  woken by futex and waited for after the line's own work, up to 8\n"
	      "  -C STAGES   instead, to which a period is handed on over pipes, up to 8\n"
	      "  -n LINES    of all that, up to 128, spread over the period; default 1\n"
	      "  -p POLICY   other, batch, idle, nice:N, rr:PRIO or fifo:PRIO; default other\n"
	      "  -c CPU      on which its threads are born; they may leave it then\n"
	      "  -t SECS     default 2; -w SECS before that, which don't count; default 0.5\n"
	      "  -a SECS     measure from this uptime on instead\n"
	      "  -j FILE     gets the result as JSON\n",
	      out);
}

static bool parse(int argc, char **argv, struct options *o)
{
	unsigned int *numbers[] = {['R'] = &o->random_percent,
				   ['W'] = &o->workers,
				   ['C'] = &o->stages,
				   ['n'] = &o->lines,
				   ['z'] = NULL};
	double *reals[] = {
		['P'] = &o->period_us, ['b'] = &o->work_us,	   ['B'] = &o->helper_us,
		['t'] = &o->seconds,   ['w'] = &o->warmup_seconds, ['a'] = &o->start_seconds,
		['z'] = NULL};
	char *end;
	int c;

	while ((c = getopt(argc, argv, "P:R:b:B:W:C:n:p:c:t:w:a:j:")) != -1) {
		end = "";
		if (c == '?')
			return false;
		if (numbers[c])
			*numbers[c] = (unsigned int)strtoul(optarg, &end, 10);
		else if (reals[c])
			*reals[c] = strtod(optarg, &end);
		else if (c == 'c')
			o->first_cpu = (int)strtol(optarg, &end, 10);
		else
			*(c == 'p' ? &o->policy : &o->json_path) = optarg;
		if (*end)
			return false;
	}
	return optind == argc && o->period_us >= 100 && o->period_us <= 1e6 && o->work_us >= 0 &&
	       o->work_us <= 1e6 && o->helper_us >= 0 && o->helper_us <= 1e6 &&
	       o->workers <= HELPERS_MAX && o->stages <= HELPERS_MAX &&
	       !(o->workers && o->stages) && o->lines >= 1 && o->lines <= LINES_MAX &&
	       o->random_percent <= 100 && o->first_cpu >= -1 && o->first_cpu < CPUS_MAX &&
	       o->seconds >= 0.1 && o->seconds <= 3600 && o->warmup_seconds >= 0 &&
	       o->warmup_seconds <= 60 && o->start_seconds >= 0;
}

int main(int argc, char **argv)
{
	struct options o = {.period_us = 128 / 48032.0 * 1e6,
			    .work_us = 20,
			    .helper_us = 20,
			    .lines = 1,
			    .first_cpu = -1,
			    .policy = "other",
			    .seconds = 2,
			    .warmup_seconds = 0.5};
	int r;

	if (!parse(argc, argv, &o)) {
		usage(stderr);
		return 2;
	}
	/* Ends it where a scheduler never lets it run: that is a result, too. */
	alarm((unsigned int)(4 * (o.seconds + o.warmup_seconds) + o.start_seconds) + 30);
	prctl(PR_SET_TIMERSLACK, 1);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	calibrate();
	r = sched_getaffinity(0, sizeof(allowed), &allowed) ? -errno : set_policy(o.policy);
	if (!r && o.first_cpu >= 0)
		r = choose_birthplace(o.first_cpu);
	if (!r)
		r = run(&o);
	if (r)
		fprintf(stderr, "normal_probe: %s\n", strerror(-r));
	return r ? 1 : 0;
}
