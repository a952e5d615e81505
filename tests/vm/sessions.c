/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usage: sessions COUNT
 *
 * Makes so many sleeping processes, each the leader of a session of its own, and says "ready"; they
 * end with it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* It goes to sleep twice: with the first wake-up it is known to be of the new session. */
static void lead_session(void)
{
	const struct timespec moment = {.tv_nsec = 1000000};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	nanosleep(&moment, NULL);
	pause();
	_exit(0);
}

int main(int argc, char **argv)
{
	long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
	pid_t pid;

	if (count <= 0) {
		fprintf(stderr, "usage: sessions COUNT\n");
		return 2;
	}
	signal(SIGCHLD, SIG_IGN);
	for (long i = 0; i < count; i++) {
		pid = fork();
		if (!pid)
			lead_session();
		if (pid < 0) {
			fprintf(stderr, "sessions: process %ld: %s\n", i, strerror(errno));
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
