/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The choice of a source, and detection on those that stand in for the proc connector.
 */
#include "world.h"

#include "detect/inbox.h"
#include "detect/proc.h"
#include "filter.h"
#include "namespace.h"

static struct world w;

static int setup_bpf(void **state)
{
	world_open(&w, CONFIG_SOURCE_BPF);
	w.has_bpf = true;
	return 0;
}

static int setup_scan(void **state)
{
	world_open(&w, CONFIG_SOURCE_SCAN);
	w.config.scan_interval_ms = 50;
	return 0;
}

static int setup_auto(void **state)
{
	world_open(&w, CONFIG_SOURCE_AUTO);
	return 0;
}

static int teardown(void **state)
{
	world_close(&w);
	return 0;
}

static const struct feature *feature(const char *name)
{
	static struct feature features[FEATURE_MAX];
	unsigned int n = detect_features(w.detect, features, FEATURE_MAX);

	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(features[i].name, name))
			return &features[i];
	return NULL;
}

static uint64_t start_of(pid_t pid)
{
	struct proc_identity id;
	int pidfd = -1;

	assert_int_equal(proc_read(pid, &id, &pidfd), 0);
	if (pidfd >= 0)
		close(pidfd);
	return id.stat.start_ticks;
}

static void offer(uint32_t type, pid_t pid, pid_t parent)
{
	struct event e = {.time_ns = clock_now_ns(),
			  .type = type,
			  .pid = (uint32_t)pid,
			  .tgid = (uint32_t)pid};

	if (type == EVENT_FORK)
		e.fork.parent_tgid = (uint32_t)parent;
	detect_offer(w.detect, &e);
}

/* Granted in the kernel, confirmed here; then another program, then the end. */
static void test_bpf(void **state)
{
	struct role_entry entry;
	struct actor a;
	pid_t child;

	world_start(&w, 16);
	assert_int_equal(detect_source(w.detect), CONFIG_SOURCE_BPF);
	assert_true(feature("bpf_events")->is_available);
	a = actor_start(world_install(&w, w.server_b, 0, 0755), "fork", "");
	world_grant(&w, a.pid, start_of(a.pid), SOURCE_BPF);
	offer(EVENT_EXEC, a.pid, 0);
	world_wait(&w, world_is_up, a.pid, "up");
	assert_int_equal(world_find(&w, a.pid)->source, SOURCE_BPF);
	assert_true(world_has_role(&w, a.pid, &entry));
	assert_int_not_equal(entry.confirmed_ns, 0);

	child = actor_step(&a);
	world_grant(&w, child, start_of(child), SOURCE_FORK);
	offer(EVENT_FORK, child, a.pid);
	world_wait(&w, world_is_up, child, "child up");
	assert_int_equal(world_find(&w, child)->source, SOURCE_FORK);
	offer(EVENT_EXIT, a.pid, 0);
	world_wait(&w, world_is_down, a.pid, "down");
	actor_end(&a);
	/* Even if no event tells of it. */
	world_wait(&w, world_is_down, child, "child down");
	assert_false(world_has_role(&w, child, NULL));
}

/* Granted in the kernel, but the evidence says no. */
static void test_bpf_revoked(void **state)
{
	struct actor a;

	world_start(&w, 16);
	a = actor_start(world_install(&w, w.server_a, 1000, 0755), "serve", "");
	world_grant(&w, a.pid, start_of(a.pid), SOURCE_BPF);
	offer(EVENT_EXEC, a.pid, 0);
	world_wait(&w, world_is_rejected, 1, "rejected");
	assert_false(world_has_role(&w, a.pid, NULL));
	assert_int_equal(w.server_count, 0);
	actor_end(&a);
}

/* It has renamed itself before it could be read: what the kernel side saw at exec stands. */
static void test_bpf_renamed(void **state)
{
	struct actor a;

	world_start(&w, 16);
	a = actor_start(world_install(&w, w.server_a, 0, 0755), "rename", "worker");
	actor_step(&a);
	world_grant(&w, a.pid, start_of(a.pid), SOURCE_BPF);
	offer(EVENT_EXEC, a.pid, 0);
	world_wait(&w, world_is_up, a.pid, "up");
	assert_string_equal(world_find(&w, a.pid)->comm, "worker");
	actor_end(&a);
}

