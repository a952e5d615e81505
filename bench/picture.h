/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Picture: metrics as a machine with sound has them, for the benches that publish, read or render.
 *
 * Two words far apart bear the same stamp, so that a reader who sees half of one picture and half
 * of another finds out.
 */
#ifndef BENCH_PICTURE_H
#define BENCH_PICTURE_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "metrics/metrics.h"

static inline void picture_stamp(struct metrics *m, uint64_t stamp)
{
	m->started_ns = stamp;
	m->rss_bytes = stamp;
}

/* Is it whole? Gives its stamp. */
static inline bool picture_is_whole(const struct metrics *m, uint64_t *stamp)
{
	*stamp = m->started_ns;
	return m->rss_bytes == *stamp;
}

static inline void picture_fill_lists(struct metrics *m)
{
	static const char *const names[] = {"main", "ring", "detect", "aggregate", "ctl", "http"};
	unsigned int i;

	for (i = 0; i < 8; i++) {
		struct server *s = &m->servers[i];

		s->pid = 1000 + (int)i;
		s->role = ROLE_AUDIO_SERVER;
		s->source = SOURCE_BPF;
		s->threads = 3;
		s->detect_latency_ns = 150000 + i;
		snprintf(s->comm, sizeof(s->comm), "pipewire");
		snprintf(s->exe, sizeof(s->exe), "/usr/bin/pipewire");
	}
	m->server_count = 8;
	for (i = 0; i < METRICS_LONG_WAITS; i++) {
		m->long_waits[i] = (struct metrics_long_wait){.wait_ns = 6000000 + i, .pid = i};
		snprintf(m->long_waits[i].comm, COMM_LEN, "data-loop.0");
		snprintf(m->long_waits[i].holder_comm, COMM_LEN, "cc1plus");
	}
	m->long_wait_count = METRICS_LONG_WAITS;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(m->threads[i].name, THREAD_NAME_MAX, "%s", names[i]);
		m->threads[i].cpu_ns = 123456789ull * (i + 1);
		m->threads[i].is_sleeping = true;
	}
	m->thread_count = sizeof(names) / sizeof(names[0]);
}

static inline void picture_fill(struct metrics *m, uint64_t stamp)
{
	unsigned int class, bucket;

	snprintf(m->source, sizeof(m->source), "netlink");
	for (class = 0; class < CLASS_COUNT; class ++) {
		struct class_counters *c = &m->counters.classes[class];

		c->threads = class + 1;
		c->wakeups = 1000003ull * (class + 1);
		c->runtime_ns = 1234567890123ull * (class + 1);
		for (bucket = HIST_BUCKETS / 8; bucket < HIST_BUCKETS / 2; bucket++)
			c->wait.buckets[bucket] = 1 + bucket * 37 % 1009;
		c->wait.sum_ns = 987654321ull;
		c->wait.max_ns = 43000000;
	}
	picture_fill_lists(m);
	picture_stamp(m, stamp);
}

#endif
