/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/loader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <bpf/libbpf.h>

#include "loader/internal.h"
#include "trace.skel.h"

/* The daemon's: about a hundred when it schedules, most of them maps and programs, and some for
 * those who read. */
#define DESCRIPTORS_MIN 128

unsigned int loader_probe(struct feature *out, unsigned int max)
{
	struct config *config = malloc(sizeof(*config));
	struct error err = {0};
	struct loader *l = NULL;
	unsigned int count = 0;

	if (!config || !max)
		goto out;
	config_init(config);
	if (!loader_new(config, &l, &err) && l) {
		count = loader_features(l, out, max);
		loader_free(l);
		goto out;
	}
	out[0] = (struct feature){.name = "bpf"};
	snprintf(out[0].detail, sizeof(out[0].detail), "%.*s", (int)sizeof(out[0].detail) - 1,
		 err.text);
	count = 1;
out:
	free(config);
	return count;
}

/* Before libbpf runs into the limit, which it tells of in many ways. */
static int descriptors_check(struct error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= DESCRIPTORS_MIN)
		return 0;
	return error_set(err, EMFILE,
			 "at most %lu files may be open (RLIMIT_NOFILE), and scx_gamerd needs %d",
			 (unsigned long)limit.rlim_cur, DESCRIPTORS_MIN);
}

int loader_new(const struct config *config, struct loader **out, struct error *err)
{
	struct loader *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return error_set(err, ENOMEM, "no memory for the loader");
	l->ring.fetch_fd = -1;
	messages_init();
	ret = descriptors_check(err);
	if (ret)
		goto fail;
	ret = programs_load(l, config, err);
	if (ret)
		goto fail;
	ret = roles_set_names(l, config);
	if (ret) {
		error_set(err, -ret, "cannot fill the BPF map of server names: %s",
			  error_name(ret));
		goto fail;
	}
	ret = counters_init(&l->counters, bpf_map__fd(l->trace->maps.slots),
			    bpf_map__max_entries(l->trace->maps.slots));
	if (ret) {
		error_set(err, -ret, "cannot map the BPF counters: %s", error_name(ret));
		goto fail;
	}
	ret = ring_init(&l->ring, bpf_map__fd(l->trace->maps.events), &l->counters);
	if (ret) {
		error_set(err, -ret, "cannot map the BPF ring buffer: %s", error_name(ret));
		goto fail;
	}
	*out = l;
	return 0;

fail:
	loader_free(l);
	return ret;
}

void loader_free(struct loader *l)
{
	if (!l)
		return;
	loader_stop(l);
	ring_fini(&l->ring);
	counters_fini(&l->counters);
	programs_unload(l);
	free(l);
}

int loader_reload(struct loader *l, const struct config *config)
{
	programs_reload(l, config);
	return roles_set_names(l, config);
}

int loader_start(struct loader *l, struct evq_producer *producer, struct error *err)
{
	int ret = ring_start(&l->ring, producer);

	if (ret)
		return error_set(err, -ret, "cannot start the ring thread: %s", error_name(ret));
	return 0;
}

int loader_attach(struct loader *l, struct error *err)
{
	return programs_attach(l, err);
}

void loader_stop(struct loader *l)
{
	programs_detach(l);
	ring_stop(&l->ring);
}

bool loader_offer_proc_events(struct loader *l, const struct loader_proc_sink *sink)
{
	const struct trace_bpf *trace = l->trace;

	atomic_store_explicit(&l->ring.sink, sink, memory_order_release);
	__atomic_store_n(&trace->bss->has_proc_reader, true, __ATOMIC_RELEASE);
	return bpf_program__fd(trace->progs.on_sched_process_exec) >= 0 ||
	       bpf_program__fd(trace->progs.on_sched_process_fork) >= 0 ||
	       bpf_program__fd(trace->progs.on_sched_process_exit) >= 0;
}

void loader_pause_proc_events(struct loader *l, bool is_paused)
{
	__atomic_store_n(&l->trace->bss->is_proc_reader_paused, is_paused, __ATOMIC_RELEASE);
}

void loader_watch_connector(struct loader *l, const struct loader_silence_sink *sink)
{
	struct trace_bpf *trace = l->trace;

	atomic_store_explicit(&l->ring.silence_sink, sink, memory_order_release);
	__atomic_store_n(&trace->bss->unheard_execs, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&trace->bss->is_connector_watched, sink ? 1 : 0, __ATOMIC_RELEASE);
}

void loader_read_counters(const struct loader *l, struct cpu_slot *sum)
{
	counters_sum(&l->counters, sum);
}

uint64_t loader_consumed_total(const struct loader *l)
{
	return atomic_load_explicit(&l->ring.consumed_total, memory_order_relaxed);
}

uint64_t loader_ring_bytes_used(const struct loader *l)
{
	return ring_bytes_used(&l->ring);
}

unsigned int loader_features(const struct loader *l, struct feature *out, unsigned int max)
{
	unsigned int count = l->feature_count < max ? l->feature_count : max;

	memcpy(out, l->features, count * sizeof(*out));
	return count;
}
