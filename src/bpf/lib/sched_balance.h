/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched balance: how threads come to other CPUs' queues.
 *
 * A CPU that has nothing takes the first thread of the longest queue, of its own LLC first. That
 * keeps all CPUs busy, but not the shares equal: of three hogs on two CPUs, two would have half a
 * CPU each for ever. So each CPU compares its load, the mean of its runnable weight over the last
 * ticks, with that of the others now and then, and takes a thread from the most loaded one if
 *
 *   - that makes the two more equal: its weight is less than their difference; or
 *   - it turns their difference round (3 and 2 threads become 2 and 3): then only one thread of an
 *     LLC in ROTATE_NS changes places, so that over a second all have had the same, and caches stay
 *     warm.
 *
 * A thread that has come a moment ago stays. Between LLCs the same is done a few times less often.
 * The CPU that wants a thread ends its own slice and takes it in gamer_dispatch().
 */
#ifndef BPF_LIB_SCHED_BALANCE_H
#define BPF_LIB_SCHED_BALANCE_H

#include "bpf/lib/sched_account.h"
#include "bpf/lib/sched_order.h"

#define BALANCE_NS 16000000ull
#define BALANCE_FAR_RATIO 4 /* between LLCs: so many times rarer */
#define ROTATE_NS 110000000ull
#define SETTLED_NS 40000000ull /* a thread that came later than this is not moved again */
#define LOAD_MEAN_SHIFT 3      /* of a mean over some eight ticks */
#define TAKEN_RATIO 4
#define PULL_THREADS_MAX 8 /* that are looked at */

struct cpu_search {
	__u32 first, size; /* in sched_order */
	__u32 own;	   /* position */
	__s32 cpu;	   /* the best so far, or -1 */
	__u64 most;
};

static __always_inline __s32 search_cpu(const struct cpu_search *search, __u32 step)
{
	__u32 position = search->own + 1 + step;

	if (position >= search->first + search->size)
		position -= search->size;
	return sched_order_cpu(position);
}

/* --- a CPU has nothing to do --------------------------------------------------------------------
 */

static int longest_visit(__u32 step, struct cpu_search *search)
{
	__s32 index = search_cpu(search, step);
	struct sched_cpu *cpu = sched_cpu_get(index);

	if (!cpu)
		return 1;
	if (cpu->movable && cpu->queued > search->most) {
		search->most = cpu->queued;
		search->cpu = index;
	}
	return 0;
}

/* Not inlined: a CPU that finds nothing has time. */
static __noinline int llc_steal(struct sched_llc *llc, __u32 own)
{
	struct cpu_search search = {.cpu = -1};

	if (!llc)
		return 0;
	search.first = llc->first;
	search.size = llc->size;
	search.own = own >= llc->first && own < llc->first + llc->size ? own : llc->first;
	bpf_loop(llc->size < LLC_CPUS_MAX ? llc->size : LLC_CPUS_MAX, longest_visit, &search, 0);
	return search.cpu >= 0 && scx_move_to_local(normal_queue(search.cpu));
}

/* --- and while all are busy ----------------------------------------------------------------------
 */

/* A CPU that a real-time thread keeps from its queue counts as many times as loaded. */
static __always_inline __u64 cpu_pressure(const struct sched_cpu *cpu)
{
	if (cpu->rank == RANK_NONE && cpu->queued)
		return TAKEN_RATIO * (cpu->load > 0 ? (__u64)cpu->load : cpu->load_mean);
	return cpu->load_mean;
}

static __always_inline void load_mean_update(struct sched_cpu *cpu)
{
	__s64 load = cpu->load, mean = (__s64)cpu->load_mean;

	if (load < 0)
		load = 0;
	cpu->load_mean = (__u64)(mean + ((load - mean) >> LOAD_MEAN_SHIFT));
}

static int busiest_visit(__u32 step, struct cpu_search *search)
{
	__s32 index = search_cpu(search, step);
	struct sched_cpu *cpu = sched_cpu_get(index);

	if (!cpu)
		return 1;
	if (cpu->movable && cpu_pressure(cpu) > search->most) {
		search->most = cpu_pressure(cpu);
		search->cpu = index;
	}
	return 0;
}

