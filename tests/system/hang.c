/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hang TID: stops the thread the next time that it has awoken from poll(2) and is about to make
 * another system call, says so, and holds it there until it is ended itself. So a thread hangs
 * while the others of its process run on.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "hang: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool is_wait(unsigned long long number)
{
	return number == SYS_ppoll || number == SYS_restart_syscall
#ifdef SYS_poll
	       || number == SYS_poll
#endif
		;
}

int main(int argc, char **argv)
{
	struct __ptrace_syscall_info info;
	pid_t tid = argc == 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	int status;

	if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD))
		return fail("PTRACE_SEIZE");
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		return fail("PTRACE_INTERRUPT");
	for (;;) {
		if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
			return fail("waitpid");
		if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) < 0)
			return fail("PTRACE_GET_SYSCALL_INFO");
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && !is_wait(info.entry.nr))
			break;
		if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL))
			return fail("PTRACE_SYSCALL");
	}
	puts("hangs");
	fflush(stdout);
	pause();
	return 0;
}
