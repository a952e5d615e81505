/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/throttle.h"

#include "base/clock.h"
#include "base/thread.h"

#define READ_EACH_NS NSEC_PER_MSEC
/* Each step costs as well, and is charged: on a slow machine many waiting threads with short steps
 * would use more than their part, and the debt would never be paid back. */
#define STEP_MIN_NS (20 * NSEC_PER_MSEC)
#define STEP_MAX_NS (320 * NSEC_PER_MSEC)

void throttle_init(struct throttle *t, unsigned int percent)
{
	pthread_condattr_t attr;

	*t = (struct throttle){.percent = percent};
	account_init(&t->account, account_terms_requests(percent), clock_now_ns(), 0);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void throttle_fini(struct throttle *t)
{
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
}

void throttle_join(struct throttle *t)
{
	pthread_mutex_lock(&t->lock);
	if (t->count < THROTTLE_MAX)
		t->threads[t->count++] = pthread_self();
	pthread_mutex_unlock(&t->lock);
}

static void charge(struct throttle *t)
{
	uint64_t now_ns = clock_now_ns(), cpu_ns = 0;
	clockid_t clock;
	unsigned int i;

	if (now_ns - t->account.now_ns < READ_EACH_NS)
		return;
	for (i = 0; i < t->count; i++)
		if (!pthread_getcpuclockid(t->threads[i], &clock))
			cpu_ns += clock_read(clock);
	account_charge(&t->account, now_ns, cpu_ns);
}

static bool must_wait(struct throttle *t)
{
	bool is;

	if (!t->is_stopped)
		charge(t);
	is = !t->is_stopped && t->account.is_overdrawn;
	atomic_store_explicit(&t->is_overdrawn, is, memory_order_relaxed);
	return is;
}

bool throttle_is_overdrawn(struct throttle *t)
{
	bool is;

	if (!t->percent)
		return false;
	/* Another thread is at it. To sleep here would cost a turn on a busy machine. */
	if (pthread_mutex_trylock(&t->lock))
		return atomic_load_explicit(&t->is_overdrawn, memory_order_relaxed);
	is = must_wait(t);
	pthread_mutex_unlock(&t->lock);
	return is;
}

/* Until the debt is paid back, or for `step_ns`. */
static void sleep_step(struct throttle *t, uint64_t step_ns)
{
	uint64_t due_ns = account_due_ns(&t->account), step_end_ns = t->account.now_ns + step_ns;
	uint64_t end_ns = due_ns < step_end_ns ? due_ns : step_end_ns;
	const struct timespec end = {.tv_sec = (time_t)(end_ns / NSEC_PER_SEC),
				     .tv_nsec = (long)(end_ns % NSEC_PER_SEC)};

	pthread_cond_timedwait(&t->changed, &t->lock, &end);
}

void throttle_wait(struct throttle *t, void (*look)(void *ctx), void *ctx)
{
	uint64_t step_ns = STEP_MIN_NS;

	pthread_mutex_lock(&t->lock);
	while (must_wait(t)) {
		if (t->is_watched) {
			pthread_cond_wait(&t->changed, &t->lock);
			continue;
		}
		t->is_watched = true;
		pthread_mutex_unlock(&t->lock);
		look(ctx);
		pthread_mutex_lock(&t->lock);
		if (must_wait(t))
			sleep_step(t, step_ns);
		t->is_watched = false;
		step_ns = step_ns < STEP_MAX_NS ? 2 * step_ns : step_ns;
	}
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

void throttle_stop(struct throttle *t)
{
	unsigned int i;

	pthread_mutex_lock(&t->lock);
	t->is_stopped = true;
	for (i = 0; i < t->count; i++)
		thread_hurry(t->threads[i]);
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}
