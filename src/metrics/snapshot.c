/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A snapshot goes round: free list -> draft -> current -> retired -> last put -> free list.
 *
 * References: publishing leaves one with the store, which the RCU callback drops when the
 * snapshot was replaced and no read section can still be between loading `current` and taking its
 * own. Whoever drops the last one, callback or reader, gives the snapshot back. Only the publisher
 * pops the free list, so that needs no lock and has no ABA problem.
 *
 * A body is a small state machine on a futex word: the first reader takes ABSENT to RENDERING,
 * everybody else sleeps on the word until it is READY or FAILED, which last as long as the
 * snapshot.
 */
#include "base/rcu.h"

#include "metrics/snapshot.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <urcu/lfstack.h>
#include <urcu/ref.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/probe.h"
#include "metrics/render.h"

#define CACHE_LINE 64
#define SPARE_SNAPSHOTS 3 /* published, being built, retired */

/* In a large store so many replaced snapshots wait for one RCU grace period together. Each grace
 * period wakes the call_rcu thread twice, and one for every snapshot, once a second, cost as much
 * as making the snapshot. */
#define RETIRE_BATCH 4

enum body_state { BODY_ABSENT, BODY_RENDERING, BODY_READY, BODY_FAILED };

struct body {
	_Atomic uint32_t state; /* enum body_state; futex word */
	char *text;
	size_t length;
};

struct snapshot {
	struct metrics metrics;
	struct body bodies[SNAPSHOT_FORMATS];
	struct snapshot_store *store;
	struct urcu_ref ref;
	struct rcu_retired retired;
	struct snapshot *next_retired;
	struct cds_lfs_node free_node;
};

struct snapshot_store {
	struct snapshot *current; /* RCU */
	int want_fd;

	/* The publisher's. */
	struct snapshot *draft;
	unsigned int allocated, limit;
	struct snapshot *retired; /* replaced; no grace period was begun for them yet */
	unsigned int retired_count;
	uint64_t sequence;
	uint64_t drafted_ns;

	_Alignas(CACHE_LINE) struct __cds_lfs_stack free_list;
	_Atomic bool
		is_starved; /* the publisher found no free one: the next to come back wakes it */

	_Alignas(CACHE_LINE) _Atomic uint32_t published; /* futex word: changes with each publish */
	_Atomic bool is_wanted; /* want_fd was written and not yet cleared */
	_Atomic uint64_t last_read_ns;

	_Alignas(CACHE_LINE) _Atomic uint64_t live, published_total, deferred_total, rendered_total,
		shared_total;
};

static struct snapshot *new_snapshot(struct snapshot_store *store)
{
	struct snapshot *snap;

	if (store->allocated == store->limit)
		return NULL;
	snap = aligned_alloc(_Alignof(struct snapshot), sizeof(*snap));
	if (!snap)
		return NULL;
	store->allocated++;
	memset(snap, 0, sizeof(*snap));
	snap->store = store;
	cds_lfs_node_init(&snap->free_node);
	return snap;
}

static void clear_bodies(struct snapshot *snap)
{
	unsigned int i;

	for (i = 0; i < SNAPSHOT_FORMATS; i++) {
		struct body *body = &snap->bodies[i];

		free(body->text);
		body->text = NULL;
		body->length = 0;
		atomic_store_explicit(&body->state, BODY_ABSENT, memory_order_relaxed);
	}
}

static void wake_publisher(struct snapshot_store *store)
{
	eventfd_write(store->want_fd, 1);
}

/* The last reference is gone. Any thread. */
static void give_back(struct urcu_ref *ref)
{
	struct snapshot *snap = caa_container_of(ref, struct snapshot, ref);
	struct snapshot_store *store;

	RCU_ACQUIRE(snap);
	store = snap->store;
	clear_bodies(snap); /* here and not in the next draft: idle snapshots hold no text */
	atomic_fetch_sub_explicit(&store->live, 1, memory_order_relaxed);
	RCU_RELEASE(snap);
	cds_lfs_push(&store->free_list, &snap->free_node);
	cmm_smp_mb(); /* pairs with take_free() */
	if (atomic_load_explicit(&store->is_starved, memory_order_relaxed) &&
	    atomic_exchange(&store->is_starved, false))
		wake_publisher(store);
}

static struct snapshot *pop_free(struct snapshot_store *store)
{
	struct cds_lfs_node *node = __cds_lfs_pop(&store->free_list);
	struct snapshot *snap;

	if (!node)
		return NULL;
	snap = caa_container_of(node, struct snapshot, free_node);
	RCU_ACQUIRE(snap);
	return snap;
}

