/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched group: the shares of cgroups and sessions.
 *
 * The kernel keeps for each thread the group that its own scheduler would count it to: a cgroup, or
 * with nothing else known the autogroup of its session (kernel.sched_autogroup_enabled). That
 * group's weight, limit and parent are read from the kernel's struct, so cpu.weight, cpu.idle and
 * cpu.max count on every kernel, whichever callbacks it has for them.
 *
 * A group's weight is divided among its runnable threads, level by level. With a game in one
 * session and four compilers in another, all of nice 0:
 *
 *   root ---+--- session A, weight 1024 --- game                   counts for 1024 / 1 = 1024
 *           |
 *           +--- session B, weight 1024 -+- cc1                    counts for 1024 / 4 = 256
 *                                        +- cc1, cc1, cc1          as well
 *
 * so the game can have half of a CPU that all five want. Threads and groups directly under the root
 * compete by their weights as they are.
 *
 * A group has a place in the array `sched_groups` as long as a thread or another group in there
 * refers to it. Where all places are taken, a thread counts as one of the root, and that is counted
 * and said.
 *
 * cpu.max: what the threads of a group run is taken from its quota. When that is used up they wait
 * in a queue of their own until the next period has filled it again; what was run too much (a slice
 * is longer than a small quota) is paid back. None waits there for more than LIMIT_WAIT_MAX_NS: the
 * kernel would take the scheduler for dead.
 */
#ifndef BPF_LIB_SCHED_GROUP_H
#define BPF_LIB_SCHED_GROUP_H

#include "bpf/lib/sched_exit.h"
#include "bpf/lib/sched_state.h"
#include "bpf/lib/sched_weight.h"

#define GROUP_ROOT 0
#define GROUP_DEPTH_MAX 8
#define GROUP_READ_NS 50000000ull /* so often the weights and limits of a busy group are read */
#define LIMIT_NONE (~0ull)
#define LIMIT_WAIT_MAX_NS 2000000000ull
#define LIMIT_PERIODS_MAX 4  /* that are made up for */
#define LIMIT_THREADS_MAX 32 /* that are looked at */
#define LIMIT_LOOK_NS 5000000ull
#define LIMIT_RUN_NS                                                                 \
	200000ull /* for as long a thread runs that has waited for LIMIT_WAIT_MAX_NS \
		   */

struct sched_group {
	__u64 tg;	/* the kernel's struct */
	__s64 members;	/* threads and groups that refer to it */
	__s64 weight;	/* of its runnable threads and groups */
	__u64 read_ns;	/* when shares and limit were read */
	__u64 quota_ns; /* of each period; LIMIT_NONE */
	__u64 period_ns;
	__u64 filled_ns; /* when the quota was last filled */
	__s64 left_ns;	 /* of the quota */
	__u32 shares;	 /* counts for so much in its parent while weight is not 0 */
	__u32 parent;
	__u8 is_idle;	 /* cpu.idle, of it or of a group above */
	__u8 is_limited; /* likewise cpu.max */
	__u8 pad[6];
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHED_GROUP_MAX);
	__type(key, __u32);
	__type(value, struct sched_group);
} sched_groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHED_GROUP_MAX);
	__type(key, __u64);
	__type(value, __u32);
} group_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, SCHED_GROUP_MAX);
	__type(value, __u32);
} group_free SEC(".maps");

static __always_inline struct sched_group *group_at(__u32 place)
{
	return place == GROUP_ROOT ? NULL : bpf_map_lookup_elem(&sched_groups, &place);
}

/* --- places ----------------------------------------------------------------------------------- */

/* Only of a group that has members: at 0 its place is being given up. */
static __always_inline bool group_get(struct sched_group *group)
{
	__s64 members = group->members;

	return members > 0 &&
	       __sync_val_compare_and_swap(&group->members, members, members + 1) == members;
}

static __noinline int group_put(__u32 place)
{
	struct sched_group *group;
	__u64 tg;

	for (int i = 0; i <= GROUP_DEPTH_MAX; i++) {
		group = group_at(place);
		if (!group || __sync_fetch_and_add(&group->members, -1) != 1)
			break;
		tg = group->tg;
		bpf_map_delete_elem(&group_places, &tg);
		bpf_map_push_elem(&group_free, &place, 0);
		place = group->parent;
	}
	return 0;
}

