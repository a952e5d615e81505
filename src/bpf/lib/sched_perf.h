/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched perf: how fast a CPU should run, from how busy it was, as pure functions; in BPF also the
 * calls that ask the kernel for it.
 *
 * The unit is the kernel's: 1024 (PERF_ONE) is the strongest CPU of the machine at its highest
 * frequency. A CPU of capacity 600 that was busy for half of a period, at two thirds of its highest
 * frequency, did the work of 0.5 * 600 * 0.67 = 200, and that is what it is asked to be able to.
 * The governor (schedutil; no other one listens) adds the kernel's headroom of 25 % to it, so that
 * it runs at 250, and is busy for 80 % of the time. A CPU that was never idle could have done more,
 * nobody knows how much: it counts as if it had run at its highest frequency.
 *
 * The figure is a moving average with a time constant of PERF_TAU_NS, as the kernel's own
 * (PELT halves in 32 ms). Urgent work does not wait for that: while there is some, what it needs
 * counts at once, and the CPU does not go below PERF_URGENT_PERCENT of its capacity for
 * PERF_URGENT_NS after it, so that a period of sound or a frame does not begin at the lowest
 * frequency. It is never by itself a reason to run at the highest one.
 *
 * A CPU that idles gets no ticks, and keeps the target it had. Where CPUs share a frequency that
 * would hold up the others', so cpu_perf_decay() is to be called for all CPUs now and then.
 *
 * Compiles for BPF and for the host (tests/unit/bpf/test_sched_perf.c).
 */
#ifndef BPF_LIB_SCHED_PERF_H
#define BPF_LIB_SCHED_PERF_H

#include <linux/types.h>
#include <stdbool.h>

#define PERF_ONE 1024u
#define PERF_PERIOD_NS 4000000ull /* at least; the ticks decide */
#define PERF_TAU_NS 32000000ull
#define PERF_SATURATED_PERCENT 95
#define PERF_URGENT_PERCENT 40
#define PERF_URGENT_NS 50000000ull
#define PERF_IDLE_NS 100000000ull /* without an update: the CPU idles */
#define PERF_STEP 24		  /* smaller changes are not worth a call */

struct perf {
	__u64 began_ns;	 /* the current period; 0: none yet */
	__u64 busy_ns;	 /* of the current period */
	__u64 urgent_ns; /* when urgent work ran last; 0: never */
	__u32 util;	 /* the average */
	__u32 target;	 /* that was last asked for */
};

/* Something ran on this CPU, up to now. */
static inline void perf_ran(struct perf *perf, __u64 now_ns, __u64 ran_ns, bool is_urgent)
{
	perf->busy_ns += ran_ns;
	if (is_urgent)
		perf->urgent_ns = now_ns;
}

/* The work of a period, in the kernel's unit. `now` is the frequency the CPU ran at, 1024 its
 * highest one. */
static inline __u32 perf_work(__u64 busy_ns, __u64 period_ns, __u32 capacity, __u32 frequency)
{
	__u64 share;

	if (busy_ns > period_ns)
		busy_ns = period_ns;
	share = busy_ns * PERF_ONE / period_ns;
	if (share * 100 >= PERF_SATURATED_PERCENT * PERF_ONE)
		return capacity;
	return (__u32)(share * capacity / PERF_ONE * frequency / PERF_ONE);
}

static inline bool perf_is_urgent(const struct perf *perf, __u64 now_ns)
{
	return perf->urgent_ns && (__s64)(now_ns - perf->urgent_ns) < (__s64)PERF_URGENT_NS;
}

static inline __u32 perf_average(__u32 util, __u32 work, __u64 period_ns)
{
	__s64 change = (__s64)work - (__s64)util;

	if (period_ns > 64 * PERF_TAU_NS)
		return work;
	/* The signs apart: BPF has no signed division. */
	if (change < 0)
		return util - (__u32)((__u64)-change * period_ns / (period_ns + PERF_TAU_NS));
	return util + (__u32)((__u64)change * period_ns / (period_ns + PERF_TAU_NS));
}

