/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The detect thread on the real proc connector.
 */
#include "world.h"

#include "detect/proc.h"

static struct world w;

static int setup(void **state)
{
	world_open(&w, CONFIG_SOURCE_NETLINK);
	w.config.receive_buffer_bytes = 1 << 20;
	return 0;
}

static int teardown(void **state)
{
	world_close(&w);
	return 0;
}

static void start(void)
{
	struct error err = {""};

	if (world_try(&w, 16, &err) < 0)
		skip_because("%s", err.text);
	assert_int_equal(detect_source(w.detect), CONFIG_SOURCE_NETLINK);
}

static void test_exec_and_exit(void **state)
{
	const char *path = world_install(&w, w.server_a, 0, 0755);
	struct proc_identity id;
	struct role_entry entry;
	struct server *server;
	struct actor a;
	int pidfd;

	start();
	a = actor_start(path, "serve", "");
	world_wait(&w, world_is_up, a.pid, "up");
	server = world_find(&w, a.pid);
	assert_int_equal(proc_read(a.pid, &id, &pidfd), 0);
	close(pidfd);
	assert_int_equal(server->start_ticks, id.stat.start_ticks);
	assert_string_equal(server->comm, w.server_a);
	assert_string_equal(server->exe, path);
	assert_int_equal(server->role, ROLE_AUDIO_SERVER);
	assert_int_equal(server->source, SOURCE_NETLINK);
	assert_int_equal(server->uid, 0);
	assert_true(server->detect_latency_ns > 0);
	assert_true(server->detect_latency_ns < 10 * NSEC_PER_SEC);
	assert_true(world_has_role(&w, a.pid, &entry));
	assert_int_not_equal(entry.confirmed_ns, 0);

	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
	assert_false(world_has_role(&w, a.pid, NULL));
	assert_int_equal(world_counters(&w).registered_total, 1);
	assert_int_equal(world_counters(&w).unregistered_total, 1);
	assert_int_equal(world_counters(&w).scans_total, 1);
	assert_int_equal(world_counters(&w).resyncs_total, 0);
}

static void test_kill(void **state)
{
	struct actor a;

	start();
	a = actor_start(world_install(&w, w.server_c, 0, 0755), "serve", "");
	world_wait(&w, world_is_up, a.pid, "up");
	assert_int_equal(kill(a.pid, SIGKILL), 0); /* and not reaped yet */
	world_wait(&w, world_is_down, a.pid, "down");
	assert_false(world_has_role(&w, a.pid, NULL));
	actor_end(&a);
}

/* Started before us: found by the first scan. */
static void test_scan_at_start(void **state)
{
	struct actor a = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");

	start();
	assert_true(world_has_role(&w, a.pid, NULL)); /* when detect_start() returns */
	world_wait(&w, world_is_up, a.pid, "up");
	assert_int_equal(world_find(&w, a.pid)->source, SOURCE_SCAN);
	assert_int_equal(world_find(&w, a.pid)->detect_latency_ns, 0);
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
}

/* As a package upgrade leaves it: root's file still, only without a name. */
static void test_deleted_executable(void **state)
{
	const char *path = world_install(&w, w.server_a, 0, 0755);
	struct actor a = actor_start(path, "serve", "");

	assert_int_equal(unlink(path), 0);
	start();
	world_wait(&w, world_is_up, a.pid, "up");
	assert_string_equal(world_find(&w, a.pid)->exe, path);
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
}

static void test_imposters(void **state)
{
	struct actor near, owned, writable, real;

	start();
	near = actor_start(world_install(&w, w.near, 0, 0755), "serve", "");
	owned = actor_start(world_install(&w, w.server_b, 1000, 0755), "serve", "");
	writable = actor_start(world_install(&w, w.server_c, 0, 0757), "serve", "");
	real = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");
	/* Events come in order: when the last is up, the others have been judged. */
	world_wait(&w, world_is_up, real.pid, "up");
	assert_int_equal(w.server_count, 1);
	assert_int_equal(world_counters(&w).rejected_total, 2);
	assert_false(world_has_role(&w, near.pid, NULL));
	assert_false(world_has_role(&w, owned.pid, NULL));
	assert_false(world_has_role(&w, writable.pid, NULL));
	actor_end(&near);
	actor_end(&owned);
	actor_end(&writable);
	actor_end(&real);
}

static void test_rename_into(void **state)
{
	struct actor a, t;

	start();
	a = actor_start(world_install(&w, "other", 0, 0755), "rename", w.server_b);
	t = actor_start(w.path, "thread", w.server_b);
	actor_step(&t); /* a thread's name is not the process's */
	assert_true(world_counters(&w).rejected_total == 0);
	actor_step(&a);
	world_wait(&w, world_is_rejected, 1, "rejected");
	assert_int_equal(world_counters(&w).rejected_total, 1);
	assert_int_equal(w.server_count, 0);
	assert_false(world_has_role(&w, a.pid, NULL));
	assert_false(world_has_role(&w, t.pid, NULL));
	actor_end(&a);
	actor_end(&t);
}

