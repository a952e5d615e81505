/* SPDX-License-Identifier: GPL-2.0-only */
/* Readers that are stuck, slow or gone. A write that blocks is ended by the test's time limit. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/output.h"

#define BLOCKS 500
#define BLOCK_BYTES 1000
#define HEARD_MAX (4 * 1024 * 1024)

static char heard[HEARD_MAX];
static size_t heard_length;

static int setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* "begin N", filler, "end N" */
static int put(struct output *o, unsigned int number, size_t bytes)
{
	FILE *out = output_begin(o);

	if (!out)
		return 0;
	fprintf(out, "begin %u\n%*c\nend %u\n", number, (int)bytes, '.', number);
	return output_end(o);
}

static void hear_new(void)
{
	heard_length = 0;
	heard[0] = '\0';
}

/* What can be read at once; the reader's end is its own description. */
static void hear(int fd)
{
	ssize_t n;

	while ((n = read(fd, heard + heard_length, HEARD_MAX - 1 - heard_length)) > 0)
		heard_length += (size_t)n;
	heard[heard_length] = '\0';
}

/* Each block that has begun has an end. Returns how many there are. */
static unsigned int count_whole_blocks(void)
{
	unsigned int count = 0, first, last;
	const char *at = heard;

	while ((at = strstr(at, "begin "))) {
		assert_int_equal(sscanf(at, "begin %u", &first), 1);
		at = strstr(at, "end ");
		assert_non_null(at);
		assert_int_equal(sscanf(at, "end %u", &last), 1);
		assert_int_equal(first, last);
		count++;
	}
	return count;
}

/* Nobody reads from fds[0] while blocks are put into fds[1], then somebody does. */
static void stuck_then_read(const int fds[2])
{
	unsigned int passed, said = 0;
	struct output o;

	hear_new();
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	output_init(&o, fds[1]);
	for (unsigned int i = 0; i < BLOCKS; i++)
		assert_int_equal(put(&o, i, BLOCK_BYTES), 0);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	do
		hear(fds[0]);
	while (output_fd(&o) >= 0 && !output_flush(&o));
	hear(fds[0]);
	passed = count_whole_blocks();
	assert_in_range(passed, 1, BLOCKS - 1);

	hear_new();
	assert_int_equal(put(&o, BLOCKS, BLOCK_BYTES), 0);
	assert_int_equal(put(&o, BLOCKS + 1, BLOCK_BYTES), 0);
	hear(fds[0]);
	assert_int_equal(sscanf(heard, "(%u left out", &said), 1);
	assert_int_equal(passed + said, BLOCKS);
	assert_int_equal(count_whole_blocks(), 2);
	output_fini(&o);
}

static void close_pair(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static void test_stuck_pipe(void **state)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	stuck_then_read(fds);
	close_pair(fds);
}

/* It can't be opened a second time. */
static void test_stuck_socket(void **state)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	stuck_then_read(fds);
	close_pair(fds);
}

static void test_stuck_terminal(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct output o;

	if (master < 0 || grantpt(master) || unlockpt(master))
		skip();
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	output_init(&o, slave);
	for (unsigned int i = 0; i < BLOCKS; i++)
		assert_int_equal(put(&o, i, BLOCK_BYTES), 0);
	assert_true(o.left_out > 0);
	assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
	output_fini(&o);
	close(slave);
	close(master);
}

/* A block larger than the pipe comes in parts, and nothing comes between. */
static void test_large_block(void **state)
{
	struct output o;
	int fds[2], rounds;

	hear_new();
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	output_init(&o, fds[1]);
	assert_int_equal(put(&o, 1, 300000), 0);
	assert_true(output_fd(&o) >= 0);
	assert_int_equal(put(&o, 2, 10), 0);
	for (rounds = 0; output_fd(&o) >= 0 && rounds < 1000; rounds++) {
		hear(fds[0]);
		assert_int_equal(output_flush(&o), 0);
	}
	assert_int_equal(output_fd(&o), -1);
	assert_int_equal(put(&o, 3, 10), 0);
	hear(fds[0]);
	assert_int_equal(count_whole_blocks(), 2);
	assert_null(strstr(heard, "begin 2\n"));
	assert_non_null(strstr(heard, "end 1\n(1 left out: they could not be written)\nbegin 3\n"));
	output_fini(&o);
	close_pair(fds);
}

static void test_reader_gone(void **state)
{
	struct output o;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	output_init(&o, fds[1]);
	close(fds[0]);
	assert_int_equal(put(&o, 1, 10), -EPIPE);
	assert_int_equal(put(&o, 2, 10), -EPIPE);
	output_fini(&o);
	output_init(&o, fds[1]); /* now it can't even be opened */
	assert_int_equal(put(&o, 1, 10), -EPIPE);
	output_fini(&o);
	close(fds[1]);
}

/* Said once; each block counts as left out. */
static void test_error(void **state)
{
	struct output o;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	output_init(&o, fd);
	assert_int_equal(put(&o, 1, 10), -ENOSPC);
	assert_int_equal(put(&o, 2, 10), 0);
	assert_int_equal(put(&o, 3, 10), 0);
	assert_int_equal(o.left_out, 3);
	assert_int_equal(output_fd(&o), -1);
	output_fini(&o);
	close(fd);
}

/* A file has one offset, shared with whoever else writes there. */
static void test_file(void **state)
{
	char path[] = "/tmp/output-test-XXXXXX";
	int fd = mkstemp(path);
	struct output o;

	hear_new();
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, "before\n", 7), 7);
	output_init(&o, fd);
	assert_int_equal(put(&o, 1, 10000), 0);
	output_fini(&o);
	assert_int_equal(write(fd, "after\n", 6), 6);
	lseek(fd, 0, SEEK_SET);
	hear(fd);
	assert_memory_equal(heard, "before\nbegin 1\n", 15);
	assert_non_null(strstr(heard, "end 1\nafter\n"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stuck_pipe),  cmocka_unit_test(test_stuck_socket),
		cmocka_unit_test(test_large_block), cmocka_unit_test(test_stuck_terminal),
		cmocka_unit_test(test_reader_gone), cmocka_unit_test(test_error),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
