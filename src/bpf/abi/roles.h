/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Roles of processes and classes of threads, shared by BPF and user space.
 *
 * A role belongs to a process (TGID) and is evidence; a class belongs to a thread and is the
 * verdict. Each list has all that is fixed about a role or class in one row, so a new one is a new
 * row: NAME_LIST(X) calls X(ID, "name", ...).
 */
#ifndef BPF_ABI_ROLES_H
#define BPF_ABI_ROLES_H

#include <linux/types.h>

/* With the class of its process' threads, unless other evidence is stronger. */
#define ROLE_LIST(X)                                                \
	X(ROLE_NONE, "none", CLASS_NORMAL)                          \
	X(ROLE_AUDIO_SERVER, "audio_server", CLASS_AUDIO_SERVER)    \
	X(ROLE_AUDIO_SUPPORT, "audio_support", CLASS_AUDIO_SUPPORT) \
	X(ROLE_COMPOSITOR, "compositor", CLASS_COMPOSITOR)          \
	X(ROLE_GAME, "game", CLASS_GAME)

/* Most latency-critical first. With the rank that the scheduler gives it (lib/sched_task.h), and
 * within how many us of its wake-up such a thread is to run: of those that wait in an urgent queue
 * the one due first goes first. */
#define CLASS_LIST(X)                                             \
	X(CLASS_AUDIO_SERVER, "audio_server", RANK_AUDIO, 500)    \
	X(CLASS_AUDIO_SUPPORT, "audio_support", RANK_AUDIO, 5000) \
	X(CLASS_AUDIO_CLIENT, "audio_client", RANK_AUDIO, 1000)   \
	X(CLASS_INPUT, "input", RANK_INPUT, 2000)                 \
	X(CLASS_COMPOSITOR, "compositor", RANK_INTERACTIVE, 4000) \
	X(CLASS_GAME, "game", RANK_INTERACTIVE, 5000)             \
	X(CLASS_NORMAL, "normal", RANK_NORMAL, 5000)              \
	X(CLASS_BACKGROUND, "background", RANK_NORMAL, 5000)

/* Why a thread has its class: its process' role, woken by an audio server or a client of one at a
 * steady pace, woken from the input event path, SCHED_BATCH or SCHED_IDLE, a nice value. */
#define REASON_LIST(X)               \
	X(REASON_DEFAULT, "default") \
	X(REASON_ROLE, "role")       \
	X(REASON_CLIENT, "client")   \
	X(REASON_INPUT, "input")     \
	X(REASON_POLICY, "policy")   \
	X(REASON_NICE, "nice")

/* Who set a role: the start-up or resync scan, the proc connector, inheritance at fork, BPF at
 * exec. */
#define SOURCE_LIST(X)               \
	X(SOURCE_SCAN, "scan")       \
	X(SOURCE_NETLINK, "netlink") \
	X(SOURCE_FORK, "fork")       \
	X(SOURCE_BPF, "bpf")

/* Why a process with a listed name got no role. */
#define REJECT_LIST(X)                                           \
	X(REJECT_NONE, "none")                                   \
	X(REJECT_EXE, "executable has another name")             \
	X(REJECT_OWNER, "executable not owned by root")          \
	X(REJECT_WRITABLE, "executable writable by others")      \
	X(REJECT_SCRIPT, "script or foreign binary format")      \
	X(REJECT_FILESYSTEM, "executable on a FUSE file system") \
	X(REJECT_LIMIT, "too many processes with a role")

#define ABI_ENUM_ITEM(id, ...) id,
enum role { ROLE_LIST(ABI_ENUM_ITEM) ROLE_COUNT };
enum class { CLASS_LIST(ABI_ENUM_ITEM) CLASS_COUNT };
enum class_reason { REASON_LIST(ABI_ENUM_ITEM) REASON_COUNT };
enum role_source { SOURCE_LIST(ABI_ENUM_ITEM) SOURCE_COUNT };
enum reject { REJECT_LIST(ABI_ENUM_ITEM) REJECT_COUNT };

/* How many of `max` places one user may hold when `taken` are: half of them are for whoever comes
 * first, `per_uid` each; the rest is kept, one each, for users who have none. */
#define ROLE_PLACES(taken, max, per_uid) ((taken) < ((max) + 1) / 2 ? (per_uid) : 1)

#define COMM_LEN 16 /* TASK_COMM_LEN */
#define EXE_LEN 64

/* Key of `server_names`: a comm, padded with zeros. */
struct server_key {
	char comm[COMM_LEN];
};

/* Value of `server_names`: the executable's base name must be one of these. */
struct server_rule {
	char name[EXE_LEN]; /* the full name; comm is its first 15 bytes */
	char exe[EXE_LEN];  /* another one, "" if none */
	__u32 role;
};

/* Value of `tgid_roles`; key is the TGID. Written by BPF only: at exec, fork and exit, and by the
 * program `roles_apply`, which user space runs. */
struct role_entry {
	__u64 start_ns;	    /* the leader's start_boottime: distinguishes a reused PID */
	__u64 exec_ns;	    /* ktime at exec or fork; 0 if found by a scan */
	__u64 granted_ns;   /* ktime when the entry was made */
	__u64 confirmed_ns; /* ktime when user space confirmed it; 0 before */
	__u32 uid;	    /* real uid, for the limit per uid */
	__u32 threads;	    /* live threads, kept at fork and exit of each */
	__u8 role;
	__u8 source; /* who made it */
	__u8 pad[6];
};
_Static_assert(sizeof(struct role_entry) == 48, "role_entry is part of the ABI");

/* Context of `roles_apply`. Returns 0; -EAGAIN: a limit is reached; -ESRCH: nothing to confirm or
 * clear; -EEXIST: the entry is another process's (start differs). */
enum role_op { ROLE_OP_CONFIRM, ROLE_OP_CLEAR };

struct role_request {
	__u32 op; /* CONFIRM sets or confirms; CLEAR removes */
	__u32 tgid;
	__u64 start_ticks; /* field 22 of /proc/PID/stat, in 1/100 s; 0 matches any in CLEAR */
	__u64 exec_ns;	   /* for a new entry */
	__u32 uid;
	__u32 threads; /* for a new entry */
	__u8 role;
	__u8 source;
	__u8 pad[6];
};
_Static_assert(sizeof(struct role_request) == 40, "role_request is part of the ABI");

#endif