/* An entry of a predecessor with this pid is in the way only until it is seen. */
static void test_bpf_stale_entry(void **state)
{
	struct actor a;

	world_start(&w, 16);
	a = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");
	world_grant(&w, a.pid, start_of(a.pid) - 1, SOURCE_BPF);
	offer(EVENT_EXEC, a.pid, 0);
	world_wait(&w, world_is_up, a.pid, "up");
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
	assert_false(world_has_role(&w, a.pid, NULL));
}

static bool has_resynced(struct world *world, int64_t count)
{
	return world_counters(world).resyncs_total >= (uint64_t)count;
}

/* A full inbox: /proc is read again, and entries nobody told of are judged. */
static void test_bpf_overrun(void **state)
{
	struct actor told, untold, wrong;
	struct detect_counters c;

	world_start(&w, 16);
	untold = actor_start(world_install(&w, w.server_c, 0, 0755), "rename", "worker");
	actor_step(&untold);
	wrong = actor_start(world_install(&w, "other", 0, 0755), "serve", "");
	told = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");
	world_grant(&w, untold.pid, start_of(untold.pid), SOURCE_BPF);
	world_grant(&w, wrong.pid, start_of(wrong.pid), SOURCE_BPF);
	world_grant(&w, getpid(), 1, SOURCE_BPF); /* of a dead predecessor */
	pthread_mutex_lock(&w.lock);
	offer(EVENT_EXEC, told.pid, 0);
	for (int i = 0; i < 2 * INBOX_EVENTS; i++)
		offer(EVENT_EXIT, told.pid, 0);
	pthread_mutex_unlock(&w.lock);
	world_wait(&w, has_resynced, 1, "resync");
	world_wait(&w, world_is_up, told.pid, "told up");
	world_wait(&w, world_is_up, untold.pid, "untold up");
	c = world_counters(&w);
	assert_true(c.overruns_total >= 1);
	assert_true(c.lost_total >= INBOX_EVENTS);
	assert_int_equal(c.received_total + c.lost_total, 2 * INBOX_EVENTS + 1);
	assert_false(world_has_role(&w, wrong.pid, NULL));
	assert_false(world_has_role(&w, getpid(), NULL));
	assert_int_equal(w.server_count, 2);
	actor_end(&told);
	actor_end(&untold);
	actor_end(&wrong);
}

static void test_scan(void **state)
{
	char renamed[sizeof(w.path)];
	struct actor a, fake;

	world_start(&w, 16);
	assert_int_equal(detect_source(w.detect), CONFIG_SOURCE_SCAN);
	assert_non_null(strstr(feature("proc_scan")->detail, "each 50 ms"));
	fake = actor_start(world_install(&w, w.server_c, 1000, 0755), "serve", "");
	a = actor_start(world_install(&w, w.server_a, 0, 0755), "rename", "worker");
	world_wait(&w, world_is_up, a.pid, "up");
	assert_int_equal(world_find(&w, a.pid)->source, SOURCE_SCAN);
	actor_step(&a); /* keeps the role, scan after scan, whatever becomes of the file's name */
	snprintf(renamed, sizeof(renamed), "%s/other", w.dir);
	assert_int_equal(rename(w.path, renamed), 0);
	for (uint64_t until = world_counters(&w).generation + 3;
	     world_counters(&w).generation < until;)
		world_wait(&w, world_is_up, a.pid, "up");
	assert_int_equal(world_counters(&w).unregistered_total, 0);
	/* Counted once, not once a scan. */
	assert_int_equal(world_counters(&w).rejected_total, 1);
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
	actor_end(&fake);
}

/* An end needs no scan: the next one would be an hour away. */
static void test_scan_end_at_once(void **state)
{
	struct actor a = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");

	w.config.scan_interval_ms = 3600 * 1000;
	world_start(&w, 16);
	world_wait(&w, world_is_up, a.pid, "up");
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
	assert_int_equal(world_counters(&w).scans_total, 1);
}

static void test_bpf_refused(void **state)
{
	struct error err = {""};

	w.has_bpf = false;
	assert_int_equal(world_try(&w, 4, &err), -ENOTSUP);
	assert_string_equal(err.text,
			    "source bpf: the kernel took no BPF program for exec, fork and exit");
}

