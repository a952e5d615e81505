/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"

#define DEADLINE_NS (10 * NSEC_PER_SEC)

/* A body's playground: main writes `in`, the body answers on `out`. */
struct stage {
	int in, out;
	_Atomic int result;
	_Atomic int signals_open; /* of the standard ones; the C library keeps two others */
	_Atomic bool is_freed;
	char comm[THREAD_NAME_MAX];
};

static int stage_setup(void **state)
{
	static struct stage stage;

	stage = (struct stage){.in = eventfd(0, EFD_NONBLOCK), .out = eventfd(0, EFD_NONBLOCK)};
	*state = &stage;
	return stage.in < 0 || stage.out < 0 ? -1 : 0;
}

static int stage_teardown(void **state)
{
	struct stage *stage = *state;

	close(stage->in);
	close(stage->out);
	return 0;
}

/* Waits for the body's answer; false after the deadline. */
static bool answered(struct stage *stage)
{
	struct pollfd fd = {.fd = stage->out, .events = POLLIN};
	eventfd_t value;

	return poll(&fd, 1, (int)(DEADLINE_NS / NSEC_PER_MSEC)) == 1 &&
	       eventfd_read(stage->out, &value) == 0;
}

/* Answers each write to `in` until it is stopped. */
static int echo_body(struct thread *self, void *arg)
{
	struct stage *stage = arg;
	struct pollfd fd = {.fd = stage->in, .events = POLLIN};
	eventfd_t value;
	int ret;

	thread_ready(self, 0);
	for (;;) {
		ret = thread_poll(self, &fd, 1, -1);
		if (ret < 0)
			break;
		if (ret == 1 && (fd.revents & POLLIN) && eventfd_read(stage->in, &value) == 0)
			eventfd_write(stage->out, 1);
	}
	atomic_store(&stage->result, ret);
	return ret;
}

static unsigned int find(const char *name, struct thread_usage *out)
{
	struct thread_usage all[THREAD_MAX];
	unsigned int count = thread_usage(all, THREAD_MAX);

	for (unsigned int i = 0; i < count; i++) {
		if (strcmp(all[i].name, name) == 0) {
			*out = all[i];
			return 1;
		}
	}
	return 0;
}

static void test_start_and_stop(void **state)
{
	struct stage *stage = *state;
	struct thread t = {0};

	assert_int_equal(thread_start(&t, "echo", echo_body, stage), 0);
	assert_true(t.is_started);
	eventfd_write(stage->in, 1);
	assert_true(answered(stage));
	thread_stop(&t);
	assert_false(t.is_started);
	assert_int_equal(atomic_load(&stage->result), -ECANCELED);
	thread_stop(&t);
}

static void test_stop_of_a_zeroed_thread(void **state)
{
	int flags = fcntl(STDIN_FILENO, F_GETFD);
	struct thread t = {0};

	thread_stop(&t); /* must not take its stop_fd of 0 for one */
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), flags);
}

static int failing_body(struct thread *self, void *arg)
{
	thread_ready(self, -EADDRINUSE);
	return 0;
}

static int silent_body(struct thread *self, void *arg)
{
	return -ENODEV;
}

static int mute_body(struct thread *self, void *arg)
{
	return 0;
}

static void test_failed_start_leaves_nothing(void **state)
{
	struct thread t = {0};
	struct thread_usage u;

	assert_int_equal(thread_start(&t, "fails", failing_body, NULL), -EADDRINUSE);
	assert_false(t.is_started);
	assert_false(find("fails", &u));
	thread_stop(&t);
	assert_int_equal(thread_start(&t, "silent", silent_body, NULL), -ENODEV);
	assert_int_equal(thread_start(&t, "mute", mute_body, NULL), -ECANCELED);
}

static int looking_body(struct thread *self, void *arg)
{
	struct stage *stage = arg;
	int open = 0;
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig < 32; sig++)
		open += sig != SIGKILL && sig != SIGSTOP && !sigismember(&mask, sig);
	atomic_store(&stage->signals_open, open);
	pthread_getname_np(pthread_self(), stage->comm, sizeof(stage->comm));
	thread_ready(self, 0);
	return 0;
}

