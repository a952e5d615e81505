/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

#include "detect/registry.h"

static struct registry r;

static struct server make(int32_t pid, uint64_t start, uint32_t uid)
{
	struct server s = {.pid = pid, .start_ticks = start, .uid = uid, .role = 1};

	snprintf(s.comm, sizeof(s.comm), "pipewire");
	return s;
}

static int put(int32_t pid, uint64_t start, uint32_t uid)
{
	struct server s = make(pid, start, uid);
	struct registry_slot *slot;

	return registry_put(&r, &s, -1, 1, &slot);
}

static int setup(void **state)
{
	registry_init(&r);
	return 0;
}

static int teardown(void **state)
{
	registry_fini(&r);
	return 0;
}

static void test_up_down(void **state)
{
	struct server_event news[4];

	assert_false(registry_has_news(&r));
	assert_int_equal(put(10, 100, 0), 0);
	assert_true(registry_has_news(&r));
	assert_int_equal(registry_news(&r, news, 4), 1);
	assert_int_equal(news[0].change, SERVER_UP);
	assert_int_equal(news[0].server.pid, 10);
	assert_false(registry_has_news(&r));

	assert_int_equal(put(10, 100, 0), 0); /* nothing changed: no news */
	assert_false(registry_has_news(&r));
	assert_int_equal(r.count, 1);

	registry_remove(&r, registry_find(&r, 10));
	assert_null(registry_find(&r, 10));
	assert_int_equal(registry_news(&r, news, 4), 1);
	assert_int_equal(news[0].change, SERVER_DOWN);
	assert_int_equal(news[0].server.pid, 10);
	assert_int_equal(news[0].server.start_ticks, 100);
	assert_false(registry_has_news(&r));
	assert_int_equal(r.count, 0);
}

static void test_change_is_news(void **state)
{
	struct server s = make(10, 100, 0);
	struct server_event news[4];
	struct registry_slot *slot;

	assert_int_equal(put(10, 100, 0), 0);
	registry_news(&r, news, 4);
	snprintf(s.comm, sizeof(s.comm), "renamed");
	assert_int_equal(registry_put(&r, &s, -1, 2, &slot), 0);
	assert_int_equal(slot->generation, 2);
	assert_int_equal(registry_news(&r, news, 4), 1);
	assert_string_equal(news[0].server.comm, "renamed");
	s.threads = 9; /* kept fresh elsewhere */
	assert_int_equal(registry_put(&r, &s, -1, 2, &slot), 0);
	assert_false(registry_has_news(&r));
}

/* Another start is another process: the old one has to go first, and is told first. */
static void test_reuse(void **state)
{
	struct server_event news[4];

	assert_int_equal(put(10, 100, 0), 0);
	registry_news(&r, news, 4);
	assert_int_equal(put(10, 101, 0), -EEXIST);
	registry_remove(&r, registry_find(&r, 10));
	assert_int_equal(put(10, 101, 0), 0);
	assert_int_equal(registry_news(&r, news, 4), 2);
	assert_int_equal(news[0].change, SERVER_DOWN);
	assert_int_equal(news[0].server.start_ticks, 100);
	assert_int_equal(news[1].change, SERVER_UP);
	assert_int_equal(news[1].server.start_ticks, 101);
}

/* Came and went before anyone was told: nothing to tell. */
static void test_untold(void **state)
{
	assert_int_equal(put(10, 100, 0), 0);
	registry_remove(&r, registry_find(&r, 10));
	assert_false(registry_has_news(&r));
}

static void test_overflow(void **state)
{
	for (int i = 0; i < SERVERS_MAX; i++)
		assert_int_equal(put(100 + i, 1, (uint32_t)i), 0);
	assert_int_equal(put(99, 1, 0), -EAGAIN);
	assert_int_equal(put(100, 1, 0), 0); /* who is in stays in */
	assert_int_equal(registry_check(&r, 5000, 1000, 8), -EAGAIN);
	assert_int_equal(r.count, SERVERS_MAX);
}

