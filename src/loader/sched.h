/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched: one attachment of the scheduler, from open to detach.
 *
 * Owner:    main. The loader must be attached first (its verdicts are what the scheduler goes by)
 *           and outlive this.
 * Threads:  main only, but for sched_watch_read(); the fd may be polled by anyone.
 * Blocking: new takes the verifier's time (hundreds of ms), attach and free until the kernel has
 *           moved every thread to or from the scheduler.
 * Limits:   SCHED_LLC_MAX last-level caches with queues of their own; more share.
 *
 * The kernel ends the scheduler with the process: the attachment is a BPF link.
 */
#ifndef LOADER_SCHED_H
#define LOADER_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "bpf/abi/sched.h"
#include "loader/loader.h"

struct sched;

/* Fractions of sched_options.timeout_ms. A thread that has been runnable for WARN_PERCENT of it is
 * reported; at END_PERCENT the scheduler ends itself. */
#define SCHED_WARN_PERCENT 25
#define SCHED_END_PERCENT 60

struct sched_options {
	uint32_t slice_us;
	uint32_t exit_dump_len; /* bytes of the kernel's debug dump; 0: the kernel's default */
	uint32_t timeout_ms;	/* the kernel detaches a scheduler if a thread waits so long */
};

/* Opens and loads. -ENOTSUP: this kernel or libbpf can't; -EBUSY: another scheduler is attached;
 * else why it was refused; with one sentence. */
int sched_new(const struct loader *l, const struct sched_options *options, struct sched **out,
	      struct error *err);
int sched_attach(struct sched *s, struct error *err);
void sched_free(struct sched *s); /* detaches first; NULL is a no-op */

/* Readable when there is a stall to be taken, when CPUs have come or gone, and when the kernel has
 * ended the scheduler: then call the next four, in this order. */
int sched_fd(const struct sched *s);

/* The latest warning, if there is one since the last call: a thread that has waited for a quarter
 * of the timeout, or so long that the scheduler has ended itself (is_end). */
bool sched_stall_take(struct sched *s, struct sched_stall *out);

/* Have there been, since the last call and for the first time, more cgroups and sessions than
 * SCHED_GROUP_MAX has places for? */
bool sched_groups_full_take(struct sched *s);

/* Has a CPU come on line since the last call of which sysfs had nothing to say when the scheduler
 * was loaded, so that it counts to the wrong cache? A scheduler that is loaded anew has it right.
 */
bool sched_topology_changed(struct sched *s);

/* Why it did; kind 0: it has not. `dump` is the debug dump, "" if there is none, the scheduler's
 * own until sched_free(). */
void sched_exit_read(struct sched *s, struct sched_exit_record *out, const char **dump);

/* Did the whole machine stand still a moment ago, as a virtual machine does while its host is
 * suspended? Then the kernel may have taken that for a stall. The length in ns, or 0. */
uint64_t sched_pause_ns(const struct sched *s);

const char *sched_name(const struct sched *s);

/* Once attached: why there is no early warning on this kernel; NULL if there is. */
const char *sched_watch_missing(const struct sched *s);

/* Any thread, while the scheduler exists: what the early warning saw last. */
void sched_watch_read(const struct sched *s, struct sched_watch *out);

/* This kernel has sched_ext. */
bool sched_exists(void);

/* The name of the scheduler attached now, whosever it is; false if none is. */
bool sched_active(char *name, size_t size);

#endif