/* A socket filter lets nothing through: the connector is acknowledged and silent. */
static void test_deaf_netlink(void **state)
{
	struct error err = {""};
	int r;

	w.config.source = CONFIG_SOURCE_NETLINK;
	w.filter_fd = filter_load(0);
	if (w.filter_fd < 0)
		skip_because("no BPF: %s", strerror(errno));
	r = world_try(&w, 4, &err);
	close(w.filter_fd);
	assert_true(r < 0);
	assert_non_null(strstr(err.text, "source netlink, the proc connector: "));
	if (r == -ETIMEDOUT)
		assert_non_null(strstr(err.text, "did not arrive"));
}

static void test_auto_falls_to_bpf(void **state)
{
	w.has_bpf = true;
	w.filter_fd = filter_load(0);
	if (w.filter_fd < 0)
		skip_because("no BPF: %s", strerror(errno));
	world_start(&w, 4);
	close(w.filter_fd);
	assert_int_equal(detect_source(w.detect), CONFIG_SOURCE_BPF);
	assert_false(feature("proc_connector")->is_available);
	assert_true(feature("bpf_events")->is_available);
	assert_non_null(feature("detect_priority"));
}

static int finds_only_proc(const void *arg)
{
	struct error err = {""};
	const struct feature *f;

	if (world_try(&w, 4, &err) < 0 || detect_source(w.detect) != CONFIG_SOURCE_SCAN)
		return 1;
	f = feature("proc_connector");
	if (!f || f->is_available || !strstr(f->detail, "network namespace"))
		return 2;
	f = feature("bpf_events");
	if (!f || f->is_available || !feature("proc_scan"))
		return 3;
	detect_stop(w.detect);
	return 0;
}

/* In another network namespace, where nothing but /proc is left. */
static void test_auto_falls_to_scan(void **state)
{
	in_namespace(CLONE_NEWNET, finds_only_proc, NULL);
}

static int grants_nothing(const void *arg)
{
	struct error err = {""};
	const struct feature *f;

	w.has_bpf = true;
	world_grant(&w, 4711, 1, SOURCE_BPF);
	actor_start(world_install(&w, w.server_a, 0, 0755), "serve", "");
	if (world_try(&w, 4, &err) < 0 || detect_source(w.detect) != CONFIG_SOURCE_NONE)
		return 1;
	f = feature("process_numbers");
	if (!f || f->is_available || !strstr(f->detail, "pid namespace"))
		return 2;
	if (!world_has_role(&w, 4711, NULL) || world_counters(&w).registered_total)
		return 3;
	detect_stop(w.detect);
	w.config.source = CONFIG_SOURCE_SCAN;
	return world_try(&w, 4, &err) == -ENOTSUP && strstr(err.text, "source scan: ") ? 0 : 4;
}

/* In another pid namespace, where numbers mean other processes: what the kernel side granted
 * stands, and a process that /proc there shows by a listed name gets nothing. */
static void test_pid_namespace(void **state)
{
	in_namespace(CLONE_NEWPID, grants_nothing, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bpf, setup_bpf, teardown),
		cmocka_unit_test_setup_teardown(test_bpf_revoked, setup_bpf, teardown),
		cmocka_unit_test_setup_teardown(test_bpf_renamed, setup_bpf, teardown),
		cmocka_unit_test_setup_teardown(test_bpf_stale_entry, setup_bpf, teardown),
		cmocka_unit_test_setup_teardown(test_bpf_overrun, setup_bpf, teardown),
		cmocka_unit_test_setup_teardown(test_bpf_refused, setup_bpf, teardown),
		cmocka_unit_test_setup_teardown(test_scan, setup_scan, teardown),
		cmocka_unit_test_setup_teardown(test_scan_end_at_once, setup_scan, teardown),
		cmocka_unit_test_setup_teardown(test_deaf_netlink, setup_auto, teardown),
		cmocka_unit_test_setup_teardown(test_auto_falls_to_bpf, setup_auto, teardown),
		cmocka_unit_test_setup_teardown(test_auto_falls_to_scan, setup_auto, teardown),
		cmocka_unit_test_setup_teardown(test_pid_namespace, setup_auto, teardown),
	};

	world_main(argc, argv);
	if (geteuid() != 0) {
		print_message("skipped: needs root, for root-owned executables\n");
		return getenv("GAMERD_TEST_REQUIRE") ? 1 : 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
