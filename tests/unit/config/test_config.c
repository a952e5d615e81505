/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "bpf/abi/roles.h"

static int parse(struct config *config, const char *text, struct error *err)
{
	return config_parse(config, text, strlen(text), "test.json", err);
}

/* The text is refused, and nothing of it is taken. Returns the sentence. */
static const char *refusal(const char *text)
{
	static struct error err;
	struct config config, before;

	config_init(&config);
	before = config;
	assert_int_equal(parse(&config, text, &err), -EINVAL);
	assert_memory_equal(&config, &before, sizeof(config));
	return err.text;
}

static void assert_refused(const char *text, const char *sentence)
{
	assert_string_equal(refusal(text), sentence);
}

/* For sentences whose end varies: the JSON parser's own words, or a list. */
static void assert_refused_at(const char *text, const char *place)
{
	assert_memory_equal(refusal(text), place, strlen(place));
}

static const struct config_server *find(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->server_count; i++)
		if (strcmp(config->servers[i].name, name) == 0)
			return &config->servers[i];
	return NULL;
}

static void test_defaults(void **state)
{
	struct config c;

	config_init(&c);
	assert_string_equal(c.runtime_dir, "/run/scx_gamerd");
	assert_string_equal(c.scx_stats_path, "/var/run/scx/root/stats");
	assert_int_equal(c.source, CONFIG_SOURCE_AUTO);
	assert_true(c.grant_at_exec);
	assert_int_equal(c.measure, CONFIG_MEASURE_ALL);
	assert_int_equal(c.scan_interval_ms, 5000);
	assert_int_equal(c.roles_max, 64);
	assert_int_equal(c.roles_per_uid_max, 8);
	assert_int_equal(c.receive_buffer_bytes, 8 << 20);
	assert_int_equal(c.ring_bytes, 256 << 10);
	assert_int_equal(c.queue_batches, 16);
	assert_int_equal(c.long_wait_us, 5000);
	assert_int_equal(c.timeout_ms, 10000);
	assert_int_equal(c.http_threads, 6);
	assert_int_equal(c.http_timeout_ms, 2000);
	assert_int_equal(c.requests_cpu_percent, 3);
	assert_string_equal(c.user.name, "scx_gamerd");
	assert_false(c.user.is_required);
	assert_int_equal(c.stats_gid, CONFIG_GID_NONE);
	assert_int_equal(c.stats_clients, 8);
	assert_int_equal(c.server_count, 10);
	assert_string_equal(find(&c, "pipewire-pulse")->exe, "pipewire");
	assert_string_equal(find(&c, "jackd")->exe, "");
	assert_int_equal(find(&c, "sndiod")->role, ROLE_AUDIO_SERVER);
	assert_int_equal(find(&c, "rtkit-daemon")->role, ROLE_AUDIO_SUPPORT);
	assert_null(find(&c, "alsactl"));
}

static void test_every_key_is_taken(void **state)
{
	struct config c;
	struct error err;

	config_init(&c);
	assert_int_equal(config_load(&c, TEST_DATA_DIR "/config/all.json", &err), 0);
	assert_string_equal(c.runtime_dir, "/tmp/gamerd");
	assert_string_equal(c.scx_stats_path, "");
	assert_int_equal(c.source, CONFIG_SOURCE_SCAN);
	assert_false(c.grant_at_exec);
	assert_int_equal(c.measure, CONFIG_MEASURE_NONE);
	assert_int_equal(c.scan_interval_ms, 100);
	assert_int_equal(c.roles_max, 32);
	assert_int_equal(c.roles_per_uid_max, 4);
	assert_int_equal(c.receive_buffer_bytes, 1048576);
	assert_int_equal(c.ring_bytes, 65536);
	assert_int_equal(c.queue_batches, 2);
	assert_int_equal(c.long_wait_us, 1000);
	assert_int_equal(c.timeout_ms, 20000);
	assert_int_equal(c.http_threads, 2);
	assert_int_equal(c.http_timeout_ms, 500);
	assert_int_equal(c.requests_cpu_percent, 7);
	assert_string_equal(c.user.name, "root");
	assert_true(c.user.is_required);
	assert_int_equal(c.stats_gid, 0);
	assert_int_equal(c.stats_clients, 3);
	assert_int_equal(c.server_count, 2);
	assert_string_equal(c.servers[0].name, "mysound");
	assert_string_equal(c.servers[0].exe, "mysoundd");
	assert_int_equal(c.servers[0].role, ROLE_AUDIO_SERVER);
	assert_string_equal(c.servers[1].name, "kwin_wayland");
	assert_int_equal(c.servers[1].role, ROLE_COMPOSITOR);
}

