/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is woken on the input path reads a device: by the thread that is in it, not by another on the
 * same CPU, nor by an interrupt on top of it. There need not be a device: the test says itself, in
 * the slot of its CPU, who is inside.
 */
#include "bpf/bpf_test.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdatomic.h>
#include <time.h>

#include "loader/internal.h"
#include "trace.skel.h"

#define WAKES 200
#define TRIES 2000
#define SLEEP_NS 200000

static struct bench bench;
static struct cpu_slot *slots;
static size_t slots_bytes;
static _Atomic unsigned int *wakes; /* of the sleeper */
static int cpu;

/* From now on `pid` is in the input path of this CPU. */
static void visit(pid_t pid)
{
	struct cpu_slot *slot = &slots[cpu];

	__atomic_store_n(&slot->input_since_ns, clock_now_ns(), __ATOMIC_RELAXED);
	__atomic_store_n(&slot->input_visitor, input_path_key((uint32_t)pid, 0), __ATOMIC_RELEASE);
}

static void leave(void)
{
	__atomic_store_n(&slots[cpu].input_visitor, 0, __ATOMIC_RELEASE);
}

static pid_t reader_start(int in, int not_in)
{
	pid_t pid = fork();
	char byte;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(cpu);
		close(not_in);
		while (read(in, &byte, 1) == 1)
			;
		_exit(0);
	}
	return pid;
}

/* Readers found, while this thread wakes one up to `count` times and either it is in the input
 * path, or the reader, which sleeps. */
static uint64_t readers_found(bool is_ours, unsigned int count)
{
	uint64_t before = bench_counters(&bench)->input_readers, found = 0;
	int pipe_fds[2], status;
	pid_t reader;

	assert_int_equal(pipe(pipe_fds), 0);
	reader = reader_start(pipe_fds[0], pipe_fds[1]);
	assert_true(reader > 0);
	for (unsigned int i = 0; i < count && !found; i++) {
		wait_asleep(reader);
		visit(is_ours ? getpid() : reader);
		assert_int_equal(write(pipe_fds[1], "x", 1), 1);
		leave();
		found = bench_counters(&bench)->input_readers - before;
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	return found;
}

/* Now and then this thread is held up between the two, for so long that the visit counts as over.
 */
static void test_visitor_wakes_reader(void **state)
{
	assert_int_equal(readers_found(true, TRIES), 1);
}

static void test_other_thread_wakes_stranger(void **state)
{
	assert_int_equal(readers_found(false, WAKES), 0);
}

static pid_t sleeper_start(void)
{
	const struct timespec pause = {.tv_nsec = SLEEP_NS};
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_TIMERSLACK, 1);
		pin(cpu);
		for (;;) {
			nanosleep(&pause, NULL);
			atomic_fetch_add(wakes, 1);
		}
	}
	return pid;
}

/* The timer's interrupt comes on top of the thread that is in the input path. */
static void test_interrupt_wakes_stranger(void **state)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC, before;
	pid_t sleeper;
	int status;

	if (!bench_has_feature(&bench, "waker_context")) {
		if (test_unable("this kernel hides whether a wake-up comes from an interrupt") !=
		    77)
			fail();
		skip();
	}
	before = bench_counters(&bench)->input_readers;
	sleeper = sleeper_start();
	assert_true(sleeper > 0);
	while (atomic_load(wakes) < WAKES && clock_now_ns() < end)
		visit(getpid());
	leave();
	kill(sleeper, SIGKILL);
	assert_int_equal(waitpid(sleeper, &status, 0), sleeper);
	assert_true(atomic_load(wakes) >= WAKES);
	assert_int_equal(bench_counters(&bench)->input_readers, before);
}

static int group_setup(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const struct bpf_map *map;

	wakes = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(wakes != MAP_FAILED);
	cpu = sched_getcpu();
	pin(cpu);
	config_init(&bench.config);
	bench.config.long_wait_us = 60000000;
	bench_open(&bench, 16);
	map = bench.loader->trace->maps.slots;
	slots_bytes = (bpf_map__max_entries(map) * sizeof(*slots) + page - 1) / page * page;
	slots = mmap(NULL, slots_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	assert_true(slots != MAP_FAILED);
	bench_run(&bench);
	return 0;
}

static int group_teardown(void **state)
{
	munmap(slots, slots_bytes);
	bench_close(&bench);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_visitor_wakes_reader),
		cmocka_unit_test(test_other_thread_wakes_stranger),
		cmocka_unit_test(test_interrupt_wakes_stranger),
	};

	if (test_obstacle())
		return test_unable(test_obstacle());
	log_init(LOG_WARNING);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
