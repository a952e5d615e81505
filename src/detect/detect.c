/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The detect thread.
 *
 *      connector --+                      +-- scan due? (overrun, period)
 *      inbox ------+--> one round of -----+
 *      deaths -----+    events            +--> tell the news
 *
 * Events are taken in rounds; a scan is run between rounds, and only after the source has been read
 * empty, because until then the kernel goes on dropping and the scan would be stale at once. Scans
 * after an overrun, or when a place has come free that somebody waits for, keep a second's
 * distance, or more if they are long; the time-out of the poll remembers a postponed one. A new
 * configuration is taken over where a scan may run, and followed by one at once.
 *
 * The thread has a budget (detect/budget.h), since anyone can make events. When that of reading is
 * used up it pauses. What has come by the end of the pause is thrown away unread, because to read
 * it would take the next budget, and the one after; a scan finds what it was about. So a flood
 * costs a share of a CPU, and a server that starts in it is found by a scan, a second or two later.
 * Its role it has from the kernel side, at once.
 */
#include "detect/detect.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/probe.h"
#include "base/thread.h"
#include "detect/budget.h"
#include "detect/inbox.h"
#include "detect/source.h"
#include "detect/tracker.h"

#define SCAN_PAUSE_NS NSEC_PER_SEC
#define SCAN_SHARE 100	  /* after a loss scans take one part in so many of a CPU */
#define ROUND_BATCHES 256 /* then the stop is looked at again */
#define SCAN_BUFFER 32768

enum { POLL_CONNECTOR, POLL_INBOX, POLL_DEATHS, POLL_POOL, POLL_COUNT };

struct detect {
	struct config config; /* the thread's own, once it runs */
	struct detect_roles roles;
	struct thread thread;
	struct error *start_error; /* the starter's, until the thread is ready */
	struct tracker tracker;
	struct source source;
	struct inbox inbox;
	_Atomic int source_kind; /* enum config_source; AUTO before it is chosen */
	_Atomic bool is_silent;	 /* detect_silent() was called, and not seen to yet */

	/* The thread's own. */
	bool is_resync_due;    /* events were lost */
	bool is_source_empty;  /* read to the end since the last wake-up */
	bool is_throwing;      /* over budget: what is read is not looked at */
	uint64_t last_scan_ns; /* when it ended */
	uint64_t scan_cpu_ns;  /* what it took */
	uint64_t inbox_dropped;
	uint64_t thrown;
	struct budget budget;
	_Alignas(8) unsigned char scan_buffer[SCAN_BUFFER];

