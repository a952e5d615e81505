/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Start: loader (opens, loads), instance lock, stats sockets, privileges and sandbox, rcu, queue,
 * empty snapshot, aggregate, ring, ctl, http, tracing, detect, scheduler. Four places matter.
 *
 * The BPF objects are loaded before the lock is taken: a user without rights, or a kernel without
 * BTF, hears the true reason. What can be refused (a taken port, a living socket) comes before
 * anything is attached: a refused start has changed nothing. Tracing is attached before detect
 * starts: the socket filter of detect passes what the tracepoints have marked, so an exec between
 * detect's first scan and a later attach would be seen by neither.
 *
 * Privileges are given up after the files are made and before the first thread: capabilities, and
 * filters of system calls, are a thread's own, and each thread that follows inherits them.
 *
 * Stop is the reverse: the kernel side goes first, then those who read, then the aggregator; memory
 * is freed only when no thread is left that could look at it. Every destructor takes a half-built
 * object, so a failed start and a normal stop are one path. It is a matter of milliseconds, in a
 * dozen steps that each wait for another thread: on a busy machine each step would wait for a CPU,
 * too, so from here to its end the process is real-time where it may.
 */
#include "daemon.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>

#include "base/evq.h"
#include "base/instance.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/privilege.h"
#include "base/rcu.h"
#include "base/sandbox.h"
#include "base/thread.h"
#include "bridge.h"
#include "gather.h"
#include "loader/topology.h"
#include "scheduler.h"

/* What malloc() maps, and what it returns: while we start (glibc allows no more), and afterwards
 * (its own beginning). */
#define LOADING_BYTES (32 * 1024 * 1024)
#define RUNNING_BYTES (128 * 1024)

struct daemon {
	struct config config;
	struct feature own[GATHER_OWN]; /* what the daemon has given up */
	struct instance *instance;
	struct loader *loader;
	struct evq *queue;
	struct snapshot_store *store;
	struct gather gather;
	struct aggregator *aggregator;
	struct detect *detect;
	struct ctl *ctl;
	struct http_server *http;
	struct bridge bridge;
	struct scheduler scheduler;
	bool has_rcu;
};

/* References held at a time: one by each HTTP worker, the baseline of each stats client (a reload
 * may allow more of them) and the snapshot ctl compares with it, the baseline of --stats and its
 * current one. */
static unsigned int count_readers(const struct config *config)
{
	return config->http_threads + CTL_CLIENTS_MAX + 1 + 2;
}

static int start_queue(struct daemon *d, struct error *err)
{
	int r = rcu_start();

	if (r)
		return error_set(err, -r, "cannot start the RCU thread: %s", error_name(r));
	d->has_rcu = true;
	r = evq_new(&d->queue);
	return r ? error_set(err, -r, "cannot set up the queue: %s", error_name(r)) : 0;
}

static int start_pipeline(struct daemon *d, struct error *err)
{
	struct aggregator_source source = {.ctx = &d->gather,
					   .collect = gather_collect,
					   .readers_until = gather_readers_until};
	struct evq_producer *ring;
	int r;

	r = evq_producer_new(d->queue, EVQ_KIND_EVENTS, d->config.queue_batches, &ring);
	if (!r)
		r = snapshot_store_new(count_readers(&d->config), &d->store);
	if (r)
		return error_set(err, -r, "cannot set up the queue and the snapshots: %s",
				 error_name(r));
	gather_init(&d->gather, d->loader, &d->scheduler, d->own);
	r = aggregator_new(d->queue, d->store, &source, &d->aggregator);
	if (r)
		return error_set(err, -r, "cannot set up the aggregator: %s", error_name(r));
	r = aggregator_start(d->aggregator, err);
	if (!r)
		r = loader_start(d->loader, ring, err);
	return r;
}

static int new_detect(struct daemon *d, struct error *err)
{
	struct detect_roles roles = bridge_roles(&d->bridge, d->loader);
	struct evq_producer *producer;
	int r;

	r = evq_producer_new(d->queue, EVQ_KIND_SERVERS, d->config.queue_batches, &producer);
	if (r)
		return error_set(err, -r, "cannot set up the queue: %s", error_name(r));
	return detect_new(&d->config, &roles, producer, &d->detect, err);
}

static int start_readers(struct daemon *d, const struct options *options, struct error *err)
{
	int r;

	r = ctl_start(d->ctl, d->store, err);
	if (r)
		return r;
	atomic_store(&d->gather.ctl, d->ctl);

	if (!options->has_debug_api)
		return 0;
	r = http_start(&d->config, options->debug_api_port, d->store, &d->http, err);
	if (r)
		return r;
	atomic_store(&d->gather.http, d->http);
	log_info("debug API on http://127.0.0.1:%u/", http_port(d->http));
	return 0;
}

