// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fork storm without and with the daemon: fork, exit and wait of a process that does not matter.
 *
 *   without, with  one such process; half of those without come before the daemon, half after it
 *   cpu, wakeups   the daemon's CPU time and wake-ups, for a thousand of them
 *
 * Invariant: every process ends as it should, and the daemon still answers afterwards, in that it
 * ends with status 0.
 */
#include <getopt.h>

#include "daemon_process.h"
#include "line.h"
#include "stopwatch.h"
#include "usage.h"

static int fork_one(struct stopwatch *watch, struct dist *d)
{
	int status;
	pid_t pid;

	stopwatch_start(watch);
	pid = fork();
	if (!pid)
		_exit(7);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
		return -1;
	dist_add(d, stopwatch_stop(watch, 1));
	return 0;
}

static int storm(struct stopwatch *watch, unsigned int count, struct dist *d)
{
	int r = 0;

	stopwatch_pin(0);
	while (!r && count--)
		r = fork_one(watch, d);
	stopwatch_unpin();
	if (r)
		fprintf(stderr, "storm: a process did not end as it should\n");
	return r;
}

static int storm_with(const char *binary, struct stopwatch *watch, unsigned int count,
		      struct dist *d)
{
	struct daemon_process daemon;
	struct usage before, after;
	int r = daemon_process_start(&daemon, binary, "", false);

	if (r) {
		fprintf(stderr, "storm: the daemon did not start\n");
		return r;
	}
	usleep(500000); /* the start's last ripples */
	before = usage_of(daemon.pid);
	r = storm(watch, count, d);
	after = usage_of(daemon.pid);
	if (!r && daemon_process_stop(&daemon)) {
		fprintf(stderr, "storm: the daemon did not survive it\n");
		r = -1;
	}
	if (r)
		return r;
	line_value("storm", "cpu", "us", (double)(after.cpu_ns - before.cpu_ns) / count);
	line_value("storm", "wakeups", "in 1000",
		   1e3 * (double)(after.sleeps - before.sleeps) / count);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int count = 6000;
	struct dist without, with;
	const char *binary = NULL;
	struct stopwatch watch;
	int c, r;

	while ((c = getopt(argc, argv, "qd:")) != -1) {
		if (c == 'd')
			binary = optarg;
		else if (c == 'q')
			count = 500;
		else
			return 2;
	}
	if (!binary)
		return 2;
	dist_init(&without, count);
	dist_init(&with, count);
	stopwatch_init(&watch);
	r = storm(&watch, count / 2, &without);
	if (!r)
		r = storm_with(binary, &watch, count, &with);
	if (!r)
		r = storm(&watch, count / 2, &without);
	if (!r) {
		line_dist("storm", "without", "us", &without, PS_PER_US);
		line_dist("storm", "with", "us", &with, PS_PER_US);
	}
	dist_fini(&without);
	dist_fini(&with);
	return r ? 1 : 0;
}