/* The most loaded CPU of an LLC that has a thread to give. */
static __noinline int busiest_find(struct sched_llc *llc, struct cpu_search *search)
{
	if (!llc || !search)
		return 0;
	search->first = llc->first;
	search->size = llc->size;
	if (search->own < llc->first || search->own >= llc->first + llc->size)
		search->own = llc->first;
	bpf_loop(llc->size < LLC_CPUS_MAX ? llc->size : LLC_CPUS_MAX, busiest_visit, search, 0);
	return 0;
}

/* The LLC whose turn it is to be compared with `own`. */
static __always_inline __u32 far_llc(const struct sched_cpu *this, __u64 now)
{
	__u32 step = (__u32)(now / BALANCE_NS) % (cfg_sched.llc_count - 1);
	__u32 index = this->llc + 1 + step;

	return index >= cfg_sched.llc_count ? index - cfg_sched.llc_count : index;
}

/* At a tick of `this`: is there a CPU from which it should take a thread? */
static __noinline int balance_tick(struct sched_cpu *this, __u64 now)
{
	struct cpu_search search = {.cpu = -1};
	struct sched_llc *llc;

	if (!this)
		return 0;
	load_mean_update(this);
	if (now < this->balance_ns)
		return 0;
	this->balance_ns = now + BALANCE_NS;
	search.own = this->order;
	llc = sched_llc_get(this->llc);
	if (llc && llc->movable > 0)
		busiest_find(llc, &search);
	if (search.cpu < 0 && cfg_sched.llc_count > 1 &&
	    (now / BALANCE_NS) % BALANCE_FAR_RATIO == 0) {
		llc = sched_llc_get(far_llc(this, now));
		if (llc && llc->movable > 0)
			busiest_find(llc, &search);
	}
	if (search.cpu < 0 || search.most <= this->load_mean)
		return 0;
	this->pull = 1 + (__u32)search.cpu;
	return 1;
}

/* May this thread come here, and does that help? */
static __always_inline bool is_worth_moving(struct task_struct *p, struct sched_cpu *this,
					    const struct sched_cpu *from, __u64 now, bool *is_turn)
{
	struct sched_task *st = sched_task_get(p);
	__u64 differ = cpu_pressure(from) - this->load_mean;

	if (!st || (__s64)differ <= 0 || now - st->moved_ns < SETTLED_NS ||
	    !bpf_cpumask_test_cpu(bpf_get_smp_processor_id(), p->cpus_ptr))
		return false;
	/* The means lag behind, and sleepers come and go: an eighth more is no more. */
	if (st->weight * 8ull > differ * 9)
		return false;
	*is_turn = st->weight * 3ull > differ * 2;
	return true;
}

static __always_inline bool rotate_may(struct sched_llc *llc, __u64 now)
{
	__u64 due = llc->rotate_ns;

	return now >= due &&
	       __sync_val_compare_and_swap(&llc->rotate_ns, due, now + ROTATE_NS) == due;
}

/* In gamer_dispatch(): takes the thread that balance_tick() has found reason to take. */
static __noinline int balance_pull(struct sched_cpu *this, struct sched_llc *llc, __u64 now)
{
	__s32 index = this ? (__s32)this->pull - 1 : -1;
	struct sched_cpu *from = sched_cpu_get(index);
	struct bpf_iter_scx_dsq it;
	bool is_turn = false;
	struct task_struct *p;
	int taken = 0;

	if (!this || !llc || !from)
		return 0;
	this->pull = 0;
	if (!bpf_iter_scx_dsq_new(&it, normal_queue(index), 0)) {
		for (int i = 0; i < PULL_THREADS_MAX; i++) {
			p = bpf_iter_scx_dsq_next(&it);
			if (!p)
				break;
			if (!is_worth_moving(p, this, from, now, &is_turn))
				continue;
			if (!is_turn || rotate_may(llc, now))
				taken = scx_move(&it, p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL),
						 0);
			break;
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
	return taken;
}

#endif
