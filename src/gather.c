/* SPDX-License-Identifier: GPL-2.0-only */
#include "gather.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rcu.h"

void gather_init(struct gather *g, struct loader *loader, struct scheduler *scheduler,
		 const struct feature own[GATHER_OWN])
{
	*g = (struct gather){.started_ns = clock_now_ns(),
			     .own = own,
			     .loader = loader,
			     .scheduler = scheduler,
			     .statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)};
}

void gather_fini(struct gather *g)
{
	if (g->statm_fd >= 0)
		close(g->statm_fd);
	g->statm_fd = -1;
}

static uint64_t read_rss_bytes(int statm_fd)
{
	char text[128], *end;
	ssize_t n = pread(statm_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	strtoull(text, &end, 10); /* the whole size; resident is the second number */
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void collect_detect(const struct detect *d, struct metrics *m)
{
	struct detect_counters c;

	detect_read(d, &c);
	m->received_total = c.received_total;
	m->proc_wakeups_total = c.wakeups_total;
	m->overruns_total = c.overruns_total;
	m->lost_total = c.lost_total;
	m->silences_total = c.silences_total;
	m->resyncs_total = c.resyncs_total;
	m->scans_total = c.scans_total;
	m->gone_total = c.gone_total;
	m->registry_generation = c.generation;
	m->registered_total = c.registered_total;
	m->unregistered_total = c.unregistered_total;
	m->rejected_total = c.rejected_total;
	snprintf(m->source, sizeof(m->source), "%s", config_source_name(detect_source(d)));
	m->feature_count += detect_features(d, m->features + m->feature_count,
					    FEATURE_MAX - m->feature_count);
}

static void collect_loader(struct loader *loader, struct metrics *m)
{
	unsigned int i;

	loader_read_counters(loader, &m->counters);
	m->consumed_total = loader_consumed_total(loader);
	m->roles_entries = loader_roles_count(loader);
	m->roles_generation = loader_roles_generation(loader);
	m->feature_count = loader_features(loader, m->features, FEATURE_MAX);
	for (i = 0; i < m->server_count; i++) {
		struct role_entry entry;

		if (!loader_role_get(loader, (uint32_t)m->servers[i].pid, &entry))
			m->servers[i].threads = entry.threads;
	}
}

static void collect_http(struct gather *g, struct metrics *m)
{
	struct http_counters counters;

	rcu_reader_enter();
	http_counters(atomic_load(&g->http), &counters);
	RCU_RELEASE(&g->http);
	rcu_reader_exit();
	m->http_requests_total = counters.requests_total;
	m->http_rejected_total = counters.rejected_total;
}

void gather_forget_http(struct gather *g)
{
	atomic_store(&g->http, NULL);
	synchronize_rcu();
	RCU_ACQUIRE(&g->http);
}

static void collect_self(const struct gather *g, struct metrics *m)
{
	for (unsigned int i = 0; i < GATHER_OWN && m->feature_count < FEATURE_MAX; i++)
		m->features[m->feature_count++] = g->own[i];
	m->started_ns = g->started_ns;
	m->reloads_total = atomic_load(&g->reloads_total);
	m->reload_errors_total = atomic_load(&g->reload_errors_total);
	m->cpu_ns_total = clock_read(CLOCK_PROCESS_CPUTIME_ID);
	m->rss_bytes = read_rss_bytes(g->statm_fd);
	m->thread_count = thread_usage(m->threads, THREAD_MAX + 1);
}

void gather_collect(void *ctx, struct metrics *m)
{
	struct gather *g = ctx;
	struct detect *d = atomic_load(&g->detect);
	struct ctl *c = atomic_load(&g->ctl);
	collect_loader(g->loader, m);
	scheduler_read(g->scheduler, m);
	if (d)
		collect_detect(d, m);
	if (c) {
		struct ctl_counters counters;

		ctl_counters(c, &counters);
		m->ctl_requests_total = counters.requests_total;
		m->ctl_clients = counters.clients;
	}
	collect_http(g, m);
	collect_self(g, m);
}

void gather_readers_until(void *ctx, uint64_t until_ns)
{
	struct gather *g = ctx;

	loader_set_readers_until(g->loader, until_ns);
}
