/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmocka_all.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detect/proc.h"

static int read_it(int32_t pid, struct proc_identity *out)
{
	int pidfd = -1, r = proc_read(pid, out, &pidfd);

	if (pidfd >= 0)
		close(pidfd);
	return r;
}

static void test_self(void **state)
{
	struct proc_identity id;
	char exe[PATH_MAX] = "", comm[SERVER_COMM_MAX];
	struct stat st;

	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_int_equal(stat(exe, &st), 0);
	assert_int_equal(read_it(getpid(), &id), 0);
	assert_int_equal(id.pid, getpid());
	assert_int_equal(id.uid, getuid());
	assert_int_equal(id.stat.threads, 1);
	assert_true(id.stat.start_ticks > 0);
	assert_int_equal(id.exe_error, 0);
	assert_string_equal(id.exe, exe);
	assert_int_equal(id.exe_mode, st.st_mode);
	assert_int_equal(id.exe_uid, st.st_uid);
	assert_false(id.is_deleted);
	assert_int_equal(proc_comm(getpid(), comm), 0);
	assert_string_equal(comm, id.stat.comm);
	assert_true(proc_is_alive(getpid(), id.stat.start_ticks, -1));
	assert_false(proc_is_alive(getpid(), id.stat.start_ticks + 1, -1));
}

/* Gone for good, and gone but not reaped: neither is a process that can be read. */
static void test_gone(void **state)
{
	struct proc_identity id;
	char comm[SERVER_COMM_MAX];
	siginfo_t info;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(read_it(child, &id), -ESRCH);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(read_it(child, &id), -ESRCH);
	assert_int_equal(proc_comm(child, comm), -ESRCH);
	assert_false(proc_is_alive(child, 1, -1));
	assert_int_equal(read_it(INT_MAX, &id), -ESRCH);
}

static void test_hostile_names(void **state)
{
	static const char *const names[] = {"a) R 1 (b", ") ", "((((", "sp ace",
					    "))))))))))))))))"};
	char before[16] = "";
	struct proc_identity id;

	prctl(PR_GET_NAME, before);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char comm[SERVER_COMM_MAX], want[SERVER_COMM_MAX];

		snprintf(want, sizeof(want), "%s", names[i]);
		prctl(PR_SET_NAME, names[i]);
		assert_int_equal(read_it(getpid(), &id), 0);
		assert_string_equal(id.stat.comm, want);
		assert_int_equal(id.stat.threads, 1);
		assert_int_equal(proc_comm(getpid(), comm), 0);
		assert_string_equal(comm, want);
		assert_true(proc_is_alive(getpid(), id.stat.start_ticks, -1));
	}
	prctl(PR_SET_NAME, before);
}

static void test_kernel_thread(void **state)
{
	struct proc_identity id;

	if (read_it(2, &id) || id.stat.comm[0] != 'k')
		skip_because("pid 2 is no kernel thread here");
	/* Only root may ask, and then there is none. */
	assert_int_equal(id.exe_error, geteuid() == 0 ? -ENOENT : -EACCES);
	assert_string_equal(id.exe, "");
}

static void test_parse_stat(void **state)
{
	static const char good[] =
		"12 (a (b) c) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 17 0 987654 1 2\n";
	static const char *const bad[] = {
		"",
		"12",
		"12 (x",
		"12 x) S",
		")(",
		"12 (x) S 1 2 3",
		"12 (x) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 17 0",
		"12 (x) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 17 0 ",
		"12 (x) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 many 0 1",
	};
	struct proc_stat stat = {.start_ticks = 4711};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(proc_parse_stat(bad[i], strlen(bad[i]), &stat), -EBADMSG);
	assert_int_equal(stat.start_ticks, 4711); /* untouched on failure */
	assert_int_equal(proc_parse_stat(good, strlen(good), &stat), 0);
	assert_string_equal(stat.comm, "a (b) c");
	assert_int_equal(stat.threads, 17);
	assert_int_equal(stat.start_ticks, 987654);
}

static bool find_self(void *ctx, int32_t pid)
{
	bool *is_found = ctx;

	if (pid == getpid())
		*is_found = true;
	return !*is_found;
}

static bool count_all(void *ctx, int32_t pid)
{
	assert_true(pid > 0);
	(*(unsigned int *)ctx)++;
	return true;
}

static void test_walk(void **state)
{
	_Alignas(8) char buffer[512]; /* small: many rounds */
	unsigned int n = 0;
	bool is_found = false;

	assert_int_equal(proc_walk(buffer, sizeof(buffer), find_self, &is_found), 0);
	assert_true(is_found);
	assert_int_equal(proc_walk(buffer, sizeof(buffer), count_all, &n), 0);
	assert_true(n >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self),	      cmocka_unit_test(test_gone),
		cmocka_unit_test(test_hostile_names), cmocka_unit_test(test_kernel_thread),
		cmocka_unit_test(test_parse_stat),    cmocka_unit_test(test_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
