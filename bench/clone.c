// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs a reader to get hold of the latest metrics, in four ways:
 *
 *   mutex_copy      a full copy under a mutex (docs/review.md, 1: what a GET did)
 *   rwlock_counted  a counted pointer under a reader-writer lock (what it did then)
 *   rcu_get_put     snapshot_get() and snapshot_put(), as the daemon's readers do
 *   rcu_section     an RCU read section alone: enough for who only looks
 *
 * Each with one and two readers, each on a CPU of its own, and each without and with a writer that
 * publishes a thousand times a second (a line's name ends in ".2w" for two readers and the writer).
 * A sample is the mean of a batch, net of loop and clock.
 *
 * With -c it only prints what a reading of the clock takes, in ns.
 *
 * Invariant: what a reader gets is whole, never older than what it got before, and new when there
 * is a writer; no picture is left over at the end.
 */
#include "base/rcu.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "line.h"
#include "metrics/snapshot.h"
#include "picture.h"
#include "stopwatch.h"

#define READERS_MAX 2
#define STORE_READERS 60 /* so many pictures that publishing is not held up by grace periods */
#define WRITER_PERIOD_NS (1 * NSEC_PER_MSEC)
#define SAMPLES_MAX 100000
#define CACHE_LINE 64

/* Of two readers, a sample counts only if the other one, too, has begun a batch no longer ago:
 * else that one has lost its CPU to somebody, and this one reads alone. */
#define TOGETHER_NS (20 * NSEC_PER_USEC)
#define TOGETHER_MIN 200
#define PATIENCE_NS (2 * NSEC_PER_SEC) /* until there are so many of those */
#define NEWS_NS (20 * NSEC_PER_SEC)    /* until the writer's picture must be there */

/* What a reader has seen. */
struct sight {
	uint64_t last_stamp;
	bool is_broken;
	struct metrics *copy;
};

/* Each turn of every loop, the empty one included, ends with this. */
static inline void look(struct sight *sight, const struct metrics *m)
{
	uint64_t stamp;

	if (caa_unlikely(!picture_is_whole(m, &stamp) || stamp < sight->last_stamp))
		sight->is_broken = true;
	sight->last_stamp = stamp;
	cmm_barrier();
}

/* ---- a full copy under a mutex ---- */

static struct {
	pthread_mutex_t lock;
	struct metrics metrics;
} copied = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void copied_read(struct sight *sight, unsigned int count)
{
	while (count--) {
		pthread_mutex_lock(&copied.lock);
		memcpy(sight->copy, &copied.metrics, sizeof(copied.metrics));
		pthread_mutex_unlock(&copied.lock);
		look(sight, sight->copy);
	}
}

static void copied_publish(const struct metrics *picture)
{
	pthread_mutex_lock(&copied.lock);
	memcpy(&copied.metrics, picture, sizeof(*picture));
	pthread_mutex_unlock(&copied.lock);
}

/* ---- a counted pointer under a reader-writer lock ---- */

struct counted {
	_Atomic unsigned int references;
	struct metrics metrics;
};

static struct {
	pthread_rwlock_t lock;
	struct counted *current;
	_Atomic unsigned int live;
} shared = {.lock = PTHREAD_RWLOCK_INITIALIZER};

static void counted_put(struct counted *c)
{
	if (atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) > 1)
		return;
	atomic_fetch_sub_explicit(&shared.live, 1, memory_order_relaxed);
	free(c);
}

static void counted_read(struct sight *sight, unsigned int count)
{
	while (count--) {
		struct counted *c;

		pthread_rwlock_rdlock(&shared.lock);
		c = shared.current;
		atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
		pthread_rwlock_unlock(&shared.lock);
		look(sight, &c->metrics);
		counted_put(c);
	}
}

