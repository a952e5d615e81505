/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usage: forks COUNT ROUNDS
 *
 * In each round, makes so many processes as fast as it can, which sleep until all are there. Says
 * how many forks failed, and why the last one did.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long count = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
	long rounds = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	int failed = 0, why = 0, gate[2];
	pid_t pid;
	char byte;

	if (count <= 0 || rounds <= 0) {
		fprintf(stderr, "usage: forks COUNT ROUNDS\n");
		return 2;
	}
	for (; rounds; rounds--) {
		if (pipe(gate))
			return 1;
		for (long i = 0; i < count; i++) {
			pid = fork();
			if (!pid) {
				close(gate[1]);
				_exit(read(gate[0], &byte, 1) < 0);
			}
			if (pid < 0) {
				failed++;
				why = errno;
			}
		}
		close(gate[0]);
		close(gate[1]);
		while (wait(NULL) > 0)
			;
	}
	printf("%d failed: %s\n", failed, failed ? strerror(why) : "none");
	return 0;
}
