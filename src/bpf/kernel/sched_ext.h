/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sched_ext: the types, constants and kernel functions that the scheduler uses, 6.12 and newer.
 *
 * sched_ext_ops is the subset of callbacks we fill; libbpf matches its members by name. Constants
 * are relocated: the value here is a placeholder, the running kernel's BTF has the real one. Every
 * kernel function is weak, because names have changed; scx_*() below are the calls to use.
 *
 *   6.13  dispatch became dsq_insert, consume became dsq_move_to_local
 *   6.15  scx_bpf_now(), scx_bpf_select_cpu_and()
 *   6.19  kernel functions with more than five arguments take a struct; slices are set by a call;
 *         cpu_release is deprecated, scx_bpf_reenqueue_local() works anywhere
 */
#ifndef BPF_KERNEL_SCHED_EXT_H
#define BPF_KERNEL_SCHED_EXT_H

#include "bpf/kernel/types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define ENOMEM 12
#define EBUSY 16

#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif
#ifndef bpf_ksym_exists
#define bpf_ksym_exists(sym) (!!(sym))
#endif

enum scx_enq_flags {
	SCX_ENQ_WAKEUP = 1ull,
	SCX_ENQ_CPU_SELECTED = 1ull << 20,
	SCX_ENQ_PREEMPT = 1ull << 32,
};

enum scx_deq_flags {
	SCX_DEQ_SLEEP = 1ull,
	SCX_DEQ_CORE_SCHED_EXEC = 1ull << 32,
};

enum scx_dsq_id_flags {
	SCX_DSQ_FLAG_BUILTIN = 1ull << 63,
	SCX_DSQ_FLAG_LOCAL_ON = 1ull << 62,
	SCX_DSQ_GLOBAL = SCX_DSQ_FLAG_BUILTIN | 1,
	SCX_DSQ_LOCAL = SCX_DSQ_FLAG_BUILTIN | 2,
	SCX_DSQ_LOCAL_ON = SCX_DSQ_FLAG_BUILTIN | SCX_DSQ_FLAG_LOCAL_ON,
};

enum scx_dsq_iter_flags {
	SCX_DSQ_ITER_REV = 1u << 16,
};

enum scx_kick_flags {
	SCX_KICK_IDLE = 1,
	SCX_KICK_PREEMPT = 2,
};

enum scx_wake_flags {
	SCX_WAKE_FORK = 4,
	SCX_WAKE_SYNC = 16,
};

#define SLICE_ENDLESS (~0ull) /* SCX_SLICE_INF: the tick may stop */

enum scx_exit_kind {
	SCX_EXIT_NONE = 0,
};

#define SCX_VALUE(type, value) bpf_core_enum_value(enum type, value)

/* Only pointers to it are passed on. It has a member because libbpf compares the kinds of types
 * when it resolves kernel functions: a forward declaration is of another kind than the kernel's
 * struct. */
struct cpumask {
	unsigned long bits[1];
};

/* One that BPF has made; only its kind matters. */
struct bpf_cpumask {
	struct cpumask cpumask;
};

struct scx_cpu_release_args;
struct scx_dump_ctx;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct sched_ext_entity {
	__u32 weight;
	__u64 slice;
	__u64 dsq_vtime;
	struct list_head runnable_node;
	__u64 runnable_at; /* jiffies */
};

/* A CPU's threads that are runnable and do not run: the list the kernel's watchdog goes through. */
struct scx_rq {
	struct list_head runnable_list;
};

/* types.h has the struct without scx: most kernels that observe have none. */
struct task_struct___scx {
	struct sched_ext_entity scx;
};

struct rq___scx {
	struct task_struct *curr;
	struct scx_rq scx;
};

struct scx_exit_info {
	enum scx_exit_kind kind;
	__s64 exit_code;
	const char *reason;
	char *msg;
	char *dump;
};

struct scx_init_task_args {
	bool fork;
};

struct scx_exit_task_args {
	bool cancelled;
};

#pragma clang attribute pop

/* These are passed to the kernel as they are. */
struct scx_bpf_dsq_insert_vtime_args {
	__u64 dsq_id;
	__u64 slice;
	__u64 vtime;
	__u64 enq_flags;
};

struct scx_bpf_select_cpu_and_args {
	__s32 prev_cpu;
	__u64 wake_flags;
	__u64 flags;
};

struct bpf_iter_scx_dsq {
	__u64 opaque[6];
};

