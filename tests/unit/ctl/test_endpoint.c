/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose the files of a socket are. All else is tested with the server, in test_ctl.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/endpoint.h"

#define STRANGER 65534

static char root[] = "/tmp/endpoint-test-XXXXXX";
static char parent[64], dir[80], path[96];

static int setup(void **state)
{
	if (!mkdtemp(root))
		return -1;
	snprintf(parent, sizeof(parent), "%s/scx", root);
	snprintf(dir, sizeof(dir), "%s/root", parent);
	snprintf(path, sizeof(path), "%s/stats", dir);
	return 0;
}

static int teardown(void **state)
{
	rmdir(dir);
	rmdir(parent);
	return rmdir(root);
}

static uid_t owner_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st.st_uid;
}

static void test_give(void **state)
{
	struct endpoint e;
	struct error err;

	if (geteuid() != 0) {
		print_message("skipped: only root can give files away\n");
		skip();
	}
	/* The directory that was made for it, but not that one's own. */
	assert_int_equal(endpoint_open(&e, path, &err), 0);
	endpoint_give(&e, (uid_t)-1);
	assert_int_equal(owner_of(path), 0);
	assert_int_equal(owner_of(dir), 0);
	endpoint_give(&e, STRANGER);
	assert_int_equal(owner_of(path), STRANGER);
	assert_int_equal(owner_of(dir), STRANGER);
	assert_int_equal(owner_of(parent), 0);
	endpoint_close(&e);

	/* One that was there is not ours to give. */
	assert_int_equal(lchown(dir, 0, 0), 0);
	assert_int_equal(endpoint_open(&e, path, &err), 0);
	endpoint_give(&e, STRANGER);
	assert_int_equal(owner_of(path), STRANGER);
	assert_int_equal(owner_of(dir), 0);
	endpoint_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_give),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
