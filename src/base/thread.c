/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

#define POLL_MAX 15

/* Live threads in the order of their start, main first. The mutex also keeps a listed thread from
 * being joined while its CPU clock is read. */
static struct {
	pthread_mutex_t lock;
	struct thread *threads[THREAD_MAX];
	unsigned int count;
} list = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int list_insert(struct thread *t, bool at_head)
{
	int ret = -EAGAIN;

	pthread_mutex_lock(&list.lock);
	if (list.count < THREAD_MAX) {
		unsigned int at = at_head ? 0 : list.count;

		memmove(&list.threads[at + 1], &list.threads[at],
			(list.count - at) * sizeof(list.threads[0]));
		list.threads[at] = t;
		list.count++;
		ret = 0;
	}
	pthread_mutex_unlock(&list.lock);
	return ret;
}

static void list_remove(const struct thread *t)
{
	pthread_mutex_lock(&list.lock);
	for (unsigned int i = 0; i < list.count; i++) {
		if (list.threads[i] != t)
			continue;
		list.count--;
		memmove(&list.threads[i], &list.threads[i + 1],
			(list.count - i) * sizeof(list.threads[0]));
		break;
	}
	pthread_mutex_unlock(&list.lock);
}

static void thread_prepare(struct thread *t, const char *name)
{
	*t = (struct thread){.stop_fd = -1, .ready_fd = -1};
	snprintf(t->name, sizeof(t->name), "%s", name);
	atomic_init(&t->last_beat_ns, clock_now_ns());
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	int ret;

	t->tid = gettid();
	pthread_setname_np(pthread_self(), t->name);
	ret = t->body(t, t->arg);
	if (!t->is_ready)
		thread_ready(t, ret < 0 ? ret : -ECANCELED);
	return NULL;
}

/* The new thread inherits a mask with everything blocked: signals belong to main's signalfd. */
static int create_blocked(struct thread *t)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&t->id, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -ret;
}

/* The handshake's eventfd carries 1 + errno, because it can't carry 0. */
static int wait_ready(struct thread *t)
{
	uint64_t value;

	while (read(t->ready_fd, &value, sizeof(value)) < 0)
		if (errno != EINTR)
			return -errno;
	return -(int)(value - 1);
}

int thread_start(struct thread *t, const char *name, int (*body)(struct thread *, void *),
		 void *arg)
{
	int ret;

	thread_prepare(t, name);
	t->body = body;
	t->arg = arg;
	t->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->stop_fd < 0)
		return -errno;
	t->ready_fd = eventfd(0, EFD_CLOEXEC);
	if (t->ready_fd < 0) {
		ret = -errno;
		goto close_stop;
	}
	ret = create_blocked(t);
	if (ret < 0)
		goto close_ready;
	ret = wait_ready(t);
	if (ret < 0)
		goto join;
	ret = list_insert(t, false);
	if (ret < 0)
		goto stop;
	close(t->ready_fd);
	t->ready_fd = -1;
	t->is_started = true;
	return 0;

stop:
	eventfd_write(t->stop_fd, 1);
join:
	pthread_join(t->id, NULL);
close_ready:
	close(t->ready_fd);
	t->ready_fd = -1;
close_stop:
	close(t->stop_fd);
	t->stop_fd = -1;
	return ret;
}

void thread_ready(struct thread *self, int result)
{
	if (self->is_ready)
		return;
	self->is_ready = true;
	thread_beat(self);
	eventfd_write(self->ready_fd, 1 + (result < 0 ? (uint64_t)-result : 0));
}

void thread_beat(struct thread *self)
{
	atomic_store_explicit(&self->last_beat_ns, clock_now_ns(), memory_order_relaxed);
	atomic_fetch_add_explicit(&self->beats_total, 1, memory_order_relaxed);
}