static void counted_publish(const struct metrics *picture)
{
	struct counted *c = malloc(sizeof(*c)), *old;

	if (!c)
		abort();
	atomic_init(&c->references, 1);
	memcpy(&c->metrics, picture, sizeof(*picture));
	atomic_fetch_add_explicit(&shared.live, 1, memory_order_relaxed);
	pthread_rwlock_wrlock(&shared.lock);
	old = shared.current;
	shared.current = c;
	pthread_rwlock_unlock(&shared.lock);
	if (old)
		counted_put(old);
}

/* ---- the daemon's snapshots ---- */

static struct snapshot_store *store;

static void snapshot_read(struct sight *sight, unsigned int count)
{
	while (count--) {
		const struct snapshot *snap = snapshot_get(store);

		look(sight, snapshot_metrics(snap));
		snapshot_put(snap);
	}
}

/* One that finds all pictures held does without this time, like the aggregator. */
static void snapshot_write(const struct metrics *picture)
{
	struct metrics *draft;

	if (snapshot_draft(store, &draft))
		return;
	memcpy(draft, picture, sizeof(*picture));
	snapshot_publish(store);
}

/* ---- an RCU read section alone ---- */

struct section {
	struct metrics metrics;
	struct rcu_retired retired;
};

static struct section *section;
static _Atomic unsigned int sections_live;

static void section_read(struct sight *sight, unsigned int count)
{
	while (count--) {
		rcu_reader_enter();
		look(sight, &rcu_dereference(section)->metrics);
		rcu_reader_exit();
	}
}

static void section_retired(struct rcu_retired *retired)
{
	atomic_fetch_sub_explicit(&sections_live, 1, memory_order_relaxed);
	free(caa_container_of(retired, struct section, retired));
}

static void section_publish(const struct metrics *picture)
{
	struct section *s = malloc(sizeof(*s)), *old;

	if (!s)
		abort();
	s->metrics = *picture;
	atomic_fetch_add_explicit(&sections_live, 1, memory_order_relaxed);
	old = rcu_xchg_pointer(&section, s);
	if (old)
		rcu_retire(&old->retired, section_retired);
}

/* ---- nothing ---- */

static struct metrics nothing;

static void nothing_read(struct sight *sight, unsigned int count)
{
	while (count--)
		look(sight, &nothing);
}

/* ---- readers and writer ---- */

/* When a reader last began a batch. */
static struct {
	_Alignas(CACHE_LINE) _Atomic uint64_t ns;
} begun[READERS_MAX];

static _Atomic unsigned int lacking; /* readers with too few samples, or nothing new so far */

struct way {
	const char *name;
	void (*read)(struct sight *sight, unsigned int count);
	void (*publish)(const struct metrics *picture);
	unsigned int batch; /* some microseconds of them */
};

static const struct way ways[] = {
	{"mutex_copy", copied_read, copied_publish, 10},
	{"rwlock_counted", counted_read, counted_publish, 100},
	{"rcu_get_put", snapshot_read, snapshot_write, 300},
	{"rcu_section", section_read, section_publish, 2000},
};

struct reader {
	pthread_t thread;
	const struct way *way;
	const struct stopwatch *clock;
	unsigned int index;
	bool is_alone, is_content;
	uint64_t oldest_stamp; /* it must see this one or a newer one */
	pthread_barrier_t *gate;
	uint64_t warm_ns, measure_ns; /* how long */
	struct sight sight;
	struct dist dist;
};

static void batch(struct reader *r, struct stopwatch *watch)
{
	stopwatch_start(watch);
	atomic_store_explicit(&begun[r->index].ns, watch->began_ns, memory_order_relaxed);
	r->way->read(&r->sight, r->way->batch);
}

static bool is_together(const struct reader *r, const struct stopwatch *watch)
{
	const _Atomic uint64_t *other = &begun[1 - r->index].ns;

	return r->is_alone ||
	       atomic_load_explicit(other, memory_order_relaxed) + TOGETHER_NS >= watch->began_ns;
}

/* On a busy machine readers that never pause can keep a writer from its CPU, or from the lock,
 * until all samples are in. What it publishes must reach them all the same, so now they leave it
 * both. */
