/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Any records in the BPF ring buffers. Those of the daemon's go through the real ring thread to all
 * who get them: the aggregator, its snapshot and the reports, and by the inbox the tracker of
 * processes. The same ones are read as signals of the scheduler. In the place of the kernel's rings
 * are this file's, behind libbpf's functions for them: a record of any length, in memory of just
 * that length.
 *
 * The first byte of the input says how many records the kernel side has refused meanwhile. Each
 * record has two bytes before it: its length, and how often it comes again; a few hundred of them
 * empty the pool of batches, and fill the inbox. Each record is consumed once, and aggregated if
 * it is a whole one; the last long wait and the last stall are shown as they were; a loss is passed
 * on; what comes out is JSON, whatever names are in it. Corpus: tests/data/ring.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "cpu_limit.h"
#include "ctl/protocol.h"
#include "ctl/report.h"
#include "detect/inbox.h"
#include "detect/tracker.h"
#include "loader/internal.h"
#include "loader/sched_watch.h"
#include "require.h"
#include "roles.h"
#include "unit/world.h"

#define RECORDS_MAX 1024
#define DEADLINE_NS (20 * NSEC_PER_SEC)
#define REPORT_EACH 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* --- the ring, as libbpf presents the kernel's ------------------------------------------------ */

struct ring_buffer {
	ring_buffer_sample_fn take;
	void *ctx;
	int fd;
	struct sample {
		uint8_t *data;
		size_t size;
	} samples[RECORDS_MAX];
	_Atomic unsigned int produced, consumed; /* since the start */
};

static struct ring_buffer events, signals; /* in the order in which they are made */

struct ring_buffer *ring_buffer__new(int map_fd, ring_buffer_sample_fn take, void *ctx,
				     const struct ring_buffer_opts *opts)
{
	struct ring_buffer *new = events.take ? &signals : &events;

	new->take = take;
	new->ctx = ctx;
	new->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return new;
}

void ring_buffer__free(struct ring_buffer *rb)
{
}

int ring_buffer__epoll_fd(const struct ring_buffer *rb)
{
	return rb->fd;
}

/* Of no object: all that is asked of its maps is the ring above. */
struct bpf_map *bpf_object__find_map_by_name(const struct bpf_object *object, const char *name)
{
	return NULL;
}

/* A record is consumed whatever the callback returns; a negative value ends the round. */
int ring_buffer__consume(struct ring_buffer *rb)
{
	eventfd_t wakeups;
	int count = 0;

	eventfd_read(rb->fd, &wakeups);
	while (rb->consumed != rb->produced) {
		struct sample *sample = &rb->samples[rb->consumed % RECORDS_MAX];
		int ret = rb->take(rb->ctx, sample->data, sample->size);

		free(sample->data);
		rb->consumed++;
		if (ret < 0)
			return ret;
		count++;
	}
	return count;
}

/* --- what stands around the ring thread ------------------------------------------------------- */

static struct world world;
static struct ring ring;
static struct cpu_slot *slot; /* of the one CPU, as the kernel side would map it */
static struct sched_watcher watcher;
static struct inbox inbox;
static struct tracker tracker;
static struct thread nobody;
static struct config config;
static _Atomic uint64_t offered, losses, silences;

static void on_offer(void *ctx, const struct event *event)
{
	require(event->type != EVENT_LONG_WAIT && event->type != EVENT_SILENCE);
	offered++;
	inbox_put(&inbox, event);
}

static void on_lost(void *ctx)
{
	losses++;
}

static void on_silent(void *ctx)
{
	silences++;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct detect_roles roles = roles_empty();
	static const struct loader_proc_sink sink = {.offer = on_offer, .lost = on_lost};
	static const struct loader_silence_sink silence = {.silent = on_silent};
	static struct counters counters;
	struct evq_producer *records, *servers;
	int map_fd = memfd_create("ring", MFD_CLOEXEC);
	sigset_t mask;

	/* Its threads begin with all signals blocked, as the daemon's; libFuzzer needs its own. */
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	log_init(LOG_ERROR);
	config_init(&config);
	require(!world_start(&world, 16));
	require(!evq_producer_new(world.queue, EVQ_KIND_EVENTS, 2, &records));
	require(!evq_producer_new(world.queue, EVQ_KIND_SERVERS, 16, &servers));
	require(!inbox_init(&inbox));
	require(!tracker_init(&tracker, &config, &roles, servers, &nobody));
	slot = calloc(1, sizeof(*slot));
	counters = (struct counters){.slots = slot, .cpu_count = 1};
	ring.sink = &sink;
	ring.silence_sink = &silence;
	require(!ftruncate(map_fd, 2 * sysconf(_SC_PAGESIZE)));
	require(!ring_init(&ring, map_fd, &counters) && !ring_start(&ring, records));
	require(!sched_watch_open(&watcher, NULL));
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return 0;
}

/* --- one input ------------------------------------------------------------------------------- */

struct expected {
	uint64_t records, whole, long_waits, offered, silences;
	struct event last; /* long wait */
	struct sched_stall stall;
	int has_cpus_changed, are_groups_full;
};

static void expect(struct expected *e, const uint8_t *data, size_t size)
{
	struct event event;

	e->records++;
	if (size < sizeof(event))
		return;
	memcpy(&event, data, sizeof(event));
	e->whole++;
	if (event.type == EVENT_LONG_WAIT) {
		e->long_waits++;
		e->last = event;
	} else if (event.type == EVENT_SILENCE) {
		e->silences++;
	} else {
		e->offered++;
	}
}

