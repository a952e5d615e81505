/* SPDX-License-Identifier: GPL-2.0-only */
/* The real server on real sockets in a directory of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/endpoint.h"
#include "ctl/protocol.h"
#include "unit/world.h"

#define DEADLINE_MS 10000
#define LINE_MAX_BYTES (1024 * 1024)

static struct world world;
static struct config config;
static struct ctl *ctl;
static char own_path[CONFIG_PATH_MAX];

static int setup(void **state)
{
	char dir[] = "/tmp/ctl-test-XXXXXX";
	struct error err;

	if (world_start(&world, 80))
		return -1;
	config_init(&config);
	if (!mkdtemp(dir))
		return -1;
	snprintf(config.runtime_dir, sizeof(config.runtime_dir), "%s", dir);
	snprintf(config.scx_stats_path, sizeof(config.scx_stats_path), "%s/scx/root/stats", dir);
	snprintf(own_path, sizeof(own_path), "%s/stats", dir);
	config.stats_clients = 4;
	return ctl_new(&config, &ctl, &err);
}

static int teardown(void **state)
{
	char command[256];

	ctl_free(ctl);
	world_stop(&world);
	snprintf(command, sizeof(command), "rm -r '%s'", config.runtime_dir);
	return system(command);
}

static int open_and_start(struct error *err)
{
	int ret = ctl_open(ctl, err);

	return ret ? ret : ctl_start(ctl, world.store, err);
}

static int start(void **state)
{
	struct error err;

	return open_and_start(&err);
}

static int stop(void **state)
{
	ctl_stop(ctl);
	return 0;
}

static int dial(const char *path)
{
	int fd = endpoint_connect(path);

	assert_true(fd >= 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* One line, or NULL when the server closed. Fails at the deadline. */
static char *hear(int fd)
{
	static char line[LINE_MAX_BYTES];
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	size_t length = 0;

	while (length < sizeof(line) - 1) {
		assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
		if (recv(fd, line + length, 1, 0) <= 0)
			return NULL;
		if (line[length++] == '\n')
			break;
	}
	line[length] = '\0';
	return line;
}

static int hear_errno(int fd)
{
	const char *line = hear(fd);
	int code = -1;

	assert_non_null(line);
	sscanf(line, "{\"errno\":%d,", &code);
	return code;
}

static void ask(int fd)
{
	say(fd, "{\"req\":\"stats\"}\n");
	assert_int_equal(hear_errno(fd), 0);
}

/* The wake-ups of class audio_server since that connection's last request. */
static json_int_t ask_wakeups(int fd)
{
	json_t *top, *class;
	json_int_t wakeups;
	struct error err;
	char *line;

	say(fd, PROTOCOL_REQUEST);
	line = hear(fd);
	assert_non_null(line);
	top = protocol_parse_reply(line, strlen(line), &err);
	assert_non_null(top);
	class = json_object_get(json_object_get(top, "classes"), "audio_server");
	wakeups = json_integer_value(json_object_get(class, "wakeups"));
	json_decref(top);
	return wakeups;
}

/* Sums answers until they reach `sum`: a snapshot may lie between two of them. */
static void expect_sum(int fd, json_int_t sum)
{
	uint64_t deadline_ns = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	json_int_t heard = 0;

	while (heard < sum && clock_now_ns() < deadline_ns)
		heard += ask_wakeups(fd);
	assert_int_equal(heard, sum);
}

/* Each connection has its own baseline, whichever socket it came by. */
static void test_independent_differences(void **state)
{
	int a, b;

	atomic_store(&world.wakeups, 1000);
	a = dial(own_path);
	assert_int_equal(ask_wakeups(a), 0);
	atomic_store(&world.wakeups, 1010);
	expect_sum(a, 10);
	b = dial(config.scx_stats_path);
	assert_int_equal(ask_wakeups(b), 0);
	atomic_store(&world.wakeups, 1015);
	expect_sum(b, 5);
	expect_sum(a, 5);
	atomic_store(&world.wakeups, 1022);
	expect_sum(a, 7);
	expect_sum(b, 7);
	close(a);
	close(b);
}

static void test_bad_requests_keep_connection(void **state)
{
	int fd = dial(own_path);

	say(fd, "this is no JSON\n");
	assert_int_equal(hear_errno(fd), EINVAL);
	say(fd, "{\"req\":\"stats\",\"args\":{\"target\":\"bottom\"}}\n\n");
	assert_int_equal(hear_errno(fd), EINVAL);
	assert_int_equal(hear_errno(fd), EINVAL);
	say(fd, "{\"req\":\"stats_meta\"}\n");
	assert_int_equal(hear_errno(fd), 0);
	close(fd);
}