static void await_news(struct reader *r)
{
	uint64_t end_ns = clock_now_ns() + NEWS_NS;

	while (r->sight.last_stamp < r->oldest_stamp && clock_now_ns() < end_ns) {
		usleep(WRITER_PERIOD_NS / NSEC_PER_USEC);
		r->way->read(&r->sight, 1);
	}
}

static void *reader_run(void *arg)
{
	struct reader *r = arg;
	struct stopwatch watch = *r->clock;
	uint64_t begin, end, ps;

	stopwatch_pin(r->index);
	pthread_barrier_wait(r->gate);
	begin = clock_now_ns();
	while (clock_now_ns() < begin + r->warm_ns)
		batch(r, &watch);
	end = begin + r->warm_ns + r->measure_ns;
	while (watch.began_ns < end || (atomic_load_explicit(&lacking, memory_order_relaxed) &&
					watch.began_ns < end + PATIENCE_NS)) {
		batch(r, &watch);
		ps = stopwatch_stop(&watch, r->way->batch);
		if (!is_together(r, &watch) || r->dist.count == SAMPLES_MAX)
			continue;
		dist_add(&r->dist, ps);
		if (!r->is_content && r->dist.count >= TOGETHER_MIN &&
		    r->sight.last_stamp >= r->oldest_stamp) {
			r->is_content = true;
			atomic_fetch_sub(&lacking, 1);
		}
	}
	await_news(r);
	return NULL;
}

struct writer {
	pthread_t thread;
	const struct way *way;
	struct metrics picture;
	uint64_t stamp;
	_Atomic bool is_over;
};

static void *writer_run(void *arg)
{
	struct writer *w = arg;
	uint64_t due_ns = clock_now_ns();

	stopwatch_pin(1);
	rcu_reader_enter(); /* rcu_retire() wants to know the thread */
	rcu_reader_exit();
	while (!atomic_load(&w->is_over)) {
		struct timespec ts = {.tv_sec = (time_t)(due_ns / NSEC_PER_SEC),
				      .tv_nsec = (long)(due_ns % NSEC_PER_SEC)};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		picture_stamp(&w->picture, ++w->stamp);
		w->way->publish(&w->picture);
		due_ns += WRITER_PERIOD_NS;
	}
	return NULL;
}

/* What is wrong with what the reader saw, or NULL. */
static const char *complaint(const struct reader *r)
{
	if (r->sight.is_broken)
		return "a reader got a torn or an older picture";
	return r->sight.last_stamp < r->oldest_stamp ? "a reader never got a new picture" : NULL;
}

static int verdict(const char *name, const struct reader *readers, unsigned int count)
{
	const char *why = NULL;
	unsigned int i;

	for (i = 0; i < count && !why; i++)
		why = complaint(&readers[i]);
	if (why)
		fprintf(stderr, "clone: %s: %s\n", name, why);
	return why ? -1 : 0;
}

/* One way with that many readers, without or with the writer; prints its line. */
static int measure(const struct way *way, const struct stopwatch *clock, unsigned int count,
		   struct writer *writer, uint64_t measure_ns)
{
	struct reader readers[READERS_MAX] = {0};
	struct dist all;
	pthread_barrier_t gate;
	uint64_t oldest_stamp = writer ? writer->stamp + 1 : 0;
	char name[64];
	unsigned int i;
	size_t s;
	int r;

