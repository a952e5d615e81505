/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/rcu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int start(void **state)
{
	return rcu_start();
}

static int stop(void **state)
{
	rcu_stop();
	return 0;
}

struct item {
	struct rcu_retired retired;
	uint64_t number, inverse; /* inverse == ~number as long as the item is alive */
};

static _Atomic unsigned long items_live;

static struct item *item_new(uint64_t number)
{
	struct item *item = malloc(sizeof(*item));

	*item = (struct item){.number = number, .inverse = ~number};
	atomic_fetch_add(&items_live, 1);
	return item;
}

static void item_end(struct rcu_retired *retired)
{
	struct item *item = caa_container_of(retired, struct item, retired);

	RCU_ACQUIRE(item);
	item->inverse = item->number; /* a reader that still looks will see it */
	free(item);
	atomic_fetch_sub(&items_live, 1);
}

static void test_stop_waits_for_callbacks(void **state)
{
	for (int i = 0; i < 1000; i++) {
		struct item *item = item_new((uint64_t)i);

		RCU_RELEASE(item);
		rcu_retire(&item->retired, item_end);
	}
	rcu_stop();
	assert_int_equal(atomic_load(&items_live), 0);
}

struct hold {
	struct rcu_head head;
	sem_t go;
};

static void hold_helper(struct rcu_head *head)
{
	sem_wait(&caa_container_of(head, struct hold, head)->go);
}

/* Nothing that was retired is pending: a stop needs no helper, which can't run here. */
static void test_stop_needs_no_helper(void **state)
{
	struct hold hold;

	assert_int_equal(sem_init(&hold.go, 0, 0), 0);
	rcu_reader_enter();
	rcu_reader_exit();
	urcu_memb_call_rcu(&hold.head, hold_helper);
	rcu_drain();
	rcu_stop();
	sem_post(&hold.go);
	rcu_barrier();
	sem_destroy(&hold.go);
}

/* On a busy machine, too, the end of the process must not wait for the helper. */
static void test_helper_hurries(void **state)
{
	pthread_t helper = get_call_rcu_thread(get_default_call_rcu_data());
	struct sched_param param = {.sched_priority = 1};
	int policy;

	if (pthread_setschedparam(helper, SCHED_FIFO, &param))
		skip(); /* nobody is real-time here */
	param.sched_priority = 0;
	assert_int_equal(pthread_setschedparam(helper, SCHED_OTHER, &param), 0);
	rcu_drain();
	assert_int_equal(pthread_getschedparam(helper, &policy, &param), 0);
	assert_int_equal(policy & ~SCHED_RESET_ON_FORK, SCHED_FIFO);
}

static void test_sections_nest(void **state)
{
	rcu_reader_enter();
	rcu_reader_enter();
	assert_true(rcu_read_ongoing());
	rcu_reader_exit();
	assert_true(rcu_read_ongoing());
	rcu_reader_exit();
	assert_false(rcu_read_ongoing());
}

static void *read_once(void *arg)
{
	rcu_reader_enter();
	*(bool *)arg = rcu_reader_is_registered;
	rcu_reader_exit();
	return NULL;
}

static void *read_never(void *arg)
{
	*(bool *)arg = rcu_reader_is_registered;
	return NULL;
}

/* A thread that ended without being unregistered would leave liburcu a list entry in its freed
 * TLS: the grace periods in between walk over it, which ASan sees and which crashes soon. */
static void test_threads_come_and_go(void **state)
{
	for (int i = 0; i < 500; i++) {
		bool has_read = false, is_registered = true;
		pthread_t reader, idler;

		assert_int_equal(pthread_create(&reader, NULL, read_once, &has_read), 0);
		assert_int_equal(pthread_create(&idler, NULL, read_never, &is_registered), 0);
		pthread_join(reader, NULL);
		pthread_join(idler, NULL);
		assert_true(has_read);
		assert_false(is_registered);
		if (i % 50 == 0)
			synchronize_rcu();
	}
}

static pthread_key_t late_key;

static void late_reader(void *arg)
{
	rcu_reader_enter();
	*(bool *)arg = true;
	rcu_reader_exit();
}

static void *read_and_read_late(void *arg)
{
	bool unused;

	pthread_setspecific(late_key, arg);
	return read_once(&unused);
}

/* A key destructor that reads after the reader was unregistered registers it once more. */
static void test_reading_in_a_destructor(void **state)
{
	bool has_read = false;
	pthread_t thread;

	assert_int_equal(pthread_key_create(&late_key, late_reader), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_and_read_late, &has_read), 0);
	pthread_join(thread, NULL);
	pthread_key_delete(late_key);
	assert_true(has_read);
	synchronize_rcu();
}

/* Blocked signals of the helper, as the kernel shows them. */
static void test_helper_blocks_signals(void **state)
{
	pthread_t helper = get_call_rcu_thread(get_default_call_rcu_data());
	unsigned long long blocked = 0;
	char path[64], line[256], name[16];
	bool has_seen = false;

	pthread_getname_np(helper, name, sizeof(name));
	assert_string_equal(name, "rcu");
	for (int tid = getpid() + 1; tid < getpid() + 1000 && !has_seen; tid++) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
		file = fopen(path, "re");
		if (!file)
			continue;
		while (fgets(line, sizeof(line), file)) {
			has_seen |= strcmp(line, "Name:\trcu\n") == 0;
			sscanf(line, "SigBlk: %llx", &blocked);
		}
		fclose(file);
	}
	assert_true(has_seen);
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			assert_true(blocked & (1ull << (sig - 1)));
}

#define READERS 3
#define PUBLISHED 20000

static struct item *current;
static atomic_bool is_over;
static _Atomic uint64_t torn_total, reads_total;

static void *read_always(void *arg)
{
	while (!atomic_load(&is_over)) {
		struct item *item;

		rcu_reader_enter();
		item = rcu_dereference(current);
		RCU_ACQUIRE(item);
		if (item->inverse != ~item->number)
			atomic_fetch_add(&torn_total, 1);
		RCU_RELEASE(item);
		rcu_reader_exit();
		atomic_fetch_add(&reads_total, 1);
	}
	return NULL;
}

static void publish(uint64_t number)
{
	struct item *item = item_new(number), *old;

	RCU_RELEASE(item);
	old = rcu_xchg_pointer(&current, item);
	if (old) {
		RCU_RELEASE(old);
		rcu_retire(&old->retired, item_end);
	}
}

static void test_readers_never_see_an_ended_item(void **state)
{
	pthread_t threads[READERS];

	publish(0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_always, NULL), 0);
	for (uint64_t n = 1; n <= PUBLISHED || atomic_load(&reads_total) < READERS; n++)
		publish(n);
	atomic_store(&is_over, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&torn_total), 0);
	RCU_RELEASE(current);
	rcu_retire(&current->retired, item_end);
	rcu_stop();
	assert_int_equal(atomic_load(&items_live), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stop_waits_for_callbacks), TEST(test_stop_needs_no_helper),
		TEST(test_helper_hurries),	     TEST(test_sections_nest),
		TEST(test_threads_come_and_go),	     TEST(test_reading_in_a_destructor),
		TEST(test_helper_blocks_signals),    TEST(test_readers_never_see_an_ended_item),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
