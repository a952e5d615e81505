/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does a woken thread wait behind the one that woke it, while other CPUs are idle?
 *
 * A process writes to a pipe, which the kernel takes as a hint that the writer is about to sleep (a
 * synchronous wake-up), and computes for BUSY_NS instead. The reader says after which time it ran
 * and where. One that begins only after half of BUSY_NS has waited behind its waker.
 *
 *   writer  ..|write|compute........................|...
 *   reader  ........|runs: an idle CPU took it
 *   reader  ........|waits..........................|runs
 *
 * Each time the writer first moves to the CPU where the reader ran last, which is then the busy
 * one: otherwise the reader would just stay where it was, and it would be the luck of the start.
 *
 * The reader is PROGRAM, a copy of this one: root's and named `pipewire` it is audio_server for
 * scx_gamerd. Prints one line of JSON.
 *
 * Invariant: every wake-up has an answer.
 */
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "dist.h"
#include "probe.h"

#define BUSY_NS (5 * NSEC_PER_MSEC)
#define COUNT_MAX 100000

struct answer {
	uint64_t late_ns;
	uint32_t cpu;
};

static void sleep_ns(uint64_t ns)
{
	struct timespec span = {.tv_sec = (time_t)(ns / NSEC_PER_SEC),
				.tv_nsec = (long)(ns % NSEC_PER_SEC)};

	nanosleep(&span, NULL);
}

static int run_reader(void)
{
	uint64_t written_ns;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(STDIN_FILENO, &written_ns, sizeof(written_ns)) == sizeof(written_ns)) {
		struct answer answer = {.late_ns = clock_now_ns() - written_ns,
					.cpu = (uint32_t)sched_getcpu()};

		if (write(STDOUT_FILENO, &answer, sizeof(answer)) != sizeof(answer))
			return 1;
	}
	return 0;
}

static pid_t start_reader(const char *program, int *to, int *from)
{
	int requests[2], answers[2];
	pid_t pid;

	if (pipe(requests) || pipe(answers))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(requests[0], STDIN_FILENO);
		dup2(answers[1], STDOUT_FILENO);
		close(requests[1]);
		close(answers[0]);
		execl(program, program, (char *)NULL);
		perror(program);
		_exit(127);
	}
	close(requests[0]);
	close(answers[1]);
	*to = requests[1];
	*from = answers[0];
	return pid;
}

/* Moves there, and may leave it again. */
static void go_to(uint32_t cpu)
{
	cpu_set_t allowed, there;

	CPU_ZERO(&there);
	CPU_SET(cpu, &there);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) ||
	    sched_setaffinity(0, sizeof(there), &there) ||
	    sched_setaffinity(0, sizeof(allowed), &allowed))
		abort();
}

/* Wakes the reader `count` times. False: it did not answer. */
static bool measure(int to, int from, int count, struct dist *late, int *same_cpu)
{
	for (int i = 0; i < count; i++) {
		struct answer answer;
		uint64_t now;
		int cpu;

		sleep_ns(10 * NSEC_PER_MSEC + (uint64_t)(i % 7) * NSEC_PER_MSEC);
		cpu = sched_getcpu();
		now = clock_now_ns();
		if (write(to, &now, sizeof(now)) != sizeof(now))
			return false;
		while (clock_now_ns() - now < BUSY_NS)
			;
		if (read(from, &answer, sizeof(answer)) != sizeof(answer))
			return false;
		dist_add(late, answer.late_ns);
		*same_cpu += (int)answer.cpu == cpu;
		go_to(answer.cpu);
	}
	return true;
}

int main(int argc, char **argv)
{
	int count = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;
	int to, from, behind = 0, same_cpu = 0, status;
	struct dist late;
	pid_t reader;

	if (argc == 1)
		return run_reader();
	if (count < 1 || count > COUNT_MAX) {
		fprintf(stderr, "usage: wake_probe PROGRAM COUNT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	dist_init(&late, (size_t)count);
	reader = start_reader(argv[1], &to, &from);
	sleep_ns(NSEC_PER_SEC); /* until it is known by its name */
	if (reader < 0 || !measure(to, from, count, &late, &same_cpu)) {
		fprintf(stderr, "wake_probe: %s does not answer\n", argv[1]);
		return 1;
	}
	close(to);
	if (waitpid(reader, &status, 0) != reader || status)
		return 1;
	for (size_t i = 0; i < late.count; i++)
		behind += late.samples[i] > BUSY_NS / 2;
	printf("{\"wakeups\": %d, \"behind\": %d, \"same_cpu\": %d, \"p50_ns\": %lu, \"max_ns\": %lu}\n",
	       count, behind, same_cpu, dist_quantile(&late, 0.5), dist_quantile(&late, 1));
	dist_fini(&late);
	return 0;
}