static void test_empty_object_changes_nothing(void **state)
{
	struct config c, before;

	config_init(&c);
	before = c;
	assert_int_equal(parse(&c, " {}\n", NULL), 0);
	assert_memory_equal(&c, &before, sizeof(c));
}

static void test_syntax(void **state)
{
	assert_refused_at("{\n\t\"roles_max\": 5,\n}", "test.json: line 3, column 1: ");
	assert_refused_at("", "test.json: line 1, column 0: ");
	assert_refused_at("{} {}", "test.json: line 1, column 4: ");
	assert_refused_at("{\"roles_max\":5,\n\"roles_max\":6}", "test.json: line 2, column 11: ");
	assert_refused("[1]", "test.json: the file must hold one object, { ... }");
}

static void test_unknown_key(void **state)
{
	assert_refused("{\"roles_max\": 5, \"role_max\": 6}",
		       "test.json: unknown key \"role_max\"");
	assert_refused("{\"server_count\": 1}", "test.json: unknown key \"server_count\"");
}

static void test_wrong_type(void **state)
{
	assert_refused("{\"roles_max\": \"5\"}", "test.json: roles_max must be an integer");
	assert_refused("{\"roles_max\": 5.0}", "test.json: roles_max must be an integer");
	assert_refused("{\"measure\": true}",
		       "test.json: measure must be one of all, latency, none");
	assert_refused("{\"grant_at_exec\": null}",
		       "test.json: grant_at_exec must be true or false");
	assert_refused("{\"runtime_dir\": 1}", "test.json: runtime_dir must be a string");
	assert_refused("{\"source\": true}",
		       "test.json: source must be one of auto, netlink, bpf, scan");
	assert_refused("{\"source\": \"bpf \"}",
		       "test.json: source must be one of auto, netlink, bpf, scan");
	assert_refused("{\"servers\": {}}", "test.json: servers must be an array of objects");
}

static void test_out_of_range(void **state)
{
	assert_refused("{\"roles_max\": 65}", "test.json: roles_max must be from 1 to 64, not 65");
	assert_refused("{\"roles_max\": 0}", "test.json: roles_max must be from 1 to 64, not 0");
	assert_refused("{\"roles_max\": -4294967295}",
		       "test.json: roles_max must be from 1 to 64, not -4294967295");
	assert_refused("{\"http_threads\": 4294967298}",
		       "test.json: http_threads must be from 2 to 64, not 4294967298");
	assert_refused("{\"ring_bytes\": 65537}",
		       "test.json: ring_bytes must be a power of two, not 65537");
	assert_refused("{\"http_timeout_ms\": 60001}",
		       "test.json: http_timeout_ms must be from 100 to 60000, not 60001");
}

/* A page is the least the kernel takes for a ring, whatever a page is here. */
static void test_ring_is_a_page_at_least(void **state)
{
	long page = sysconf(_SC_PAGESIZE);
	char text[64];
	struct config c;

	config_init(&c);
	snprintf(text, sizeof(text), "{\"ring_bytes\": %ld}", page / 2);
	assert_int_equal(parse(&c, text, NULL), -EINVAL);
	snprintf(text, sizeof(text), "{\"ring_bytes\": %ld}", page);
	assert_int_equal(parse(&c, text, NULL), 0);
	assert_int_equal(c.ring_bytes, page);
}

