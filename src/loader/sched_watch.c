/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/sched_watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/errors.h"
#include "loader/sched.h"

/* How often the early warning looks. */
#define PERIOD_MIN_NS (100 * NSEC_PER_MSEC)
#define PERIOD_MAX_NS NSEC_PER_SEC
#define PERIODS 16

void sched_watch_configure(struct sched_watcher *w, struct sched_settings *settings,
			   uint32_t timeout_ms)
{
	w->timeout_ns = timeout_ms * NSEC_PER_MSEC;
	w->period_ns = w->timeout_ns / PERIODS;
	if (w->period_ns < PERIOD_MIN_NS)
		w->period_ns = PERIOD_MIN_NS;
	if (w->period_ns > PERIOD_MAX_NS)
		w->period_ns = PERIOD_MAX_NS;
	settings->watch_period_ns = w->period_ns;
	settings->watch_warn_ns = w->timeout_ns * SCHED_WARN_PERCENT / 100;
	settings->watch_end_ns = w->timeout_ns * SCHED_END_PERCENT / 100;
}

static int signal_take(void *ctx, void *data, size_t size)
{
	struct sched_watcher *w = ctx;
	uint32_t signal;

	if (size < sizeof(signal))
		return 0;
	memcpy(&signal, data, sizeof(signal));
	switch ((enum sched_signal)signal) {
	case SCHED_SIGNAL_END: /* has a record of its own */
		break;
	case SCHED_SIGNAL_CPUS_CHANGED:
		w->has_cpus_changed = true;
		break;
	case SCHED_SIGNAL_GROUPS_FULL:
		w->are_groups_full = true;
		break;
	case SCHED_SIGNAL_STALL:
		if (size >= sizeof(w->stall))
			memcpy(&w->stall, data, sizeof(w->stall));
		break;
	}
	return 0;
}

static int map_fd(const struct bpf_object *object, const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(object, name));
}

int sched_watch_open(struct sched_watcher *w, struct bpf_object *object)
{
	w->ages_fd = map_fd(object, "sched_watches");
	w->pause_fd = map_fd(object, "sched_pauses");
	w->signals = ring_buffer__new(map_fd(object, "sched_signal"), signal_take, w, NULL);
	return w->signals ? 0 : -errno;
}

void sched_watch_start(struct sched_watcher *w, struct bpf_object *object)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, "watch_start");
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int ret;

	if (w->missing[0])
		return;
	ret = bpf_prog_test_run_opts(bpf_program__fd(program), &opts) ? -errno : (int)opts.retval;
	if (ret)
		snprintf(w->missing, sizeof(w->missing), "%s", error_name(ret));
}

void sched_watch_close(struct sched_watcher *w)
{
	ring_buffer__free(w->signals);
	w->signals = NULL;
}

int sched_watch_fd(const struct sched_watcher *w)
{
	return ring_buffer__epoll_fd(w->signals);
}

bool sched_watch_stall_take(struct sched_watcher *w, struct sched_stall *out)
{
	ring_buffer__consume(w->signals);
	*out = w->stall;
	w->stall.age_ns = 0;
	return out->age_ns;
}

bool sched_watch_cpus_changed_take(struct sched_watcher *w)
{
	bool has_changed = w->has_cpus_changed;

	w->has_cpus_changed = false;
	return has_changed;
}

bool sched_watch_groups_full_take(struct sched_watcher *w)
{
	bool are_full = w->are_groups_full;

	w->are_groups_full = false;
	return are_full;
}

void sched_watch_ages(const struct sched_watcher *w, struct sched_watch *out)
{
	uint32_t zero = 0;

	memset(out, 0, sizeof(*out));
	bpf_map_lookup_elem(w->ages_fd, &zero, out);
}

/*
 * Who has waited for the timeout when the pause is not yet that long ago has waited in the pause,
 * too. Else the kernel was faster than the check that would have noted the pause: then that check
 * is overdue.
 */
uint64_t sched_watch_pause_judge(const struct sched_watcher *w, const struct sched_pause *pause,
				 uint64_t now_ns)
{
	uint64_t since_ns = now_ns - pause->checked_ns;
	uint64_t late_ns = w->period_ns + w->timeout_ns * SCHED_WARN_PERCENT / 200;

	if (!pause->checked_ns)
		return 0;
	if (pause->resumed_ns && now_ns - pause->resumed_ns <= w->timeout_ns)
		return pause->length_ns;
	return !pause->is_over && since_ns > late_ns ? since_ns - w->period_ns : 0;
}

uint64_t sched_watch_pause_ns(const struct sched_watcher *w, uint64_t now_ns)
{
	struct sched_pause pause = {0};
	uint32_t zero = 0;

	bpf_map_lookup_elem(w->pause_fd, &zero, &pause);
	return sched_watch_pause_judge(w, &pause, now_ns);
}