/* Bytes come as they like: in pieces, many requests at once, the last without a newline. */
static void test_framing(void **state)
{
	int fd = dial(own_path);

	say(fd, "{\"req\":");
	say(fd, "\"stats_meta\"}");
	say(fd, "\n{\"req\":\"x\"}\n{\"req\":\"stats\"}\n{\"req\":\"y\"}");
	assert_int_equal(hear_errno(fd), 0);
	assert_int_equal(hear_errno(fd), EINVAL);
	assert_int_equal(hear_errno(fd), 0);
	shutdown(fd, SHUT_WR);
	assert_int_equal(hear_errno(fd), EINVAL);
	assert_null(hear(fd));
	close(fd);
}

static void test_oversized(void **state)
{
	static char junk[3 * PROTOCOL_LINE_MAX];
	int fd = dial(own_path), healthy = dial(own_path);

	memset(junk, '[', sizeof(junk));
	send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
	assert_int_equal(hear_errno(fd), EINVAL);
	assert_null(hear(fd));
	ask(healthy);
	close(fd);
	close(healthy);
}

static void wait_for_clients(uint64_t count)
{
	uint64_t deadline_ns = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	struct ctl_counters counters;

	do {
		ctl_counters(ctl, &counters);
		poll(NULL, 0, 1);
	} while (counters.clients != count && clock_now_ns() < deadline_ns);
	assert_int_equal(counters.clients, count);
}

