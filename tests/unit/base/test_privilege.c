/* SPDX-License-Identifier: GPL-2.0-only */
/* What is given up does not come back: each test that gives something up does so in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privilege.h"
#include "expect.h"

#define KEPT_CAPS 0xc000881000ULL /* net_admin, sys_ptrace, sys_nice, perfmon, bpf */

static const struct privilege_user nobody = {.name = "nobody"};
static const struct privilege_user missing = {.name = "no such user"};

static void skip_unless_root(void)
{
	if (geteuid() == 0)
		return;
	print_message("skipped: only root can give it up\n");
	skip();
}

/* A figure of /proc/self/status, in hexadecimal. */
static unsigned long long status_of(const char *key)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long value = ~0ULL;
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = strtoull(line + strlen(key) + 1, NULL, 16);
	fclose(file);
	return value;
}

/* Fails here if an assertion fails there. */
static void in_child(void (*test)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		test();
		_exit(0); /* a failed assertion does not get here: the child ends by a signal */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_choose(void **state)
{
	const struct privilege_user root = {.name = "root"}, none = {.name = ""};
	const struct passwd *entry = getpwnam("nobody");
	struct privilege p;

	skip_unless_root();
	assert_non_null(entry);
	privilege_choose(&nobody, &p);
	assert_int_equal(p.uid, entry->pw_uid);
	assert_int_equal(p.gid, entry->pw_gid);
	privilege_choose(&missing, &p);
	assert_int_equal(p.uid, PRIVILEGE_UID_KEPT);
	privilege_choose(&root, &p);
	assert_int_equal(p.uid, PRIVILEGE_UID_KEPT);
	privilege_choose(&none, &p);
	assert_int_equal(p.uid, PRIVILEGE_UID_KEPT);
}

static void become_nobody(void)
{
	struct privilege p;
	struct feature feature;
	uid_t real, effective, saved;
	int death_signal = 0;

	expect(!prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0));
	privilege_choose(&nobody, &p);
	expect(!privilege_drop(&p, &feature, NULL));
	expect(!prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0) && death_signal == SIGTERM);
	expect(!getresuid(&real, &effective, &saved));
	expect(real == p.uid && effective == p.uid && saved == p.uid);
	expect(getgid() == p.gid && getegid() == p.gid && getgroups(0, NULL) == 0);
	expect((status_of("CapPrm") & ~KEPT_CAPS) == 0);
	expect(status_of("CapPrm") == status_of("CapEff"));
	expect(status_of("CapInh") == 0 && status_of("CapAmb") == 0 && status_of("CapBnd") == 0);
	expect(status_of("NoNewPrivs") == 1);
	expect(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
	expect(setuid(0) == -1);
	expect(feature.is_available && strstr(feature.detail, "no capabilities"));

	/* One that is not root changes only what it may do. */
	privilege_choose(&missing, &p);
	expect(p.uid == PRIVILEGE_UID_KEPT && !p.user.name[0]);
	expect(!privilege_drop(&p, &feature, NULL) && feature.is_available);

	expect(!privilege_shed());
	expect(status_of("CapPrm") == 0 && status_of("CapEff") == 0);
}

static void test_become_nobody(void **state)
{
	skip_unless_root();
	in_child(become_nobody);
}

static void stay_root(void)
{
	struct privilege p;
	struct feature feature;

	privilege_choose(&missing, &p);
	expect(!privilege_drop(&p, &feature, NULL));
	expect(geteuid() == 0 && (status_of("CapEff") & ~KEPT_CAPS) == 0);
	expect(!feature.is_available);
	expect(strstr(feature.detail, "there is no user no such user: uid 0, no capabilities"));
}

static void test_missing_user(void **state)
{
	skip_unless_root();
	in_child(stay_root);
}

static void fail_to_become(void)
{
	struct privilege_user required = nobody;
	struct privilege p;
	struct feature feature;
	struct error err;

	expect(!privilege_shed());
	privilege_choose(&nobody, &p);
	expect(p.uid == PRIVILEGE_UID_KEPT); /* nobody gets the files */
	expect(!privilege_drop(&p, &feature, &err));
	expect(geteuid() == 0 && !feature.is_available);
	expect(strstr(feature.detail, "can't become nobody ("));

	required.is_required = true;
	privilege_choose(&required, &p);
	expect(privilege_drop(&p, &feature, &err) == -EPERM);
	expect(strstr(err.text, "can't become the user nobody: "));
}

static void test_without_the_right_to(void **state)
{
	skip_unless_root();
	in_child(fail_to_become);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_become_nobody),
		cmocka_unit_test(test_missing_user),
		cmocka_unit_test(test_without_the_right_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
