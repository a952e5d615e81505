/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched preempt: when a normal thread that wakes takes the CPU from the normal thread that runs.
 *
 * The one whose virtual deadline comes first runs. The deadline of the running thread moves on as
 * it runs, so there is a moment from which the woken one is before it; but it runs for min_ns at
 * least. That moment may be now (the thread goes to the head of the CPU), or lie between two ticks
 * of the kernel: then a timer of the CPU ends the slice. It is armed for the earliest such moment.
 *
 *   nice 0 hog, running for 0.3 ms          |==========|........
 *   nice 0 wakes, one slice behind its share    ^ waits for min_ns (0.7 ms) to be over
 *   the same, hog has run for 0.9 ms                       ^ takes the CPU at once
 *   anybody, beside SCHED_IDLE                  ^ takes the CPU at once
 */
#ifndef BPF_LIB_SCHED_PREEMPT_H
#define BPF_LIB_SCHED_PREEMPT_H

#include "bpf/lib/sched_account.h"

/* Where more threads wait than this, slices are as short as min_ns: the last of them would wait for
 * longer than the kernel's watchdog does. */
#define CROWD_THREADS 200

struct slice_timer {
	struct bpf_timer timer;
};

/* One for each possible CPU; the loader sets max_entries. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slice_timer);
} slice_timers SEC(".maps");

static __noinline int slice_timer_start(__s32 index, struct sched_cpu *cpu, __u64 wait_ns,
					__u32 due)
{
	__u32 key = (__u32)index;
	struct slice_timer *t = bpf_map_lookup_elem(&slice_timers, &key);

	if (t && cpu && here_is_online() && !bpf_timer_start(&t->timer, wait_ns, 0))
		cpu->slice_due = due;
	return 0;
}

/* Starts it, which is seldom to be done: wake-ups by the hundred share one. A slice is far shorter
 * than what the lower half of the clock can tell apart. */
static __always_inline void slice_timer_arm(__s32 index, struct sched_cpu *cpu, __u64 now,
					    __u64 due_ns)
{
	__u32 due = cpu->slice_due;

	if (!due || (__s32)(due - (__u32)due_ns) > 0 || (__s32)(due - (__u32)now) <= 0)
		slice_timer_start(index, cpu, due_ns - now, (__u32)due_ns);
}

static int slice_timer_fire(void *map, __u32 *key, struct slice_timer *t)
{
	struct sched_cpu *cpu = sched_cpu_get((__s32)*key);
	__u64 now = scx_now(), due_ns;

	if (!cpu)
		return 0;
	cpu->slice_due = 0;
	if (cpu->rank != RANK_NORMAL || (!cpu->queued && !cpu->is_limited))
		return 0;
	due_ns = cpu->started_ns + (cpu->is_limited ? LIMIT_RUN_NS : cfg_sched.min_ns);
	if ((__s64)(due_ns - now) <= 0) {
		/* gamer_dispatch() compares it with the first of the queue. */
		cpu_kick((__s32)*key, SCX_VALUE(scx_kick_flags, SCX_KICK_PREEMPT));
		return 0;
	}
	cpu->slice_due = (__u32)due_ns;
	bpf_timer_start(&t->timer, due_ns - now, 0);
	return 0;
}

static int slice_timer_init(__u32 index, __s32 *error)
{
	struct slice_timer *t = bpf_map_lookup_elem(&slice_timers, &index);

	if (!t)
		return 1;
	*error = bpf_timer_init(&t->timer, &slice_timers, TIMER_CLOCK);
	if (!*error || *error == -EBUSY)
		*error = bpf_timer_set_callback(&t->timer, slice_timer_fire);
	return *error != 0;
}

/* When, counted from the moment at which the running thread began, is `st` before it? */
static __always_inline __u64 due_after_ns(const struct sched_cpu *cpu, const struct sched_task *st)
{
	__s64 lead = (__s64)(task_deadline(st) -
			     (cpu->vtime + weighted_ns(cfg_sched.min_ns, cpu->weight)));
	__u64 after;

	if (lead <= 0)
		return cfg_sched.min_ns;
	after = cpu->weight == WEIGHT_NICE_0 ? (__u64)lead
					     : (__u64)lead * (cpu->weight >> WEIGHT_SHIFT) >> 10;
	return after > cfg_sched.min_ns ? after : cfg_sched.min_ns;
}

/* A woken normal thread takes its CPU from the normal thread there; false: it has to wait. */
static __always_inline bool normal_preempts(const struct sched_task *st, __s32 own,
					    struct sched_cpu *cpu)
{
	__u64 now, ran, after;

	if (cpu->rank != RANK_NORMAL || st->is_batch)
		return false;
	now = scx_now();
	if (!cpu->is_idle_class || st->is_idle) {
		after = due_after_ns(cpu, st);
		ran = now - cpu->started_ns;
		if ((__s64)ran < 0)
			ran = 0;
		if (ran < after) {
			if (after < cfg_sched.slice_ns)
				slice_timer_arm(own, cpu, now, cpu->started_ns + after);
			return false;
		}
	}
	/* An urgent thread has been promised the CPU, and is next here: whoever preempts goes
	 * before it. This one has its turn after that. */
	if (cpu->claimed != RANK_NONE) {
		cpu->is_passed = 1;
		return false;
	}
	/* From here on it is compared with what wakes: as if it ran already. */
	cpu->started_ns = now;
	cpu->vtime = st->vtime;
	cpu->weight = st->weight;
	cpu->is_idle_class = st->is_idle;
	return true;
}

/* A thread of a group with cpu.max begins to run: its slice ends with what is left of the quota. */
static __noinline int limit_arm(__s32 index, struct sched_cpu *cpu, struct sched_task *st)
{
	__u64 now = scx_now();
	__s64 left;

	if (!cpu || !st)
		return 0;
	left = limit_left_ns(st, now);
	if (left < (__s64)LIMIT_RUN_NS)
		left = LIMIT_RUN_NS;
	if (left < (__s64)cfg_sched.slice_ns)
		slice_timer_arm(index, cpu, now, now + (__u64)left);
	return 0;
}

/* A normal thread begins to run. */
static __always_inline void crowd_check(__s32 index, struct sched_cpu *cpu)
{
	if (cpu->queued > CROWD_THREADS)
		slice_timer_arm(index, cpu, cpu->started_ns, cpu->started_ns + cfg_sched.min_ns);
}

#endif
