/* SPDX-License-Identifier: GPL-2.0-only */
/* What really arrives on file descriptor 2: stderr is a packet-like pipe, so that one read is one
 * write. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

static int real_stderr = -1;
static int capture_fd = -1;

static int capture_start(void **state)
{
	int fds[2];

	unsetenv("JOURNAL_STREAM");
	if (pipe2(fds, O_DIRECT | O_CLOEXEC) < 0)
		return -1;
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	real_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	capture_fd = fds[0];
	log_init(LOG_INFO);
	return 0;
}

static int capture_stop(void **state)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(capture_fd);
	return 0;
}

/* The next write(2), or "" if there was none. */
static const char *captured(void)
{
	static char line[4096];
	ssize_t n = read(capture_fd, line, sizeof(line) - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

static int matches(const char *text, const char *pattern)
{
	regex_t re;
	int ret;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ret = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return ret;
}

static void test_line_has_time_and_level(void **state)
{
	log_warning("queue %d is full", 3);
	assert_true(matches(captured(), "^[0-2][0-9]:[0-5][0-9]:[0-6][0-9] warning: queue 3 is "
					"full\n$"));
	assert_string_equal(captured(), "");
}

static void test_level_filters(void **state)
{
	log_debug("hidden");
	assert_string_equal(captured(), "");
	assert_false(log_enabled(LOG_DEBUG));
	assert_true(log_enabled(LOG_ERROR));

	log_init(LOG_DEBUG);
	log_debug("shown");
	assert_true(matches(captured(), "debug: shown\n$"));

	log_init(LOG_ERROR);
	log_warning("hidden");
	assert_string_equal(captured(), "");
}

static void test_journal_prefix(void **state)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%" PRIu64 ":%" PRIu64, (uint64_t)st.st_dev,
		 (uint64_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init(LOG_DEBUG);
	log_error("a");
	assert_string_equal(captured(), "<3>a\n");
	log_warning("b");
	assert_string_equal(captured(), "<4>b\n");
	log_info("c");
	assert_string_equal(captured(), "<6>c\n");
	log_debug("d");
	assert_string_equal(captured(), "<7>d\n");
}

static void test_inherited_journal_stream_is_not_ours(void **state)
{
	setenv("JOURNAL_STREAM", "1:2", 1);
	log_init(LOG_INFO);
	log_info("text");
	assert_true(matches(captured(), "^[0-9:]{8} info: text\n$"));
}

static void test_long_line_is_cut(void **state)
{
	char text[3000];
	const char *line;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	line = captured();
	assert_int_equal(strlen(line), 1024);
	assert_string_equal(line + 1024 - 5, "x...\n");
	assert_string_equal(captured(), "");
}

static void test_control_characters_cannot_forge_lines(void **state)
{
	log_info("comm %s", "a\n<0>b\x1b[2J\x7f\xc2\x9b\x9b"
			    "A");
	assert_true(matches(captured(), "info: comm a\\?<0>b\\?\\[2J\\?\\?\\?\\?A\n$"));
}

static void test_errno_survives(void **state)
{
	errno = ENOTTY;
	log_info("text");
	assert_int_equal(errno, ENOTTY);
	captured();
}

static void burst(struct log_limit *limit, int lines)
{
	for (int i = 0; i < lines; i++)
		log_line_limited(limit, LOG_INFO, "overrun %d", i);
}

static void test_limit_swallows_and_says_so(void **state)
{
	struct log_limit limit = {0};

	burst(&limit, LOG_BURST + 7);
	for (int i = 0; i < LOG_BURST; i++)
		assert_true(matches(captured(), "overrun [0-9]+\n$"));
	assert_string_equal(captured(), "");

	/* The window passes: moved into the past, because a test does not wait a minute. */
	atomic_fetch_sub(&limit.window_start_ns, LOG_INTERVAL_S * NSEC_PER_SEC);
	burst(&limit, 2);
	assert_true(matches(captured(), "overrun 0 \\(7 such lines left out before\\)\n$"));
	assert_true(matches(captured(), "overrun 1\n$"));
	assert_string_equal(captured(), "");
}

static void test_limit_is_per_call_site(void **state)
{
	for (int i = 0; i < LOG_BURST + 1; i++)
		log_limited(LOG_INFO, "one");
	log_limited(LOG_INFO, "two");
	for (int i = 0; i < LOG_BURST; i++)
		assert_true(matches(captured(), "info: one\n$"));
	assert_true(matches(captured(), "info: two\n$"));
	assert_string_equal(captured(), "");
}

static void test_filtered_lines_do_not_use_the_limit_up(void **state)
{
	struct log_limit limit = {0};

	for (int i = 0; i < 3 * LOG_BURST; i++)
		log_line_limited(&limit, LOG_DEBUG, "hidden");
	burst(&limit, 1);
	assert_true(matches(captured(), "overrun 0\n$"));
}

#define STORM_THREADS 4
#define STORM_LINES 1000

static void *storm(void *arg)
{
	burst(arg, STORM_LINES);
	return NULL;
}

/* Ledger: each line is passed or swallowed, whoever wrote it. */
static void test_limit_from_many_threads(void **state)
{
	struct log_limit limit = {0};
	pthread_t threads[STORM_THREADS];
	uint64_t passed = 0;

	for (int i = 0; i < STORM_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, storm, &limit), 0);
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	for (const char *line = captured(); line[0]; line = captured()) {
		uint64_t told = 0;
		const char *paren = strchr(line, '(');

		if (paren)
			sscanf(paren, "(%" SCNu64, &told);
		passed += 1 + told;
	}
	assert_int_equal(passed + atomic_load(&limit.swallowed), STORM_THREADS * STORM_LINES);
}

/* Nobody reads: the caller is not held up, and what got lost is announced once there is room. */
static void test_full_pipe(void **state)
{
	unsigned int passed = 0, lost, said = 0;

	for (unsigned int i = 0; i < 500; i++)
		log_info("line %u", i);
	while (captured()[0])
		passed++;
	assert_in_range(passed, 1, 499);
	lost = 500 - passed;
	log_info("room again");
	assert_int_equal(sscanf(captured(), "%*s info: %u lines lost", &said), 1);
	assert_int_equal(said, lost);
	assert_non_null(strstr(captured(), "room again"));
	log_info("and now");
	assert_non_null(strstr(captured(), "and now"));
}

/* Whose reader is stuck as well. What poll(2) takes for room there may be less than a line. */
static void test_full_terminal(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct pollfd pollfd = {.fd = master, .events = POLLIN};
	static char heard[1 << 20];
	const char *last;
	size_t length = 0;
	ssize_t n;

	if (master < 0 || grantpt(master) || unlockpt(master))
		skip();
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	dup2(slave, STDERR_FILENO);
	log_init(LOG_INFO);
	for (unsigned int i = 0; i < 2000; i++)
		log_info("line %u: %0*u", i, 200 + (int)i % 50, i);
	assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);

	fcntl(master, F_SETFL, O_NONBLOCK);
	do { /* what is read makes room, until the last line has passed */
		while ((n = read(master, heard + length, sizeof(heard) - 1 - length)) > 0)
			length += (size_t)n;
		heard[length] = '\0';
		log_info("room again");
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
	} while (!strstr(heard, "room again\r\n"));
	last = strstr(heard, "lines lost");
	assert_non_null(last);
	/* The first ones may have been cut themselves. */
	while (strstr(last + 1, "lines lost"))
		last = strstr(last + 1, "lines lost");
	while (*last != '\n')
		last--;
	assert_true(matches(last, "^\n[0-9:]{8} info: [0-9]+ lines lost: stderr had no room\r\n"
				  "[0-9:]{8} info: room again\r\n"));
	close(slave);
	close(master);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, capture_start, capture_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_line_has_time_and_level),
		TEST(test_level_filters),
		TEST(test_journal_prefix),
		TEST(test_inherited_journal_stream_is_not_ours),
		TEST(test_long_line_is_cut),
		TEST(test_control_characters_cannot_forge_lines),
		TEST(test_errno_survives),
		TEST(test_limit_swallows_and_says_so),
		TEST(test_limit_is_per_call_site),
		TEST(test_filtered_lines_do_not_use_the_limit_up),
		TEST(test_limit_from_many_threads),
		TEST(test_full_pipe),
		TEST(test_full_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
