/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Metrics: the plain data of one snapshot, and the one table that names every value in it.
 *
 * Plain data: no pointers to anything that can change. All *_total count since the daemon started.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/feature.h"
#include "model/kernel_event.h"
#include "model/server.h"
#include "base/thread.h"
#include "bpf/abi/counters.h"

#define METRICS_LONG_WAITS 16
#define METRICS_OPS_MAX 128

struct metrics_long_wait {
	uint64_t time_ns;
	uint64_t wait_ns;
	uint32_t pid, tgid, cpu, holder_pid;
	uint8_t class, reason, is_rt, holder_is_rt;
	char comm[COMM_LEN];
	char holder_comm[COMM_LEN];
};

struct metrics {
	uint64_t sequence;     /* set by snapshot_publish() */
	uint64_t published_ns; /* set by snapshot_publish(): when it was begun */
	uint64_t started_ns;
	bool is_sched;	 /* mode */
	char source[16]; /* "netlink", "bpf", "scan" or "none" */

	unsigned int server_count;
	struct server servers[SERVERS_MAX];

	uint64_t registered_total, unregistered_total, rejected_total;
	uint64_t received_total, proc_wakeups_total, overruns_total, lost_total, silences_total,
		resyncs_total, scans_total, gone_total;
	uint64_t registry_generation;

	struct cpu_slot counters; /* sum over all CPUs */

	uint32_t roles_entries, roles_generation;
	uint64_t consumed_total, aggregated_total, queued;

	unsigned int long_wait_count; /* newest first */
	struct metrics_long_wait long_waits[METRICS_LONG_WAITS];
	uint64_t long_waits_total;

	bool sched_enabled;
	uint64_t sched_stalls_total;
	uint64_t oldest_runnable_ns[CLASS_COUNT];
	char sched_ops[METRICS_OPS_MAX];
	unsigned int kernel_event_count;
	struct kernel_event kernel_events[KERNEL_EVENT_MAX];

	uint64_t http_requests_total, http_rejected_total;
	uint64_t bodies_rendered_total, bodies_shared_total;
	uint64_t ctl_requests_total, ctl_clients;

	uint64_t reloads_total, reload_errors_total;
	uint64_t cpu_ns_total, rss_bytes;
	uint64_t snapshots_live, snapshots_published_total, snapshots_deferred_total;
	unsigned int thread_count;
	struct thread_usage threads[THREAD_MAX + 1];

	unsigned int feature_count;
	struct feature features[FEATURE_MAX];
};

/* Wait-time figures of a histogram; quantile(q) is the midpoint of the bucket that holds it, capped
 * by the maximum. Source: rank = ceil(q * count), first bucket whose running sum reaches it. */
uint64_t metrics_hist_count(const struct wait_hist *h);
uint64_t metrics_hist_quantile(const struct wait_hist *h, double q);

/* The table. */
enum metric_type { METRIC_COUNTER, METRIC_GAUGE };
enum metric_unit { UNIT_NONE, UNIT_NS, UNIT_BYTES };
enum metric_scope { SCOPE_GLOBAL, SCOPE_CLASS, SCOPE_THREAD, SCOPE_EVENT };

struct metric {
	/* In JSON, '.' between levels: "proc_events.received_total"; for a class, a thread or a
	 * kernel event what follows metrics_scope_prefix() */
	const char *path;
	/* Without the prefix "scx_gamerd_": "proc_events_received_total"; NULL: not exported */
	const char *prometheus;
	enum metric_scope scope;
	enum metric_type type;
	enum metric_unit unit;
	size_t offset;	/* of the word in metrics, class_counters, thread_usage or kernel_event */
	uint8_t size;	/* of that word: 8, 4, or 1 for a bool; 0 if derived */
	bool is_signed; /* a gauge that may pass below zero for a moment: read as 0 then */
	uint64_t (*derive)(const struct metrics *m, unsigned int index); /* instead of a word */
	const char *help;						 /* one sentence */
};

extern const struct metric metrics_table[];
extern const unsigned int metrics_table_count;

/* The value of a metric; `index` is the class, thread or event, ignored for SCOPE_GLOBAL. */
uint64_t metrics_value(const struct metrics *m, const struct metric *metric, unsigned int index);

/* "classes.<class>." and the like, for people; "" for SCOPE_GLOBAL. */
const char *metrics_scope_prefix(enum metric_scope scope);

bool metrics_is_audio_role(unsigned int role); /* listed in audio.servers */

/* docs/metrics.md, from the table; --help-stats. */
void metrics_write_markdown(FILE *out);
void metrics_write_help(FILE *out);

#endif
