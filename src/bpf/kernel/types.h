/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel types: only the structs and members that the programs read.
 *
 * preserve_access_index makes every member access a CO-RE relocation: libbpf finds the member by
 * name in the running kernel's BTF, wherever it lies there. So order, padding and what is left out
 * do not matter; names and kinds do, and tests/bpf checks them against the kernel's BTF. Integers
 * are unsigned here, whatever the kernel says: libbpf adjusts a load to a member that has become
 * wider or narrower only then.
 */
#ifndef BPF_KERNEL_TYPES_H
#define BPF_KERNEL_TYPES_H

#include <linux/types.h>
#include <stdbool.h>

#define NULL ((void *)0)

/* Of errno.h, which a BPF object can't include; these values are ABI. */
#define ESRCH 3
#define EAGAIN 11
#define EEXIST 17
#define EINVAL 22

#define S_IFMT 00170000
#define S_IFREG 0100000
#define S_IWOTH_IWGRP 00022
#define FUSE_SUPER_MAGIC 0x65735546

#define SCHED_BATCH 3
#define SCHED_IDLE 5

#define PF_KTHREAD 0x00200000 /* task_struct.flags: a thread of the kernel */

/* task_struct.__state of a thread that has run for the last time. */
#define TASK_DEAD 0x80

/* preempt_count; see bpf/abi/preempt.h */
#define PREEMPT_NEED_RESCHED 0x80000000u
#define PREEMPT_NESTING_MAX 0x100u

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct cpumask;

struct signal_struct {
	atomic_t live; /* threads of the process that have not begun to exit */
};

struct rt_rq {
	unsigned int rt_nr_running;
};

struct rq {
	unsigned int cpu;
	struct rt_rq rt;
};

struct cfs_rq {
	struct rq *rq; /* only with CONFIG_FAIR_GROUP_SCHED */
};

struct sched_entity {
	__u64 sum_exec_runtime;	     /* ran since it was forked */
	unsigned char sched_delayed; /* 6.12: asleep, yet still on the queue */
	struct cfs_rq *cfs_rq;
};

struct cfs_bandwidth {
	__u64 period;
	__u64 quota;
};

/* What the kernel's own scheduler shares the CPU among: a cgroup, or an autogroup. */
struct task_group {
	int idle;
	unsigned long shares;
	struct task_group *parent;
	struct cfs_bandwidth cfs_bandwidth;
};

struct task_struct {
	unsigned int __state;
	unsigned int flags;
	unsigned int on_rq; /* a byte from 7.2 on */
	unsigned int static_prio;
	unsigned int policy;
	unsigned int pid;
	unsigned int tgid;
	__u64 start_boottime;
	char comm[16];
	int nr_cpus_allowed;
	const struct cpumask *cpus_ptr;
	struct sched_entity se;
	struct task_struct *group_leader;
	const struct cred *real_cred;
	struct signal_struct *signal;
	struct task_group *sched_task_group;
};

/* arm64 keeps the preempt count in thread_info: in its low half, "need resched" in the high one. */
struct thread_info___arm64 {
	__u64 preempt_count;
};

struct task_struct___arm64 {
	struct thread_info___arm64 thread_info;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file_system_type {
	const char *name;
};

struct super_block {
	unsigned long s_magic;
	struct file_system_type *s_type;
};

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
};

struct linux_binprm {
	struct file *file;
	const char *filename;
	const char *interp;
};

struct bpf_iter__task {
	struct task_struct *task;
};

struct input_dev {
	unsigned long keybit[12];
};

#pragma clang attribute pop

#endif
