/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched: one attachment of the scheduler, from open to detach.
 *
 * Owner:    main. The loader must be attached first (its verdicts are what the scheduler goes by)
 *           and outlive this.
 * Threads:  main only; the fd may be polled by anyone.
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

struct sched_options {
	uint32_t slice_us;
	uint32_t exit_dump_len; /* bytes of the kernel's debug dump; 0: the kernel's default */
};

/* Opens and loads. -ENOTSUP: this kernel or libbpf can't; -EBUSY: another scheduler is attached;
 * else why it was refused; with one sentence. */
int sched_new(const struct loader *l, const struct sched_options *options, struct sched **out,
	      struct error *err);
int sched_attach(struct sched *s, struct error *err);
void sched_free(struct sched *s); /* detaches first; NULL is a no-op */

/* Readable from when the kernel has ended the scheduler. */
int sched_exit_fd(const struct sched *s);

/* Why it did; kind 0: it has not. `dump` is the debug dump, "" if there is none, the scheduler's
 * own until sched_free(). */
void sched_exit_read(struct sched *s, struct sched_exit_record *out, const char **dump);

const char *sched_name(const struct sched *s);

/* This kernel has sched_ext. */
bool sched_exists(void);

/* The name of the scheduler attached now, whosever it is; false if none is. */
bool sched_active(char *name, size_t size);

#endif
