/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched watch: how long threads have been runnable without running, found out early.
 *
 * The kernel throws a scheduler out when a thread has waited for ops.timeout_ms. A timer, started
 * by user space after the scheduler is attached, looks at what the kernel's watchdog looks at: the
 * list of runnable threads of each run queue, and the jiffy at which each was put there. At a
 * quarter of the timeout user space is told which thread that is and what runs on its CPU; at 60 %
 * the scheduler ends itself, here, since a real-time thread that starves others may starve the
 * daemon, too. Nothing of this is in the way of a wake-up or a switch.
 *
 * The lists are read without their locks. So what a list shows is taken as a hint: the thread is
 * looked up by its pid, and believed if it is the same one, still on that CPU's queue, and not the
 * one that runs there. A walk that goes astray ends at its bound; the next one is a period away.
 *
 * What a jiffy is, is no constant for BPF. It is measured against the clock from the start on; by
 * the first check it is good to a few percent.
 *
 * Pauses. A virtual machine stands still while its host is suspended, and then its clock jumps: all
 * threads seem to have waited for that long, and none is to blame. The timer itself shows it, for
 * it fires in an interrupt, which nothing but such a pause keeps from coming for seconds. With a
 * timeout of 10 s it is due every 625 ms; if the last check is 25 s ago there was a pause of 24.4
 * s, and from then on ages count from its end. The kernel makes no such difference, and may throw
 * the scheduler out for the pause. User space then finds it in sched_pauses and attaches again.
 *
 * CPUs. The checks see CPUs that come on line, and tell user space, which may know by then under
 * which cache they are: sysfs has nothing on a CPU that has never been on line. And they lower the
 * frequency that is asked for where a CPU idles (lib/sched_perf.h).
 */
#ifndef BPF_LIB_SCHED_WATCH_H
#define BPF_LIB_SCHED_WATCH_H

#include "bpf/abi/sched_pause.h"
#include "bpf/lib/sched_exit.h"
#include "bpf/lib/sched_order.h"
#include "bpf/lib/sched_perf.h"
#include "bpf/lib/sched_state.h"

#define WATCH_THREADS_MAX 64 /* of one CPU's list; the oldest are in front */
#define WATCH_CLOCK 1	     /* CLOCK_MONOTONIC */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sched_watch);
} sched_watches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sched_pause);
} sched_pauses SEC(".maps");

struct watch {
	struct bpf_timer timer;
	__u64 base_ns;
	__u64 base_jiffies;
	__u64 resumed_jiffies; /* the end of the last pause, or the start */
	__u64 online;	       /* the CPUs that were on line at the last check; see watch_cpus() */
	__u64 last_ns;	       /* the oldest age at the last check */
	__u64 warned_ns;       /* when user space was told last */
	struct sched_stall oldest;
	struct sched_watch seen;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct watch);
} watches SEC(".maps");

struct watch_walk {
	struct watch *watch;
	struct list_head *head, *node;
	__u64 jiffies;
	__u64 jiffy_ns;
	__u64 now_ns;
	__u64 online;
	__u32 cpu;
};

static __always_inline void watch_thread(struct watch_walk *walk, struct task_struct *p)
{
	struct sched_stall *oldest = &walk->watch->oldest;
	__u64 at = ((struct task_struct___scx *)p)->scx.runnable_at, age_ns;
	struct task_state *ts = task_state_get(p);
	__u32 class = ts && ts->gauge ? ts->class : CLASS_NORMAL;

	if (!p->on_rq || scx_bpf_task_cpu(p) != (__s32)walk->cpu || class >= CLASS_COUNT)
		return;
	if ((__s64)(at - walk->watch->resumed_jiffies) < 0)
		at = walk->watch->resumed_jiffies;
	if ((__s64)(walk->jiffies - at) < 0)
		return;
	age_ns = (walk->jiffies - at) * walk->jiffy_ns;
	if (age_ns > walk->watch->seen.oldest_ns[class])
		walk->watch->seen.oldest_ns[class] = age_ns;
	if (age_ns <= oldest->age_ns)
		return;
	oldest->age_ns = age_ns;
	oldest->pid = p->pid;
	oldest->tgid = p->tgid;
	oldest->cpu = walk->cpu;
	oldest->class = (__u8) class;
	bpf_probe_read_kernel_str(oldest->comm, sizeof(oldest->comm), p->comm);
}

static int watch_visit_node(__u32 index, struct watch_walk *walk)
{
	struct list_head *node = walk->node;
	struct task_struct___scx *hint;
	struct task_struct *p;
	__u64 found;
	__s32 pid;

	if (!node || node == walk->head)
		return 1;
	walk->node = BPF_CORE_READ(node, next);
	if (walk->node == node) /* just taken off the list */
		return 1;
	hint = (void *)node - bpf_core_field_offset(struct task_struct___scx, scx.runnable_node);
	pid = (__s32)BPF_CORE_READ((struct task_struct *)hint, pid);
	p = bpf_task_from_pid(pid);
	if (!p)
		return 0;
	/* The compiler must not take one for the other: only this one is known to be a thread. */
	found = (__u64)p;
	asm volatile("" : "+r"(found));
	if (found == (__u64)hint)
		watch_thread(walk, p);
	bpf_task_release(p);
	return 0;
}

