/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flood: makes process events that concern the daemon as fast as it can, until it is ended.
 *
 *   flood rename        takes listed names in turn
 *   flood fork          starts children that take a listed name and end
 *   flood exec PROGRAM  starts children that exec the program
 *   flood inherit       starts children that end; with a role of its own, they inherit it
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(const char *kind, const char *program)
{
	if (!strcmp(kind, "exec")) {
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	if (!strcmp(kind, "fork"))
		prctl(PR_SET_NAME, "pipewire");
	_exit(0);
}

static void start_and_wait(const char *kind, const char *program)
{
	pid_t pid = fork();

	if (pid == 0)
		child(kind, program);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "", *program = argc > 2 ? argv[2] : "";

	prctl(PR_SET_PDEATHSIG, 9);
	if (strcmp(kind, "rename") && strcmp(kind, "fork") && strcmp(kind, "exec") &&
	    strcmp(kind, "inherit"))
		return 2;
	for (;;) {
		if (!strcmp(kind, "rename")) {
			prctl(PR_SET_NAME, "pipewire");
			prctl(PR_SET_NAME, "jackd");
		} else {
			start_and_wait(kind, program);
		}
	}
}
