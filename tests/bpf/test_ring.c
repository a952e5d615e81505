/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Overload of the ring: more records than it holds, with the ring thread stopped, and with a pool
 * that runs empty. Nothing is lost without being counted.
 *
 * The load is a child with a role and a bound for long waits of 0: each time it gets a CPU is a
 * record.
 */
#include "bpf/bpf_test.h"

#define RING_BYTES 16384
#define POOL 2
#define BATCH_EVENTS (EVQ_BATCH_BYTES / sizeof(struct event))

/* A child with the role; each byte passed to and fro gets it the CPU once. */
struct load {
	pid_t pid;
	int to, from;
};

static struct load load_start(struct loader *l)
{
	struct role_request role = {
		.op = ROLE_OP_CONFIRM, .role = ROLE_GAME, .source = SOURCE_SCAN, .threads = 1};
	int to[2], from[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		close(to[1]);
		while (read(to[0], &byte, 1) == 1)
			if (write(from[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	role.tgid = (uint32_t)pid;
	role.start_ticks = start_ticks(pid);
	assert_int_equal(loader_role_apply(l, &role), 0);
	return (struct load){.pid = pid, .to = to[1], .from = from[0]};
}

static void load_rounds(const struct load *load, int rounds)
{
	char byte = 0;

	for (int i = 0; i < rounds; i++) {
		assert_int_equal(write(load->to, &byte, 1), 1);
		assert_int_equal(read(load->from, &byte, 1), 1);
	}
}

static void load_end(const struct load *load)
{
	int status;

	close(load->to);
	close(load->from);
	assert_int_equal(waitpid(load->pid, &status, 0), load->pid);
}

static void load(struct loader *l, int rounds)
{
	struct load whole = load_start(l);

	load_rounds(&whole, rounds);
	load_end(&whole);
}

static void open_detached(struct bench *b)
{
	struct error err = {{0}};

	config_init(&b->config);
	b->config.ring_bytes = RING_BYTES;
	b->config.long_wait_us = 0;
	bench_open(b, POOL);
	if (loader_attach(b->loader, &err))
		fail_msg("%s", err.text);
}

static void wait_consumed(struct bench *b, uint64_t wanted)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	while (loader_consumed_total(b->loader) < wanted && clock_now_ns() < end)
		sched_yield();
	assert_int_equal(loader_consumed_total(b->loader), wanted);
}

/* As a reader does who comes back and back. */
static void read_all(struct bench *b)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	do {
		loader_set_readers_until(b->loader, UINT64_MAX);
		sched_yield();
	} while (loader_ring_bytes_used(b->loader) && clock_now_ns() < end);
	assert_int_equal(loader_ring_bytes_used(b->loader), 0);
}

static void count_events(void *ctx, const struct evq_batch *batch)
{
	*(uint64_t *)ctx += batch->count;
}

static void test_overload(void **state)
{
	struct bench b = {0};
	struct error err = {{0}};
	uint64_t submitted, aggregated = 0;
	struct cpu_slot *sum;

	open_detached(&b);
	load(b.loader, 2000);
	loader_stop(b.loader); /* detached: the figures stand still */
	sum = bench_counters(&b);
	submitted = sum->ring_submitted;
	assert_true(sum->ring_dropped > 0);
	assert_int_equal(sum->ring_attempted, submitted + sum->ring_dropped);
	assert_int_equal(loader_consumed_total(b.loader), 0);
	assert_int_equal(loader_ring_bytes_used(b.loader), submitted * EVENT_RING_BYTES);
	/* The ring was used to the last record that fits. */
	assert_true((submitted + 1) * EVENT_RING_BYTES >= RING_BYTES);

	assert_int_equal(loader_start(b.loader, b.producer, &err), 0);
	wait_consumed(&b, submitted);
	loader_stop(b.loader);
	assert_int_equal(loader_ring_bytes_used(b.loader), 0);
	assert_int_equal(evq_queued(b.queue, EVQ_KIND_EVENTS), submitted);
	evq_drain(b.queue, count_events, &aggregated);
	assert_int_equal(aggregated, submitted);
	bench_close(&b);
}

/* With the pool empty the thread leaves the rest in the ring; with a batch back it goes on. */
static void test_pool_empty(void **state)
{
	struct bench b = {0};
	struct error err = {{0}};
	uint64_t submitted, aggregated = 0, pool = POOL * BATCH_EVENTS;
	uint64_t end;

	open_detached(&b);
	assert_int_equal(loader_start(b.loader, b.producer, &err), 0);
	load(b.loader, 4000);
	/* Whole batches or not: the thread takes what the pool has room for, no more. */
	for (end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC; clock_now_ns() < end;) {
		submitted = bench_counters(&b)->ring_submitted;
		aggregated = loader_consumed_total(b.loader);
		if (bench_counters(&b)->ring_dropped && aggregated <= pool &&
		    evq_queued(b.queue, EVQ_KIND_EVENTS) == aggregated)
			break;
		sched_yield();
	}
	assert_true(bench_counters(&b)->ring_dropped > 0);
	assert_true(loader_consumed_total(b.loader) <= pool);
	assert_true(loader_ring_bytes_used(b.loader) > 0);

	aggregated = 0;
	for (end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC; clock_now_ns() < end;) {
		struct pollfd fd = {.fd = evq_fd(b.queue), .events = POLLIN};

		poll(&fd, 1, 100);
		evq_clear(b.queue);
		evq_drain(b.queue, count_events, &aggregated);
		if (loader_ring_bytes_used(b.loader) == 0)
			break;
	}
	loader_stop(b.loader);
	evq_drain(b.queue, count_events, &aggregated);
	submitted = bench_counters(&b)->ring_submitted;
	assert_int_equal(bench_counters(&b)->ring_attempted,
			 submitted + bench_counters(&b)->ring_dropped);
	assert_int_equal(submitted * EVENT_RING_BYTES,
			 loader_consumed_total(b.loader) * EVENT_RING_BYTES +
				 loader_ring_bytes_used(b.loader));
	assert_int_equal(loader_consumed_total(b.loader), aggregated);
	bench_close(&b);
}

/* Long waits don't wake the thread unless somebody reads, and then not each of them. A reader gets
 * them all the same. */
static void test_no_reader_no_wakeup(void **state)
{
	struct bench b = {0};
	struct load game;
	uint64_t wakeups;
	struct thread_usage usage[THREAD_MAX];

	config_init(&b.config);
	b.config.long_wait_us = 0;
	bench_open(&b, 16);
	bench_run(&b);
	game = load_start(b.loader);
	load_rounds(&game, 300); /* 26 KB of 256: below a quarter */
	assert_int_equal(thread_usage(usage, THREAD_MAX), 1);
	assert_string_equal(usage[0].name, "ring");
	wakeups = usage[0].wakeups_total;
	/* Whatever server starts on this machine meanwhile. */
	assert_true(wakeups <= bench_counters(&b)->roles_granted * 2);
	assert_true(loader_ring_bytes_used(b.loader) > 0);
	for (int i = 0; i < 3; i++) {
		read_all(&b);
		load_rounds(&game, 10);
	}
	load_end(&game);
	bench_close(&b);
}

/* A small ring is full before the pause between two wake-ups is over. It must not stay so: a record
 * that is refused wakes nobody. Up to half of it may stay, and a record: above that each one wakes.
 */
static void test_full_in_one_pause(void **state)
{
	struct bench b = {0};
	uint64_t aggregated = 0, end;

	config_init(&b.config);
	b.config.ring_bytes = 4096;
	b.config.long_wait_us = 0;
	bench_open(&b, 16);
	bench_run(&b);
	for (int i = 0; i < 20; i++) {
		load(b.loader, 500);
		for (end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC; clock_now_ns() < end;) {
			evq_drain(b.queue, count_events, &aggregated);
			if (loader_ring_bytes_used(b.loader) <= b.config.ring_bytes * 3 / 4)
				break;
			sched_yield();
		}
		assert_true(loader_ring_bytes_used(b.loader) <= b.config.ring_bytes * 3 / 4);
	}
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_pool_empty),
		cmocka_unit_test(test_no_reader_no_wakeup),
		cmocka_unit_test(test_full_in_one_pause),
	};

	if (test_obstacle())
		return test_unable(test_obstacle());
	log_init(LOG_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