	_Atomic uint64_t received;
	_Atomic uint64_t wakeups;
	_Atomic uint64_t overruns;
	_Atomic uint64_t lost;
	_Atomic uint64_t silences;
	_Atomic uint64_t resyncs;
	_Atomic uint64_t scans;
};

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t thread_cpu_ns(void)
{
	return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/* Events are lost: a scan of /proc finds out what they were about. */
static void on_overrun(struct detect *d, const char *what)
{
	count(&d->overruns, 1);
	d->is_resync_due = true;
	PROBE2(drop, what, atomic_load_explicit(&d->overruns, memory_order_relaxed));
	log_limited(LOG_WARNING, "%s: events are lost, /proc will be read again", what);
}

/* BPF events cost two more threads before they come here, so in the pause none are to be made. */
static void set_throwing(struct detect *d, bool is_throwing)
{
	d->is_throwing = is_throwing;
	if (d->source.kind == CONFIG_SOURCE_BPF)
		d->roles.pause_bpf(d->roles.ctx, is_throwing);
}

/* Brings the budget up to date, and does what it demands. */
static void charge(struct detect *d)
{
	bool was_ahead = !d->budget.ahead.is_overdrawn;

	budget_charge(&d->budget, clock_now_ns(), thread_cpu_ns());
	if (was_ahead == d->budget.ahead.is_overdrawn)
		source_run_ahead(&d->source, !was_ahead);
	if (d->budget.reading.is_overdrawn && !d->is_throwing) {
		set_throwing(d, true);
		on_overrun(d, "process events took more than their share of the CPU");
	}
}

/* Is this event to be looked at? */
static bool is_wanted(struct detect *d)
{
	if (d->is_throwing)
		d->thrown++;
	else
		count(&d->received, 1);
	return !d->is_throwing;
}

static void on_connector(void *ctx, const struct connector_event *event)
{
	struct detect *d = ctx;

	if (!is_wanted(d))
		return;
	tracker_connector_event(&d->tracker, event);
	charge(d);
}

static void on_bpf(struct detect *d, const struct event *event)
{
	if (!is_wanted(d))
		return;
	tracker_bpf_event(&d->tracker, event);
	charge(d);
}

/* What was lost is not known: a scan finds it. */
static void on_new_source(struct detect *d)
{
	atomic_store(&d->source_kind, (int)d->source.kind);
	d->is_resync_due = true;
	d->is_source_empty = true;
}

/* The connector has not reported processes that the kernel side has seen. */
static void on_silence(struct detect *d)
{
	count(&d->silences, 1);
	d->thrown += connector_drops(&d->source.connector); /* a new socket counts anew */
	source_mend(&d->source, &d->config, &d->roles, d);
	on_new_source(d);
}

static bool must_wait(const struct detect *d)
{
	return d->budget.reading.is_overdrawn || registry_is_congested(&d->tracker.registry);
}

static void read_connector(struct detect *d)
{
	d->is_source_empty = false;
	for (unsigned int i = 0; i < ROUND_BATCHES && !must_wait(d); i++) {
		int r = connector_read(&d->source.connector, on_connector, d);

		thread_beat(&d->thread);
		if (r == -EAGAIN) {
			d->is_source_empty = true;
			return;
		}
		if (r == -ENOBUFS) {
			on_overrun(d, "the proc connector overran");
			continue;
		}
		if (r < 0) {
			source_fall_back(&d->source, &d->config, &d->roles, d, error_name(r));
			on_new_source(d);
			return;
		}
	}
}

static void read_inbox(struct detect *d)
{
	uint64_t dropped;
	struct event event;

	inbox_clear(&d->inbox);
	if (d->source.kind != CONFIG_SOURCE_BPF)
		return;
	d->is_source_empty = false;
	for (unsigned int i = 0; !d->is_source_empty; i++) {
		if (i == INBOX_EVENTS || must_wait(d)) {
			inbox_kick(&d->inbox); /* more may be in it */
			break;
		}
		if (!inbox_take(&d->inbox, &event)) {
			d->is_source_empty = true;
			break;
		}
		on_bpf(d, &event);
		thread_beat(&d->thread);
	}
	dropped = atomic_load(&d->inbox.dropped);
	if (dropped != d->inbox_dropped) {
		d->inbox_dropped = dropped;
		on_overrun(d, "the inbox of BPF events overran");
	}
}

static void update_lost(struct detect *d)
{
	uint64_t lost = d->inbox_dropped + d->thrown;

	if (d->source.kind == CONFIG_SOURCE_NETLINK)
		lost += connector_drops(&d->source.connector);
	atomic_store_explicit(&d->lost, lost, memory_order_relaxed);
}

/* It takes milliseconds, and so never runs ahead. */
static int scan(struct detect *d)
{
	uint64_t start_ns;
	int r;

	charge(d);
	if (!d->budget.ahead.is_overdrawn)
		source_run_ahead(&d->source, false);
	start_ns = thread_cpu_ns();
	r = tracker_scan(&d->tracker, d->scan_buffer, sizeof(d->scan_buffer));
	d->last_scan_ns = clock_now_ns();
	d->scan_cpu_ns = thread_cpu_ns() - start_ns;
	budget_skip(&d->budget, start_ns + d->scan_cpu_ns);
	if (!d->budget.ahead.is_overdrawn)
		source_run_ahead(&d->source, true);
	count(&d->scans, 1);
	if (r < 0)
		log_limited(LOG_ERROR, "can't read /proc: %s", error_name(r));
	return r;
}

/* When the next scan is due: 0 for none. */
static uint64_t scan_due_ns(const struct detect *d)
{
	uint64_t pause_ns = SCAN_SHARE * d->scan_cpu_ns;

	if (d->is_resync_due || d->tracker.is_scan_due)
		return d->last_scan_ns + (pause_ns > SCAN_PAUSE_NS ? pause_ns : SCAN_PAUSE_NS);
	if (d->source.kind == CONFIG_SOURCE_SCAN)
		return d->last_scan_ns + d->config.scan_interval_ms * NSEC_PER_MSEC;
	return 0;
}

static void scan_if_due(struct detect *d)
{
	uint64_t due_ns = scan_due_ns(d);

	if (!due_ns || !d->is_source_empty || clock_now_ns() < due_ns || must_wait(d))
		return;
	if (d->is_resync_due) {
		update_lost(d);
		count(&d->resyncs, 1);
	}
	d->is_resync_due = false;
	scan(d);
}

/* After what has happened under the old configuration was looked at, takes over a new one. */
static void reload_if_due(struct detect *d)
{
	struct config *config;
	int r;

	if (!d->is_source_empty || must_wait(d))
		return;
	config = inbox_take_config(&d->inbox);
	if (!config)
		return;
	charge(d);
	d->config = *config;
	free(config);
	r = d->roles.reload(d->roles.ctx, &d->config);
	budget_skip(&d->budget, thread_cpu_ns()); /* no event's fault */
	if (r < 0)
		log_error("can't give the kernel side the new list of names: %s", error_name(r));
	tracker_relist(&d->tracker);
	if (d->source.kind != CONFIG_SOURCE_NONE)
		scan(d);
}

static int timeout_ms(const struct detect *d)
{
	uint64_t due_ns = scan_due_ns(d), budget_ns = budget_due_ns(&d->budget), now_ns;

	/* A source not yet empty wakes by itself; a congested registry waits for the pool. */
	if (!d->is_source_empty || must_wait(d))
		due_ns = 0;
	if (!due_ns || (budget_ns && budget_ns < due_ns))
		due_ns = budget_ns;
	if (!due_ns)
		return -1;
	now_ns = clock_now_ns();
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / NSEC_PER_MSEC) + 1;
}