static void expect_signal(struct expected *e, const uint8_t *data, size_t size)
{
	uint32_t kind;

	if (size < sizeof(kind))
		return;
	memcpy(&kind, data, sizeof(kind));
	e->has_cpus_changed |= kind == SCHED_SIGNAL_CPUS_CHANGED;
	e->are_groups_full |= kind == SCHED_SIGNAL_GROUPS_FULL;
	if (kind == SCHED_SIGNAL_STALL && size >= sizeof(e->stall))
		memcpy(&e->stall, data, sizeof(e->stall));
}

static void submit(struct ring_buffer *rb, const uint8_t *data, size_t size)
{
	uint8_t *record = malloc(size);

	memcpy(record, data, size);
	rb->samples[rb->produced % RECORDS_MAX] = (struct sample){record, size};
	rb->produced++;
}

/* Fills both rings, which are empty. */
static void produce(struct expected *e, const uint8_t *data, size_t size)
{
	while (size >= 2) {
		size_t length = data[0] < size - 2 ? data[0] : size - 2;
		unsigned int times = data[1] + 1;

		for (; times && e->records < RECORDS_MAX; times--) {
			expect(e, data + 2, length);
			expect_signal(e, data + 2, length);
			submit(&events, data + 2, length);
			submit(&signals, data + 2, length);
		}
		data += 2 + length;
		size -= 2 + length;
	}
}

/* Until the ring thread has read what there is and waits for more. */
static void drain(void)
{
	uint64_t end_ns = clock_now_ns() + DEADLINE_NS;

	eventfd_write(events.fd, 1);
	while (events.consumed != events.produced || !ring.thread.is_sleeping) {
		require(clock_now_ns() < end_ns);
		sched_yield();
	}
}

/* What main gets of the same records as signals of the scheduler. */
static void check_signals(const struct expected *e)
{
	struct sched_stall stall;

	require(sched_watch_stall_take(&watcher, &stall) == (e->stall.age_ns != 0));
	require(!e->stall.age_ns || !memcmp(&stall, &e->stall, sizeof(stall)));
	require(sched_watch_cpus_changed_take(&watcher) == e->has_cpus_changed);
	require(sched_watch_groups_full_take(&watcher) == e->are_groups_full);
}

/* A snapshot that has all that was consumed. */
static const struct snapshot *aggregated(uint64_t total)
{
	uint64_t end_ns = clock_now_ns() + DEADLINE_NS;

	for (;;) {
		const struct snapshot *snap = snapshot_get_fresh(world.store, 0, 1000);
		const struct metrics *m = snapshot_metrics(snap);

		require(m->aggregated_total <= total && clock_now_ns() < end_ns);
		if (m->aggregated_total == total) {
			require(m->queued == 0);
			return snap;
		}
		snapshot_put(snap);
	}
}

static void check_last(const struct metrics *m, const struct event *event)
{
	const struct metrics_long_wait *w = &m->long_waits[0];

	require(w->time_ns == event->time_ns && w->wait_ns == event->long_wait.wait_ns);
	require(w->pid == event->pid && w->tgid == event->tgid && w->cpu == event->cpu);
	require(w->holder_pid == event->long_wait.holder_pid);
	require(!memcmp(w->comm, event->comm, sizeof(w->comm)));
	require(!memcmp(w->holder_comm, event->long_wait.holder_comm, sizeof(w->holder_comm)));
}

static void give(void *ctx, const struct metrics **base, const struct metrics **now)
{
	static struct metrics zero;

	*base = &zero;
	*now = ctx;
}

/* The stats socket's answer, and what --monitor makes of it. */
static void check_report(const struct metrics *m)
{
	const struct protocol_source source = {.ctx = (void *)m, .metrics = give};
	char *text = protocol_answer(PROTOCOL_REQUEST, sizeof(PROTOCOL_REQUEST) - 2, &source);
	static FILE *nowhere;
	struct error err;
	json_t *stats;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	require(text && nowhere);
	stats = protocol_parse_reply(text, strlen(text), &err);
	require(stats != NULL);
	report_print(nowhere, stats);
	json_decref(stats);
	free(text);
}

static void check_json(const struct snapshot *snap, enum snapshot_format format)
{
	const char *body;
	size_t length;
	json_t *root;

	require(!snapshot_body(snap, format, &body, &length));
	root = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
	require(json_is_object(root));
	json_decref(root);
}

/* As the detect thread does. */
static uint64_t take_inbox(void)
{
	struct event event;
	uint64_t count = 0;

	inbox_clear(&inbox);
	while (inbox_take(&inbox, &event)) {
		tracker_bpf_event(&tracker, &event);
		count++;
	}
	while (!tracker_announce(&tracker))
		sched_yield();
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t whole, long_waits, inputs;
	uint64_t consumed = ring.consumed_total, dropped = inbox.dropped;
	struct expected e = {0};
	const struct snapshot *snap;

	if (size < 3) /* no record: the ring thread would not wake */
		return 0;
	cpu_limit_restart();
	offered = losses = silences = 0;
	__atomic_store_n(&slot->ring_dropped, slot->ring_dropped + data[0], __ATOMIC_RELAXED);
	produce(&e, data + 1, size - 1);
	drain();
	require(ring.consumed_total - consumed == e.records);
	require(offered == e.offered && silences == e.silences);
	require(losses == (data[0] != 0));
	check_signals(&e);
	require(take_inbox() + inbox.dropped - dropped == e.offered);

	whole += e.whole;
	long_waits += e.long_waits;
	snap = aggregated(whole);
	require(snapshot_metrics(snap)->long_waits_total == long_waits);
	if (e.long_waits)
		check_last(snapshot_metrics(snap), &e.last);
	check_json(snap, SNAPSHOT_JSON);
	if (++inputs % REPORT_EACH == 0) {
		check_json(snap, SNAPSHOT_PRETTY);
		check_report(snapshot_metrics(snap));
	}
	snapshot_put(snap);
	return 0;
}
