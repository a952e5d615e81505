/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the BPF tests share: when to skip, a loaded loader, and a child process on a leash.
 *
 * A child is a copy of the test program itself under another name. It says 'r' when its main()
 * runs, then obeys one letter at a time and answers each with one letter and a number; it ends
 * when its leash (stdin) is cut.
 */
#ifndef TESTS_BPF_TEST_H
#define TESTS_BPF_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/server.h"
#include "base/thread.h"
#include "loader/loader.h"

#define DEADLINE_MS 10000
#define CHILD_FLAG "--leashed"

/* A test program that can't run here; where it must, that is a failure. */
static inline int test_unable(const char *why)
{
	const char *require = getenv("GAMERD_TEST_REQUIRE");

	fprintf(stderr, "SKIP: %s\n", why);
	return require && !strcmp(require, "1") ? 1 : 77;
}

static inline const char *test_obstacle(void)
{
	if (geteuid() != 0)
		return "needs root to load BPF programs";
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return "this kernel has no BTF";
	return NULL;
}

/* ---- a loader with its queue ---- */

struct bench {
	struct config config;
	struct loader *loader;
	struct evq *queue;
	struct evq_producer *producer;
	struct event seen[512];
	unsigned int seen_count;
};

static inline void bench_open(struct bench *b, uint32_t batches)
{
	struct error err = {{0}};
	int ret = loader_new(&b->config, &b->loader, &err);

	if (ret)
		fail_msg("%s", err.text);
	assert_int_equal(evq_new(&b->queue), 0);
	assert_int_equal(evq_producer_new(b->queue, EVQ_KIND_EVENTS, batches, &b->producer), 0);
}

static inline void bench_run(struct bench *b)
{
	struct error err = {{0}};

	if (loader_start(b->loader, b->producer, &err) || loader_attach(b->loader, &err))
		fail_msg("%s", err.text);
}

static inline void bench_close(struct bench *b)
{
	loader_free(b->loader);
	evq_free(b->queue);
}

static inline void bench_take(void *ctx, const struct evq_batch *batch)
{
	const struct event *events = (const struct event *)(const void *)batch->payload;
	struct bench *b = ctx;

	for (uint32_t i = 0; i < batch->count; i++)
		if (b->seen_count < sizeof(b->seen) / sizeof(b->seen[0]))
			b->seen[b->seen_count++] = events[i];
}

/* The event of that type about that process, however long it takes to come; NULL after the
 * deadline. It is taken out. */
static inline const struct event *bench_event(struct bench *b, uint32_t type, uint32_t tgid)
{
	struct pollfd fd = {.fd = evq_fd(b->queue), .events = POLLIN};
	static struct event found;

	for (;;) {
		for (unsigned int i = 0; i < b->seen_count; i++) {
			if (b->seen[i].type != type || b->seen[i].tgid != tgid)
				continue;
			found = b->seen[i];
			b->seen[i] = b->seen[--b->seen_count];
			return &found;
		}
		if (poll(&fd, 1, DEADLINE_MS) <= 0)
			return NULL;
		evq_clear(b->queue);
		evq_drain(b->queue, bench_take, b);
	}
}

static inline struct cpu_slot *bench_counters(struct bench *b)
{
	static struct cpu_slot sum;

	loader_read_counters(b->loader, &sum);
	return &sum;
}

static inline bool bench_has_feature(struct bench *b, const char *name)
{
	struct feature features[FEATURE_MAX];
	unsigned int count = loader_features(b->loader, features, FEATURE_MAX);

	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(features[i].name, name))
			return features[i].is_available;
	return false;
}

/* ---- processes on a CPU ---- */

static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		_exit(3);
}

/* Until the process sleeps in its read(): then neither side counts. */
static inline void wait_asleep(pid_t pid)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	while (state != 'S' && clock_now_ns() < end) {
		FILE *file = fopen(path, "r");

		assert_non_null(file);
		assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
		fclose(file);
	}
	assert_int_equal(state, 'S');
}

/* ---- a child on a leash ---- */

struct child {
	pid_t pid;
	int command_fd;
	int answer_fd;
};

struct answer {
	char letter;
	int32_t number;
};

static inline struct answer child_answer(const struct child *c)
{
	struct pollfd fd = {.fd = c->answer_fd, .events = POLLIN};
	struct answer answer = {0};

	if (poll(&fd, 1, DEADLINE_MS) != 1 ||
	    read(c->answer_fd, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		fail_msg("child %d gives no answer", (int)c->pid);
	return answer;
}

static inline struct answer child_tell(const struct child *c, char command)
{
	assert_int_equal(write(c->command_fd, &command, 1), 1);
	return child_answer(c);
}

/* Starts the program and waits until its main() runs. */
static inline struct child child_start(const char *path)
{
	struct child c;
	int command[2], answer[2];

	assert_int_equal(pipe2(command, O_CLOEXEC), 0);
	assert_int_equal(pipe2(answer, O_CLOEXEC), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		dup2(command[0], 0);
		dup2(answer[1], 1);
		execl(path, path, CHILD_FLAG, (char *)NULL);
		_exit(127);
	}
	close(command[0]);
	close(answer[1]);
	c.command_fd = command[1];
	c.answer_fd = answer[0];
	assert_int_equal(child_answer(&c).letter, 'r');
	return c;
}

/* Cuts the leash and waits until the process is gone. */
static inline void child_end(struct child *c)
{
	int status;

	close(c->command_fd);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	close(c->answer_fd);
}

static inline void child_say(char letter, int32_t number)
{
	struct answer answer = {.letter = letter, .number = number};

	if (write(1, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
		_exit(2);
}

/* The field of /proc/PID/stat that tells processes of one PID apart. */
static inline uint64_t start_ticks(pid_t pid)
{
	char path[64], text[1024], *field;
	unsigned long long ticks = 0;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(size > 0);
	text[size] = '\0';
	field = strrchr(text, ')');
	assert_non_null(field);
	assert_int_equal(sscanf(field + 2,
				"%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
				"%*s %*s %*s %llu",
				&ticks),
			 1);
	return ticks;
}

/* ---- programs under other names ---- */

/* Makes a directory that every user can enter, of a template for mkdtemp(). */
static inline void directory_make(char *dir)
{
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
}

/* With what is in it. Returns 0. */
static inline int directory_remove(const char *dir)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static inline void file_copy(const char *from, const char *to, uid_t uid, mode_t mode)
{
	char buffer[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	ssize_t size;

	assert_true(in >= 0);
	assert_true(out >= 0);
	while ((size = read(in, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(out, buffer, (size_t)size), size);
	assert_int_equal(fchown(out, uid, uid), 0);
	assert_int_equal(fchmod(out, mode), 0);
	close(in);
	close(out);
}

#endif