static bool is_called_worker(struct world *world, int64_t pid)
{
	const struct server *server = world_find(world, (pid_t)pid);

	return server && !strcmp(server->comm, "worker");
}

/* A name given up takes nothing away, in a resync neither. */
static void test_rename_away(void **state)
{
	struct actor a;

	start();
	a = actor_start(world_install(&w, w.server_a, 0, 0755), "rename", "worker");
	world_wait(&w, world_is_up, a.pid, "up");
	actor_step(&a);
	world_wait(&w, is_called_worker, a.pid, "renamed");
	assert_true(world_has_role(&w, a.pid, NULL));
	assert_int_equal(world_counters(&w).rejected_total, 0);
	assert_int_equal(world_counters(&w).unregistered_total, 0);
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
}

static void test_exec_into_other(void **state)
{
	char other[sizeof(w.path)];
	struct actor a;

	snprintf(other, sizeof(other), "%s", world_install(&w, "other", 0, 0755));
	start();
	a = actor_start(world_install(&w, w.server_a, 0, 0755), "exec", other);
	world_wait(&w, world_is_up, a.pid, "up");
	actor_step(&a);
	world_wait(&w, world_is_down, a.pid, "down");
	assert_false(world_has_role(&w, a.pid, NULL));
	actor_end(&a);
}

/* The same pid, another server: one process throughout. */
static void test_exec_into_server(void **state)
{
	char second[sizeof(w.path)];
	struct actor a;

	snprintf(second, sizeof(second), "%s", world_install(&w, w.server_b, 0, 0755));
	start();
	a = actor_start(world_install(&w, w.server_a, 0, 0755), "exec", second);
	world_wait(&w, world_is_up, a.pid, "up");
	actor_step(&a);
	while (strcmp(world_find(&w, a.pid)->comm, w.server_b) != 0)
		world_wait(&w, world_is_up, a.pid, "up");
	assert_string_equal(world_find(&w, a.pid)->exe, second);
	assert_int_equal(world_counters(&w).registered_total, 1);
	assert_int_equal(world_counters(&w).unregistered_total, 0);
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
}

/* A daemonising server: the survivor has had neither exec nor rename. */
static void test_fork_without_exec(void **state)
{
	struct actor a;
	pid_t child;

	start();
	a = actor_start(world_install(&w, w.server_b, 0, 0755), "fork", "");
	world_wait(&w, world_is_up, a.pid, "up");
	child = actor_step(&a);
	assert_int_not_equal(child, a.pid);
	world_wait(&w, world_is_up, child, "child up");
	world_wait(&w, world_is_down, a.pid, "parent down");
	assert_int_equal(world_find(&w, child)->source, SOURCE_FORK);
	assert_string_equal(world_find(&w, child)->comm, w.server_b);
	assert_true(world_find(&w, child)->detect_latency_ns > 0);
	assert_true(world_has_role(&w, child, NULL));
	actor_end(&a);
	world_wait(&w, world_is_down, child, "child down");
	assert_false(world_has_role(&w, child, NULL));
}

/* The leader ends, its threads go on: that is no end. */
static void test_leader_exit(void **state)
{
	struct actor a, marker;

	start();
	a = actor_start(world_install(&w, w.server_a, 0, 0755), "leader", "");
	world_wait(&w, world_is_up, a.pid, "up");
	actor_step(&a);
	actor_step(&a); /* by the thread */
	marker = actor_start(world_install(&w, w.server_c, 0, 0755), "serve", "");
	world_wait(&w, world_is_up, marker.pid, "marker up");
	assert_non_null(world_find(&w, a.pid));
	assert_true(world_has_role(&w, a.pid, NULL));
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
	actor_end(&marker);
}

static bool set_next_pid(pid_t pid)
{
	FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "we");
	bool is_set;

	if (!f)
		return false;
	is_set = fprintf(f, "%d", pid - 1) > 0;
	return !fclose(f) && is_set;
}

static uint64_t boot_ticks(void)
{
	return clock_read(CLOCK_BOOTTIME) / WORLD_TICK_NS;
}

static void test_pid_reuse(void **state)
{
	const char *path = world_install(&w, w.server_a, 0, 0755);
	struct actor first, second;
	uint64_t start_ticks;

	start();
	for (int attempt = 0; attempt < 100; attempt++) {
		first = actor_start(path, "serve", "");
		world_wait(&w, world_is_up, first.pid, "first up");
		start_ticks = world_find(&w, first.pid)->start_ticks;
		/* A start is told in ticks: the next must fall into another one. */
		while (boot_ticks() <= start_ticks + 1)
			poll(NULL, 0, 1);
		pthread_mutex_lock(&w.lock); /* its end is not seen before the other is there */
		actor_end(&first);
		if (!set_next_pid(first.pid)) {
			pthread_mutex_unlock(&w.lock);
			skip_because("ns_last_pid can't be written");
		}
		second = actor_start(path, "serve", "");
		pthread_mutex_unlock(&w.lock);
		if (second.pid == first.pid)
			break;
		actor_end(&second); /* somebody else was faster */
		second.pid = 0;
	}
	if (!second.pid)
		skip_because("the pid was always taken");
	while (w.ups < 2 || !world_find(&w, second.pid))
		world_wait(&w, world_is_up, second.pid, "second up");
	assert_true(world_find(&w, second.pid)->start_ticks > start_ticks);
	assert_true(w.downs >= 1);
	assert_true(world_has_role(&w, second.pid, NULL));
	actor_end(&second);
	world_wait(&w, world_is_down, second.pid, "second down");
	assert_false(world_has_role(&w, second.pid, NULL));
	assert_int_equal(w.server_count, 0);
}