static void test_body_runs_named_with_signals_blocked(void **state)
{
	struct stage *stage = *state;
	sigset_t before, after;
	struct thread t = {0};

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(thread_start(&t, "a-very-long-thread-name", looking_body, stage), 0);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	thread_stop(&t);
	assert_int_equal(atomic_load(&stage->signals_open), 0);
	assert_string_equal(stage->comm, "a-very-long-thr");
	for (int sig = 1; sig < 32; sig++)
		assert_int_equal(sigismember(&before, sig), sigismember(&after, sig));
}

/* Waits on a condition that another thread makes true, without a fd to tell. */
static bool becomes(bool (*condition)(void *), void *arg)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (!condition(arg)) {
		if (clock_now_ns() > end)
			return false;
		sched_yield();
	}
	return true;
}

static bool is_asleep(void *arg)
{
	return atomic_load(&((struct thread *)arg)->is_sleeping);
}

static void test_usage_counts_wakeups_exactly(void **state)
{
	struct stage *stage = *state;
	struct thread t = {0};
	struct thread_usage before, after;

	assert_int_equal(thread_start(&t, "echo", echo_body, stage), 0);
	assert_true(becomes(is_asleep, &t));
	assert_true(find("echo", &before));
	assert_int_equal(before.wakeups_total, 0);
	assert_true(before.is_sleeping);
	for (int i = 0; i < 3; i++) {
		eventfd_write(stage->in, 1);
		assert_true(answered(stage));
		assert_true(becomes(is_asleep, &t));
	}
	assert_true(find("echo", &after));
	assert_int_equal(after.wakeups_total, 3);
	assert_true(after.beats_total >= before.beats_total + 3);
	assert_true(after.last_beat_ns > before.last_beat_ns);
	assert_true(after.cpu_ns > before.cpu_ns);
	thread_stop(&t);
	assert_false(find("echo", &after));
}

/* Main's own poll: timeouts, ready fds, too many fds, no wake-up for a mere look. */
static void test_poll(void **state)
{
	struct stage *stage = *state;
	struct pollfd fds[16] = {
		{.fd = stage->in, .events = POLLIN},
		{.fd = stage->out, .events = POLLIN},
	};
	struct thread t;

	thread_adopt_main(&t);
	fds[0].revents = fds[1].revents = -1;
	assert_int_equal(thread_poll(&t, fds, 2, 0), 0);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(fds[1].revents, 0);
	assert_int_equal(atomic_load(&t.wakeups_total), 0);
	assert_int_equal(thread_poll(&t, fds, 2, 1), 0);
	assert_int_equal(atomic_load(&t.wakeups_total), 1);
	eventfd_write(stage->out, 1);
	assert_int_equal(thread_poll(&t, fds, 2, -1), 1);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(fds[1].revents, POLLIN);
	assert_int_equal(atomic_load(&t.wakeups_total), 2);
	assert_false(atomic_load(&t.is_sleeping));
	assert_int_equal(thread_poll(&t, fds, 16, 0), -EINVAL);
	thread_stop(&t);
}

static void on_alarm(int sig)
{
}

/* A signal neither ends the poll nor lengthens it for ever. */
static void test_poll_retries_eintr(void **state)
{
	struct stage *stage = *state;
	struct pollfd fd = {.fd = stage->in, .events = POLLIN};
	struct itimerspec every = {.it_value = {.tv_nsec = 1000000},
				   .it_interval = {.tv_nsec = 1000000}};
	struct sigaction action = {.sa_handler = on_alarm};
	uint64_t start;
	struct thread t;
	timer_t timer;

	thread_adopt_main(&t);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
	start = clock_now_ns();
	assert_int_equal(thread_poll(&t, &fd, 1, 50), 0);
	assert_true(clock_now_ns() - start >= 45 * NSEC_PER_MSEC);
	timer_delete(timer);
	thread_stop(&t);
}

static void test_main_comes_first(void **state)
{
	struct thread_usage all[THREAD_MAX];
	struct thread t = {0}, main_thread;

	assert_int_equal(thread_start(&t, "echo", echo_body, *state), 0);
	thread_adopt_main(&main_thread);
	assert_int_equal(thread_usage(all, THREAD_MAX), 2);
	assert_string_equal(all[0].name, "main");
	assert_string_equal(all[1].name, "echo");
	assert_true(all[0].cpu_ns > 0);
	assert_int_equal(thread_usage(all, 1), 1);
	thread_stop(&main_thread);
	assert_int_equal(thread_usage(all, THREAD_MAX), 1);
	thread_stop(&t);
	assert_int_equal(thread_usage(all, THREAD_MAX), 0);
}