__u32 groups_full_said SEC(".data"); /* .bss is taken: see lib/sched_exit.h */

/* User space hears of it once. */
static __noinline int groups_are_full(void)
{
	struct cpu_slot *slot = slot_this_cpu();

	if (slot)
		slot->sched_groupless++;
	if (!__sync_lock_test_and_set(&groups_full_said, 1))
		signal_send(SCHED_SIGNAL_GROUPS_FULL);
	return 0;
}

static __always_inline __u32 group_make(__u64 tg, __u32 parent)
{
	struct sched_group *group;
	__u32 place;

	if (bpf_map_pop_elem(&group_free, &place)) {
		groups_are_full();
		return GROUP_ROOT;
	}
	group = group_at(place);
	if (!group)
		return GROUP_ROOT;
	__builtin_memset(group, 0, sizeof(*group));
	group->tg = tg;
	group->parent = parent;
	group->quota_ns = LIMIT_NONE;
	group->members = 1;
	if (!bpf_map_update_elem(&group_places, &tg, &place, BPF_NOEXIST))
		return place;
	group->members = 0;
	bpf_map_push_elem(&group_free, &place, 0);
	return GROUP_ROOT;
}

/* The place of a group, with a reference to it; that to `parent` is taken over. */
static __always_inline __u32 group_find(__u64 tg, __u32 parent)
{
	__u32 *known = bpf_map_lookup_elem(&group_places, &tg), place;
	struct sched_group *group;

	if (known) {
		place = *known;
		group = group_at(place);
		if (group && group_get(group)) {
			group_put(parent);
			return place;
		}
	}
	place = group_make(tg, parent);
	if (place == GROUP_ROOT)
		group_put(parent);
	return place;
}

struct group_path {
	__u64 tgs[GROUP_DEPTH_MAX]; /* from the thread's own group up */
	__u32 depth;
};

/* The thread is of another group than when it was last runnable. */
static __noinline int group_change(struct task_struct *p, struct sched_task *st)
{
	struct task_group *tg = p->sched_task_group, *parent;
	struct group_path path = {};
	__u32 place = GROUP_ROOT, old = st->group;

	st->tg = (__u64)tg;
	for (int i = 0; i < GROUP_DEPTH_MAX && tg; i++) {
		parent = BPF_CORE_READ(tg, parent);
		if (!parent) /* the root */
			break;
		path.tgs[i] = (__u64)tg;
		path.depth = (__u32)i + 1;
		tg = parent;
	}
	for (int i = GROUP_DEPTH_MAX - 1; i >= 0; i--) {
		if ((__u32)i >= path.depth)
			continue;
		place = group_find(path.tgs[i], place);
		if (place == GROUP_ROOT) {
			st->tg = 0; /* tried again when it next wakes */
			break;
		}
	}
	st->group = (__u16)place;
	if (old != GROUP_ROOT)
		group_put(old);
	return 0;
}

/* --- weights and limits -------------------------------------------------------------------------
 */

static __always_inline void limit_read(struct sched_group *group, struct task_group *tg, __u64 now)
{
	__u64 quota = LIMIT_NONE, period = 0;

	if (bpf_core_field_exists(tg->cfs_bandwidth)) {
		quota = BPF_CORE_READ(tg, cfs_bandwidth.quota);
		period = (__u64)BPF_CORE_READ(tg, cfs_bandwidth.period);
	}
	if (!period)
		quota = LIMIT_NONE;
	if (quota != group->quota_ns || period != group->period_ns) {
		group->quota_ns = quota;
		group->period_ns = period;
		group->filled_ns = now;
		group->left_ns = quota == LIMIT_NONE ? 0 : (__s64)quota;
	}
}