struct sched_ext_ops {
	__s32 (*select_cpu)(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags);
	void (*enqueue)(struct task_struct *p, __u64 enq_flags);
	void (*dispatch)(__s32 cpu, struct task_struct *prev);
	void (*runnable)(struct task_struct *p, __u64 enq_flags);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	void (*tick)(struct task_struct *p);
	void (*quiescent)(struct task_struct *p, __u64 deq_flags);
	void (*set_weight)(struct task_struct *p, __u32 weight);
	__s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	void (*exit_task)(struct task_struct *p, struct scx_exit_task_args *args);
	void (*enable)(struct task_struct *p);
	void (*dump)(struct scx_dump_ctx *ctx);
	void (*dump_cpu)(struct scx_dump_ctx *ctx, __s32 cpu, bool idle);
	void (*dump_task)(struct scx_dump_ctx *ctx, struct task_struct *p);
	void (*cpu_online)(__s32 cpu);
	void (*cpu_offline)(__s32 cpu);
	void (*cpu_release)(__s32 cpu, struct scx_cpu_release_args *args);
	__s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	__u64 flags;
	__u32 timeout_ms;
	__u32 exit_dump_len;
	__u64 hotplug_seq;
	char name[128];
};

__s32 scx_bpf_create_dsq(__u64 dsq_id, __s32 node) __ksym __weak;
__s32 scx_bpf_dsq_nr_queued(__u64 dsq_id) __ksym __weak;
__s32 scx_bpf_select_cpu_dfl(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags,
			     bool *is_idle) __ksym __weak;
__s32 __scx_bpf_select_cpu_and(struct task_struct *p, const struct cpumask *allowed,
			       struct scx_bpf_select_cpu_and_args *args) __ksym __weak;
__s32 scx_bpf_select_cpu_and(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags,
			     const struct cpumask *allowed, __u64 flags) __ksym __weak;
__s32 scx_bpf_pick_idle_cpu(const struct cpumask *allowed, __u64 flags) __ksym __weak;
bool scx_bpf_test_and_clear_cpu_idle(__s32 cpu) __ksym __weak;
void scx_bpf_kick_cpu(__s32 cpu, __u64 flags) __ksym __weak;
__s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym __weak;
__u32 scx_bpf_reenqueue_local(void) __ksym __weak;
/* 6.19: from anywhere. libbpf leaves out what follows the last ___. */
void scx_bpf_reenqueue_local___v2___anywhere(void) __ksym __weak;
void scx_bpf_dump_bstr(char *fmt, unsigned long long *data, __u32 data__sz) __ksym __weak;
void scx_bpf_exit_bstr(__s64 exit_code, char *fmt, unsigned long long *data,
		       __u32 data__sz) __ksym __weak;
__u64 scx_bpf_now(void) __ksym __weak;
struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;
void bpf_task_release(struct task_struct *p) __ksym __weak;
struct bpf_cpumask *bpf_cpumask_create(void) __ksym __weak;
void bpf_cpumask_release(struct bpf_cpumask *mask) __ksym __weak;
void bpf_cpumask_set_cpu(__u32 cpu, struct bpf_cpumask *mask) __ksym __weak;
bool bpf_cpumask_test_cpu(__u32 cpu, const struct cpumask *mask) __ksym __weak;
int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, __u64 dsq_id, __u64 flags) __ksym __weak;
struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym __weak;
void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym __weak;

void scx_bpf_dsq_insert(struct task_struct *p, __u64 dsq_id, __u64 slice,
			__u64 enq_flags) __ksym __weak;
void scx_bpf_dispatch(struct task_struct *p, __u64 dsq_id, __u64 slice,
		      __u64 enq_flags) __ksym __weak;
bool __scx_bpf_dsq_insert_vtime(struct task_struct *p,
				struct scx_bpf_dsq_insert_vtime_args *args) __ksym __weak;
void scx_bpf_dsq_insert_vtime(struct task_struct *p, __u64 dsq_id, __u64 slice, __u64 vtime,
			      __u64 enq_flags) __ksym __weak;
void scx_bpf_dispatch_vtime(struct task_struct *p, __u64 dsq_id, __u64 slice, __u64 vtime,
			    __u64 enq_flags) __ksym __weak;
bool scx_bpf_dsq_move_to_local(__u64 dsq_id) __ksym __weak;
bool scx_bpf_consume(__u64 dsq_id) __ksym __weak;
bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p, __u64 dsq_id,
		      __u64 enq_flags) __ksym __weak;
