// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to publish the metrics, in three ways:
 *
 *   two_copies  the caller copies them for the API, which copies them again into what its readers
 *               share (docs/review.md, 1)
 *   one_copy    the API copies them once into a counted pointer (what it did then)
 *   in_place    snapshot_draft() and snapshot_publish(): filled where they are read
 *
 * All three begin with a zeroed picture, since the figures come in anew each time; filling it is
 * the same for all and not measured. There is one reader who reads now and then, no contention.
 *
 * Invariant: what was published last is what a reader gets.
 */
#include "base/rcu.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>

#include "line.h"
#include "metrics/snapshot.h"
#include "picture.h"
#include "stopwatch.h"

#define STORE_READERS 15 /* as in the daemon */
#define BURST 4

struct counted {
	_Atomic unsigned int references;
	struct metrics metrics;
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct counted *current;
static struct metrics picture, for_api;
static struct snapshot_store *store;

/* Puts a copy of *m where readers find it. */
static void api_update(const struct metrics *m)
{
	struct counted *c = malloc(sizeof(*c)), *old;

	if (!c)
		abort();
	atomic_init(&c->references, 1);
	memcpy(&c->metrics, m, sizeof(*m));
	pthread_rwlock_wrlock(&lock);
	old = current;
	current = c;
	pthread_rwlock_unlock(&lock);
	if (old && atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel) == 1)
		free(old);
}

static uint64_t api_stamp(void)
{
	uint64_t stamp;

	pthread_rwlock_rdlock(&lock);
	if (!picture_is_whole(&current->metrics, &stamp))
		stamp = 0;
	pthread_rwlock_unlock(&lock);
	return stamp;
}

static int publish_two_copies(uint64_t stamp)
{
	memset(&picture, 0, sizeof(picture));
	picture_stamp(&picture, stamp);
	memcpy(&for_api, &picture, sizeof(picture));
	cmm_barrier();
	api_update(&for_api);
	return 0;
}

static int publish_one_copy(uint64_t stamp)
{
	memset(&picture, 0, sizeof(picture));
	picture_stamp(&picture, stamp);
	cmm_barrier();
	api_update(&picture);
	return 0;
}

static int publish_in_place(uint64_t stamp)
{
	struct metrics *draft;

	if (snapshot_draft(store, &draft))
		return -1;
	picture_stamp(draft, stamp);
	snapshot_publish(store);
	return 0;
}

static uint64_t snapshot_stamp(void)
{
	const struct snapshot *snap = snapshot_get(store);
	uint64_t stamp;

	if (!picture_is_whole(snapshot_metrics(snap), &stamp))
		stamp = 0;
	snapshot_put(snap);
	return stamp;
}

struct way {
	const char *name;
	int (*publish)(uint64_t stamp);
	uint64_t (*read)(void);
};

static const struct way ways[] = {
	{"two_copies", publish_two_copies, api_stamp},
	{"one_copy", publish_one_copy, api_stamp},
	{"in_place", publish_in_place, snapshot_stamp},
};

static int measure(const struct way *way, struct stopwatch *watch, unsigned int rounds)
{
	struct dist d;
	uint64_t stamp;
	int r = 0;

	dist_init(&d, rounds);
	for (stamp = 1; !r && d.count < rounds; stamp++) {
		uint64_t ps;

		/* Publishing in bursts would leave every picture in a grace period, and each new
		 * one in cold memory: nobody does. The same pause for all ways. */
		if (stamp % BURST == 0)
			rcu_barrier();
		stopwatch_start(watch);
		r = way->publish(stamp);
		ps = stopwatch_stop(watch, 1);
		if (stamp > rounds / 10)
			dist_add(&d, ps);
		if (r || way->read() != stamp) {
			fprintf(stderr, "update: %s: not what was published\n", way->name);
			r = -1;
		}
	}
	if (!r)
		line_dist("update", way->name, "us", &d, PS_PER_US);
	dist_fini(&d);
	return r;
}

int main(int argc, char **argv)
{
	unsigned int rounds = 120, i;
	struct stopwatch watch;
	int c, r = 0;

	while ((c = getopt(argc, argv, "q")) != -1) {
		if (c != 'q')
			return 2;
		rounds = 20;
	}
	if (rcu_start() || snapshot_store_new(STORE_READERS, &store))
		return 1;
	stopwatch_pin(0);
	stopwatch_init(&watch);
	for (i = 0; !r && i < sizeof(ways) / sizeof(ways[0]); i++)
		r = measure(&ways[i], &watch, rounds);
	free(current);
	snapshot_store_free(store);
	rcu_stop();
	return r ? 1 : 0;
}