	snprintf(name, sizeof(name), "%s.%u%s", way->name, count, writer ? "w" : "");
	pthread_barrier_init(&gate, NULL, count);
	dist_init(&all, (size_t)READERS_MAX * SAMPLES_MAX);
	atomic_store(&lacking, count);
	if (writer) {
		writer->way = way;
		atomic_store(&writer->is_over, false);
		pthread_create(&writer->thread, NULL, writer_run, writer);
	}
	for (i = 0; i < count; i++) {
		readers[i] = (struct reader){.way = way,
					     .clock = clock,
					     .index = i,
					     .is_alone = count == 1,
					     .oldest_stamp = oldest_stamp,
					     .gate = &gate,
					     .warm_ns = measure_ns / 4,
					     .measure_ns = measure_ns};
		readers[i].sight.copy = malloc(sizeof(struct metrics));
		dist_init(&readers[i].dist, SAMPLES_MAX);
		pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]);
	}
	for (i = 0; i < count; i++)
		pthread_join(readers[i].thread, NULL);
	if (writer) {
		atomic_store(&writer->is_over, true);
		pthread_join(writer->thread, NULL);
	}
	r = verdict(name, readers, count);
	for (i = 0; i < count; i++) {
		for (s = 0; s < readers[i].dist.count; s++)
			dist_add(&all, readers[i].dist.samples[s]);
		dist_fini(&readers[i].dist);
		free(readers[i].sight.copy);
	}
	if (atomic_load(&lacking))
		fprintf(stderr, "clone: %s: left out: readers and writer hardly ever had a CPU\n",
			name);
	else if (!r)
		line_dist("clone", name, "ns", &all, PS_PER_NS);
	dist_fini(&all);
	pthread_barrier_destroy(&gate);
	return r;
}

static uint64_t empty_loop_ps(const struct stopwatch *clock)
{
	enum { BATCH = 2000, ROUNDS = 501 };
	struct stopwatch watch = *clock;
	struct sight sight = {0};
	struct dist d;
	unsigned int i;
	uint64_t ps;

	dist_init(&d, ROUNDS);
	for (i = 0; i < ROUNDS; i++) {
		stopwatch_start(&watch);
		nothing_read(&sight, BATCH);
		dist_add(&d, stopwatch_stop(&watch, BATCH));
	}
	ps = dist_quantile(&d, 0.5);
	dist_fini(&d);
	return ps;
}

/* Everything published but the last is gone. */
static int check_leftovers(void)
{
	struct snapshot_counts counts;

	rcu_barrier();
	snapshot_counts(store, &counts);
	if (counts.live <= 1 + 4 && atomic_load(&shared.live) == 1 &&
	    atomic_load(&sections_live) == 1)
		return 0;
	fprintf(stderr, "clone: pictures are left over\n");
	return -1;
}

static unsigned int readers_max(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) < READERS_MAX ? 1 : READERS_MAX;
}

int main(int argc, char **argv)
{
	uint64_t measure_ns = 80 * NSEC_PER_MSEC;
	static struct writer writer;
	struct stopwatch clock;
	unsigned int i, readers;
	int c, r = 0;

	if (rcu_start() || snapshot_store_new(STORE_READERS, &store))
		return 1;
	stopwatch_pin(0); /* and not before: the helper thread of RCU would be pinned, too */
	stopwatch_init(&clock);
	while ((c = getopt(argc, argv, "qc")) != -1) {
		if (c == 'c')
			return printf("%.2f\n", (double)clock.clock_ps / PS_PER_NS) < 0;
		if (c != 'q')
			return 2;
		measure_ns = 10 * NSEC_PER_MSEC;
	}
	picture_fill(&writer.picture, 0);
	clock.loop_ps = empty_loop_ps(&clock);
	line_value("clone", "size", "bytes", sizeof(struct metrics));
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		ways[i].publish(&writer.picture);
	if (readers_max() < READERS_MAX)
		fprintf(stderr, "clone: two readers need two CPUs: left out\n");
	for (i = 0; !r && i < sizeof(ways) / sizeof(ways[0]); i++)
		for (readers = 1; !r && readers <= readers_max(); readers++) {
			r = measure(&ways[i], &clock, readers, NULL, measure_ns);
			if (!r)
				r = measure(&ways[i], &clock, readers, &writer, measure_ns);
		}
	if (!r)
		r = check_leftovers();
	free(section);
	free(shared.current);
	snapshot_store_free(store);
	rcu_stop();
	return r ? 1 : 0;
}
