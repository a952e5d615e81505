/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loader: the BPF objects, from probe to detach, and the ring thread.
 *
 * Owner:    main. loader_new() opens and loads, loader_start() starts the ring thread,
 *           loader_attach() attaches; loader_free() undoes whatever was done.
 * Threads:  life-cycle from main; the readers and loader_role_*() from any thread.
 * Blocking: new and attach take tens of ms (verifier); role calls are one system call each;
 *           loader_read_counters() reads mapped memory only.
 * Limits:   config->roles_max entries in tgid_roles, config->ring_bytes of ring.
 *
 * A program the kernel refuses is left out and said so in the features; only the measuring
 * programs on sched_waking and sched_switch, and BTF, are indispensable.
 */
#ifndef LOADER_LOADER_H
#define LOADER_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "base/errors.h"
#include "base/evq.h"
#include "base/feature.h"
#include "bpf/abi/counters.h"
#include "bpf/abi/events.h"
#include "bpf/abi/roles.h"

struct loader;

/* Where the ring thread hands process events to when the proc connector can't be had. */
struct loader_proc_sink {
	void *ctx;
	void (*offer)(void *ctx, const struct event *event); /* must not block */
	void (*lost)(void *ctx); /* the ring has refused events since the last call; likewise */
};

/* Whom the ring thread tells that the proc connector has fallen silent. */
struct loader_silence_sink {
	void *ctx;
	void (*silent)(void *ctx); /* must not block */
};

/* What this kernel offers, without changing anything: at most `max` features, returns how many. */
unsigned int loader_probe(struct feature *out, unsigned int max);

/* Opens and loads every object. -EPERM, -ENOENT (no BTF), ... with one sentence. */
int loader_new(const struct config *config, struct loader **out, struct error *err);
void loader_free(struct loader *l); /* detaches, stops the ring thread; NULL is a no-op */

/* From now on the list of names, grant_at_exec, the limits of roles and long_wait_us are those of
 * *config. No name that was on the list and stays there is missing meanwhile. 0, or a negative
 * errno when the list could not be made. One thread at a time, any. */
int loader_reload(struct loader *l, const struct config *config);

/* Starts the thread `ring`: records go to `producer` (kind EVQ_KIND_EVENTS) in batches. */
int loader_start(struct loader *l, struct evq_producer *producer, struct error *err);
int loader_attach(struct loader *l, struct error *err);
void loader_stop(struct loader *l); /* detaches, then stops the ring thread */

/* From now on the kernel side makes records of exec, fork and exit, and they are also offered to
 * `sink`; returns false if this kernel took none of those three programs. Any thread; the sink must
 * outlive the ring thread. */
bool loader_offer_proc_events(struct loader *l, const struct loader_proc_sink *sink);

/* While they are paused the kernel side refuses those records, and counts them as dropped. Any
 * thread. */
void loader_pause_proc_events(struct loader *l, bool is_paused);

/* The proc connector, with the socket filter on it, is relied upon from now on: once, if the kernel
 * side sees processes execute programs and no message about any, `sink` is told, and must call this
 * again to hear of the next time. NULL ends that. Never, if this kernel refused
 * on_sched_process_exec. Any thread; the sink must outlive the ring thread. */
void loader_watch_connector(struct loader *l, const struct loader_silence_sink *sink);

/* Sum over all CPUs (max_ns: maximum). */
void loader_read_counters(const struct loader *l, struct cpu_slot *sum);
uint64_t loader_consumed_total(const struct loader *l); /* records the ring thread took */
uint64_t loader_ring_bytes_used(const struct loader *l);

/* Roles. Confirm and clear run the program roles_apply, so every write is BPF's. */
int loader_role_apply(struct loader *l, const struct role_request *request);
int loader_role_get(struct loader *l, uint32_t tgid, struct role_entry *out); /* -ENOENT */
int loader_role_next(struct loader *l, const uint32_t *tgid,
		     uint32_t *next); /* -ENOENT at the end */
uint32_t loader_roles_generation(const struct loader *l);
uint32_t loader_roles_count(const struct loader *l);

/* The socket filter for the proc connector: a program fd, or -ENOTSUP. */
int loader_filter_fd(const struct loader *l);
/* While tgid != 0 the filter also passes fork of that process and comm and exit of its children. */
void loader_filter_selftest(struct loader *l, uint32_t tgid);

/* Long-wait records wake the ring thread (at most ten times a second) until this time only. Those
 * that lie in the ring without having woken it, it reads now. Any thread; never blocks. */
void loader_set_readers_until(struct loader *l, uint64_t until_ns);

/* What was loaded and what was left out, and why. */
unsigned int loader_features(const struct loader *l, struct feature *out, unsigned int max);

#endif