/* Ends the period if it has lasted. True if there is another target to be asked for. */
static inline bool perf_update(struct perf *perf, __u64 now_ns, __u32 capacity, __u32 frequency)
{
	__u64 period_ns = now_ns - perf->began_ns;
	__u32 work, target, floor = capacity * PERF_URGENT_PERCENT / 100;
	bool is_urgent = perf_is_urgent(perf, now_ns);

	if (!perf->began_ns) {
		perf->began_ns = now_ns;
		perf->busy_ns = 0;
		return false;
	}
	if ((__s64)period_ns < (__s64)PERF_PERIOD_NS)
		return false;
	work = perf_work(perf->busy_ns, period_ns, capacity, frequency);
	perf->util = perf_average(perf->util, work, period_ns);
	if (is_urgent && perf->util < work)
		perf->util = work;
	perf->began_ns = now_ns;
	perf->busy_ns = 0;
	target = perf->util;
	if (is_urgent && target < floor)
		target = floor;
	if (target > capacity)
		target = capacity;
	if (target < perf->target + PERF_STEP && perf->target < target + PERF_STEP &&
	    (target < capacity || perf->target >= capacity))
		return false;
	perf->target = target;
	return true;
}

/* Has the CPU been idle since its last update, with a target that it needs no more? */
static inline bool perf_decay(struct perf *perf, __u64 now_ns)
{
	if (!perf->began_ns || !perf->target ||
	    (__s64)(now_ns - perf->began_ns) < (__s64)PERF_IDLE_NS)
		return false;
	perf->util = 0;
	perf->target = 0;
	return true;
}

#ifdef __bpf__
#include "bpf/kernel/sched_ext.h"

#include "bpf/abi/sched.h"

/* What the CPU can do at its highest frequency, what it does now (1024 is its highest frequency),
 * and what it is asked for. */
__u32 scx_bpf_cpuperf_cap(__s32 cpu) __ksym __weak;
__u32 scx_bpf_cpuperf_cur(__s32 cpu) __ksym __weak;
void scx_bpf_cpuperf_set(__s32 cpu, __u32 perf) __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct perf);
} sched_perfs SEC(".maps");

/* At a tick of this CPU, with what has been charged since the last one. */
static __always_inline void cpu_perf_tick(__s32 index, __u64 now_ns, struct sched_cpu *cpu)
{
	__u32 zero = 0;
	struct perf *perf = bpf_map_lookup_elem(&sched_perfs, &zero);

	if (!bpf_ksym_exists(scx_bpf_cpuperf_set) || !perf)
		return;
	perf_ran(perf, now_ns, cpu->busy_ns, cpu->had_urgent);
	cpu->busy_ns = 0;
	cpu->had_urgent = 0;
	if (perf_update(perf, now_ns, scx_bpf_cpuperf_cap(index), scx_bpf_cpuperf_cur(index)))
		scx_bpf_cpuperf_set(index, perf->target);
}

/* For any CPU, from a timer. Does nothing for one that has never called cpu_perf_tick(). */
static __always_inline void cpu_perf_decay(__s32 cpu, __u64 now_ns)
{
	__u32 zero = 0;
	struct perf *perf = bpf_map_lookup_percpu_elem(&sched_perfs, &zero, (__u32)cpu);

	if (perf && bpf_ksym_exists(scx_bpf_cpuperf_set) && perf_decay(perf, now_ns))
		scx_bpf_cpuperf_set(cpu, 0);
}

/* In ops.init, for each possible CPU: the kernel begins with the highest target for all, and keeps
 * it for those that do nothing. */
static __always_inline void cpu_perf_init(__s32 cpu)
{
	if (bpf_ksym_exists(scx_bpf_cpuperf_set) && bpf_ksym_exists(scx_bpf_cpuperf_cap))
		scx_bpf_cpuperf_set(cpu, scx_bpf_cpuperf_cap(cpu) * PERF_URGENT_PERCENT / 100);
}
#endif

#endif