/* Brings up to date what the user has set. The change of a group that counts goes to its parent. */
static __always_inline void group_read(struct sched_group *group, struct sched_group *parent,
				       __u64 now)
{
	struct task_group *tg = (struct task_group *)group->tg;
	__u32 shares = 1024 << WEIGHT_SHIFT, old = group->shares;

	group->read_ns = now;
	if (bpf_core_field_exists(tg->shares))
		shares = (__u32)BPF_CORE_READ(tg, shares);
	limit_read(group, tg, now);
	group->is_idle = (parent && parent->is_idle) ||
			 (bpf_core_field_exists(tg->idle) && BPF_CORE_READ(tg, idle) > 0);
	group->is_limited = (parent && parent->is_limited) || group->quota_ns != LIMIT_NONE;
	if (shares == old || __sync_val_compare_and_swap(&group->shares, old, shares) != old)
		return;
	if (parent && group->weight > 0)
		__sync_fetch_and_add(&parent->weight, (__s64)shares - (__s64)old);
}

/* Adds to the weight of a group, or takes from it; which may wake it, or put it to sleep, for its
 * parent. */
static __noinline int group_weigh(__u32 place, __s64 weight)
{
	struct sched_group *group, *parent;
	__s64 old;

	for (int i = 0; i <= GROUP_DEPTH_MAX; i++) {
		group = group_at(place);
		if (!group)
			break;
		place = group->parent;
		parent = group_at(place);
		if (!group->shares)
			group_read(group, parent, scx_now());
		old = __sync_fetch_and_add(&group->weight, weight);
		if (old && old + weight)
			break;
		weight = old ? -(__s64)group->shares : (__s64)group->shares;
	}
	return 0;
}

/* Sets what a thread counts for among all, whether its group is an idle one, and whether a limit
 * holds for it. Not inlined: on most machines most threads are of the root. */
static __noinline int group_share(struct sched_task *st)
{
	struct sched_group *group = group_at(st->group), *parent;
	__u64 weight = st->base_weight, now = scx_now();
	__s64 all;

	if (!group)
		return 0;
	for (int i = 0; i <= GROUP_DEPTH_MAX && group; i++) {
		parent = group_at(group->parent);
		if (now - group->read_ns > GROUP_READ_NS)
			group_read(group, parent, now);
		if (!i) {
			st->is_idle |= group->is_idle;
			st->is_batch |= group->is_idle;
			st->is_limited = group->is_limited;
		}
		all = group->weight;
		if (all > 0)
			weight = weight * group->shares / (__u64)all;
		group = parent;
	}
	st->weight = weight > WEIGHT_MIN ? (__u32)weight : WEIGHT_MIN;
	return 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

/* A period has passed: the quota is filled. */
static __always_inline void limit_fill(struct sched_group *group, __u64 now)
{
	__u64 filled = group->filled_ns, periods;
	__s64 most = (__s64)group->quota_ns;

	if ((__s64)(now - filled) < (__s64)group->period_ns || !group->period_ns)
		return;
	periods = (now - filled) / group->period_ns;
	if (__sync_val_compare_and_swap(&group->filled_ns, filled,
					filled + periods * group->period_ns) != filled)
		return;
	if (periods > LIMIT_PERIODS_MAX)
		periods = LIMIT_PERIODS_MAX;
	__sync_fetch_and_add(&group->left_ns, (__s64)(periods * group->quota_ns));
	if (group->left_ns > most)
		group->left_ns = most;
}

/* Takes what a thread ran from the quotas of its groups. */
static __noinline int limit_charge(struct sched_task *st, __u64 ran)
{
	struct sched_group *group = group_at(st->group);
	__u64 now = scx_now();

	for (int i = 0; i <= GROUP_DEPTH_MAX && group; i++) {
		if (group->quota_ns != LIMIT_NONE) {
			limit_fill(group, now);
			__sync_fetch_and_add(&group->left_ns, -(__s64)ran);
		}
		group = group_at(group->parent);
	}
	return 0;
}

/* What is left of the smallest quota of the thread's groups; 0 or less: one is used up. */
static __noinline __s64 limit_left_ns(struct sched_task *st, __u64 now)
{
	struct sched_group *group = group_at(st->group);
	__s64 least = (__s64)(LIMIT_NONE >> 1);

	for (int i = 0; i <= GROUP_DEPTH_MAX && group; i++) {
		if (group->quota_ns != LIMIT_NONE) {
			limit_fill(group, now);
			if (group->left_ns < least)
				least = group->left_ns;
		}
		group = group_at(group->parent);
	}
	return least;
}

static __always_inline bool limit_is_reached(struct sched_task *st, __u64 now)
{
	return limit_left_ns(st, now) <= 0;
}

struct limit_queue {
	struct bpf_timer timer;
	__s64 count; /* threads in the queue, or on their way from there to a CPU */
	__u32 is_armed;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_queue);
} limit_queues SEC(".maps");

