// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a rare event from the BPF program that makes its record to the thread that adds it up:
 * ring buffer, ring thread, evq. Loader, ring thread and queue are the daemon's; the records are
 * made by pipeline.bpf.c with the project's own functions; the consumer stands where the aggregate
 * thread does.
 *
 *   latency  one record, all threads asleep: from its stamp to the consumer
 *   rate     records a second, one more wake-up a millisecond, until the first is dropped
 *
 * Invariant: the ledger. attempted = submitted + dropped; what was submitted arrives, once.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <unistd.h>

#include "config/config.h"
#include "model/server.h"
#include "base/thread.h"
#include "daemon_process.h"
#include "line.h"
#include "loader/loader.h"
#include "pipeline.skel.h"
#include "stopwatch.h"

#define DEADLINE_NS (5 * NSEC_PER_SEC)
#define RATE_FIRST 200000
#define RATE_LAST 20000000
#define RATE_STEP_NS (60 * NSEC_PER_MSEC)

struct consumer {
	struct thread thread;
	struct evq *queue;
	_Atomic uint64_t latency_ns; /* of the last record */
	_Atomic uint64_t total;
};

static struct pipeline_bpf *skel;
static struct loader *loader;

static void take(void *ctx, const struct evq_batch *batch)
{
	const struct event *events = (const struct event *)(const void *)batch->payload;
	struct consumer *c = ctx;

	if (!batch->count)
		return;
	atomic_store(&c->latency_ns, clock_now_ns() - events[batch->count - 1].time_ns);
	atomic_fetch_add(&c->total, batch->count);
}

static int consume(struct thread *self, void *arg)
{
	struct consumer *c = arg;
	struct pollfd fd = {.fd = evq_fd(c->queue), .events = POLLIN};

	thread_ready(self, 0);
	while (thread_poll(self, &fd, 1, -1) >= 0) {
		evq_clear(c->queue);
		evq_drain(c->queue, take, c);
	}
	return 0;
}

static int emit(unsigned int count, bool is_forced)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	skel->bss->count = count;
	skel->bss->is_forced = is_forced;
	return bpf_prog_test_run_opts(bpf_program__fd(skel->progs.emit), &opts);
}

/* Until everything submitted has arrived. */
static int settle(const struct consumer *c)
{
	uint64_t deadline = clock_now_ns() + DEADLINE_NS;
	struct cpu_slot sum;

	for (;;) {
		loader_read_counters(loader, &sum);
		if (atomic_load(&c->total) == sum.ring_submitted &&
		    sum.ring_attempted == sum.ring_submitted + sum.ring_dropped)
			return 0;
		if (clock_now_ns() > deadline)
			break;
		usleep(1000);
	}
	fprintf(stderr,
		"pipeline: the ledger: attempted %llu, submitted %llu, dropped %llu; arrived "
		"%" PRIu64 "\n",
		sum.ring_attempted, sum.ring_submitted, sum.ring_dropped, atomic_load(&c->total));
	return -1;
}

static int measure_latency(struct consumer *c, unsigned int rounds)
{
	struct dist d;
	unsigned int i;
	int r = 0;

	dist_init(&d, rounds);
	for (i = 0; !r && i < rounds + rounds / 10; i++) {
		uint64_t before = atomic_load(&c->total), deadline = clock_now_ns() + DEADLINE_NS;

		usleep(1000); /* for the threads to fall asleep */
		r = emit(1, true);
		while (!r && atomic_load(&c->total) == before)
			if (clock_now_ns() > deadline)
				r = -ETIMEDOUT;
		if (!r && i >= rounds / 10)
			dist_add(&d, atomic_load(&c->latency_ns));
	}
	if (r)
		fprintf(stderr, "pipeline: a record did not arrive\n");
	else
		line_dist("pipeline", "latency", "us", &d, NSEC_PER_USEC);
	dist_fini(&d);
	return r ? r : settle(c);
}

static uint64_t dropped_total(void)
{
	struct cpu_slot sum;

	loader_read_counters(loader, &sum);
	return sum.ring_dropped;
}

/* So many a second, a portion each millisecond. Gives the rate it came to. */
static int pour(uint64_t rate, uint64_t *real_rate)
{
	unsigned int portion = (unsigned int)(rate / 1000);
	uint64_t begin = clock_now_ns(), due = begin, count = 0;

	while (clock_now_ns() < begin + RATE_STEP_NS) {
		if (emit(portion, false))
			return -1;
		count += portion;
		due += NSEC_PER_MSEC;
		while (clock_now_ns() < due)
			;
	}
	*real_rate = count * NSEC_PER_SEC / (clock_now_ns() - begin);
	return 0;
}

static int measure_rate(struct consumer *c)
{
	uint64_t best = 0, rate, real, before;
	int r = 0;

	skel->bss->readers_until_ns = UINT64_MAX;
	for (rate = RATE_FIRST; !r && rate < RATE_LAST; rate += rate / 4) {
		before = dropped_total();
		r = pour(rate, &real);
		if (r || dropped_total() != before || real < rate / 10 * 8)
			break;
		best = real;
		r = emit(1, true); /* what is left in the ring, before the next step */
		if (!r)
			r = settle(c);
	}
	if (!r && !emit(1, true))
		r = settle(c);
	if (!r)
		line_value("pipeline", "rate", "1/s", (double)best);
	return r;
}

static int open_programs(void)
{
	struct daemon_process self = {.pid = getpid()};
	int events = daemon_process_map(&self, "events"),
	    slots = daemon_process_map(&self, "slots");

	skel = pipeline_bpf__open();
	if (!skel || events < 0 || slots < 0)
		return -1;
	if (bpf_map__reuse_fd(skel->maps.events, events) ||
	    bpf_map__reuse_fd(skel->maps.slots, slots))
		return -1;
	close(events);
	close(slots);
	return pipeline_bpf__load(skel);
}

int main(int argc, char **argv)
{
	struct evq_producer *producer;
	struct consumer consumer = {0};
	unsigned int rounds = 300;
	struct config config;
	struct error err = {{0}};
	int c, r;

	while ((c = getopt(argc, argv, "q")) != -1) {
		if (c != 'q')
			return 2;
		rounds = 50;
	}
	config_init(&config);
	r = loader_new(&config, &loader, &err);
	if (!r)
		r = evq_new(&consumer.queue);
	if (!r)
		r = evq_producer_new(consumer.queue, EVQ_KIND_EVENTS, config.queue_batches,
				     &producer);
	if (!r)
		r = loader_start(loader, producer, &err);
	if (!r)
		r = thread_start(&consumer.thread, "consume", consume, &consumer);
	if (!r)
		r = open_programs();
	if (r) {
		fprintf(stderr, "pipeline: can't start: %s\n", err.text);
	} else {
		stopwatch_pin(0);
		r = measure_latency(&consumer, rounds);
		if (!r)
			r = measure_rate(&consumer);
	}
	pipeline_bpf__destroy(skel);
	loader_free(loader);
	thread_stop(&consumer.thread);
	evq_free(consumer.queue);
	return r ? 1 : 0;
}
