/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/instance.h"

static char root[64], dir[80], path[96];

static int setup(void **state)
{
	snprintf(root, sizeof(root), "/tmp/gamerd-instance-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(dir, sizeof(dir), "%s/run", root);
	snprintf(path, sizeof(path), "%s/pid", dir);
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(name);
}

static int teardown(void **state)
{
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_holds_our_pid(void)
{
	char text[32] = "", expected[32];
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	snprintf(expected, sizeof(expected), "%d\n", (int)getpid());
	assert_string_equal(text, expected);
}

static void test_open_and_close(void **state)
{
	struct instance *instance;
	mode_t mask = umask(0077);

	assert_int_equal(instance_open(dir, &instance, NULL), 0);
	umask(mask);
	assert_int_equal(mode_of(dir), 0755);
	assert_int_equal(mode_of(path), 0600);
	assert_holds_our_pid();
	instance_close(instance);
	assert_int_equal(access(dir, F_OK), -1);
	instance_close(NULL);
}

static void test_second_is_refused_with_the_pid(void **state)
{
	struct instance *first, *second = NULL;
	struct error err = {""};
	char pid[32];

	assert_int_equal(instance_open(dir, &first, &err), 0);
	assert_string_equal(err.text, "");
	assert_int_equal(instance_open(dir, &second, &err), -EEXIST);
	assert_null(second);
	snprintf(pid, sizeof(pid), "pid %d ", (int)getpid());
	assert_non_null(strstr(err.text, pid));
	assert_holds_our_pid(); /* the refused one changed nothing */
	instance_close(first);
	assert_int_equal(instance_open(dir, &second, &err), 0);
	instance_close(second);
}

static void test_directory_of_others_stays(void **state)
{
	struct instance *instance;

	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(instance_open(dir, &instance, NULL), 0);
	instance_close(instance);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(mode_of(dir), 0700);
}

static void test_filled_directory_stays(void **state)
{
	struct instance *instance;
	char other[128];

	assert_int_equal(instance_open(dir, &instance, NULL), 0);
	snprintf(other, sizeof(other), "%s/other", dir);
	write_file(other, "x");
	instance_close(instance);
	assert_int_equal(access(other, F_OK), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_stale_file_is_taken_over(void **state)
{
	struct instance *instance;

	assert_int_equal(mkdir(dir, 0755), 0);
	write_file(path, "123456789 and more than a pid\n");
	assert_int_equal(instance_open(dir, &instance, NULL), 0);
	assert_holds_our_pid();
	instance_close(instance);
}

/* The lock of a killed daemon is gone with it; its file is not. */
static void test_killed_daemon_leaves_no_lock(void **state)
{
	struct instance *instance;
	struct error err;
	int fds[2];
	char byte, pid[32];
	pid_t child;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		if (instance_open(dir, &instance, NULL) < 0 || write(fds[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(instance_open(dir, &instance, &err), -EEXIST);
	snprintf(pid, sizeof(pid), "pid %d ", (int)child);
	assert_non_null(strstr(err.text, pid));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(instance_open(dir, &instance, &err), 0);
	assert_holds_our_pid();
	instance_close(instance);
	close(fds[0]);
	close(fds[1]);
}

/* What an older version left could be read, and so locked, by every user. */
static void test_readers_hold_no_lock(void **state)
{
	struct instance *instance;
	int fd;

	assert_int_equal(mkdir(dir, 0755), 0);
	write_file(path, "123456789\n");
	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(instance_open(dir, &instance, NULL), 0);
	assert_int_equal(mode_of(path), 0600);
	instance_close(instance);
	close(fd);
}

/* While an instance starts, the file still has the pid of the one before. */
static void test_dead_pid_is_not_called_running(void **state)
{
	struct instance *first, *second;
	struct error err;
	char pid[16];
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	snprintf(pid, sizeof(pid), "%d\n", (int)child);
	assert_int_equal(instance_open(dir, &first, NULL), 0);
	write_file(path, pid);
	assert_int_equal(instance_open(dir, &second, &err), -EEXIST);
	assert_null(strstr(err.text, "running"));
	assert_non_null(strstr(err.text, path));
	instance_close(first);
}

static void test_what_cannot_be_done_is_said(void **state)
{
	struct instance *instance;
	struct error err;
	char deep[128];

	snprintf(deep, sizeof(deep), "%s/missing/run", root);
	assert_int_equal(instance_open(deep, &instance, &err), -ENOENT);
	assert_non_null(strstr(err.text, deep));

	write_file(dir, "a file, no directory");
	assert_int_equal(instance_open(dir, &instance, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(unlink(dir), 0);

	/* A link where the file should be is not followed, and what was made is removed. */
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(instance_open(dir, &instance, &err), -ELOOP);
}

/* In a directory of another user's a name may lead to a file of ours that is not to be written. */
static void test_another_name_of_a_file(void **state)
{
	struct instance *instance;
	char other[96], text[16] = "";
	struct error err;
	FILE *file;

	snprintf(other, sizeof(other), "%s/other", root);
	assert_int_equal(mkdir(dir, 0755), 0);
	write_file(other, "untouched");
	assert_int_equal(link(other, path), 0);
	assert_int_equal(instance_open(dir, &instance, &err), -EMLINK);
	assert_non_null(strstr(err.text, path));
	file = fopen(other, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	assert_string_equal(text, "untouched");
}

static uid_t owner_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st.st_uid;
}

/* The file, and the directory only if it was made for it. */
static void test_give(void **state)
{
	struct instance *instance;

	if (geteuid() != 0) {
		print_message("skipped: only root can give files away\n");
		skip();
	}
	for (unsigned int i = 0; i < 2; i++) {
		if (i)
			assert_int_equal(mkdir(dir, 0755), 0);
		assert_int_equal(instance_open(dir, &instance, NULL), 0);
		instance_give(instance, (uid_t)-1);
		assert_int_equal(owner_of(path), 0);
		instance_give(instance, 65534);
		assert_int_equal(owner_of(path), 65534);
		assert_int_equal(owner_of(dir), i ? 0 : 65534);
		instance_close(instance);
	}
}

#define STARTERS 8
#define ROUNDS 100

/* Many at once, again and again: at any time at most one holds the lock. */
static void test_starters_racing(void **state)
{
	char witness[128];
	int status;

	snprintf(witness, sizeof(witness), "%s/witness", root);
	for (int i = 0; i < STARTERS; i++) {
		if (fork() != 0)
			continue;
		for (int n = 0; n < ROUNDS; n++) {
			struct instance *instance;
			int fd;

			if (instance_open(dir, &instance, NULL) < 0)
				continue;
			fd = open(witness, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
			if (fd < 0)
				_exit(1);
			sched_yield();
			unlink(witness);
			close(fd);
			instance_close(instance);
		}
		_exit(0);
	}
	for (int i = 0; i < STARTERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open_and_close),
		TEST(test_second_is_refused_with_the_pid),
		TEST(test_directory_of_others_stays),
		TEST(test_filled_directory_stays),
		TEST(test_stale_file_is_taken_over),
		TEST(test_killed_daemon_leaves_no_lock),
		TEST(test_readers_hold_no_lock),
		TEST(test_dead_pid_is_not_called_running),
		TEST(test_what_cannot_be_done_is_said),
		TEST(test_another_name_of_a_file),
		TEST(test_give),
		TEST(test_starters_racing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
