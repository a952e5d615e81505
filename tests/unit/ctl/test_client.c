/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands in a process of their own, as a user has them: stdout is a pipe, the daemon's side
 * is the real server, which comes late and goes away in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/endpoint.h"
#include "unit/world.h"

#define DEADLINE_MS 20000

static struct config config;
static char dir[] = "/tmp/client-test-XXXXXX";

struct child {
	pid_t pid;
	int out, err; /* what it prints */
};

static int setup(void **state)
{
	config_init(&config);
	if (!mkdtemp(dir))
		return -1;
	snprintf(config.runtime_dir, sizeof(config.runtime_dir), "%s", dir);
	config.scx_stats_path[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	return rmdir(dir);
}

/* Before any thread of ours exists. */
static struct child spawn(int (*command)(const struct config *, double), double interval_s)
{
	struct child child;
	int out[2], err[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	fflush(NULL);
	child.pid = fork();
	if (!child.pid) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		close(out[0]);
		close(err[0]);
		_exit(command(&config, interval_s) ? 1 : 0);
	}
	close(out[1]);
	close(err[1]);
	child.out = out[0];
	child.err = err[0];
	return child;
}

/* Reads until `text` has come; fails at the deadline. */
static void expect(int fd, const char *text)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	char heard[65536];
	size_t length = 0;

	for (;;) {
		ssize_t n;

		assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
		n = read(fd, heard + length, sizeof(heard) - 1 - length);
		assert_true(n > 0);
		length += (size_t)n;
		heard[length] = '\0';
		if (strstr(heard, text))
			return;
	}
}

static int finish(struct child *child, int signal)
{
	int status = -1;

	if (signal)
		kill(child->pid, signal);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	close(child->out);
	close(child->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct daemon {
	struct world world;
	struct ctl *ctl;
};

static void daemon_start(struct daemon *d)
{
	struct error err;

	assert_int_equal(world_start(&d->world, 8), 0);
	assert_int_equal(ctl_new(&config, &d->ctl, &err), 0);
	assert_int_equal(ctl_open(d->ctl, &err), 0);
	assert_int_equal(ctl_start(d->ctl, d->world.store, &err), 0);
}

static void daemon_stop(struct daemon *d)
{
	ctl_free(d->ctl);
	world_stop(&d->world);
}

static void test_monitor_survives_restart(void **state)
{
	struct child child = spawn(client_monitor, 0.1);
	struct daemon daemon;

	expect(child.err, "waiting");
	daemon_start(&daemon);
	expect(child.err, "connected");
	expect(child.out, "observe, netlink");
	expect(child.out, "audio_server");
	daemon_stop(&daemon);
	expect(child.err, "gone");
	daemon_start(&daemon);
	expect(child.err, "connected");
	expect(child.out, "observe, netlink");
	assert_int_equal(finish(&child, SIGINT), 0);
	daemon_stop(&daemon);
}

static void test_watch_input(void **state)
{
	struct child child = spawn(client_watch_input, 0.05);
	struct daemon daemon;

	daemon_start(&daemon);
	expect(child.out, "KBD:off");
	assert_int_equal(finish(&child, SIGTERM), 0);
	daemon_stop(&daemon);
}

/* Another scheduler's socket is no daemon of ours: its statistics are not printed. */
static void test_foreign_scheduler(void **state)
{
	static const char reply[] = "{\"errno\":0,\"args\":{\"resp\":{\"nr_tasks\":3}}}\n";
	struct pollfd pollfd = {.events = POLLIN};
	struct child child;
	struct endpoint other;
	struct error err;
	char byte;
	int fd;

	snprintf(config.scx_stats_path, sizeof(config.scx_stats_path), "%s/other", dir);
	assert_int_equal(endpoint_open(&other, config.scx_stats_path, &err), 0);
	child = spawn(client_monitor, 0.05);
	pollfd.fd = other.fd;
	assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
	fd = accept(other.fd, NULL, NULL);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	assert_int_equal(send(fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL), sizeof(reply) - 1);
	expect(child.err, "another scheduler");
	close(fd);
	assert_int_equal(finish(&child, SIGTERM), 0);
	endpoint_close(&other);
	config.scx_stats_path[0] = '\0';
}

static void test_signal_while_waiting(void **state)
{
	struct child child = spawn(client_monitor, 1);

	expect(child.err, "waiting");
	assert_int_equal(finish(&child, SIGTERM), 0);
}

/* As in "--monitor 1 | head". */
static void test_reader_gone(void **state)
{
	struct child child = spawn(client_monitor, 0.05);
	struct daemon daemon;

	daemon_start(&daemon);
	expect(child.out, "observe");
	close(child.out);
	child.out = -1;
	assert_int_equal(finish(&child, 0), 0);
	daemon_stop(&daemon);
}

/* As in "--monitor 1 | less", left at a page: the pipe is full, and signals are served. */
static void test_reader_stuck(void **state)
{
	struct daemon daemon;
	struct child child;
	int held = 0, before;

	child = spawn(client_monitor, 0.05);
	fcntl(child.out, F_SETPIPE_SZ, 4096);
	daemon_start(&daemon);
	do {
		before = held;
		poll(NULL, 0, 500);
		assert_int_equal(ioctl(child.out, FIONREAD, &held), 0);
	} while (!held || held != before);
	assert_int_equal(finish(&child, SIGTERM), 0);
	daemon_stop(&daemon);
}

static void test_no_hope(void **state)
{
	struct child child;

	/* a path through a file can never be connected to, whoever asks */
	snprintf(config.runtime_dir, sizeof(config.runtime_dir), "/proc/self/status");
	child = spawn(client_monitor, 1);
	expect(child.err, "can't connect");
	assert_int_equal(finish(&child, 0), 1);
	snprintf(config.runtime_dir, sizeof(config.runtime_dir), "%s", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monitor_survives_restart),
		cmocka_unit_test(test_watch_input),
		cmocka_unit_test(test_foreign_scheduler),
		cmocka_unit_test(test_signal_while_waiting),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_reader_stuck),
		cmocka_unit_test(test_no_hope),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
