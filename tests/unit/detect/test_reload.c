/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The detect thread follows a new configuration: processes that run already gain and lose their
 * roles.
 */
#include "world.h"

static struct world w;

static int setup(void **state)
{
	world_open(&w, CONFIG_SOURCE_AUTO);
	world_start(&w, 16);
	return 0;
}

static int teardown(void **state)
{
	world_close(&w);
	return 0;
}

static struct config_server *listed(const char *name)
{
	for (unsigned int i = 0; i < w.config.server_count; i++)
		if (!strcmp(w.config.servers[i].name, name))
			return &w.config.servers[i];
	fail_msg("%s is not listed", name);
	return NULL;
}

static void unlist(const char *name)
{
	struct config_server *gone = listed(name);

	*gone = w.config.servers[--w.config.server_count];
}

static void list(const char *name, const char *exe, uint8_t role)
{
	struct config_server *server = &w.config.servers[w.config.server_count++];

	memset(server, 0, sizeof(*server));
	snprintf(server->name, sizeof(server->name), "%s", name);
	snprintf(server->exe, sizeof(server->exe), "%s", exe);
	server->role = role;
}

static bool is_followed(struct world *world, int64_t scans)
{
	return world_counters(world).scans_total >= (uint64_t)scans;
}

/* Returns when what is in w.config counts, and the news of that are in. */
static void reload(void)
{
	uint64_t scans = world_counters(&w).scans_total;
	struct error err;

	assert_int_equal(detect_reload(w.detect, &w.config, &err), 0);
	world_wait(&w, is_followed, (int64_t)scans + 1, "scan after the reload");
}

static bool has_role(struct world *world, int64_t pid_and_role)
{
	struct server *server = world_find(world, (pid_t)(uint32_t)pid_and_role);

	return server && server->role == pid_and_role >> 32;
}

static void await_role(pid_t pid, uint8_t role)
{
	struct role_entry entry;

	world_wait(&w, has_role, (int64_t)role << 32 | pid, "pid and role");
	assert_true(world_has_role(&w, pid, &entry));
	assert_int_equal(entry.role, role);
}

static void test_gains_and_loses(void **state)
{
	struct actor a = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");
	struct actor other = actor_start(world_install(&w, "other", 0, 0755), "serve", "");

	world_wait(&w, world_is_up, a.pid, "up");
	unlist(w.server_a);
	list("other", "", ROLE_COMPOSITOR);
	reload();
	world_wait(&w, world_is_down, a.pid, "down");
	await_role(other.pid, ROLE_COMPOSITOR);
	assert_false(world_has_role(&w, a.pid, NULL));
	assert_int_equal(w.reloads, 1);

	unlist("other");
	list(w.server_a, "", ROLE_AUDIO_SERVER);
	reload();
	world_wait(&w, world_is_up, a.pid, "up again");
	world_wait(&w, world_is_down, other.pid, "other down");
	assert_false(world_has_role(&w, other.pid, NULL));
	actor_end(&a);
	actor_end(&other);
	world_wait(&w, world_is_down, a.pid, "end");
	assert_int_equal(world_counters(&w).lost_total, 0);
}

static void test_role_changes(void **state)
{
	struct actor a = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");

	world_wait(&w, world_is_up, a.pid, "up");
	listed(w.server_a)->role = ROLE_GAME;
	reload();
	await_role(a.pid, ROLE_GAME);
	assert_int_equal(world_counters(&w).unregistered_total, 0);
	actor_end(&a);
}

/* It keeps what its name gave when it started, as long as that name is listed. */
static void test_renamed(void **state)
{
	struct actor a = actor_start(world_install(&w, w.server_a, 0, 0755), "rename", "else");

	world_wait(&w, world_is_up, a.pid, "up");
	actor_step(&a);
	list("other", "", ROLE_GAME);
	reload();
	assert_true(world_is_up(&w, a.pid));
	assert_true(world_has_role(&w, a.pid, NULL));
	unlist(w.server_a);
	reload();
	world_wait(&w, world_is_down, a.pid, "down");
	assert_false(world_has_role(&w, a.pid, NULL));
	actor_end(&a);
}

/* A child goes by the name its parent was started with. */
static void test_forked(void **state)
{
	struct actor a = actor_start(world_install(&w, w.server_a, 0, 0755), "fork", "");
	pid_t child;

	world_wait(&w, world_is_up, a.pid, "up");
	child = actor_step(&a);
	world_wait(&w, world_is_up, child, "child up");
	listed(w.server_a)->role = ROLE_GAME;
	reload();
	await_role(child, ROLE_GAME);
	unlist(w.server_a);
	reload();
	world_wait(&w, world_is_down, child, "child down");
	actor_end(&a);
}

/* The name by which it got its role is gone: it is judged by what it is now. */
static void test_other_executable(void **state)
{
	struct actor a;

	list("other", "", ROLE_AUDIO_SUPPORT);
	listed(w.server_a)->role = ROLE_COMPOSITOR;
	snprintf(listed(w.server_a)->exe, CONFIG_NAME_MAX, "other");
	reload();
	a = actor_start(world_install(&w, "other", 0, 0755), "rename", w.server_a);
	await_role(a.pid, ROLE_AUDIO_SUPPORT);
	actor_step(&a);
	unlist("other");
	reload();
	await_role(a.pid, ROLE_COMPOSITOR); /* as an alias */
	listed(w.server_a)->exe[0] = '\0';
	reload();
	world_wait(&w, world_is_down, a.pid, "down");
	assert_false(world_has_role(&w, a.pid, NULL));
	actor_end(&a);
}

static void test_limit_is_raised(void **state)
{
	const char *path = world_install(&w, w.server_a, 0, 0755);
	struct actor a, b;

	w.config.roles_max = 1;
	reload();
	a = actor_start(path, "serve", "");
	world_wait(&w, world_is_up, a.pid, "up");
	b = actor_start(path, "serve", "");
	world_wait(&w, world_is_rejected, 1, "refused");
	w.config.roles_max = 2;
	w.config.roles_per_uid_max = 2;
	reload();
	w.config.roles_max = 4;
	reload();
	world_wait(&w, world_is_up, b.pid, "refused up");
	assert_true(world_is_up(&w, a.pid));
	actor_end(&a);
	actor_end(&b);
}

/* Many at once: the last one counts, and each is freed. */
static void test_storm(void **state)
{
	struct actor a = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");
	struct config_server server = *listed(w.server_a);
	struct error err;

	world_wait(&w, world_is_up, a.pid, "up");
	for (int i = 0; i < 1000; i++) {
		if (i % 2)
			list(server.name, "", server.role);
		else
			unlist(server.name);
		assert_int_equal(detect_reload(w.detect, &w.config, &err), 0);
	}
	world_wait(&w, world_is_up, a.pid, "up at the end");
	unlist(server.name);
	reload();
	world_wait(&w, world_is_down, a.pid, "down");
	actor_end(&a);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gains_and_loses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_role_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_executable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit_is_raised, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
	};

	world_main(argc, argv);
	if (geteuid() != 0) {
		print_message("skipped: needs root, for root-owned executables\n");
		return getenv("GAMERD_TEST_REQUIRE") ? 1 : 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
