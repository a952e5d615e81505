// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the bench `lookup` runs in the kernel, each thing `turns` times in a loop: nothing, a lookup
 * of a TGID, and the project's own review of a thread's verdict, on maps of its own.
 *
 * Each turn reads a key, whether it needs one or not, so that the empty loop is what is around all
 * of them.
 */
#include "bpf/kernel/types.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/maps.h"
#include "bpf/lib/task.h"

char LICENSE[] SEC("license") = "GPL";

#define KEYS 1024

__u32 keys[KEYS];
__u32 turns;
__u64 elapsed_ns;
__u64 sum;

struct context {
	struct task_struct *task;
	struct task_state *state;
	struct cpu_slot *slot;
};

static __always_inline __u32 key_at(__u32 i)
{
	__u32 key = keys[i % KEYS];

	sum += key;
	return key;
}

static __always_inline void role_look(__u32 key)
{
	struct role_entry *entry = bpf_map_lookup_elem(&tgid_roles, &key);

	if (entry)
		sum += entry->role;
}

static __always_inline void state_look(struct context *c)
{
	struct task_state *st = bpf_task_storage_get(&task_states, c->task, NULL, 0);

	if (st)
		sum += st->class;
}

static __always_inline void state_review(struct context *c)
{
	struct task_state *st = bpf_task_storage_get(&task_states, c->task, NULL, 0);

	if (st) {
		task_class_review(c->task, st, c->slot, 1);
		sum += st->class;
	}
}

static int turn_empty(__u32 i, struct context *c)
{
	key_at(i);
	return 0;
}

static int turn_lookup(__u32 i, struct context *c)
{
	role_look(key_at(i));
	return 0;
}

static int turn_storage(__u32 i, struct context *c)
{
	key_at(i);
	state_look(c);
	return 0;
}

static int turn_cached(__u32 i, struct context *c)
{
	key_at(i);
	task_class_review(c->task, c->state, c->slot, 1);
	return 0;
}

static int turn_stale(__u32 i, struct context *c)
{
	key_at(i);
	roles_generation++;
	task_class_review(c->task, c->state, c->slot, 1);
	return 0;
}

/* A thread wakes and stops: what is known of it, and the table both times. */
static int turn_both_lookup(__u32 i, struct context *c)
{
	__u32 key = key_at(i);

	state_look(c);
	role_look(key);
	state_look(c);
	role_look(key);
	return 0;
}

static int turn_both_cached(__u32 i, struct context *c)
{
	key_at(i);
	state_review(c);
	state_review(c);
	return 0;
}

#define BENCH(name)                                                                               \
	SEC("syscall")                                                                            \
	int bench_##name(void *ctx)                                                               \
	{                                                                                         \
		struct context c = {.task = bpf_get_current_task_btf(), .slot = slot_this_cpu()}; \
		__u64 begin;                                                                      \
                                                                                                  \
		c.state = bpf_task_storage_get(&task_states, c.task, NULL,                        \
					       BPF_LOCAL_STORAGE_GET_F_CREATE);                   \
		if (!c.state || !c.slot)                                                          \
			return -EINVAL;                                                           \
		begin = bpf_ktime_get_ns();                                                       \
		bpf_loop(turns, turn_##name, &c, 0);                                              \
		elapsed_ns = bpf_ktime_get_ns() - begin;                                          \
		return 0;                                                                         \
	}

BENCH(empty)
BENCH(lookup)
BENCH(storage)
BENCH(cached)
BENCH(stale)
BENCH(both_lookup)
BENCH(both_cached)
