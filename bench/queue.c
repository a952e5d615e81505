// SPDX-License-Identifier: GPL-2.0-only
/*
 * What evq costs its producer and its consumer:
 *
 *   push       get a batch from the pool and push it onto a queue that is not empty
 *   push_wake  the same onto an empty one, which wakes the consumer: one write to an eventfd
 *   drain      splice all that is queued, give each batch back; for one batch of sixteen
 *
 * Invariant: each batch arrives once, in order; the pool is whole again.
 */
#include "base/rcu.h"

#include <getopt.h>
#include <string.h>

#include "base/evq.h"
#include "line.h"
#include "stopwatch.h"

#define BATCHES 16 /* as in the daemon */

static uint64_t taken;
static bool is_broken;

static void take(void *ctx, const struct evq_batch *batch)
{
	uint64_t number;

	memcpy(&number, batch->payload, sizeof(number));
	is_broken |= number != taken || batch->count != 1;
	taken++;
}

static int push(struct evq_producer *producer, uint64_t number)
{
	struct evq_batch *batch;

	if (evq_batch_get(producer, &batch))
		return -1;
	memcpy(batch->payload, &number, sizeof(number));
	batch->count = 1;
	evq_push(producer, batch);
	return 0;
}

static int measure(struct evq *queue, struct evq_producer *producer, unsigned int rounds)
{
	struct dist wakes, pushes, drains;
	struct stopwatch watch;
	uint64_t number = 0;
	unsigned int round, i;
	int r = 0;

	stopwatch_init(&watch);
	dist_init(&wakes, rounds);
	dist_init(&pushes, rounds);
	dist_init(&drains, rounds);
	for (round = 0; !r && round < rounds; round++) {
		stopwatch_start(&watch);
		r |= push(producer, number++);
		dist_add(&wakes, stopwatch_stop(&watch, 1));
		stopwatch_start(&watch);
		for (i = 1; i < BATCHES; i++)
			r |= push(producer, number++);
		dist_add(&pushes, stopwatch_stop(&watch, BATCHES - 1));
		evq_clear(queue);
		stopwatch_start(&watch);
		if (evq_drain(queue, take, NULL) != BATCHES)
			r = -1;
		dist_add(&drains, stopwatch_stop(&watch, BATCHES));
	}
	if (r || is_broken || taken != number || evq_queued(queue, 0)) {
		fprintf(stderr, "queue: a batch is lost, double or out of order\n");
		r = -1;
	} else {
		line_dist("queue", "push", "ns", &pushes, PS_PER_NS);
		line_dist("queue", "push_wake", "ns", &wakes, PS_PER_NS);
		line_dist("queue", "drain", "ns", &drains, PS_PER_NS);
	}
	dist_fini(&wakes);
	dist_fini(&pushes);
	dist_fini(&drains);
	return r;
}

int main(int argc, char **argv)
{
	struct evq_producer *producer;
	unsigned int rounds = 20000;
	struct evq *queue;
	int c, r;

	while ((c = getopt(argc, argv, "q")) != -1) {
		if (c != 'q')
			return 2;
		rounds = 1000;
	}
	if (evq_new(&queue))
		return 1;
	r = evq_producer_new(queue, 0, BATCHES, &producer);
	stopwatch_pin(0);
	if (!r)
		r = measure(queue, producer, rounds);
	evq_free(queue);
	return r ? 1 : 0;
}
