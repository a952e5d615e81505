/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/connector.h"
#include "detect/selftest.h"
#include "filter.h"
#include "namespace.h"

/* Each test's events, as the parser delivered them. */
static struct connector_event events[64];
static unsigned int event_count;

static void collect(void *ctx, const struct connector_event *event)
{
	if (event_count < 64)
		events[event_count++] = *event;
}

static int parse(const void *buffer, size_t length)
{
	event_count = 0;
	return connector_parse(buffer, length, collect, NULL);
}

/* A recorded message of the kernel, 76 bytes. */
static size_t load_golden(const char *name, unsigned char *out, size_t size)
{
	char path[512];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), TEST_DATA_DIR "/netlink/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	length = read(fd, out, size);
	close(fd);
	assert_true(length > 0);
	return (size_t)length;
}

static void test_golden(void **state)
{
	unsigned char m[512];
	size_t n;

	n = load_golden("fork", m, sizeof(m));
	assert_int_equal(n, 76);
	assert_int_equal(parse(m, n), 1);
	assert_int_equal(events[0].kind, CONNECTOR_FORK);
	assert_int_equal(events[0].pid, events[0].tgid);
	assert_int_not_equal(events[0].parent_tgid, 0);
	assert_true(events[0].time_ns > 0);

	n = load_golden("exec", m, sizeof(m));
	assert_int_equal(parse(m, n), 1);
	assert_int_equal(events[0].kind, CONNECTOR_EXEC);
	assert_int_equal(events[0].pid, events[0].tgid);

	n = load_golden("comm", m, sizeof(m));
	assert_int_equal(parse(m, n), 1);
	assert_int_equal(events[0].kind, CONNECTOR_COMM);
	assert_string_equal(events[0].comm, "gamerd-selftest");

	n = load_golden("exit", m, sizeof(m));
	assert_int_equal(parse(m, n), 1);
	assert_int_equal(events[0].kind, CONNECTOR_EXIT);

	n = load_golden("ack", m, sizeof(m));
	assert_int_equal(parse(m, n), 1);
	assert_int_equal(events[0].kind, CONNECTOR_ACK);
	assert_int_equal(events[0].ack_error, 0);
}

/* Two messages in one datagram, and one the parser does not know. */
static void test_several(void **state)
{
	unsigned char m[512], unknown[512];
	size_t n = load_golden("fork", m, sizeof(m));
	uint32_t what = 0x40000000u; /* coredump */

	n += load_golden("exec", m + n, sizeof(m) - n);
	memcpy(unknown, m, n);
	assert_int_equal(parse(m, n), 2);
	assert_int_equal(events[1].kind, CONNECTOR_EXEC);
	memcpy(unknown + 36, &what, sizeof(what));
	assert_int_equal(parse(unknown, n), 1);
	assert_int_equal(events[0].kind, CONNECTOR_EXEC);
	unknown[16] = 9; /* another connector's message */
	assert_int_equal(parse(unknown, n), 1);
}

/* Cut anywhere, and with each length field wrong: refused, never read beyond the end (asan). */
static void test_malformed(void **state)
{
	static const char *const names[] = {"fork", "exec", "comm", "exit", "ack"};

	for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
		unsigned char m[512];
		size_t n = load_golden(names[k], m, sizeof(m));
		uint32_t length;
		uint16_t data;

		assert_int_equal(parse(m, 0), 0);
		for (size_t cut = 1; cut < n; cut++) {
			unsigned char *exact = malloc(cut);

			memcpy(exact, m, cut);
			assert_int_equal(parse(exact, cut), -EBADMSG);
			assert_int_equal(event_count, 0);
			free(exact);
		}
		for (length = 0; length < 16; length++) {
			memcpy(m, &length, sizeof(length));
			assert_int_equal(parse(m, n), -EBADMSG);
		}
		length = UINT32_MAX;
		memcpy(m, &length, sizeof(length));
		assert_int_equal(parse(m, n), -EBADMSG);
		length = (uint32_t)n;
		memcpy(m, &length, sizeof(length));
		for (data = 0; data < 18; data++) {
			memcpy(m + 32, &data, sizeof(data));
			assert_int_equal(parse(m, n), -EBADMSG);
		}
		data = UINT16_MAX;
		memcpy(m + 32, &data, sizeof(data));
		assert_int_equal(parse(m, n), -EBADMSG);
	}
}

