/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internal: what the files of this room share. No other room includes it.
 *
 *   loader.c    life-cycle
 *   programs.c  open and load, program by program where the kernel refuses one; attach
 *   layout.c    what the running kernel's BTF says
 *   messages.c  libbpf's own words
 *   ring.c      the ring thread
 *   counters.c  the mapped counters
 *   roles.c     tgid_roles
 *   sched.c     the scheduler; sched_events.c: what the kernel counts of it
 *   topology.c  the machine's CPUs; topology_text.c: the same in words; sysfs.c: the small files
 */
#ifndef LOADER_INTERNAL_H
#define LOADER_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"
#include "loader/loader.h"

struct bpf_object;
struct btf;
struct btf_type;
struct bpf_program;
struct ring_buffer;
struct trace_bpf;
struct input_bpf;

struct counters {
	const struct cpu_slot *slots; /* mapped, one for each possible CPU */
	unsigned int cpu_count;
	size_t bytes;
};

struct ring {
	struct thread thread;
	struct ring_buffer *buffer;
	struct evq_producer *producer;
	struct evq_batch *batch; /* being filled; NULL: must be got first */
	unsigned int round;	 /* records of this round */
	int fetch_fd;		 /* eventfd: ring_fetch() was called */
	_Atomic uint64_t consumed_total;
	_Atomic(const struct loader_proc_sink *) sink;
	_Atomic(const struct loader_silence_sink *) silence_sink;
	const struct counters *counters;
	uint64_t dropped_seen;	      /* ring_dropped when it was last looked at */
	uint64_t dropped_told;	      /* ring_dropped when the sink was last told of a loss */
	const uint64_t *consumer_pos; /* mapped; see ring_bytes_used() */
	const uint64_t *producer_pos;
};

/* What is asked of the kernel's BTF, all at once: to parse it takes longer than what is asked. */
struct layout {
	int64_t preempt_count_from_rq; /* distance from a CPU's run queue; 0: unknown, or arm64 */
	uint32_t preempt_in_interrupt; /* bits of that count */
	int reenqueue_args; /* of scx_bpf_reenqueue_local___v2; -1: there is no such function */
};

struct loader {
	struct layout layout;
	struct trace_bpf *trace;
	struct input_bpf *input; /* NULL: not on this kernel */
	struct counters counters;
	struct ring ring;
	struct feature features[FEATURE_MAX];
	unsigned int feature_count;
};

/* messages.c: keeps libbpf's lines off stderr below debug. */
void messages_init(void);
void messages_clear(void);
/* The first complaint since messages_clear(), else the name of the error; on the caller's stack. */
void messages_first(int error, char *out, size_t size);
/* What the verifier said last of the first program that it refused; "" if it refused none. */
void messages_verdict(char *out, size_t size);
/* The same of one log, which is cut to pieces. */
void messages_verdict_find(char *log, char *out, size_t size);

/* layout.c */
bool layout_has_btf(void);
void layout_read(struct layout *out);
/* How many of sched_ext's functions no BPF program can call, for a fault of the kernel's BTF, and
 * the name of one of them. */
unsigned int layout_uncallable(char *name, size_t size);
unsigned int layout_uncallable_in(const struct btf *btf, char *name, size_t size);
/* Byte offset of a member of a struct, also of an unnamed one inside it; -1 if it has none. */
int64_t layout_member_offset(const struct btf *btf, const struct btf_type *type, const char *name);

/* programs.c */
int programs_load(struct loader *l, const struct config *config, struct error *err);
void programs_reload(struct loader *l, const struct config *config);
int programs_attach(struct loader *l, struct error *err);
void programs_detach(struct loader *l);
void programs_unload(struct loader *l);
/* Adds a feature, or changes the one of that name. */
__attribute__((format(printf, 4, 5))) void
programs_feature(struct loader *l, const char *name, bool is_available, const char *fmt, ...);

/* ring.c */
int ring_init(struct ring *ring, int map_fd, const struct counters *counters);
void ring_fini(struct ring *ring);
int ring_start(struct ring *ring, struct evq_producer *producer);
void ring_stop(struct ring *ring);
uint64_t ring_bytes_used(const struct ring *ring);
/* Has the thread read what is in the ring; nothing if it is empty. Any thread. */
void ring_fetch(struct ring *ring);

/* counters.c */
int counters_init(struct counters *counters, int map_fd, unsigned int cpu_count);
void counters_fini(struct counters *counters);
void counters_sum(const struct counters *counters, struct cpu_slot *sum);
uint64_t counters_ring_dropped(const struct counters *counters);

/* roles.c: makes the map of names the list of *config. */
int roles_set_names(struct loader *l, const struct config *config);

#endif