static void test_paths(void **state)
{
	char text[300], path[200];
	struct config c;

	assert_refused("{\"runtime_dir\": \"run\"}",
		       "test.json: runtime_dir must be an absolute path");
	assert_refused("{\"runtime_dir\": \"\"}",
		       "test.json: runtime_dir must be an absolute path");
	assert_refused("{\"scx_stats_path\": \"x\"}",
		       "test.json: scx_stats_path must be an absolute path or \"\"");

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[CONFIG_PATH_MAX] = '\0';
	snprintf(text, sizeof(text), "{\"scx_stats_path\": \"%s\"}", path);
	assert_refused(text, "test.json: scx_stats_path is longer than 107 bytes");
	path[CONFIG_PATH_MAX - 1] = '\0';
	snprintf(text, sizeof(text), "{\"scx_stats_path\": \"%s\"}", path);
	config_init(&c);
	assert_int_equal(parse(&c, text, NULL), 0);
	assert_string_equal(c.scx_stats_path, path);
}

static void test_group(void **state)
{
	struct config c;

	assert_refused("{\"stats_group\": \"no such group\"}",
		       "test.json: stats_group: there is no group \"no such group\"");
	assert_refused("{\"stats_group\": 0}", "test.json: stats_group must be a string");
	config_init(&c);
	assert_int_equal(parse(&c, "{\"stats_group\": \"root\"}", NULL), 0);
	assert_int_equal(c.stats_gid, 0);
	assert_int_equal(parse(&c, "{\"stats_group\": \"\"}", NULL), 0);
	assert_int_equal(c.stats_gid, CONFIG_GID_NONE);
}

static void test_user(void **state)
{
	struct config c;

	assert_refused("{\"user\": \"no such user\"}",
		       "test.json: user: there is no user \"no such user\"");
	assert_refused("{\"user\": 0}", "test.json: user must be a string");
	config_init(&c);
	assert_int_equal(parse(&c, "{\"user\": \"\"}", NULL), 0);
	assert_string_equal(c.user.name, "");
}

static void test_server_entries(void **state)
{
	assert_refused("{\"servers\": [1]}",
		       "test.json: servers[0] must be an object with name and role");
	assert_refused("{\"servers\": [{\"name\": \"a\"}]}", "test.json: servers[0] needs a role");
	assert_refused("{\"servers\": [{\"role\": \"game\"}]}",
		       "test.json: servers[0] needs a name");
	assert_refused("{\"servers\": [{\"name\": \"\", \"role\": \"game\"}]}",
		       "test.json: servers[0] needs a name");
	assert_refused_at("{\"servers_extra\": [{\"name\": \"a\", \"role\": \"none\"}]}",
			  "test.json: servers_extra[0].role must be one of audio_server, ");
	assert_refused("{\"servers\": [{\"name\": \"a\", \"role\": \"game\", \"path\": \"/\"}]}",
		       "test.json: servers[0] has the unknown key \"path\"");
	assert_refused("{\"servers\": [{\"name\": \"/bin/a\", \"role\": \"game\"}]}",
		       "test.json: servers[0].name must be a base name, without '/' or control "
		       "characters");
	assert_refused("{\"servers\": [{\"name\": \"a\\n\", \"role\": \"game\"}]}",
		       "test.json: servers[0].name must be a base name, without '/' or control "
		       "characters");
	assert_refused("{\"servers\": [{\"name\": \"a\", \"exe\": 5, \"role\": \"game\"}]}",
		       "test.json: servers[0].exe must be a string");
	assert_refused("{\"servers\": [{\"name\": \"123456789012345678901234567890123456789012345"
		       "6789012345678901234\", \"role\": \"game\"}]}",
		       "test.json: servers[0].name is longer than 63 bytes");
}

