/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * storm: starts and ends many processes of one program, for the system tests.
 *
 *   storm [-n STARTS] [-k ALIVE] [-s SEED] [-w] [-r] PROGRAM [ARG]...
 *
 * Keeps at most ALIVE children; each step either starts one or kills a random one (SIGTERM or
 * SIGKILL). -w: children end by themselves. -r: forces the reuse of PIDs, by moving the kernel's
 * last PID back to the same few hundred each time. At the end every child is ended and reaped;
 * prints how many were started and how many PIDs were used more than once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PID_LIMIT (1 << 22)
#define REUSE_SPAN 200

struct storm {
	unsigned int starts, alive_max;
	bool is_waiting, is_reusing;
	uint64_t random;
	pid_t *alive;
	unsigned int alive_count, started, reused;
	unsigned char *seen;
	int last_pid_fd;
	pid_t reuse_base;
};

/* xorshift64*; the seed makes a run repeatable. */
static uint32_t next_random(struct storm *s)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return (uint32_t)((s->random * 0x2545f4914f6cdd1dull) >> 32);
}

static int force_reuse(struct storm *s)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d",
			 s->reuse_base + (int)(next_random(s) % REUSE_SPAN));

	return pwrite(s->last_pid_fd, text, (size_t)n, 0) == n ? 0 : -errno;
}

static int start_one(struct storm *s, char **argv)
{
	pid_t pid;
	int r;

	if (s->is_reusing) {
		r = force_reuse(s);
		if (r)
			return r;
	}
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[0], argv);
		_exit(127);
	}
	s->alive[s->alive_count++] = pid;
	s->started++;
	if (s->seen[pid])
		s->reused++;
	s->seen[pid] = 1;
	return 0;
}

static void end_one(struct storm *s)
{
	unsigned int i = next_random(s) % s->alive_count;
	int status;

	if (!s->is_waiting)
		kill(s->alive[i], next_random(s) & 1 ? SIGKILL : SIGTERM);
	while (waitpid(s->alive[i], &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		fprintf(stderr, "storm: the program could not be executed\n");
		exit(1);
	}
	s->alive[i] = s->alive[--s->alive_count];
}

static int run(struct storm *s, char **argv)
{
	while (s->started < s->starts) {
		bool is_full = s->alive_count == s->alive_max;
		int r;

		if (is_full || (!s->is_waiting && s->alive_count && next_random(s) % 2)) {
			end_one(s);
			continue;
		}
		r = start_one(s, argv);
		if (r) {
			fprintf(stderr, "storm: %s\n", strerror(-r));
			return 1;
		}
	}
	while (s->alive_count)
		end_one(s);
	printf("started %u reused %u\n", s->started, s->reused);
	return 0;
}

int main(int argc, char **argv)
{
	struct storm s = {.starts = 1000, .alive_max = 8, .random = 42, .last_pid_fd = -1};
	int c, r;

	while ((c = getopt(argc, argv, "+n:k:s:wr")) != -1) {
		switch (c) {
		case 'n':
			s.starts = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			s.alive_max = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 's':
			s.random = strtoull(optarg, NULL, 10) | 1;
			break;
		case 'w':
			s.is_waiting = true;
			break;
		case 'r':
			s.is_reusing = true;
			break;
		default:
			return 2;
		}
	}
	if (optind == argc || !s.alive_max)
		return 2;
	s.alive = calloc(s.alive_max, sizeof(pid_t));
	s.seen = calloc(PID_LIMIT, 1);
	s.reuse_base = getpid() + 100;
	if (s.is_reusing)
		s.last_pid_fd = open("/proc/sys/kernel/ns_last_pid", O_RDWR | O_CLOEXEC);
	if (!s.alive || !s.seen || (s.is_reusing && s.last_pid_fd < 0)) {
		perror("storm");
		return 77;
	}
	r = run(&s, argv + optind);
	free(s.alive);
	free(s.seen);
	return r;
}