/* The pause is over: what has come in it is thrown away. */
static void end_pause(struct detect *d)
{
	if (d->source.kind == CONFIG_SOURCE_NETLINK)
		read_connector(d);
	else
		read_inbox(d);
	if (d->is_source_empty)
		set_throwing(d, false);
}

static int run(struct detect *d)
{
	bool is_done = tracker_announce(&d->tracker);

	for (;;) {
		bool is_congested = registry_is_congested(&d->tracker.registry);
		bool is_reading = !must_wait(d);
		bool has_connector = d->source.kind == CONFIG_SOURCE_NETLINK && is_reading;
		struct pollfd fds[POLL_COUNT] = {
			[POLL_CONNECTOR] = {has_connector ? d->source.connector.fd : -1, POLLIN, 0},
			[POLL_INBOX] = {is_reading ? d->inbox.fd : -1, POLLIN, 0},
			[POLL_DEATHS] = {is_congested ? -1 : d->tracker.deaths_fd, POLLIN, 0},
			[POLL_POOL] = {is_done ? -1 : evq_wait_fd(d->tracker.producer), POLLIN, 0},
		};
		int r = thread_poll(&d->thread, fds, POLL_COUNT, timeout_ms(d));

		if (r < 0)
			return r;
		if (fds[POLL_CONNECTOR].revents || fds[POLL_INBOX].revents)
			count(&d->wakeups, 1);
		charge(d);
		if (d->is_throwing && !must_wait(d))
			end_pause(d);
		else if (fds[POLL_CONNECTOR].revents)
			read_connector(d);
		if (fds[POLL_INBOX].revents)
			read_inbox(d);
		if (atomic_exchange(&d->is_silent, false) &&
		    d->source.kind == CONFIG_SOURCE_NETLINK)
			on_silence(d);
		if (fds[POLL_DEATHS].revents)
			tracker_deaths(&d->tracker);
		if (fds[POLL_POOL].revents)
			evq_wait_clear(d->tracker.producer);
		reload_if_due(d);
		scan_if_due(d);
		is_done = tracker_announce(&d->tracker);
	}
}