static void test_unterminated_comm(void **state)
{
	unsigned char m[512];
	size_t n = load_golden("comm", m, sizeof(m));

	memset(m + 60, 'x', 16);
	assert_int_equal(parse(m, n), 1);
	assert_string_equal(events[0].comm, "xxxxxxxxxxxxxxx");
}

static uint32_t selftest_tgid = UINT32_MAX;

static void on_selftest(void *ctx, uint32_t tgid)
{
	selftest_tgid = tgid;
}

static const struct detect_roles roles = {.selftest = on_selftest};

/* Opens it, or skips. */
static void open_real(struct connector *c, int filter_fd)
{
	const struct connector_options options = {
		.receive_buffer_bytes = 1 << 20,
		.filter_fd = filter_fd,
		.has_mask = true,
	};
	struct error err;

	if (connector_open(c, &options, &err) < 0)
		skip_because("no proc connector: %s", err.text);
}

static void test_selftest(void **state)
{
	static struct connector c;
	struct error err = {""};

	open_real(&c, -1);
	assert_true(c.receive_buffer_bytes >= 1 << 20);
	if (selftest_run(&c, &roles, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(selftest_tgid, 0); /* switched off again */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD); /* reaped */
	assert_int_equal(connector_drops(&c), 0);
	connector_close(&c);
	connector_close(&c);
}

static void test_filter(void **state)
{
	static struct connector c;
	struct error err = {""};
	int fd = filter_load(-1);

	if (fd < 0)
		skip_because("no BPF: %s", strerror(errno));
	open_real(&c, fd);
	assert_int_equal(c.filter_error, 0);
	assert_int_equal(selftest_run(&c, &roles, &err), 0);
	connector_close(&c);
	close(fd);
}

/* Acknowledged and then silent: not to be trusted. */
static void test_silent(void **state)
{
	static struct connector c;
	struct error err = {""};
	int fd = filter_load(0);

	if (fd < 0)
		skip_because("no BPF: %s", strerror(errno));
	open_real(&c, fd);
	assert_int_equal(selftest_run(&c, &roles, &err), -ETIMEDOUT);
	assert_string_equal(err.text,
			    "of a process forked to test it, fork rename exit did not arrive");
	connector_close(&c);
	close(fd);
}

struct refusal {
	int code;
	const char *sentence;
};

static int is_refused(const void *arg)
{
	const struct connector_options options = {.receive_buffer_bytes = 65536, .filter_fd = -1};
	const struct refusal *expected = arg;
	static struct connector c;
	struct error err = {""};
	int r = connector_open(&c, &options, &err);

	if (r == -expected->code && strstr(err.text, expected->sentence))
		return 0;
	fprintf(stderr, "got %d: %s\n", r, err.text);
	return 1;
}

static void test_network_namespace(void **state)
{
	const struct refusal expected = {ECONNREFUSED, "first network namespace only"};

	in_namespace(CLONE_NEWNET, is_refused, &expected);
}

static void test_user_namespace(void **state)
{
	const struct refusal expected = {ETIMEDOUT, "does not answer"};

	in_namespace(CLONE_NEWUSER, is_refused, &expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),	       cmocka_unit_test(test_several),
		cmocka_unit_test(test_malformed),      cmocka_unit_test(test_unterminated_comm),
		cmocka_unit_test(test_selftest),       cmocka_unit_test(test_filter),
		cmocka_unit_test(test_silent),	       cmocka_unit_test(test_network_namespace),
		cmocka_unit_test(test_user_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