/* Half of the places are for whoever comes first, the others for users who have none. */
static void test_limits(void **state)
{
	for (int i = 0; i < 8; i++) {
		assert_int_equal(registry_check(&r, 1000, 20, 8), 0);
		assert_int_equal(put(100 + i, 1, 1000), 0);
	}
	assert_int_equal(registry_check(&r, 1000, 20, 8), -EAGAIN);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(registry_check(&r, 1001, 20, 8), 0);
		assert_int_equal(put(200 + i, 1, 1001), 0);
	}
	assert_int_equal(registry_check(&r, 1001, 20, 8), -EAGAIN);
	for (int i = 2; i < 12; i++) {
		assert_int_equal(registry_check(&r, (uint32_t)(1000 + i), 20, 8), 0);
		assert_int_equal(put(200 + i, 1, (uint32_t)(1000 + i)), 0);
		assert_int_equal(registry_check(&r, (uint32_t)(1000 + i), 20, 8), -EAGAIN);
	}
	assert_int_equal(registry_check(&r, 2000, 20, 8), -EAGAIN);
	for (int i = 1; i < 12; i++)
		registry_remove(&r, registry_find(&r, 200 + i));
	assert_int_equal(registry_check(&r, 1000, 20, 8), -EAGAIN);
	registry_remove(&r, registry_find(&r, 100));
	assert_int_equal(registry_check(&r, 1000, 20, 8), 0);
}

/* News taken in small portions: none lost, none twice, ends first. */
static void test_portions(void **state)
{
	unsigned int ups = 0, downs = 0;
	struct server_event news[3];
	unsigned int n;

	for (int i = 0; i < 40; i++)
		assert_int_equal(put(100 + i, 1, 0), 0);
	while ((n = registry_news(&r, news, 3)) > 0)
		ups += n;
	assert_int_equal(ups, 40);
	for (int i = 0; i < 40; i += 2)
		registry_remove(&r, registry_find(&r, 100 + i));
	for (int i = 0; i < 10; i++)
		assert_int_equal(put(300 + i, 1, 0), 0);
	ups = 0;
	while ((n = registry_news(&r, news, 3)) > 0) {
		for (unsigned int i = 0; i < n; i++) {
			if (news[i].change == SERVER_DOWN) {
				assert_int_equal(ups, 0);
				downs++;
			} else {
				ups++;
			}
		}
	}
	assert_int_equal(downs, 20);
	assert_int_equal(ups, 10);
}

static void test_congestion(void **state)
{
	struct server_event news[SERVERS_MAX];

	for (int round = 0; round < 2; round++) {
		assert_false(registry_is_congested(&r));
		for (int i = 0; i < SERVERS_MAX; i++)
			assert_int_equal(put(100 + i, 1 + (uint64_t)round, 0), 0);
		for (int i = 0; i < SERVERS_MAX; i++) /* as if told */
			registry_find(&r, 100 + i)->is_reported = true;
		for (int i = 0; i < SERVERS_MAX; i++)
			registry_remove(&r, registry_find(&r, 100 + i));
	}
	assert_true(registry_is_congested(&r));
	assert_int_equal(r.tomb_count, REGISTRY_TOMBS);
	assert_int_equal(registry_news(&r, news, SERVERS_MAX), SERVERS_MAX);
	assert_int_equal(news[0].server.start_ticks, 1);
	assert_false(registry_is_congested(&r));
}

static void test_owns_pidfd(void **state)
{
	struct server s = make(10, 100, 0);
	struct registry_slot *slot;
	int first = eventfd(0, EFD_CLOEXEC), second = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(registry_put(&r, &s, first, 1, &slot), 0);
	assert_int_equal(registry_put(&r, &s, second, 1, &slot), 0);
	assert_int_equal(fcntl(first, F_GETFD), -1);
	assert_int_equal(slot->pidfd, second);
	registry_remove(&r, slot);
	assert_int_equal(fcntl(second, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_up_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_change_is_news, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reuse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_untold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_portions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_congestion, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owns_pidfd, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
