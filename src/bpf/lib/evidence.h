/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Evidence: is the program that a process now runs the server its name says?
 *
 * Anyone can name a file `pipewire`. What counts is the file that is executed, seen race-free in
 * the kernel: a regular one that root owns and others can't write, called like the server (a
 * symlink's name shows in comm only), run directly (a script's file is its interpreter) and from a
 * file system whose owners are the kernel's word (a FUSE server may claim any).
 */
#ifndef BPF_LIB_EVIDENCE_H
#define BPF_LIB_EVIDENCE_H

#include "bpf/lib/maps.h"

#include <bpf/bpf_core_read.h>

/* Both are padded with zeros. */
static __always_inline bool name_equals(const char *a, const char *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;
	__u64 diff = 0;

#pragma unroll
	for (int i = 0; i < EXE_LEN / 8; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

/* A FUSE server may be anybody's. virtiofs has the same magic number, but is a virtual machine's
 * disk: only root mounts it, and the host vouches for the owners. */
static __always_inline bool owner_is_claimed(struct inode *inode)
{
	static const char trusted[] = "virtiofs";
	char name[sizeof(trusted) + 1] = {};

	if (BPF_CORE_READ(inode, i_sb, s_magic) != FUSE_SUPER_MAGIC)
		return false;
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(inode, i_sb, s_type, name));
	for (unsigned int i = 0; i < sizeof(trusted); i++)
		if (name[i] != trusted[i])
			return true;
	return false;
}

/* The executable's base name, padded with zeros. */
static __always_inline void exe_name(struct linux_binprm *bprm, char name[EXE_LEN])
{
	bpf_probe_read_kernel_str(name, EXE_LEN,
				  BPF_CORE_READ(bprm, file, f_path.dentry, d_name.name));
}

/* Is it a program of another name, which has only the bytes of its comm in common with the rule's?
 * (xdg-desktop-portal-gnome, where xdg-desktop-portal is listed.) It claims nothing. */
static __always_inline bool evidence_is_namesake(struct linux_binprm *bprm,
						 const struct server_rule *rule)
{
	char name[EXE_LEN] __attribute__((aligned(8))) = {};

	exe_name(bprm, name);
#pragma unroll
	for (int i = 0; i < COMM_LEN - 1; i++)
		if (!name[i] || name[i] != rule->name[i])
			return false;
	return !name_equals(name, rule->name) && !name_equals(name, rule->exe);
}

/* REJECT_NONE if the executable of bprm may be the server of the rule. */
static __always_inline __u8 evidence_reject(struct linux_binprm *bprm,
					    const struct server_rule *rule)
{
	char name[EXE_LEN] __attribute__((aligned(8))) = {};
	struct file *file = BPF_CORE_READ(bprm, file);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	unsigned short mode = BPF_CORE_READ(inode, i_mode);

	if (BPF_CORE_READ(bprm, interp) != BPF_CORE_READ(bprm, filename))
		return REJECT_SCRIPT;
	exe_name(bprm, name);
	if (!name_equals(name, rule->name) && !(rule->exe[0] && name_equals(name, rule->exe)))
		return REJECT_EXE;
	if ((mode & S_IFMT) != S_IFREG || BPF_CORE_READ(inode, i_uid.val) != 0)
		return REJECT_OWNER;
	if (mode & S_IWOTH_IWGRP)
		return REJECT_WRITABLE;
	if (owner_is_claimed(inode))
		return REJECT_FILESYSTEM;
	return REJECT_NONE;
}

#endif
