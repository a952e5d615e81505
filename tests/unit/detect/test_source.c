/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The choice of a source, detection on those that stand in for the proc connector, and what becomes
 * of a connector that fails in use.
 */
#include "world.h"

#include <sys/socket.h>
#include <sys/syscall.h>

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

static int setup_netlink(void **state)
{
	world_open(&w, CONFIG_SOURCE_NETLINK);
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

static bool has_fallen_back(struct world *world, int64_t source)
{
	return detect_source(world->detect) == (enum config_source)source;
}

static int connector_fd(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		int protocol = 0;
		socklen_t length = sizeof(protocol);

		if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &protocol, &length) &&
		    protocol == AF_NETLINK)
			return fd;
	}
	return -1;
}

static bool has_feature(const char *name, bool is_available)
{
	const struct feature *f = feature(name);

	return f && f->is_available == is_available;
}

static void start_netlink(void)
{
	struct error err = {""};

	if (world_try(&w, 16, &err) < 0)
		skip_because("%s", err.text);
	assert_int_equal(detect_source(w.detect), CONFIG_SOURCE_NETLINK);
}

/* The connector fails in use: what is said afterwards is what is used afterwards. */
static void test_connector_fails(void **state)
{
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC), fd;
	struct actor a;

	w.config.scan_interval_ms = 100;
	start_netlink();
	assert_true(has_feature("proc_connector", true));
	fd = connector_fd();
	assert_true(fd >= 0 && other >= 0);
	/* No socket: reading fails. By the system call, since the thread sanitizer takes the
	 * exchange under the thread's eyes for the race that it is. */
	assert_int_equal(syscall(SYS_dup3, other, fd, O_CLOEXEC), fd);
	close(other);
	a = actor_start(world_install(&w, w.server_a, 0, 0755), "serve", ""); /* an event */
	world_wait(&w, has_fallen_back, CONFIG_SOURCE_SCAN, "source");
	assert_true(has_feature("proc_connector", false));
	assert_true(has_feature("proc_scan", true));
	assert_false(has_feature("proc_filter", true) || has_feature("proc_filter", false));
	assert_false(has_feature("selftest", true));
	world_wait(&w, world_is_up, a.pid, "up by scan");
	actor_end(&a);
	world_wait(&w, world_is_down, a.pid, "down");
}

static void deafen(void)
{
	int fd = connector_fd(), filter = filter_load(0);

	assert_true(fd >= 0 && filter >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &filter, sizeof(filter)), 0);
	close(filter);
}

static bool has_fallen_silent(struct world *world, int64_t count)
{
	return world_counters(world).silences_total >= (uint64_t)count;
}

/* The connector tells nothing any more (its socket is made deaf), and the kernel side says so:
 * subscribed anew, and what happened meanwhile is found. Soon again: it is given up. */
static void test_silence(void **state)
{
	struct actor missed, heard, last;
	const char *path;

	w.has_bpf = true;
	w.filter_fd = filter_load(-1);
	if (w.filter_fd < 0)
		skip_because("no BPF: %s", strerror(errno));
	start_netlink();
	assert_int_equal(w.watches, 1);
	path = world_install(&w, w.server_a, 0, 0755);
	deafen();
	missed = actor_start(path, "serve", "");
	detect_silent(w.detect);
	world_wait(&w, world_is_up, missed.pid, "up");
	assert_int_equal(world_find(&w, missed.pid)->source, SOURCE_SCAN);
	assert_int_equal(world_counters(&w).silences_total, 1);
	assert_int_equal(world_counters(&w).resyncs_total, 1);
	assert_int_equal(w.watches, 2);
	heard = actor_start(path, "serve", "");
	world_wait(&w, world_is_up, heard.pid, "up");
	assert_int_equal(world_find(&w, heard.pid)->source, SOURCE_NETLINK);
	assert_int_equal(detect_source(w.detect), CONFIG_SOURCE_NETLINK);
	assert_true(has_feature("proc_connector", true));

	deafen();
	last = actor_start(path, "serve", "");
	detect_silent(w.detect);
	world_wait(&w, has_fallen_silent, 2, "silence");
	world_wait(&w, has_fallen_back, CONFIG_SOURCE_BPF, "source");
	world_wait(&w, world_is_up, last.pid, "up");
	assert_true(has_feature("proc_connector", false));
	assert_true(has_feature("bpf_events", true));
	assert_int_equal(w.watches, 2);
	close(w.filter_fd);
	actor_end(&missed);
	actor_end(&heard);
	actor_end(&last);
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
		cmocka_unit_test_setup_teardown(test_connector_fails, setup_netlink, teardown),
		cmocka_unit_test_setup_teardown(test_silence, setup_netlink, teardown),
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
