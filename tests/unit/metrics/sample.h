/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A picture in which every field has a value of its own.
 */
#ifndef UNIT_METRICS_SAMPLE_H
#define UNIT_METRICS_SAMPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "metrics/render.h"
#include "unit/golden.h"

#define SAMPLE_STARTED_NS (1000 * NSEC_PER_SEC)
#define SAMPLE_PUBLISHED_NS (1100 * NSEC_PER_SEC + 5)
#define SAMPLE_NOW_NS (1100 * NSEC_PER_SEC + 250 * NSEC_PER_MSEC)

static inline void sample_wait(struct class_counters *class, uint64_t wait_ns, uint64_t times)
{
	class->wait.buckets[hist_bucket(wait_ns)] += times;
	class->wait.sum_ns += wait_ns * times;
	if (class->wait.max_ns < wait_ns)
		class->wait.max_ns = wait_ns;
}

static inline void sample_classes(struct metrics *m)
{
	unsigned int i;

	for (i = 0; i < CLASS_COUNT; i++) {
		struct class_counters *class = &m->counters.classes[i];

		class->threads = 10 + i;
		class->wakeups = 1000 + i;
		class->runtime_ns = 2000000000ull + i;
		class->rt_waits = 30 + i;
		sample_wait(class, 0, 1);
		sample_wait(class, 1023, 2);
		sample_wait(class, 1024, 4);
		sample_wait(class, 3000 * (i + 1), 900);
		sample_wait(class, 2 * NSEC_PER_MSEC, 90);
		sample_wait(class, 3 * NSEC_PER_SEC + i, 1);
	}
	m->counters.classes[CLASS_BACKGROUND].threads = -2; /* for a moment, between two words */
}

static inline void sample_counters(struct cpu_slot *c)
{
	c->roles_lookups = 101;
	c->roles_cached = 102;
	c->ring_attempted = 103;
	c->ring_submitted = 104;
	c->ring_dropped = 105;
	c->waits_unmeasured = 106;
	c->roles_granted = 107;
	c->roles_inherited = 108;
	c->roles_ended = 109;
	c->roles_rejected = 110;
	c->filter_seen = 111;
	c->filter_passed = 112;
	c->input_keyboard = 113;
	c->input_pointer = 114;
	c->input_other = 115;
	c->input_readers = 116;
}

static inline void sample_servers(struct metrics *m)
{
	m->servers[0] = (struct server){
		.pid = 321,
		.start_ticks = 77,
		.detect_latency_ns = 123456,
		.threads = 3,
		.role = ROLE_AUDIO_SERVER,
		.source = SOURCE_NETLINK,
		.comm = "pipewire",
		.exe = "/usr/bin/pipewire",
	};
	m->servers[1] = (struct server){
		.pid = 322,
		.threads = 1,
		.role = ROLE_AUDIO_SUPPORT,
		.source = SOURCE_SCAN,
		.comm = "rtkit\xff\"daemon", /* no UTF-8, and a quote */
	};
	m->servers[2] = (struct server){
		.pid = 323,
		.role = ROLE_GAME, /* not listed under audio */
		.source = SOURCE_BPF,
		.comm = "game",
	};
	m->server_count = 3;
}

static inline void sample_long_waits(struct metrics *m)
{
	m->long_waits[0] = (struct metrics_long_wait){
		.time_ns = SAMPLE_NOW_NS - 7000,
		.wait_ns = 6000000,
		.pid = 401,
		.tgid = 400,
		.cpu = 1,
		.holder_pid = 500,
		.class = CLASS_AUDIO_CLIENT,
		.reason = REASON_CLIENT,
		.is_rt = 1,
		.comm = "data-loop.0",
		.holder_comm = "sixteen-bytes-16", /* fills the array */
	};
	m->long_wait_count = 1;
	m->long_waits_total = 201;
}

static inline void sample_daemon(struct metrics *m)
{
	m->http_requests_total = 212;
	m->http_rejected_total = 213;
	m->bodies_rendered_total = 214;
	m->bodies_shared_total = 215;
	m->ctl_requests_total = 216;
	m->ctl_clients = 217;
	m->reloads_total = 223;
	m->reload_errors_total = 224;
	m->cpu_ns_total = 218;
	m->rss_bytes = 219;
	m->snapshots_live = 220;
	m->snapshots_published_total = 221;
	m->snapshots_deferred_total = 222;
	m->threads[0] = (struct thread_usage){
		.name = "main",
		.cpu_ns = 230,
		.wakeups_total = 231,
		.beats_total = 232,
		.last_beat_ns = SAMPLE_STARTED_NS,
		.is_sleeping = true,
	};
	m->threads[1] = (struct thread_usage){
		.name = "aggregate",
		.cpu_ns = 1500000001,
		.wakeups_total = 241,
		.beats_total = 242,
		.last_beat_ns = SAMPLE_PUBLISHED_NS - 1000,
	};
	m->thread_count = 2;
	m->features[0] = (struct feature){"btf", true, "types of the running kernel"};
	m->features[1] = (struct feature){"sched_ext", false, "kernel built without it: observing"};
	m->feature_count = 2;
}

static inline void sample_metrics(struct metrics *m)
{
	memset(m, 0, sizeof(*m));
	m->sequence = 42;
	m->published_ns = SAMPLE_PUBLISHED_NS;
	m->started_ns = SAMPLE_STARTED_NS;
	snprintf(m->source, sizeof(m->source), "netlink");
	m->registered_total = 301;
	m->unregistered_total = 302;
	m->rejected_total = 303;
	m->received_total = 304;
	m->proc_wakeups_total = 305;
	m->overruns_total = 306;
	m->lost_total = 307;
	m->silences_total = 323;
	m->resyncs_total = 308;
	m->scans_total = 309;
	m->gone_total = 310;
	m->registry_generation = 311;
	m->roles_entries = 312;
	m->roles_generation = 313;
	m->consumed_total = 314;
	m->aggregated_total = 315;
	m->queued = 316;
	m->sched_enabled = true;
	snprintf(m->sched_ops, sizeof(m->sched_ops), "other_sched");
	m->sched_stalls_total = 322;
	for (unsigned int i = 0; i < CLASS_COUNT; i++)
		m->oldest_runnable_ns[i] = 330 + i;
	m->kernel_events[0] = (struct kernel_event){"SCX_EV_SELECT_CPU_FALLBACK", 340};
	m->kernel_events[1] = (struct kernel_event){"SCX_EV_BYPASS_DURATION", 341};
	m->kernel_event_count = 2;
	m->counters.sched_direct = 317;
	m->counters.sched_urgent = 318;
	m->counters.sched_normal = 319;
	m->counters.sched_preempts = 320;
	m->counters.sched_over = 321;
	m->counters.sched_groupless = 322;
	sample_servers(m);
	sample_classes(m);
	sample_counters(&m->counters);
	sample_long_waits(m);
	sample_daemon(m);
}

/* The picture's JSON, read by a parser that is not ours. Also checks what holds for each text: its
 * length, its form, and that no name comes twice. */
static inline json_t *sample_json(const struct metrics *m, uint64_t now_ns, bool is_pretty)
{
	json_t *root;
	char *text;
	size_t length;

	assert_int_equal(render_json(m, now_ns, is_pretty, &text, &length), 0);
	assert_int_equal(length, strlen(text));
	assert_int_equal(is_pretty, strchr(text, '\n') != NULL);
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	free(text);
	return root;
}

#endif
