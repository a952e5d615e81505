/* SPDX-License-Identifier: GPL-2.0-only */
/* What the filters allow and what they refuse, in a child: there is no way out of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "expect.h"

#define STATUS_SKIP 77

#define expect_refused(call)            \
	do {                            \
		errno = 0;              \
		expect((call) == -1);   \
		expect(errno == EPERM); \
	} while (0)

static void expect_works(int fd)
{
	expect(fd >= 0);
	close(fd);
}

/* Of every thread. */
static void expect_common(void)
{
	char *const arguments[] = {"true", NULL};
	void *page;

	expect_refused(execv("/bin/true", arguments));
	expect_refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	expect_refused(unshare(CLONE_NEWUSER));
	expect_refused(kill(getppid(), 0));
	expect_refused(syscall(SYS_init_module, NULL, 0, ""));
	expect_refused(open("/dev/null", O_RDWR));
	expect_refused(open("/tmp/sandbox-test-file", O_RDONLY | O_CREAT, 0600));
	expect_works(open("/dev/null", O_RDONLY | O_CLOEXEC));
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(page != MAP_FAILED);
	expect_refused(mprotect(page, 4096, PROT_READ | PROT_EXEC));
	expect(mprotect(page, 4096, PROT_READ) == 0);
	expect(munmap(page, 4096) == 0);
	expect(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED);
}

static void *reader(void *unused)
{
	expect(sandbox_enter_reader() == 0);
	expect_common();
	expect_refused(socket(AF_UNIX, SOCK_STREAM, 0));
	expect_refused(syscall(SYS_bpf, 0, NULL, 0));
	expect_refused(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	expect_refused(fork());
	expect_refused(unlink("/tmp/sandbox-test-file"));
	return NULL;
}

static void confined(void)
{
	struct feature feature;
	pthread_t thread;
	pid_t child;
	int status;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	sandbox_enter(&feature);
	if (!feature.is_available) {
		fprintf(stderr, "skipped: %s\n", feature.detail);
		_exit(STATUS_SKIP);
	}
	expect_common();
	expect_works(socket(AF_UNIX, SOCK_STREAM, 0));
	expect_works(socket(AF_NETLINK, SOCK_DGRAM, 0));
	expect_refused(socket(AF_INET6, SOCK_STREAM, 0));
	expect_refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
	child = fork();
	if (child == 0)
		_exit(0);
	expect(child > 0 && waitpid(child, &status, 0) == child && status == 0);
	expect(!pthread_create(&thread, NULL, reader, NULL));
	expect(!pthread_join(thread, NULL));
	/* The reader's filter is the reader's alone. */
	expect_works(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void test_confined(void **state)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		confined();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIP)
		skip();
	assert_int_equal(status, 0);
}

/* Before any filter a reader may give up its capabilities, and that is all. */
static void *early_reader(void *unused)
{
	expect(sandbox_enter_reader() == 0);
	expect_works(socket(AF_UNIX, SOCK_STREAM, 0));
	return NULL;
}

static void test_reader_without_a_sandbox(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, early_reader, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_confined),
		cmocka_unit_test(test_reader_without_a_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