/* No read section that saw one of the chain as the current snapshot is left. */
static void on_retired(struct rcu_retired *retired)
{
	struct snapshot *snap = caa_container_of(retired, struct snapshot, retired), *next;
	struct snapshot_store *store;

	RCU_ACQUIRE(snap);
	store = snap->store;
	for (; snap; snap = next) {
		next = snap->next_retired; /* from here on it may be in use again */
		snapshot_put(snap);
	}
	RCU_RELEASE(store); /* for snapshot_store_free() */
}

static void retire(struct snapshot_store *store)
{
	struct snapshot *first = store->retired;

	if (!first)
		return;
	store->retired = NULL;
	store->retired_count = 0;
	RCU_RELEASE(first);
	rcu_retire(&first->retired, on_retired);
}

static struct snapshot *take_free(struct snapshot_store *store)
{
	struct snapshot *snap = pop_free(store);

	if (!snap)
		snap = new_snapshot(store);
	if (!snap) {
		retire(store);
		atomic_store(&store->is_starved, true);
		cmm_smp_mb(); /* pairs with give_back() */
		snap = pop_free(store);
		if (snap)
			atomic_store(&store->is_starved, false);
	}
	if (snap)
		atomic_fetch_add_explicit(&store->live, 1, memory_order_relaxed);
	return snap;
}

int snapshot_store_new(unsigned int readers, struct snapshot_store **out)
{
	struct snapshot_store *store = aligned_alloc(CACHE_LINE, sizeof(*store));
	int ret = -ENOMEM;

	if (!store)
		return -ENOMEM;
	memset(store, 0, sizeof(*store));
	store->limit = readers + SPARE_SNAPSHOTS;
	__cds_lfs_init(&store->free_list);
	store->want_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (store->want_fd < 0) {
		ret = -errno;
		goto free_store;
	}
	store->current = new_snapshot(store);
	if (!store->current)
		goto close_fd;
	store->current->metrics.published_ns = clock_now_ns();
	urcu_ref_init(&store->current->ref);
	atomic_store(&store->live, 1);
	RCU_RELEASE(store->current);
	*out = store;
	return 0;

close_fd:
	close(store->want_fd);
free_store:
	free(store);
	return ret;
}

void snapshot_store_free(struct snapshot_store *store)
{
	struct snapshot *snap;

	if (!store)
		return;
	/* To the free list with all that were replaced. No reader is left, so those whose grace
	 * period was not asked for yet need none. */
	if (store->retired)
		on_retired(&store->retired->retired);
	rcu_drain();
	RCU_ACQUIRE(store);
	while ((snap = pop_free(store)))
		free(snap);
	free(store->draft);
	RCU_ACQUIRE(store->current);
	clear_bodies(store->current);
	free(store->current);
	close(store->want_fd);
	free(store);
}

int snapshot_draft(struct snapshot_store *store, struct metrics **out)
{
	if (!store->draft)
		store->draft = take_free(store);
	if (!store->draft) {
		atomic_fetch_add_explicit(&store->deferred_total, 1, memory_order_relaxed);
		return -EAGAIN;
	}
	memset(&store->draft->metrics, 0, sizeof(store->draft->metrics));
	store->drafted_ns = clock_now_ns();
	*out = &store->draft->metrics;
	return 0;
}

void snapshot_publish(struct snapshot_store *store)
{
	struct snapshot *snap = store->draft, *old;

	if (!snap)
		return;
	store->draft = NULL;
	snap->metrics.sequence = ++store->sequence;
	snap->metrics.published_ns = store->drafted_ns;
	urcu_ref_init(&snap->ref);
	atomic_fetch_add_explicit(&store->published_total, 1, memory_order_relaxed);

	RCU_RELEASE(snap);
	old = rcu_xchg_pointer(&store->current, snap);
	atomic_fetch_add(&store->published, 1);
	futex_wake_all(&store->published);
	PROBE2(publish, snap->metrics.sequence, snap->metrics.server_count);

	old->next_retired = store->retired;
	store->retired = old;
	if (++store->retired_count >= RETIRE_BATCH || store->limit < 4 * RETIRE_BATCH)
		retire(store);
}

const struct snapshot *snapshot_get(struct snapshot_store *store)
{
	struct snapshot *snap;

	rcu_reader_enter();
	snap = rcu_dereference(store->current);
	RCU_ACQUIRE(snap);
	/* Not urcu_ref_get(): its guard against an overflow is a compare-and-swap loop, which two
	 * readers make each other repeat. The store bounds how many references there are. */
	uatomic_inc(&snap->ref.refcount);
	RCU_RELEASE(snap);
	rcu_reader_exit();
	return snap;
}

void snapshot_put(const struct snapshot *snap)
{
	/* Readers see it as const; the references in it are the store's business. */
	struct snapshot *mine = (struct snapshot *)snap;

	if (!snap)
		return;
	RCU_RELEASE(mine);
	urcu_ref_put(&mine->ref, give_back);
}