/* The kernel cuts names: two that it can't tell apart can't both be in its table. */
static void test_servers_with_the_same_comm(void **state)
{
	assert_refused(
		"{\"servers_extra\": [{\"name\": \"pipewire-media-x\", \"role\": \"game\"}]}",
		"test.json: servers_extra[0].name \"pipewire-media-x\" can't be told from "
		"\"pipewire-media-session\" by its first 15 bytes, all that the kernel "
		"keeps");
	assert_refused("{\"servers\": [{\"name\": \"a\", \"role\": \"game\"},"
		       "{\"name\": \"a\", \"role\": \"game\"}]}",
		       "test.json: servers[1].name \"a\" can't be told from \"a\" by its first 15 "
		       "bytes, all that the kernel keeps");
}

static void test_servers_extra_adds_and_replaces(void **state)
{
	struct config c;
	struct error err;

	/* The order in the file does not matter. */
	config_init(&c);
	assert_int_equal(parse(&c,
			       "{\"servers_extra\": [{\"name\": \"b\", \"role\": \"game\"}],"
			       " \"servers\": [{\"name\": \"a\", \"role\": \"game\"}]}",
			       &err),
			 0);
	assert_int_equal(c.server_count, 2);
	assert_string_equal(c.servers[0].name, "a");
	assert_string_equal(c.servers[1].name, "b");
	assert_string_equal(c.servers[2].name, "");

	config_init(&c);
	assert_int_equal(
		parse(&c,
		      "{\"servers_extra\": [{\"name\": \".pipewire-wrapped\", \"role\": "
		      "\"audio_server\"}, {\"name\": \"jackd\", \"exe\": \"jackd2\", \"role\": "
		      "\"audio_server\"}]}",
		      &err),
		0);
	assert_int_equal(c.server_count, 11);
	assert_non_null(find(&c, ".pipewire-wrapped"));
	assert_string_equal(find(&c, "jackd")->exe, "jackd2");

	config_init(&c);
	assert_int_equal(parse(&c, "{\"servers\": []}", &err), 0);
	assert_int_equal(c.server_count, 0);
}

static void test_servers_are_bounded(void **state)
{
	char text[8192] = "{\"servers\": [";
	struct config c;
	size_t length = strlen(text);

	for (int i = 0; i < CONFIG_SERVERS_MAX; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "%s{\"name\": \"n%d\", \"role\": \"game\"}",
					   i ? "," : "", i);
	snprintf(text + length, sizeof(text) - length, "]}");
	config_init(&c);
	assert_int_equal(parse(&c, text, NULL), 0);
	assert_int_equal(c.server_count, CONFIG_SERVERS_MAX);
	snprintf(text + length, sizeof(text) - length,
		 ",{\"name\": \"more\", \"role\": \"game\"}]}");
	assert_refused(text, "test.json: servers: more than 64 servers in all");
}

static void test_load(void **state)
{
	char path[] = "/tmp/gamerd-config-XXXXXX";
	int fd = mkstemp(path);
	struct error err;
	struct config c;

	config_init(&c);
	assert_int_equal(config_load(&c, "/nonexistent/x.json", &err), -ENOENT);
	assert_string_equal(err.text, "cannot read /nonexistent/x.json: No such file or directory");
	assert_int_equal(config_load(&c, "/tmp", &err), -EISDIR);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 64 * 1024 + 1), 0);
	assert_int_equal(config_load(&c, path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "longer than 64 KiB"));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "{\"roles_max\": 9}", 16, 0), 16);
	assert_int_equal(config_load(&c, path, &err), 0);
	assert_int_equal(c.roles_max, 9);
	close(fd);
	unlink(path);
}

static void test_environment(void **state)
{
	static const char *const wrong[] = {"999", "30001", "", "soon", "10s", "-1", "1e4"};
	struct config c;
	struct error err;

	config_init(&c);
	assert_int_equal(unsetenv("SCX_TIMEOUT_MS"), 0);
	assert_int_equal(config_environment(&c, &err), 0);
	assert_int_equal(c.timeout_ms, 10000);
	assert_int_equal(setenv("SCX_TIMEOUT_MS", "30000", 1), 0);
	assert_int_equal(config_environment(&c, &err), 0);
	assert_int_equal(c.timeout_ms, 30000);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char sentence[128];

		snprintf(sentence, sizeof(sentence),
			 "SCX_TIMEOUT_MS must be from 1000 to 30000 milliseconds, not '%s'",
			 wrong[i]);
		assert_int_equal(setenv("SCX_TIMEOUT_MS", wrong[i], 1), 0);
		assert_int_equal(config_environment(&c, &err), -EINVAL);
		assert_string_equal(err.text, sentence);
		assert_int_equal(c.timeout_ms, 30000);
	}
	unsetenv("SCX_TIMEOUT_MS");
}