static void test_list_is_bounded(void **state)
{
	struct thread threads[THREAD_MAX + 1] = {0};

	for (int i = 0; i < THREAD_MAX; i++)
		assert_int_equal(thread_start(&threads[i], "echo", echo_body, *state), 0);
	assert_int_equal(thread_start(&threads[THREAD_MAX], "echo", echo_body, *state), -EAGAIN);
	for (int i = THREAD_MAX; i >= 0; i--)
		thread_stop(&threads[i]);
}

/* Awake and silent until `in` is written. */
static int hanging_body(struct thread *self, void *arg)
{
	struct stage *stage = arg;
	struct pollfd fd = {.fd = stage->in, .events = POLLIN};
	eventfd_t value;

	thread_ready(self, 0);
	poll(&fd, 1, -1);
	eventfd_read(stage->in, &value);
	return echo_body(self, arg);
}

/* Does a thread hang, or does it if nothing happens for as long as that takes? */
static bool hangs(uint64_t later_ns)
{
	struct thread_usage usage[THREAD_MAX];
	unsigned int count = thread_usage(usage, THREAD_MAX);

	return thread_first_hung(usage, count, clock_now_ns() + later_ns);
}

static void test_first_hung(void **state)
{
	struct thread_usage threads[] = {{.last_beat_ns = NSEC_PER_SEC, .is_sleeping = true},
					 {.last_beat_ns = 9 * NSEC_PER_SEC},
					 {.last_beat_ns = 3 * NSEC_PER_SEC}};
	uint64_t limit_ns = 3 * NSEC_PER_SEC + THREAD_HUNG_NS;

	assert_null(thread_first_hung(threads, 3, limit_ns));
	assert_ptr_equal(thread_first_hung(threads, 3, limit_ns + 1), &threads[2]);
	assert_ptr_equal(thread_first_hung(threads, 3, 9 * NSEC_PER_SEC + THREAD_HUNG_NS + 1),
			 &threads[1]);
	assert_null(thread_first_hung(threads, 1, 3600 * NSEC_PER_SEC));
}

static void test_hung_thread_is_seen(void **state)
{
	struct stage *stage = *state;
	struct thread t = {0};

	assert_int_equal(thread_start(&t, "hangs", hanging_body, stage), 0);
	assert_false(hangs(0));
	assert_true(hangs(THREAD_HUNG_NS));
	eventfd_write(stage->in, 1);
	assert_true(becomes(is_asleep, &t));
	assert_false(hangs(THREAD_HUNG_NS));
	thread_stop(&t);
}

/* A body that ends by itself can still be listed and stopped. */
static void test_body_that_returned_early(void **state)
{
	struct thread_usage u;
	struct thread t = {0};

	assert_int_equal(thread_start(&t, "early", looking_body, *state), 0);
	assert_true(find("early", &u));
	thread_stop(&t);
}

/* Looks at its own policy when it is to stop. */
static int policy_body(struct thread *self, void *arg)
{
	struct stage *stage = arg;
	int ret;

	thread_ready(self, 0);
	ret = thread_poll(self, NULL, 0, -1);
	atomic_store(&stage->result, sched_getscheduler(0) & ~SCHED_RESET_ON_FORK);
	return ret;
}

/* Whoever stops a thread waits for it: on a busy machine it must not wait for a CPU. */
static void test_stop_runs_ahead(void **state)
{
	struct stage *stage = *state;
	struct thread t = {0};
	bool may_run_ahead = thread_set_policy(SCHED_FIFO, 1) == 0;

	assert_int_equal(thread_set_policy(SCHED_OTHER, 0), 0);
	assert_int_equal(thread_start(&t, "late", policy_body, stage), 0);
	thread_stop(&t);
	assert_int_equal(atomic_load(&stage->result), may_run_ahead ? SCHED_FIFO : SCHED_OTHER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_start_and_stop),
		TEST(test_stop_of_a_zeroed_thread),
		TEST(test_failed_start_leaves_nothing),
		TEST(test_body_runs_named_with_signals_blocked),
		TEST(test_usage_counts_wakeups_exactly),
		TEST(test_poll),
		TEST(test_poll_retries_eintr),
		TEST(test_main_comes_first),
		TEST(test_list_is_bounded),
		TEST(test_first_hung),
		TEST(test_hung_thread_is_seen),
		TEST(test_body_that_returned_early),
		TEST(test_stop_runs_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