static int start_detection(struct daemon *d, struct error *err)
{
	int r;

	r = loader_attach(d->loader, err);
	if (!r)
		r = new_detect(d, err);
	if (!r)
		r = detect_start(d->detect, err);
	if (!r)
		atomic_store(&d->gather.detect, d->detect);
	return r;
}

static int start_scheduler(struct daemon *d, const struct options *options, struct error *err)
{
	if (!options->is_observe)
		return scheduler_start(&d->scheduler, err);
	scheduler_observe(&d->scheduler, "as asked by --observe");
	return 0;
}

/*
 * To load a BPF object libbpf reads the types of the whole kernel, ten times what the daemon needs
 * for itself, and frees them; several times at a start. Left alone, glibc maps them anew, page by
 * page, and then keeps for good what the heap has once been. So it reuses that while we start, and
 * gives it back.
 */
static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, LOADING_BYTES);
	mallopt(M_TRIM_THRESHOLD, LOADING_BYTES);
}

static void return_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, RUNNING_BYTES);
	mallopt(M_TRIM_THRESHOLD, RUNNING_BYTES);
	malloc_trim(0);
}

/* The BPF objects are loaded, nothing is started. */
static int daemon_load(const struct config *config, const struct sched_options *options,
		       bool is_sched_required, struct daemon **out, struct error *err)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int r;

	if (!d) {
		error_set(err, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	d->config = *config;
	d->gather.statm_fd = -1;
	r = loader_new(&d->config, &d->loader, err);
	scheduler_init(&d->scheduler, d->loader, options, is_sched_required);
	if (r) {
		daemon_stop(d);
		return r;
	}
	*out = d;
	return 0;
}

/* Makes the files: the lock and the stats sockets. */
static int open_files(struct daemon *d, struct error *err)
{
	int r;

	r = instance_open(d->config.runtime_dir, &d->instance, err);
	if (!r)
		r = ctl_new(&d->config, &d->ctl, err);
	return r ? r : ctl_open(d->ctl, err);
}

/* Gives up what is not needed from here on; what it made belongs to the new user first. */
static int give_up(struct daemon *d, struct error *err)
{
	struct privilege privilege;
	int r;

	privilege_choose(&d->config.user, &privilege);
	if (d->instance)
		instance_give(d->instance, privilege.uid);
	if (d->ctl)
		ctl_give(d->ctl, privilege.uid);
	r = privilege_drop(&privilege, &d->own[0], err);
	if (!r)
		sandbox_enter(&d->own[1]);
	return r;
}

/* In order, but not as it should be. */
static void warn(const struct daemon *d)
{
	struct error foreign;

	if (owner_check(d->config.runtime_dir, &foreign))
		log_warning("%s", foreign.text);
	for (unsigned int i = 0; i < GATHER_OWN; i++)
		if (!d->own[i].is_available)
			log_warning("%s: %s", d->own[i].name, d->own[i].detail);
}

int daemon_start(const struct config *config, const struct options *options, struct daemon **out,
		 struct error *err)
{
	struct sched_options sched = {.slice_us = options->slice_us,
				      .exit_dump_len = options->exit_dump_len,
				      .timeout_ms = config->timeout_ms};
	struct daemon *d;
	int r;

	keep_memory();
	r = daemon_load(config, &sched, options->is_sched_required, &d, err);
	if (r)
		return r;
	r = open_files(d, err);
	if (!r)
		r = give_up(d, err);
	if (!r)
		r = start_queue(d, err);
	if (!r)
		r = start_pipeline(d, err);
	if (!r)
		r = start_readers(d, options, err);
	if (!r)
		r = start_detection(d, err);
	if (!r)
		r = start_scheduler(d, options, err);
	if (r) {
		daemon_stop(d);
		return r;
	}
	return_memory();
	warn(d);
	*out = d;
	return 0;
}

void daemon_stop(struct daemon *d)
{
	if (!d)
		return;
	(void)thread_set_policy(SCHED_FIFO, 1);
	scheduler_stop(&d->scheduler);
	if (d->detect)
		detect_stop(d->detect);
	if (d->loader)
		loader_stop(d->loader);
	if (d->http)
		gather_forget_http(&d->gather);
	http_stop(d->http);
	if (d->ctl)
		ctl_stop(d->ctl);
	if (d->aggregator)
		aggregator_stop(d->aggregator);

	ctl_free(d->ctl);
	detect_free(d->detect);
	aggregator_free(d->aggregator);
	snapshot_store_free(d->store);
	loader_free(d->loader);
	evq_free(d->queue);
	gather_fini(&d->gather);
	if (d->has_rcu)
		rcu_stop();
	instance_close(d->instance);
	free(d);
}

int daemon_reload(struct daemon *d, const struct config *next, char *restart, size_t size,
		  struct error *err)
{
	struct config config = d->config;
	int r;

	config_change(&config, next, restart, size);
	r = detect_reload(d->detect, &config, err);
	if (r)
		return r;
	ctl_reload(d->ctl, &config);
	d->config = config;
	return 0;
}

void daemon_count_reload(struct daemon *d, bool is_taken)
{
	atomic_fetch_add(is_taken ? &d->gather.reloads_total : &d->gather.reload_errors_total, 1);
}

int daemon_scheduler_fd(const struct daemon *d)
{
	return scheduler_fd(&d->scheduler);
}

uint64_t daemon_scheduler_due_ns(const struct daemon *d)
{
	return scheduler_due_ns(&d->scheduler);
}

int daemon_scheduler_event(struct daemon *d, struct error *err)
{
	int r;

	keep_memory();
	r = scheduler_on_event(&d->scheduler, err); /* may load it again */
	return_memory();
	return r;
}

static bool is_scheduling(const struct daemon *d)
{
	return scheduler_fd(&d->scheduler) >= 0;
}

void daemon_mode(const struct daemon *d, char *text, size_t size)
{
	snprintf(text, size, "%s%s", is_scheduling(d) ? "scheduling: " : "",
		 scheduler_detail(&d->scheduler));
}

struct snapshot_store *daemon_store(struct daemon *d)
{
	return d->store;
}

static const char *const source_words[] = {
	[CONFIG_SOURCE_NETLINK] = "the proc connector",
	[CONFIG_SOURCE_BPF] = "BPF records",
	[CONFIG_SOURCE_SCAN] = "a periodic scan of /proc",
	[CONFIG_SOURCE_NONE] = "nowhere but the kernel side",
};

void daemon_describe(const struct daemon *d, char *text, size_t size)
{
	snprintf(text, size, "%s, process events from %s, statistics on %s/stats",
		 is_scheduling(d) ? "scheduling" : "observing",
		 source_words[detect_source(d->detect)], d->config.runtime_dir);
}

static void print_features(FILE *out, const struct feature *features, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		fprintf(out, "  %-3s  %-20s %s\n", features[i].is_available ? "yes" : "no",
			features[i].name, features[i].detail);
}

/* Loads the scheduler, and does not attach it. */
static void check_scheduler(const struct daemon *d, const struct sched_options *options, FILE *out)
{
	struct sched *sched;
	struct error err;

	if (sched_new(d->loader, options, &sched, &err)) {
		fprintf(out, "scx_gamerd can observe here, but not schedule: %s.\n", err.text);
		return;
	}
	fputs("scx_gamerd can schedule here.\n", out);
	sched_free(sched);
}

/* Starts the parts that watch processes, without the rest. */
static int check_detection(struct daemon *d, FILE *out)
{
	struct feature features[FEATURE_MAX];
	struct error err;
	unsigned int count;
	int r;

	r = start_queue(d, &err);
	if (!r)
		r = new_detect(d, &err);
	if (!r)
		r = detect_start(d->detect, &err);
	if (r) {
		fprintf(out, "  no   %-20s %s\n", "process_events", err.text);
		return r;
	}
	count = detect_features(d->detect, features, FEATURE_MAX);
	print_features(out, features, count);
	return 0;
}

int daemon_check(const struct config *config, FILE *out)
{
	struct sched_options options = {.slice_us = OPTIONS_SLICE_US,
					.timeout_ms = config->timeout_ms};
	struct feature features[FEATURE_MAX];
	struct daemon *d;
	struct error err;
	unsigned int count;
	int r;

	r = daemon_load(config, &options, false, &d, &err);
	if (r) {
		fprintf(out, "scx_gamerd can't run here: %s\n", err.text);
		count = loader_probe(features, FEATURE_MAX);
		print_features(out, features, count);
		return 1;
	}
	r = give_up(d, &err);
	if (r) {
		fprintf(out, "scx_gamerd can't run here: %s\n", err.text);
		daemon_stop(d);
		return 1;
	}
	check_scheduler(d, &options, out);
	print_features(out, d->own, GATHER_OWN);
	count = topology_probe(features, FEATURE_MAX);
	print_features(out, features, count);
	count = loader_features(d->loader, features, FEATURE_MAX);
	print_features(out, features, count);
	r = check_detection(d, out);
	daemon_stop(d);
	return r ? 1 : 0;
}