/* poll(2) until something is ready or the time is up, a signal notwithstanding. */
static int poll_once(struct thread *self, struct pollfd *fds, nfds_t count, int timeout_ms)
{
	uint64_t start = timeout_ms > 0 ? clock_now_ns() : 0;
	int left = timeout_ms;
	int ret;

	for (;;) {
		if (timeout_ms != 0)
			atomic_store(&self->is_sleeping, true);
		ret = poll(fds, count, left) < 0 ? -errno : 0;
		/* The beat comes first: a reader that sees the thread awake must see this beat, or
		 * the thread would seem to hang for as long as it slept. */
		thread_beat(self);
		if (timeout_ms != 0) {
			atomic_fetch_add_explicit(&self->wakeups_total, 1, memory_order_relaxed);
			atomic_store(&self->is_sleeping, false);
		}
		if (ret != -EINTR)
			return ret;
		if (timeout_ms > 0) {
			uint64_t passed_ms = (clock_now_ns() - start) / NSEC_PER_MSEC;

			left = passed_ms < (uint64_t)timeout_ms ? timeout_ms - (int)passed_ms : 0;
		}
	}
}

int thread_poll(struct thread *self, struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct pollfd all[POLL_MAX + 1];
	int ready = 0;
	int ret;

	if (count > POLL_MAX)
		return -EINVAL;
	for (nfds_t i = 0; i < count; i++)
		all[i] = fds[i];
	all[count] = (struct pollfd){.fd = self->stop_fd, .events = POLLIN};

	ret = poll_once(self, all, count + 1, timeout_ms);
	if (ret < 0)
		return ret;
	if (all[count].revents)
		return -ECANCELED;
	for (nfds_t i = 0; i < count; i++) {
		fds[i].revents = all[i].revents;
		ready += all[i].revents != 0;
	}
	return ready;
}

void thread_hurry(pthread_t id)
{
	const struct sched_param ahead = {.sched_priority = 1};

	(void)pthread_setschedparam(id, SCHED_FIFO | SCHED_RESET_ON_FORK, &ahead);
}

void thread_stop(struct thread *t)
{
	list_remove(t);
	if (!t->is_started)
		return;
	thread_hurry(t->id);
	eventfd_write(t->stop_fd, 1);
	pthread_join(t->id, NULL);
	close(t->stop_fd);
	t->stop_fd = -1;
	t->is_started = false;
}

int thread_set_policy(int policy, int priority)
{
	const struct sched_param param = {.sched_priority = priority};

	return sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param) < 0 ? -errno : 0;
}

void thread_adopt_main(struct thread *t)
{
	thread_prepare(t, "main");
	t->id = pthread_self();
	t->tid = gettid();
	list_insert(t, true);
}

/* 0 for a thread whose body has returned already. */
static uint64_t thread_cpu_ns(const struct thread *t)
{
	struct timespec ts = {0};
	clockid_t id;

	if (pthread_getcpuclockid(t->id, &id) != 0 || clock_gettime(id, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

unsigned int thread_usage(struct thread_usage *out, unsigned int max)
{
	unsigned int count = 0;

	pthread_mutex_lock(&list.lock);
	for (; count < list.count && count < max; count++) {
		const struct thread *t = list.threads[count];
		struct thread_usage *u = &out[count];

		*u = (struct thread_usage){
			.cpu_ns = thread_cpu_ns(t),
			.wakeups_total = atomic_load(&t->wakeups_total),
			.beats_total = atomic_load(&t->beats_total),
			.is_sleeping = atomic_load(&t->is_sleeping),
			.last_beat_ns = atomic_load(&t->last_beat_ns),
		};
		memcpy(u->name, t->name, sizeof(u->name));
	}
	pthread_mutex_unlock(&list.lock);
	return count;
}

const struct thread_usage *thread_first_hung(const struct thread_usage *threads, unsigned int count,
					     uint64_t now_ns)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct thread_usage *t = &threads[i];

		/* There may have been a beat after now_ns was read. */
		if (!t->is_sleeping && now_ns > t->last_beat_ns &&
		    now_ns - t->last_beat_ns > THREAD_HUNG_NS)
			return t;
	}
	return NULL;
}
