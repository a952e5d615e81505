/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched watch: user space's end of the early warning (bpf/lib/sched_watch.h). Of this room only.
 *
 * Owner:    a struct sched embeds it; zeroed is ready.
 * Threads:  main only, but for sched_watch_ages().
 * Blocking: never.
 */
#ifndef LOADER_SCHED_WATCH_H
#define LOADER_SCHED_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/sched.h"
#include "bpf/abi/sched_pause.h"

struct bpf_object;
struct ring_buffer;

struct sched_watcher {
	struct ring_buffer *signals;
	struct sched_stall stall; /* the latest; age_ns 0: none since it was last taken */
	bool has_cpus_changed;	  /* since it was last taken */
	bool are_groups_full;	  /* likewise */
	int ages_fd, pause_fd;
	uint64_t period_ns, timeout_ns;
	char missing[80]; /* why there is no early warning; "" if there is */
};

/* Before the object is loaded. */
void sched_watch_configure(struct sched_watcher *w, struct sched_settings *settings,
			   uint32_t timeout_ms);
/* Once it is loaded. 0 or a negative errno. */
int sched_watch_open(struct sched_watcher *w, struct bpf_object *object);
/* Once it is attached; why it can't is kept in `missing`. */
void sched_watch_start(struct sched_watcher *w, struct bpf_object *object);
void sched_watch_close(struct sched_watcher *w); /* a zeroed one is fine */

int sched_watch_fd(const struct sched_watcher *w);
bool sched_watch_stall_take(struct sched_watcher *w, struct sched_stall *out);
bool sched_watch_cpus_changed_take(struct sched_watcher *w);
bool sched_watch_groups_full_take(struct sched_watcher *w);
void sched_watch_ages(const struct sched_watcher *w, struct sched_watch *out);

/* The length of the pause that an end of the scheduler now is due to; 0: to none. */
uint64_t sched_watch_pause_ns(const struct sched_watcher *w, uint64_t now_ns);

/* The same, of what the kernel side has noted. */
uint64_t sched_watch_pause_judge(const struct sched_watcher *w, const struct sched_pause *pause,
				 uint64_t now_ns);

#endif