bool scx_bpf_dispatch_from_dsq(struct bpf_iter_scx_dsq *it__iter, struct task_struct *p,
			       __u64 dsq_id, __u64 enq_flags) __ksym __weak;
bool scx_bpf_task_set_slice(struct task_struct *p, __u64 slice) __ksym __weak;

extern struct rq runqueues __ksym __weak;

/* Nanoseconds, the same clock as bpf_ktime_get_ns() up to a cached reading. */
static __always_inline __u64 scx_now(void)
{
	return bpf_ksym_exists(scx_bpf_now) ? scx_bpf_now() : bpf_ktime_get_ns();
}

static __always_inline void scx_insert(struct task_struct *p, __u64 dsq_id, __u64 slice,
				       __u64 enq_flags)
{
	if (bpf_ksym_exists(scx_bpf_dsq_insert))
		scx_bpf_dsq_insert(p, dsq_id, slice, enq_flags);
	else
		scx_bpf_dispatch(p, dsq_id, slice, enq_flags);
}

static __always_inline void scx_insert_vtime(struct task_struct *p, __u64 dsq_id, __u64 slice,
					     __u64 vtime, __u64 enq_flags)
{
	if (bpf_ksym_exists(__scx_bpf_dsq_insert_vtime)) {
		struct scx_bpf_dsq_insert_vtime_args args = {
			.dsq_id = dsq_id,
			.slice = slice,
			.vtime = vtime,
			.enq_flags = enq_flags,
		};

		__scx_bpf_dsq_insert_vtime(p, &args);
	} else if (bpf_ksym_exists(scx_bpf_dsq_insert_vtime)) {
		scx_bpf_dsq_insert_vtime(p, dsq_id, slice, vtime, enq_flags);
	} else {
		scx_bpf_dispatch_vtime(p, dsq_id, slice, vtime, enq_flags);
	}
}

/* An idle CPU of `allowed` for a thread that wakes, near prev_cpu. Negative: there is none, or the
 * kernel (before 6.15) can't tell. */
static __always_inline __s32 scx_select_among(struct task_struct *p, __s32 prev_cpu,
					      __u64 wake_flags, const struct cpumask *allowed)
{
	if (bpf_ksym_exists(__scx_bpf_select_cpu_and)) {
		struct scx_bpf_select_cpu_and_args args = {
			.prev_cpu = prev_cpu,
			.wake_flags = wake_flags,
		};

		return __scx_bpf_select_cpu_and(p, allowed, &args);
	}
	if (bpf_ksym_exists(scx_bpf_select_cpu_and))
		return scx_bpf_select_cpu_and(p, prev_cpu, wake_flags, allowed, 0);
	return -1;
}

static __always_inline bool scx_move_to_local(__u64 dsq_id)
{
	if (bpf_ksym_exists(scx_bpf_dsq_move_to_local))
		return scx_bpf_dsq_move_to_local(dsq_id);
	return scx_bpf_consume(dsq_id);
}

/* A thread that the iterator has come to, to another queue. */
static __always_inline bool scx_move(struct bpf_iter_scx_dsq *it, struct task_struct *p,
				     __u64 dsq_id, __u64 enq_flags)
{
	if (bpf_ksym_exists(scx_bpf_dsq_move))
		return scx_bpf_dsq_move(it, p, dsq_id, enq_flags);
	return scx_bpf_dispatch_from_dsq(it, p, dsq_id, enq_flags);
}

static __always_inline void scx_set_slice(struct task_struct *p, __u64 slice)
{
	if (bpf_ksym_exists(scx_bpf_task_set_slice))
		scx_bpf_task_set_slice(p, slice);
	else
		((struct task_struct___scx *)p)->scx.slice = slice;
}

#define scx_dump(fmt, args...)                                 \
	({                                                     \
		static char fmt_[] = fmt;                      \
		unsigned long long args_[___bpf_narg(args)];   \
                                                               \
		___bpf_fill(args_, args);                      \
		scx_bpf_dump_bstr(fmt_, args_, sizeof(args_)); \
	})

/* Ends the scheduler, from anywhere. */
#define scx_exit(code, fmt, args...)                                 \
	({                                                           \
		static char fmt_[] = fmt;                            \
		unsigned long long args_[___bpf_narg(args)];         \
                                                                     \
		___bpf_fill(args_, args);                            \
		scx_bpf_exit_bstr(code, fmt_, args_, sizeof(args_)); \
	})

#endif
