/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usage: wake_order PROGRAM ROUNDS
 *
 * Of two threads that one interrupt of CPU 0 wakes, beside a hog there: which runs first? One is
 * this process, the other PROGRAM, a copy of it: root's and named `pipewire` it has a role. The
 * copy's timer is due one nanosecond before, so that it is always woken first. Prints how often the
 * copy ran second, and the longest that it waited:
 *
 *     later 0 of 200, 480 us
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 1000
#define PERIOD_NS 10370000ull /* no multiple of a tick */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec until = {.tv_sec = (time_t)(ns / 1000000000ull),
				 .tv_nsec = (long)(ns % 1000000000ull)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* ran[i]: when it ran in round i, in ns after that began. */
static void run(uint64_t start_ns, long rounds, uint64_t *ran)
{
	prctl(PR_SET_TIMERSLACK, 1);
	for (long i = 0; i < rounds; i++) {
		uint64_t due_ns = start_ns + (uint64_t)i * PERIOD_NS;

		sleep_until(due_ns);
		ran[i] = now_ns() - due_ns;
	}
}

static int sleeper(uint64_t start_ns, long rounds)
{
	static uint64_t ran[ROUNDS_MAX];
	size_t size = (size_t)rounds * sizeof(ran[0]);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run(start_ns, rounds, ran);
	return write(STDOUT_FILENO, ran, size) == (ssize_t)size ? 0 : 1;
}

static int start_copy(const char *program, uint64_t start_ns, const char *rounds)
{
	char start[24];
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0)
		return -1;
	snprintf(start, sizeof(start), "%llu", (unsigned long long)start_ns);
	pid = fork();
	if (pid)
		close(fds[1]);
	if (pid < 0)
		close(fds[0]);
	if (pid)
		return pid < 0 ? -1 : fds[0];
	dup2(fds[1], STDOUT_FILENO);
	execl(program, program, "--sleep", start, rounds, NULL);
	_exit(1);
}

static int read_whole(int fd, void *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = read(fd, (char *)to + done, size - done);

		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static int compare(const char *program, const char *rounds_text, long rounds)
{
	static uint64_t ours[ROUNDS_MAX], theirs[ROUNDS_MAX];
	uint64_t start_ns = now_ns() + 2000000000ull, longest = 0;
	long later = 0;
	int fd = start_copy(program, start_ns, rounds_text);

	if (fd < 0)
		return 1;
	run(start_ns + 1, rounds, ours);
	if (read_whole(fd, theirs, (size_t)rounds * sizeof(theirs[0])) < 0) {
		fprintf(stderr, "wake_order: %s has no result\n", program);
		return 1;
	}
	for (long i = 0; i < rounds; i++) {
		later += theirs[i] > ours[i] + 1;
		if (theirs[i] > longest)
			longest = theirs[i];
	}
	printf("later %ld of %ld, %llu us\n", later, rounds, (unsigned long long)longest / 1000);
	return 0;
}

int main(int argc, char **argv)
{
	long rounds = argc > 2 ? strtol(argv[argc - 1], NULL, 10) : 0;
	cpu_set_t first;

	if (rounds < 1 || rounds > ROUNDS_MAX || argc > 4) {
		fprintf(stderr, "usage: wake_order PROGRAM ROUNDS\n");
		return 2;
	}
	/* Timers are those of the CPU where they are set. */
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	sched_setaffinity(0, sizeof(first), &first);
	if (argc == 4 && !strcmp(argv[1], "--sleep"))
		return sleeper(strtoull(argv[2], NULL, 10), rounds);
	return compare(argv[1], argv[2], rounds);
}