static int body(struct thread *self, void *arg)
{
	struct detect *d = arg;
	int r;

	r = source_choose(&d->source, &d->config, &d->roles, d, d->start_error);
	if (r < 0) {
		thread_ready(self, r);
		return r;
	}
	atomic_store(&d->source_kind, (int)d->source.kind);
	budget_init(&d->budget, clock_now_ns(), thread_cpu_ns());
	/* Subscribed first, scanned second: what starts in between is seen twice, not never. */
	d->is_source_empty = true;
	r = d->source.kind == CONFIG_SOURCE_NONE ? 0 : scan(d);
	if (r < 0)
		error_set(d->start_error, -r, "can't read /proc: %s", error_name(r));
	source_set_priority(&d->source);
	thread_ready(self, r);
	if (r == 0)
		r = run(d);
	source_close(&d->source);
	return r;
}

int detect_new(const struct config *config, const struct detect_roles *roles,
	       struct evq_producer *producer, struct detect **out, struct error *err)
{
	struct detect *d = aligned_alloc(_Alignof(struct detect), sizeof(*d));
	int r = -ENOMEM;

	if (!d)
		goto fail;
	memset(d, 0, sizeof(*d));
	d->config = *config;
	d->roles = *roles;
	d->source.connector.fd = -1;
	d->inbox.fd = -1;
	r = tracker_init(&d->tracker, &d->config, &d->roles, producer, &d->thread);
	if (r == 0)
		r = inbox_init(&d->inbox);
	if (r < 0)
		goto fail;
	*out = d;
	return 0;

fail:
	detect_free(d);
	return error_set(err, -r, "can't prepare detection: %s", error_name(r));
}

int detect_start(struct detect *d, struct error *err)
{
	struct error why = {""};
	int r;

	d->start_error = &why;
	r = thread_start(&d->thread, "detect", body, d);
	d->start_error = NULL;
	if (r < 0)
		return error_set(err, -r, "%s",
				 why.text[0] ? why.text : "the detect thread can't be started");
	return 0;
}

int detect_reload(struct detect *d, const struct config *config, struct error *err)
{
	int r = inbox_put_config(&d->inbox, config);

	return r ? error_set(err, -r, "out of memory") : 0;
}

void detect_stop(struct detect *d)
{
	thread_stop(&d->thread);
}

void detect_free(struct detect *d)
{
	if (!d)
		return;
	inbox_fini(&d->inbox);
	tracker_fini(&d->tracker);
	free(d);
}

void detect_offer(struct detect *d, const struct event *event)
{
	inbox_put(&d->inbox, event);
}

void detect_lost(struct detect *d)
{
	inbox_lost(&d->inbox);
}

void detect_silent(struct detect *d)
{
	atomic_store(&d->is_silent, true);
	inbox_kick(&d->inbox);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void detect_read(const struct detect *d, struct detect_counters *out)
{
	*out = (struct detect_counters){
		.received_total = get(&d->received),
		.wakeups_total = get(&d->wakeups),
		.overruns_total = get(&d->overruns),
		.lost_total = get(&d->lost),
		.silences_total = get(&d->silences),
		.resyncs_total = get(&d->resyncs),
		.scans_total = get(&d->scans),
		.generation = get(&d->tracker.generation),
		.registered_total = get(&d->tracker.registered),
		.unregistered_total = get(&d->tracker.unregistered),
		.rejected_total = get(&d->tracker.rejected),
		.gone_total = get(&d->tracker.gone),
	};
}

enum config_source detect_source(const struct detect *d)
{
	return (enum config_source)atomic_load(&d->source_kind);
}

unsigned int detect_features(const struct detect *d, struct feature *out, unsigned int max)
{
	const struct source_features *features = source_features(&d->source);
	unsigned int n = features->count < max ? features->count : max;

	memcpy(out, features->list, n * sizeof(*out));
	return n;
}