static const char *change(struct config *config, const char *text)
{
	static char restart[CONFIG_KEYS_MAX];
	struct config next;
	struct error err;

	config_init(&next);
	if (parse(&next, text, &err))
		fail_msg("%s", err.text);
	config_change(config, &next, restart, sizeof(restart));
	return restart;
}

static void test_change_of_nothing(void **state)
{
	struct config c, before;

	config_init(&c);
	before = c;
	assert_string_equal(change(&c, "{ \"roles_max\": 64 }"), "");
	assert_memory_equal(&c, &before, sizeof(c));
}

/* Each setting is either taken over, or named and left as it is. */
static void test_change_of_everything(void **state)
{
	char restart[CONFIG_KEYS_MAX];
	struct config c, next, expected;
	struct error err;

	config_init(&next);
	assert_int_equal(config_load(&next, TEST_DATA_DIR "/config/all.json", &err), 0);
	config_init(&c);
	expected = c;
	expected.grant_at_exec = next.grant_at_exec;
	expected.roles_max = next.roles_max;
	expected.roles_per_uid_max = next.roles_per_uid_max;
	expected.long_wait_us = next.long_wait_us;
	expected.stats_clients = next.stats_clients;
	expected.server_count = next.server_count;
	memcpy(expected.servers, next.servers, sizeof(next.servers));
	config_change(&c, &next, restart, sizeof(restart));
	assert_memory_equal(&c, &expected, sizeof(c));
	assert_string_equal(
		restart,
		"runtime_dir, scx_stats_path, source, scan_interval_ms, "
		"receive_buffer_bytes, ring_bytes, queue_batches, measure, timeout_ms, http_threads, "
		"http_timeout_ms, requests_cpu_percent, user, stats_group");
	/* It is named as long as it differs from what is in force. */
	assert_string_equal(change(&c, "{ \"timeout_ms\": 20000 }"), "timeout_ms");
	assert_string_equal(change(&c, "{}"), "");
	config_init(&next);
	assert_memory_equal(&c, &next, sizeof(c));
}

static void test_change_of_servers(void **state)
{
	struct config c;

	config_init(&c);
	assert_string_equal(change(&c, "{\"servers_extra\": [{\"name\": \"kwin_wayland\", "
				       "\"role\": \"compositor\"}]}"),
			    "");
	assert_int_equal(find(&c, "kwin_wayland")->role, ROLE_COMPOSITOR);
	assert_non_null(find(&c, "pipewire"));
	assert_string_equal(change(&c, "{ \"servers\": [] }"), "");
	assert_int_equal(c.server_count, 0);
}

/* The description names every key, and each default it prints is accepted. */
static void test_describe(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	config_describe(out);
	fclose(out);
	assert_non_null(strstr(text, "runtime_dir "));
	assert_non_null(strstr(text, "servers_extra "));
	assert_non_null(strstr(strstr(text, "ring_bytes "), "262144"));
	assert_non_null(strstr(text, "stats_clients "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key_is_taken),
		cmocka_unit_test(test_empty_object_changes_nothing),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_unknown_key),
		cmocka_unit_test(test_wrong_type),
		cmocka_unit_test(test_out_of_range),
		cmocka_unit_test(test_ring_is_a_page_at_least),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_server_entries),
		cmocka_unit_test(test_servers_with_the_same_comm),
		cmocka_unit_test(test_servers_extra_adds_and_replaces),
		cmocka_unit_test(test_servers_are_bounded),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_change_of_nothing),
		cmocka_unit_test(test_change_of_everything),
		cmocka_unit_test(test_change_of_servers),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