static __always_inline struct limit_queue *limit_queue_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&limit_queues, &zero);
}

/* After all the others. */
static __always_inline __u64 limit_queue_id(void)
{
	return SCHED_LLC_MAX + (__u64)cfg_sched.cpu_count;
}

static __always_inline bool limit_is_over(struct task_struct *p, __u64 now)
{
	struct sched_task *st = sched_task_get(p);

	return st && (now - st->queued_ns > LIMIT_WAIT_MAX_NS || !limit_is_reached(st, now));
}

/* While threads wait there: asks idle CPUs to look for those that may go on. Busy ones look by
 * themselves. */
static int limit_timer_fire(void *map, __u32 *key, struct limit_queue *queue)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	__u64 now = scx_now();
	__s32 idle;

	queue->is_armed = 0;
	if (queue->count <= 0)
		return 0;
	if (!bpf_iter_scx_dsq_new(&it, limit_queue_id(), 0)) {
		for (int i = 0; i < LIMIT_THREADS_MAX; i++) {
			p = bpf_iter_scx_dsq_next(&it);
			if (!p)
				break;
			if (!limit_is_over(p, now))
				continue;
			idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
			if (idle < 0)
				break;
			cpu_kick(idle, SCX_VALUE(scx_kick_flags, SCX_KICK_IDLE));
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
	queue->is_armed = 1;
	bpf_timer_start(&queue->timer, LIMIT_LOOK_NS, 0);
	return 0;
}

/* Puts a thread there whose groups have used up their time. */
static __noinline int limit_insert(struct task_struct *p, struct sched_task *st, __u64 enq_flags)
{
	struct limit_queue *queue = limit_queue_get();

	if (!queue || !st)
		return 0;
	st->queued_ns = scx_now();
	st->place = PLACE_LIMIT;
	__sync_fetch_and_add(&queue->count, 1);
	scx_insert(p, limit_queue_id(), cfg_sched.slice_ns, enq_flags);
	if (here_is_online() && !__sync_lock_test_and_set(&queue->is_armed, 1))
		bpf_timer_start(&queue->timer, LIMIT_LOOK_NS, 0);
	return 0;
}

static __always_inline void limit_leave(void)
{
	struct limit_queue *queue = limit_queue_get();

	if (queue)
		__sync_fetch_and_add(&queue->count, -1);
}

/* In gamer_dispatch(): the first of them that may go on, and here. */
static __noinline int limit_take(__u64 now)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	int taken = 0;

	if (!bpf_iter_scx_dsq_new(&it, limit_queue_id(), 0)) {
		for (int i = 0; i < LIMIT_THREADS_MAX; i++) {
			p = bpf_iter_scx_dsq_next(&it);
			if (!p)
				break;
			if (!bpf_cpumask_test_cpu(bpf_get_smp_processor_id(), p->cpus_ptr) ||
			    !limit_is_over(p, now))
				continue;
			taken = scx_move(&it, p, SCX_VALUE(scx_dsq_id_flags, SCX_DSQ_LOCAL), 0);
			break;
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
	return taken;
}

static int group_init(__u32 place, void *ctx)
{
	if (place != GROUP_ROOT)
		bpf_map_push_elem(&group_free, &place, 0);
	return 0;
}

static __always_inline __s32 groups_init(void)
{
	struct limit_queue *queue = limit_queue_get();
	__s32 error;

	if (!queue)
		return -EINVAL;
	bpf_loop(SCHED_GROUP_MAX, group_init, NULL, 0);
	error = scx_bpf_create_dsq(limit_queue_id(), -1);
	if (!error)
		error = bpf_timer_init(&queue->timer, &limit_queues, TIMER_CLOCK);
	if (!error)
		error = bpf_timer_set_callback(&queue->timer, limit_timer_fire);
	return error;
}

#endif
