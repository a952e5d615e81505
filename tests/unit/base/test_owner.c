/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
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

#include "base/owner.h"

static char path[] = "/tmp/gamerd-owner-XXXXXX";

static int setup(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	return unlink(path);
}

static void assert_sentence(const char *format, unsigned int id)
{
	struct error err = {""};
	char sentence[128];

	snprintf(sentence, sizeof(sentence), format, path, id);
	assert_int_equal(owner_check(path, &err), -EPERM);
	assert_string_equal(err.text, sentence);
}

static void test_modes(void **state)
{
	assert_int_equal(owner_check(path, NULL), 0);
	assert_int_equal(owner_check("/nonexistent/x.json", NULL), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(owner_check(path, NULL), 0);
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(owner_check(path, NULL), 0); /* our own group */
	assert_int_equal(chmod(path, 0646), 0);
	assert_sentence("every user can change %s", 0);
	assert_int_equal(chmod(path, 0600), 0);
}

static void test_others(void **state)
{
	if (getuid() != 0)
		skip();
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(chown(path, 0, 1234), 0);
	assert_sentence("%s can be changed by group %u", 1234);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(owner_check(path, NULL), 0);
	assert_int_equal(chown(path, 1234, 0), 0);
	assert_sentence("%s belongs to uid %u, who can change it", 1234);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