static int watch_visit_cpu(__u32 cpu, struct watch_walk *walk)
{
	struct sched_stall *oldest = &walk->watch->oldest;
	struct rq___scx *rq = bpf_per_cpu_ptr(&runqueues, cpu);
	struct sched_cpu *state = sched_cpu_get((__s32)cpu);
	struct task_struct *holder;
	__u64 before = oldest->age_ns;

	if (!rq)
		return 1;
	if (state && state->is_online)
		walk->online += ((__u64)cpu + 1) * ((__u64)cpu + 1);
	cpu_perf_decay((__s32)cpu, walk->now_ns);
	walk->cpu = cpu;
	walk->head = (void *)rq + bpf_core_field_offset(struct rq___scx, scx.runnable_list);
	walk->node = BPF_CORE_READ(rq, scx.runnable_list.next);
	bpf_loop(WATCH_THREADS_MAX, watch_visit_node, walk, 0);
	if (oldest->age_ns == before)
		return 0;
	holder = BPF_CORE_READ(rq, curr);
	oldest->holder_pid = BPF_CORE_READ(holder, pid);
	oldest->holder_is_rt = policy_is_rt(BPF_CORE_READ(holder, policy));
	bpf_probe_read_kernel_str(oldest->holder_comm, sizeof(oldest->holder_comm), holder->comm);
	return 0;
}

/* The end needs two checks in a row: a short pause of the whole machine is not told from a wait,
 * and after it every thread gets its turn at once. */
static __always_inline bool watch_judge(struct watch *watch, __u64 now)
{
	struct sched_stall *oldest = &watch->oldest;
	__u64 age_ns = oldest->age_ns, last_ns = watch->last_ns;

	watch->last_ns = age_ns;
	if (age_ns < cfg_sched.watch_warn_ns)
		return false;
	oldest->is_end = age_ns >= cfg_sched.watch_end_ns && last_ns >= cfg_sched.watch_warn_ns;
	if (!oldest->is_end && now - watch->warned_ns < cfg_sched.watch_warn_ns)
		return false;
	watch->warned_ns = now;
	oldest->kind = SCHED_SIGNAL_STALL;
	bpf_ringbuf_output(&sched_signal, oldest, sizeof(*oldest), BPF_RB_FORCE_WAKEUP);
	return oldest->is_end;
}

/* This check is far later than the period says: the machine stood still. */
static __always_inline void watch_pause(struct watch *watch, struct sched_pause *pause, __u64 now)
{
	__u64 late = now - pause->checked_ns - cfg_sched.watch_period_ns;

	pause->checked_ns = now;
	if ((__s64)late < (__s64)(cfg_sched.watch_warn_ns / 2))
		return;
	pause->length_ns = late;
	pause->resumed_ns = now;
	watch->resumed_jiffies = bpf_jiffies64();
	watch->last_ns = 0;
}

/* The sum of the squares of (number + 1) stands for a set of CPUs: another set that has the same
 * sum would have to take its place within a period. */
static __always_inline void watch_cpus(struct watch *watch, __u64 online)
{
	if (watch->online != online)
		signal_send(SCHED_SIGNAL_CPUS_CHANGED);
	watch->online = online;
}

static int watch_check(void *map, __u32 *key, struct watch *watch)
{
	struct sched_pause *pause = bpf_map_lookup_elem(&sched_pauses, key);
	struct sched_watch *seen = bpf_map_lookup_elem(&sched_watches, key);
	struct watch_walk walk = {.watch = watch, .jiffies = bpf_jiffies64()};
	struct sched_stall *oldest = &watch->oldest;
	__u64 now = bpf_ktime_get_ns(), passed = walk.jiffies - watch->base_jiffies;

	if (!seen || !pause)
		return 0;
	watch_pause(watch, pause, now);
	if (exit_record.kind) {
		pause->is_over = 1;
		return 0;
	}
	__builtin_memset(oldest, 0, sizeof(*oldest));
	__builtin_memset(watch->seen.oldest_ns, 0, sizeof(watch->seen.oldest_ns));
	if (passed) {
		walk.now_ns = now;
		walk.jiffy_ns = (now - watch->base_ns) / passed;
		bpf_loop(cfg_sched.cpu_count, watch_visit_cpu, &walk, 0);
		watch_cpus(watch, walk.online);
	}
	watch->seen.checks++;
	*seen = watch->seen;
	if (watch_judge(watch, now)) {
		scx_exit(SCHED_EXIT_STALL, "%s[%d] has waited %llu ms for CPU %u behind %s[%d]",
			 (__u64)oldest->comm, oldest->pid, oldest->age_ns / 1000000, oldest->cpu,
			 (__u64)oldest->holder_comm, oldest->holder_pid);
		return 0;
	}
	bpf_timer_start(&watch->timer, cfg_sched.watch_period_ns, 0);
	return 0;
}

/* Run once by user space, when the scheduler is attached. */
SEC("syscall")
int watch_start(void *ctx)
{
	__u32 zero = 0;
	struct watch *watch = bpf_map_lookup_elem(&watches, &zero);
	struct sched_pause *pause = bpf_map_lookup_elem(&sched_pauses, &zero);
	int ret;

	if (!watch || !pause)
		return -EINVAL;
	watch->base_ns = bpf_ktime_get_ns();
	watch->base_jiffies = bpf_jiffies64();
	watch->resumed_jiffies = watch->base_jiffies;
	pause->checked_ns = watch->base_ns;
	ret = bpf_timer_init(&watch->timer, &watches, WATCH_CLOCK);
	if (!ret)
		ret = bpf_timer_set_callback(&watch->timer, watch_check);
	if (!ret)
		ret = bpf_timer_start(&watch->timer, cfg_sched.watch_period_ns, 0);
	return ret;
}

#endif
