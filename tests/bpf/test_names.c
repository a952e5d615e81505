/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names at exec: the kernel's comm has 15 bytes of them, the list and the executable have them
 * whole.
 */
#include "bpf/bpf_test.h"

static struct bench bench;
static char dir[] = "/tmp/gamerd-names-XXXXXX";

/* Runs the program and ends it. Returns the role that it got at exec; says whether it was rejected.
 */
static uint8_t role_of(const char *path, bool *is_rejected)
{
	uint64_t before = bench_counters(&bench)->roles_rejected;
	struct role_entry entry = {.role = ROLE_NONE};
	struct child c = child_start(path);

	loader_role_get(bench.loader, (uint32_t)c.pid, &entry);
	*is_rejected = bench_counters(&bench)->roles_rejected != before;
	child_end(&c);
	return entry.role;
}

static const char *install(const char *name, uid_t owner)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	file_copy("/proc/self/exe", path, owner, 0755);
	return path;
}

static void test_long_name(void **state)
{
	bool is_rejected;

	assert_int_equal(role_of(install("pipewire-media-session", 0), &is_rejected),
			 ROLE_AUDIO_SERVER);
	assert_false(is_rejected);
}

/* They have the comm of a listed name, but claim nothing: their own name is another. */
static void test_namesakes(void **state)
{
	static const char *const names[] = {"pipewire-media-other", "xdg-desktop-portal-gnome",
					    "pipewire-media-", "xdg-desktop-por"};
	bool is_rejected;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(role_of(install(names[i], 0), &is_rejected), ROLE_NONE);
		assert_false(is_rejected);
	}
}

/* A link of such a name to another program does claim something. */
static void test_link(void **state)
{
	const char *target = install("other", 0);
	char path[128];
	bool is_rejected;

	snprintf(path, sizeof(path), "%s/xdg-desktop-portal", dir);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(role_of(path, &is_rejected), ROLE_NONE);
	assert_true(is_rejected);
}

/* Where a wrapper has the server's name, the server has this one. */
static void test_wrapped(void **state)
{
	bool is_rejected;

	assert_int_equal(role_of(install(".pipewire-wrapped", 0), &is_rejected), ROLE_AUDIO_SERVER);
	assert_int_equal(role_of(install(".jackd-wrapped", 0), &is_rejected), ROLE_AUDIO_SERVER);
	assert_int_equal(role_of(install(".xdg-desktop-portal-wrapped", 0), &is_rejected),
			 ROLE_AUDIO_SUPPORT);
	assert_int_equal(role_of(install(".xdg-desktop-portal-gtk-wrapped", 0), &is_rejected),
			 ROLE_NONE);
	assert_false(is_rejected);
	assert_int_equal(role_of(install(".wireplumber-wrapped", 1000), &is_rejected), ROLE_NONE);
	assert_true(is_rejected);
}

static void reload(const char *text)
{
	struct config config;
	struct error err;

	config_init(&config);
	assert_int_equal(config_parse(&config, text, strlen(text), "test", &err), 0);
	assert_int_equal(loader_reload(bench.loader, &config), 0);
}

/* That it gets at exec; root owns the program. */
static uint8_t role_now(const char *name)
{
	bool is_rejected;

	return role_of(install(name, 0), &is_rejected);
}

/* Names come and go, also as many as there can be at a time, twice. */
static void test_reload(void **state)
{
	static const char *const full[] = {"first", "second"};
	char text[8192];

	assert_int_equal(role_now("reloaded"), ROLE_NONE);
	reload("{ \"servers\": [ { \"name\": \"reloaded\", \"role\": \"game\" } ] }");
	assert_int_equal(role_now("reloaded"), ROLE_GAME);
	assert_int_equal(role_now(".reloaded-wrapped"), ROLE_GAME);
	assert_int_equal(role_now("jackd"), ROLE_NONE);
	assert_int_equal(role_now(".jackd-wrapped"), ROLE_NONE);
	for (size_t n = 0; n < 2; n++) {
		int length = snprintf(text, sizeof(text), "{ \"servers\": [");

		for (int i = 0; i < CONFIG_SERVERS_MAX; i++)
			length += snprintf(text + length, sizeof(text) - (size_t)length,
					   "%s{ \"name\": \"%s%d\", \"role\": \"game\" }",
					   i ? ", " : "", full[n], i);
		snprintf(text + length, sizeof(text) - (size_t)length, "] }");
		reload(text);
	}
	assert_int_equal(role_now("first63"), ROLE_NONE);
	assert_int_equal(role_now("second63"), ROLE_GAME);
	reload("{ \"grant_at_exec\": false }");
	assert_int_equal(role_now("jackd"), ROLE_NONE);
	reload("{ \"roles_max\": 1 }");
	assert_int_equal(role_now("jackd"), ROLE_AUDIO_SERVER);
	assert_int_equal(role_now("second63"), ROLE_NONE);
}

static int child_main(void)
{
	char command;

	child_say('r', 0);
	while (read(0, &command, 1) == 1)
		;
	return 0;
}

static int group_setup(void **state)
{
	directory_make(dir);
	config_init(&bench.config);
	bench_open(&bench, 16);
	bench_run(&bench);
	return 0;
}

static int group_teardown(void **state)
{
	bench_close(&bench);
	return directory_remove(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_name), cmocka_unit_test(test_namesakes),
		cmocka_unit_test(test_link),	  cmocka_unit_test(test_wrapped),
		cmocka_unit_test(test_reload),
	};

	if (argc > 1 && !strcmp(argv[1], CHILD_FLAG))
		return child_main();
	if (test_obstacle())
		return test_unable(test_obstacle());
	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_WARNING);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
