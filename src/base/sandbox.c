/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls are looked up by name when a filter is made: a name that this libseccomp does not know
 * (an older one), or that this machine does not have, is left out.
 *
 * In the lists are also calls that only other C libraries, or other versions of one, make for what
 * the daemon does: futex_wait beside futex, ppoll_time64 beside poll.
 */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/errors.h"
#include "base/privilege.h"

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
	HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

#define CLONE_NEW_ANY                                                                  \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#if defined(__s390__)
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

/* clang-format off */
/* Of every thread. */
static const char *const common_calls[] = {
	/* memory; mmap and mprotect are below */
	"brk", "madvise", "membarrier", "mremap", "msync", "munmap",
	/* threads and signals */
	"arch_prctl", "exit", "exit_group", "futex", "futex_requeue", "futex_time64", "futex_wait",
	"futex_waitv", "futex_wake", "get_robust_list", "getcpu", "getegid", "geteuid", "getgid",
	"getpid", "getppid", "gettid", "getuid", "restart_syscall", "rseq", "rt_sigaction",
	"rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sched_getaffinity",
	"sched_yield", "set_robust_list", "set_thread_area", "set_tid_address", "sigaltstack",
	"sigprocmask", "sigreturn", "tgkill", "tkill",
	/* what the kernel has programs do that uprobes are in */
	"uprobe", "uretprobe",
	/* time */
	"clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64",
	"clock_nanosleep", "clock_nanosleep_time64", "gettimeofday", "nanosleep", "time", "times",
	/* descriptors; open and ioctl are below */
	"_llseek", "_newselect", "close", "dup", "dup2", "dup3", "epoll_create", "epoll_create1",
	"epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "fcntl", "fcntl64",
	"fstat", "fstat64", "fstatat64", "lseek", "newfstatat", "pipe", "pipe2", "poll", "ppoll",
	"ppoll_time64", "pread64", "pselect6", "pselect6_time64", "read", "readv", "select", "statx",
	"write", "writev",
	/* sockets that are there */
	"accept", "accept4", "getpeername", "getsockname", "getsockopt", "recv", "recvfrom",
	"recvmsg", "send", "sendmsg", "sendto", "setsockopt", "shutdown",
	/* what a C library asks for */
	"access", "faccessat", "faccessat2", "getrandom", "getrlimit", "getrusage", "prlimit64",
	"readlink", "readlinkat", "sysinfo", "ugetrlimit", "uname",
};

/* Of all but readers. */
static const char *const main_calls[] = {
	/* BPF */
	"bpf", "memfd_create", "perf_event_open",
	/* files and processes of others, in /proc and /sys */
	"fstatfs", "fstatfs64", "getdents", "getdents64", "lstat", "lstat64", "pidfd_open", "stat",
	"stat64", "statfs", "statfs64",
	/* the test of the proc connector, and threads; clone is below */
	"fork", "prctl", "vfork", "wait4", "waitid", "waitpid",
	/* sockets; socket is below */
	"bind", "connect", "listen", "recvmmsg", "recvmmsg_time64", "sendmmsg",
	/* urgency */
	"getpriority", "sched_get_priority_max", "sched_get_priority_min", "sched_getattr",
	"sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_setattr",
	"sched_setparam", "sched_setscheduler", "setpriority",
	/* what makes it a reader */
	"capget", "capset", "seccomp",
	/* timers of libraries, and the end */
	"rmdir", "timerfd_create", "timerfd_settime", "timerfd_settime64", "unlink", "unlinkat",
};
/* clang-format on */

/* Allowed if the bits `mask` of an argument are `value`. A call may be there more than once. */
static const struct condition {
	const char *call;
	unsigned int arg;
	uint64_t mask, value;
	bool is_readers;
} conditions[] = {
	{"mmap", 2, PROT_EXEC, 0, true},
	{"mmap2", 2, PROT_EXEC, 0, true},
	{"mprotect", 2, PROT_EXEC, 0, true},
	{"open", 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY, true},
	{"openat", 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY, true},
	{"ioctl", 1, UINT32_MAX, TCGETS, true},
	{"ioctl", 1, UINT32_MAX, FIONREAD, true},
	{"ioctl", 1, UINT32_MAX, FIONBIO, true},
	{"clone", CLONE_FLAGS_ARG, CLONE_NEW_ANY, 0, false},
	{"socket", 0, UINT32_MAX, AF_UNIX, false},
	{"socket", 0, UINT32_MAX, AF_INET, false},
	{"socket", 0, UINT32_MAX, AF_NETLINK, false},
};

static bool is_entered; /* written while there is one thread */

static int allow(scmp_filter_ctx filter, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]), ret;

		if (number == __NR_SCMP_ERROR)
			continue;
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
		if (ret && ret != -EDOM)
			return ret;
	}
	return 0;
}

static int allow_conditions(scmp_filter_ctx filter, bool is_reader)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		const struct condition *c = &conditions[i];
		int number = seccomp_syscall_resolve_name(c->call), ret;

		if (number == __NR_SCMP_ERROR || (is_reader && !c->is_readers))
			continue;
		ret = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
				       SCMP_CMP64(c->arg, SCMP_CMP_MASKED_EQ, c->mask, c->value));
		if (ret && ret != -EDOM)
			return ret;
	}
	return 0;
}

/* The flags of clone3 are in memory, where a filter can't look: without it the C library takes
 * clone. */
static int refuse_clone3(scmp_filter_ctx filter)
{
	int number = seccomp_syscall_resolve_name("clone3");

	if (number == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
}

/* Makes a filter and puts the calling thread under it. */
static int load(bool is_reader)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int ret;

	if (!filter)
		return -ENOMEM;
	/* No foreign code runs here: what keeps such from reading by speculation only costs time.
	 */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	ret = allow(filter, common_calls, sizeof(common_calls) / sizeof(common_calls[0]));
	if (!ret && !is_reader)
		ret = allow(filter, main_calls, sizeof(main_calls) / sizeof(main_calls[0]));
	if (!ret)
		ret = allow_conditions(filter, is_reader);
	if (!ret && !is_reader)
		ret = refuse_clone3(filter);
	if (!ret)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret;
}

void sandbox_enter(struct feature *out)
{
	int ret = IS_SANITIZED ? 0 : load(false);

	*out = (struct feature){.name = "seccomp"};
	if (IS_SANITIZED)
		snprintf(out->detail, sizeof(out->detail),
			 "no filter of system calls in an instrumented build");
	else if (ret)
		snprintf(out->detail, sizeof(out->detail), "no filter of system calls: %s",
			 error_name(ret));
	else
		snprintf(out->detail, sizeof(out->detail),
			 "system calls are filtered, more narrowly where requests are read");
	is_entered = out->is_available = !IS_SANITIZED && !ret;
}

/* libseccomp keeps what it has found out about the kernel in variables, and many threads of one
 * kind start at a time. */
int sandbox_enter_reader(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int ret = privilege_shed();

	if (ret || !is_entered)
		return ret;
	pthread_mutex_lock(&lock);
	ret = load(true);
	pthread_mutex_unlock(&lock);
	return ret;
}