static bool has_resynced(struct world *world, int64_t count)
{
	return world_counters(world).resyncs_total >= (uint64_t)count;
}

/* Events are lost while the thread is held up: afterwards the table equals the truth. */
static void test_overrun(void **state)
{
	struct actor stays, goes, comes, trigger;
	char pipewire[sizeof(w.path)];
	struct detect_counters c;

	w.config.receive_buffer_bytes = 4096;
	snprintf(pipewire, sizeof(pipewire), "%s", world_install(&w, w.server_a, 0, 0755));
	start();
	stays = actor_start(pipewire, "serve", "");
	goes = actor_start(pipewire, "serve", "");
	world_wait(&w, world_is_up, stays.pid, "up");
	world_wait(&w, world_is_up, goes.pid, "up");

	pthread_mutex_lock(&w.lock);
	trigger = actor_start(pipewire, "serve", "");
	for (int i = 0; i < 300; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
	}
	comes = actor_start(pipewire, "serve", "");
	actor_end(&goes);
	pthread_mutex_unlock(&w.lock);

	world_wait(&w, has_resynced, 1, "resync");
	world_wait(&w, world_is_up, comes.pid, "up");
	world_wait(&w, world_is_up, trigger.pid, "up");
	world_wait(&w, world_is_down, goes.pid, "down");
	c = world_counters(&w);
	assert_true(c.overruns_total >= 1);
	assert_true(c.lost_total >= 1);
	assert_int_equal(c.generation, c.scans_total);
	assert_int_equal(w.server_count, 3);
	assert_int_equal(c.registered_total - c.unregistered_total, 3);
	assert_false(world_has_role(&w, goes.pid, NULL));
	assert_true(world_has_role(&w, stays.pid, NULL));
	assert_true(world_has_role(&w, comes.pid, NULL));
	actor_end(&stays);
	actor_end(&comes);
	actor_end(&trigger);
}

static bool has_registered(struct world *world, int64_t count)
{
	return world_counters(world).registered_total >= (uint64_t)count;
}

/* Nobody takes the news and the pool holds one batch: everything is told later, nothing twice. */
static void test_empty_pool(void **state)
{
	struct actor actors[8];
	struct error err = {""};
	const char *path;

	if (world_try(&w, 1, &err) < 0)
		skip_because("%s", err.text);
	path = world_install(&w, w.server_a, 0, 0755);
	for (int i = 0; i < 8; i++)
		actors[i] = actor_start(path, "serve", "");
	for (uint64_t end_ns = clock_now_ns() + WORLD_DEADLINE_NS; !has_registered(&w, 8);) {
		assert_true(clock_now_ns() < end_ns);
		poll(NULL, 0, 2); /* not world_wait(), which would drain */
	}
	for (int i = 0; i < 4; i++)
		actor_end(&actors[i]);
	for (int i = 4; i < 8; i++)
		world_wait(&w, world_is_up, actors[i].pid, "up");
	for (int i = 0; i < 4; i++)
		world_wait(&w, world_is_down, actors[i].pid, "down");
	assert_int_equal(w.server_count, 4);
	for (int i = 4; i < 8; i++)
		actor_end(&actors[i]);
	for (int i = 4; i < 8; i++)
		world_wait(&w, world_is_down, actors[i].pid, "down");
}

static void test_limit(void **state)
{
	struct actor actors[4];
	const char *path;

	w.config.roles_per_uid_max = 3;
	start();
	path = world_install(&w, w.server_a, 0, 0755);
	for (int i = 0; i < 4; i++)
		actors[i] = actor_start(path, "serve", "");
	world_wait(&w, world_is_rejected, 1, "rejected");
	assert_int_equal(w.server_count, 3);
	assert_false(world_has_role(&w, actors[3].pid, NULL));
	actor_end(&actors[0]); /* its place is for who was refused */
	world_wait(&w, world_is_up, actors[3].pid, "refused up");
	assert_true(world_has_role(&w, actors[3].pid, NULL));
	assert_int_equal(world_counters(&w).rejected_total, 1);
	for (int i = 1; i < 4; i++)
		actor_end(&actors[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exec_and_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scan_at_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deleted_executable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_imposters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rename_into, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rename_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_into_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exec_into_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fork_without_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leader_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pid_reuse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrun, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
	};

	world_main(argc, argv);
	if (geteuid() != 0) {
		print_message("skipped: needs root, for root-owned executables\n");
		return getenv("GAMERD_TEST_REQUIRE") ? 1 : 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