static void want(struct snapshot_store *store)
{
	if (!atomic_exchange(&store->is_wanted, true))
		wake_publisher(store);
}

const struct snapshot *snapshot_get_fresh(struct snapshot_store *store, uint64_t max_age_ns,
					  int timeout_ms)
{
	uint64_t asked_ns = clock_now_ns(), now_ns;
	uint64_t deadline_ns = asked_ns +
			       (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * NSEC_PER_MSEC;

	atomic_store_explicit(&store->last_read_ns, asked_ns, memory_order_relaxed);
	for (;;) {
		/* Read before the pointer: a publish in between changes it, and the wait returns.
		 */
		uint32_t published = atomic_load(&store->published);
		const struct snapshot *snap = snapshot_get(store);

		/* The empty one of the start is never fresh; one newer than the question always. */
		if (snap->metrics.sequence > 0 &&
		    snap->metrics.published_ns + max_age_ns >= asked_ns)
			return snap;
		want(store);
		now_ns = clock_now_ns();
		if (now_ns >= deadline_ns)
			return snap;
		snapshot_put(snap); /* hold nothing while asleep */
		futex_wait(&store->published, published, deadline_ns - now_ns);
	}
}

const struct metrics *snapshot_metrics(const struct snapshot *snap)
{
	return &snap->metrics;
}

static int render(const struct metrics *m, enum snapshot_format format, struct body *body)
{
	switch (format) {
	case SNAPSHOT_JSON:
		return render_json(m, clock_now_ns(), false, &body->text, &body->length);
	case SNAPSHOT_PRETTY:
		return render_json(m, clock_now_ns(), true, &body->text, &body->length);
	case SNAPSHOT_PROMETHEUS:
		return render_prometheus(m, clock_now_ns(), &body->text, &body->length);
	default:
		return -EINVAL;
	}
}

/* Renders, or waits for whoever does; BODY_READY or BODY_FAILED. */
static uint32_t settle_body(struct snapshot *snap, enum snapshot_format format)
{
	struct body *body = &snap->bodies[format];
	uint32_t state = atomic_load(&body->state);

	if (state == BODY_ABSENT &&
	    atomic_compare_exchange_strong(&body->state, &state, BODY_RENDERING)) {
		state = render(&snap->metrics, format, body) ? BODY_FAILED : BODY_READY;
		if (state == BODY_READY)
			atomic_fetch_add_explicit(&snap->store->rendered_total, 1,
						  memory_order_relaxed);
		PROBE2(render, (unsigned int)format, body->length);
		atomic_store(&body->state, state);
		futex_wake_all(&body->state);
		return state;
	}
	while (state == BODY_RENDERING) {
		futex_wait(&body->state, BODY_RENDERING, NSEC_PER_SEC);
		state = atomic_load(&body->state);
	}
	if (state == BODY_READY)
		atomic_fetch_add_explicit(&snap->store->shared_total, 1, memory_order_relaxed);
	return state;
}

int snapshot_body(const struct snapshot *snap, enum snapshot_format format, const char **body,
		  size_t *length)
{
	struct snapshot *mine = (struct snapshot *)snap; /* the bodies are made on demand */

	if (format >= SNAPSHOT_FORMATS)
		return -EINVAL;
	if (settle_body(mine, format) != BODY_READY)
		return -ENOMEM;
	*body = mine->bodies[format].text;
	*length = mine->bodies[format].length;
	return 0;
}

int snapshot_want_fd(const struct snapshot_store *store)
{
	return store->want_fd;
}

void snapshot_want_clear(struct snapshot_store *store)
{
	eventfd_t value;

	/* In this order: a reader that comes in between writes nothing, but the snapshot published
	 * after this call is newer than its question. The other way round its write would be taken
	 * away while is_wanted stays set, and no later reader would write any more. */
	eventfd_read(store->want_fd, &value);
	atomic_store(&store->is_wanted, false);
}

uint64_t snapshot_last_read_ns(const struct snapshot_store *store)
{
	return atomic_load_explicit(&store->last_read_ns, memory_order_relaxed);
}

void snapshot_counts(const struct snapshot_store *store, struct snapshot_counts *out)
{
	*out = (struct snapshot_counts){
		.live = atomic_load_explicit(&store->live, memory_order_relaxed),
		.published_total = atomic_load_explicit(&store->published_total,
							memory_order_relaxed),
		.deferred_total = atomic_load_explicit(&store->deferred_total,
						       memory_order_relaxed),
		.rendered_total = atomic_load_explicit(&store->rendered_total,
						       memory_order_relaxed),
		.shared_total = atomic_load_explicit(&store->shared_total, memory_order_relaxed),
	};
}