/* Asks for so many answers, without reading one, that an answer waits to be sent. */
static void make_busy(int fd)
{
	static const char request[] = "{\"req\":\"stats_meta\"}\n";

	while (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
}

static void test_too_many_clients(void **state)
{
	int fds[4], extra, i, code = 0;

	/* again if we were so slow that one has been dropped meanwhile */
	for (int n = 0; n < 100 && code != EAGAIN; n++) {
		wait_for_clients(0);
		for (i = 0; i < 4; i++) {
			fds[i] = dial(own_path);
			make_busy(fds[i]);
		}
		extra = dial(own_path);
		send(extra, "?\n", 2, MSG_NOSIGNAL);
		code = hear_errno(extra);
		close(extra);
		for (i = 0; i < 4; i++)
			close(fds[i]);
	}
	assert_int_equal(code, EAGAIN);
	wait_for_clients(0);
}

/* All places are taken: the client that has been idle for longest is closed for a new one. */
static void test_idle_client_gives_way(void **state)
{
	int fds[4], extra, i;

	wait_for_clients(0);
	for (i = 0; i < 4; i++)
		ask(fds[i] = dial(own_path));
	ask(fds[0]);
	say(fds[1], "{"); /* is no request yet */
	ask(extra = dial(own_path));
	assert_null(hear(fds[1]));
	ask(fds[0]);
	wait_for_clients(4);
	close(extra);
	for (i = 0; i < 4; i++)
		close(fds[i]);
	wait_for_clients(0);
}

/* Raised, there are more places at once; lowered, the idle ones too many go when one more comes. */
static void test_limit_changes(void **state)
{
	struct config next = config;
	int fds[6], extra, i;

	wait_for_clients(0);
	next.stats_clients = 6;
	ctl_reload(ctl, &next);
	for (i = 0; i < 6; i++) {
		fds[i] = dial(own_path);
		ask(fds[i]);
	}
	wait_for_clients(6);
	next.stats_clients = 2;
	ctl_reload(ctl, &next);
	ask(fds[0]); /* nobody is closed for that alone */
	wait_for_clients(6);
	extra = dial(own_path);
	ask(extra);
	wait_for_clients(2);
	ask(fds[0]);
	assert_null(hear(fds[5]));
	close(extra);
	for (i = 0; i < 6; i++)
		close(fds[i]);
	wait_for_clients(0);
	ctl_reload(ctl, &config);
}

/* One that asks and never reads is dropped; meanwhile the other is served. */
static void test_slow_reader(void **state)
{
	int slow = dial(own_path), healthy = dial(own_path);

	make_busy(slow);
	ask(healthy);
	wait_for_clients(1);
	ask(healthy);
	close(slow);
	close(healthy);
	wait_for_clients(0);
}

static void test_counters(void **state)
{
	struct ctl_counters before, after;
	int fd = dial(own_path);

	ctl_counters(ctl, &before);
	say(fd, "{\"req\":\"stats\"}\n?\n");
	hear(fd);
	hear(fd);
	ctl_counters(ctl, &after);
	assert_int_equal(after.requests_total - before.requests_total, 2);
	close(fd);
}

/* The mode is what is meant, whatever the umask; the group only if one is set. */
static void test_mode_and_group(void **state)
{
	struct error err;
	struct stat st;
	mode_t mask;

	for (unsigned int i = 0; i < 2; i++) {
		config.stats_gid = i ? getgid() + (getuid() ? 0 : 1234) : CONFIG_GID_NONE;
		mask = umask(i ? 0177 : 0);
		assert_int_equal(open_and_start(&err), 0);
		assert_int_equal(umask(mask), i ? 0177 : 0);
		assert_int_equal(lstat(own_path, &st), 0);
		assert_int_equal(st.st_mode, S_IFSOCK | 0660);
		assert_int_equal(st.st_gid, i ? config.stats_gid : getgid());
		assert_int_equal(lstat(config.scx_stats_path, &st), 0);
		assert_int_equal(st.st_mode, S_IFSOCK | 0660);
		assert_int_equal(st.st_gid, i ? config.stats_gid : getgid());
		ctl_stop(ctl);
	}
	config.stats_gid = CONFIG_GID_NONE;
}

static void test_files(void **state)
{
	struct stat st;
	int fd;

	assert_int_equal(lstat(own_path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	fd = dial(own_path);
	say(fd, "{\"req\":\"stats\"}\n");
	hear(fd);
	ctl_stop(ctl);
	assert_null(hear(fd));
	close(fd);
	assert_int_equal(lstat(own_path, &st), -1);
	assert_int_equal(lstat(config.scx_stats_path, &st), -1);
}

/* Who comes between the making of the sockets and the start of the thread is answered, too. */
static void test_opened_before_it_is_started(void **state)
{
	struct pollfd pollfd = {.events = POLLIN};
	struct error err;

	assert_int_equal(ctl_open(ctl, &err), 0);
	pollfd.fd = dial(own_path);
	say(pollfd.fd, "{\"req\":\"stats\"}\n");
	assert_int_equal(poll(&pollfd, 1, 0), 0);
	assert_int_equal(ctl_start(ctl, world.store, &err), 0);
	assert_int_equal(hear_errno(pollfd.fd), 0);
	close(pollfd.fd);
	ctl_stop(ctl);
}

/* A file that a dead process left behind. */
static void make_dead(const char *path)
{
	struct endpoint e;
	struct error err;

	assert_int_equal(endpoint_open(&e, path, &err), 0);
	close(e.fd);
}

static void test_dead_is_replaced(void **state)
{
	struct error err;
	int fd;

	make_dead(own_path);
	make_dead(config.scx_stats_path);
	assert_int_equal(endpoint_connect(own_path), -ECONNREFUSED);
	assert_int_equal(open_and_start(&err), 0);
	fd = dial(config.scx_stats_path);
	ask(fd);
	close(fd);
	ctl_stop(ctl);
}

static void test_living_is_kept(void **state)
{
	struct endpoint other;
	struct stat before, after;
	struct error err;
	int fd;

	/* another scheduler on the ecosystem's path: we go without it, and leave it there */
	assert_int_equal(endpoint_open(&other, config.scx_stats_path, &err), 0);
	assert_int_equal(lstat(config.scx_stats_path, &before), 0);
	assert_int_equal(open_and_start(&err), 0);
	fd = dial(own_path);
	close(fd);
	ctl_stop(ctl);
	assert_int_equal(lstat(config.scx_stats_path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	endpoint_close(&other);

	/* our own path taken: that is an error */
	assert_int_equal(endpoint_open(&other, own_path, &err), 0);
	assert_int_equal(open_and_start(&err), -EADDRINUSE);
	assert_non_null(strstr(err.text, own_path));
	endpoint_close(&other);
}

/* Somebody took the path over while we ran: theirs stays. */
static void test_taken_over(void **state)
{
	struct endpoint other;
	struct error err;
	struct stat st;

	assert_int_equal(open_and_start(&err), 0);
	unlink(config.scx_stats_path);
	assert_int_equal(endpoint_open(&other, config.scx_stats_path, &err), 0);
	ctl_stop(ctl);
	assert_int_equal(lstat(config.scx_stats_path, &st), 0);
	endpoint_close(&other);
	assert_int_equal(lstat(config.scx_stats_path, &st), -1);
}

static void test_no_socket_is_kept(void **state)
{
	FILE *file = fopen(own_path, "w");
	struct error err;
	struct stat st;

	assert_non_null(file);
	fclose(file);
	assert_int_equal(open_and_start(&err), -EEXIST);
	assert_int_equal(lstat(own_path, &st), 0);
	unlink(own_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_independent_differences, start, stop),
		cmocka_unit_test_setup_teardown(test_bad_requests_keep_connection, start, stop),
		cmocka_unit_test_setup_teardown(test_framing, start, stop),
		cmocka_unit_test_setup_teardown(test_oversized, start, stop),
		cmocka_unit_test_setup_teardown(test_too_many_clients, start, stop),
		cmocka_unit_test_setup_teardown(test_limit_changes, start, stop),
		cmocka_unit_test_setup_teardown(test_idle_client_gives_way, start, stop),
		cmocka_unit_test_setup_teardown(test_slow_reader, start, stop),
		cmocka_unit_test_setup_teardown(test_counters, start, stop),
		cmocka_unit_test_setup_teardown(test_files, start, stop),
		cmocka_unit_test(test_mode_and_group),
		cmocka_unit_test(test_opened_before_it_is_started),
		cmocka_unit_test(test_dead_is_replaced),
		cmocka_unit_test(test_living_is_kept),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_no_socket_is_kept),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
