/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Roles of real processes: who gets one at exec, who inherits it, when it ends, and the answers of
 * roles_apply. The servers are copies of this program under a server's name.
 */
#include "bpf/bpf_test.h"

static struct bench bench;
static char dir[] = "/tmp/gamerd-roles-XXXXXX";

/* PIDs that no process can have, for entries without one. */
#define FAKE_TGID 0x7f000000u
#define FAKE_UID 54321u

/* DIR/SUB/pipewire, in a directory of its own. */
static const char *variant(const char *sub, char path[static 128])
{
	snprintf(path, 128, "%s/%s", dir, sub);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, 128, "%s/%s/pipewire", dir, sub);
	return path;
}

static const char *other_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/other", dir);
	return path;
}

/* ---- the child's side ---- */

static pthread_mutex_t thread_gate = PTHREAD_MUTEX_INITIALIZER;

static void *thread_body(void *arg)
{
	pthread_mutex_lock(&thread_gate);
	pthread_mutex_unlock(&thread_gate);
	return NULL;
}

static void child_fork(void)
{
	pid_t pid = fork();
	char byte;

	if (pid > 0) {
		child_say('f', pid);
		return;
	}
	/* Shares the leash, so it ends with its parent; 'q' ends it alone. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(0, &byte, 1) > 0 && byte != 'q')
		;
	_exit(0);
}

static void child_exec(void)
{
	execl(other_path(), other_path(), CHILD_FLAG, (char *)NULL);
	_exit(127);
}

static int child_main(const char *self)
{
	pthread_t thread = 0;
	char command;

	/* DIR/NAME or DIR/SUB/NAME */
	memcpy(dir, self, sizeof(dir) - 1);
	child_say('r', 0);
	while (read(0, &command, 1) == 1) {
		switch (command) {
		case 't':
			pthread_mutex_lock(&thread_gate);
			pthread_create(&thread, NULL, thread_body, NULL);
			child_say('t', 0);
			break;
		case 'j':
			pthread_mutex_unlock(&thread_gate);
			pthread_join(thread, NULL);
			child_say('j', 0);
			break;
		case 'f':
			child_fork();
			break;
		case 'e':
			child_exec();
			break;
		}
	}
	return 0;
}

/* What the kernel says; a sanitizer may have a thread of its own. */
static uint32_t threads_of(uint32_t pid)
{
	struct stat info;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	assert_int_equal(stat(path, &info), 0);
	return (uint32_t)info.st_nlink - 2;
}

/* ---- at exec ---- */

static void test_exec_grants(void **state)
{
	struct role_entry entry;
	struct child c = child_start(*state);
	const struct event *event;

	/* main() runs, so the role has been there since before its first instruction. */
	assert_int_equal(loader_role_get(bench.loader, (uint32_t)c.pid, &entry), 0);
	assert_int_equal(entry.role, ROLE_AUDIO_SERVER);
	assert_int_equal(entry.source, SOURCE_BPF);
	assert_int_equal(entry.uid, 0);
	assert_int_equal(entry.threads, threads_of((uint32_t)c.pid));
	assert_int_equal(entry.start_ns / 10000000, start_ticks(c.pid));
	assert_true(entry.exec_ns > 0 && entry.exec_ns <= clock_now_ns());
	assert_int_equal(entry.confirmed_ns, 0);
	event = bench_event(&bench, EVENT_EXEC, (uint32_t)c.pid);
	assert_non_null(event);
	assert_int_equal(event->exec.role, ROLE_AUDIO_SERVER);
	assert_int_equal(event->exec.old_role, ROLE_NONE);
	assert_int_equal(event->exec.reject, REJECT_NONE);
	assert_string_equal(event->comm, "pipewire");
	child_end(&c);
}

static void expect_reject(const char *path, uint8_t reject)
{
	uint64_t before = bench_counters(&bench)->roles_rejected;
	struct role_entry entry;
	struct child c = child_start(path);
	const struct event *event = bench_event(&bench, EVENT_EXEC, (uint32_t)c.pid);

	assert_int_equal(loader_role_get(bench.loader, (uint32_t)c.pid, &entry), -ENOENT);
	assert_non_null(event);
	assert_int_equal(event->exec.reject, reject);
	assert_int_equal(event->exec.role, ROLE_NONE);
	assert_true(bench_counters(&bench)->roles_rejected > before);
	child_end(&c);
}

static void test_exec_rejects(void **state)
{
	char path[128], script[256];
	int fd;

	file_copy("/proc/self/exe", variant("owner", path), 1000, 0755);
	expect_reject(path, REJECT_OWNER);
	file_copy("/proc/self/exe", variant("group", path), 0, 0775);
	expect_reject(path, REJECT_WRITABLE);
	file_copy("/proc/self/exe", variant("others", path), 0, 0757);
	expect_reject(path, REJECT_WRITABLE);
	assert_int_equal(symlink(other_path(), variant("symlink", path)), 0);
	expect_reject(path, REJECT_EXE);
	fd = open(variant("script", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	snprintf(script, sizeof(script), "#!%s " CHILD_FLAG "\n", other_path());
	assert_int_equal(write(fd, script, strlen(script)), (ssize_t)strlen(script));
	close(fd);
	expect_reject(path, REJECT_SCRIPT);
}

/* Near names and unlisted ones: not even rejected. */
static void test_exec_ignores(void **state)
{
	static const char *const names[] = {"pipewire-foo", "pulsar", "pipewir"};
	struct role_entry entry;
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct child c;

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		file_copy("/proc/self/exe", path, 0, 0755);
		c = child_start(path);
		assert_int_equal(loader_role_get(bench.loader, (uint32_t)c.pid, &entry), -ENOENT);
		child_end(&c);
	}
}

static void test_exec_elsewhere_drops(void **state)
{
	struct role_entry entry;
	struct child c = child_start(*state);
	const struct event *event;

	assert_non_null(bench_event(&bench, EVENT_EXEC, (uint32_t)c.pid));
	assert_int_equal(loader_role_get(bench.loader, (uint32_t)c.pid, &entry), 0);
	assert_int_equal(child_tell(&c, 'e').letter, 'r');
	assert_int_equal(loader_role_get(bench.loader, (uint32_t)c.pid, &entry), -ENOENT);
	event = bench_event(&bench, EVENT_EXEC, (uint32_t)c.pid);
	assert_non_null(event);
	assert_int_equal(event->exec.old_role, ROLE_AUDIO_SERVER);
	assert_int_equal(event->exec.role, ROLE_NONE);
	child_end(&c);
}

/* ---- life ---- */

static void test_fork_inherits(void **state)
{
	struct role_entry entry;
	struct child c = child_start(*state);
	uint32_t forked = (uint32_t)child_tell(&c, 'f').number;
	const struct event *event = bench_event(&bench, EVENT_FORK, forked);

	assert_non_null(event);
	assert_int_equal(event->fork.parent_tgid, c.pid);
	assert_int_equal(event->fork.role, ROLE_AUDIO_SERVER);
	assert_int_equal(loader_role_get(bench.loader, forked, &entry), 0);
	assert_int_equal(entry.source, SOURCE_FORK);
	assert_int_equal(entry.threads, threads_of(forked));
	assert_int_equal(entry.start_ns / 10000000, start_ticks((pid_t)forked));
	child_end(&c);
	assert_non_null(bench_event(&bench, EVENT_EXIT, forked));
	assert_int_equal(loader_role_get(bench.loader, forked, &entry), -ENOENT);
}

/* A thread is joined a moment before its end is complete, on both sides: until they agree. */
static uint32_t threads_settle(uint32_t tgid, struct role_entry *entry)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	do {
		assert_int_equal(loader_role_get(bench.loader, tgid, entry), 0);
	} while (entry->threads != threads_of(tgid) && clock_now_ns() < end);
	assert_int_equal(entry->threads, threads_of(tgid));
	return entry->threads;
}

static void test_threads_and_exit(void **state)
{
	struct role_entry entry;
	struct child c = child_start(*state);
	uint32_t tgid = (uint32_t)c.pid;
	const struct event *event;
	uint32_t threads;
	uint64_t start_ns;

	threads = threads_settle(tgid, &entry);
	child_tell(&c, 't');
	assert_true(threads_settle(tgid, &entry) > threads);
	threads = entry.threads;
	child_tell(&c, 'j');
	assert_int_equal(threads_settle(tgid, &entry), threads - 1);
	start_ns = entry.start_ns;
	child_end(&c);
	/* The process is reaped, so its end has passed the tracepoint. */
	assert_int_equal(loader_role_get(bench.loader, tgid, &entry), -ENOENT);
	event = bench_event(&bench, EVENT_EXIT, tgid);
	assert_non_null(event);
	assert_int_equal(event->exit.role, ROLE_AUDIO_SERVER);
	assert_int_equal(event->exit.start_ns, start_ns);
}

/* A server killed in the middle of things, a hundred times: nothing is left. */
static void test_kill_leaves_nothing(void **state)
{
	uint32_t before = loader_roles_count(bench.loader);

	for (int i = 0; i < 100; i++) {
		struct child c = child_start(*state);

		child_tell(&c, 't');
		if (i % 2)
			child_tell(&c, 'f');
		kill(c.pid, SIGKILL);
		child_end(&c);
		assert_non_null(bench_event(&bench, EVENT_EXIT, (uint32_t)c.pid));
		bench.seen_count = 0;
	}
	/* Forked ones die by their parent's death; wait for the last. */
	for (uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	     loader_roles_count(bench.loader) != before && clock_now_ns() < end;)
		sched_yield();
	assert_int_equal(loader_roles_count(bench.loader), before);
}

/* ---- roles_apply ---- */

static struct role_request request_new(uint32_t op, uint32_t tgid)
{
	return (struct role_request){
		.op = op,
		.tgid = tgid,
		.start_ticks = 4711,
		.exec_ns = 1,
		.uid = FAKE_UID,
		.threads = 3,
		.role = ROLE_GAME,
		.source = SOURCE_SCAN,
	};
}

static void test_apply(void **state)
{
	struct role_request confirm = request_new(ROLE_OP_CONFIRM, FAKE_TGID);
	struct role_request clear = request_new(ROLE_OP_CLEAR, FAKE_TGID);
	uint32_t generation = loader_roles_generation(bench.loader);
	struct role_entry entry;

	assert_int_equal(loader_role_apply(bench.loader, &clear), -ESRCH);
	assert_int_equal(loader_role_apply(bench.loader, &confirm), 0);
	assert_true(loader_roles_generation(bench.loader) != generation);
	assert_int_equal(loader_role_get(bench.loader, FAKE_TGID, &entry), 0);
	assert_int_equal(entry.role, ROLE_GAME);
	assert_int_equal(entry.source, SOURCE_SCAN);
	assert_int_equal(entry.threads, 3);
	assert_int_equal(entry.uid, FAKE_UID);
	assert_true(entry.confirmed_ns > 0);
	confirm.role = ROLE_COMPOSITOR;
	assert_int_equal(loader_role_apply(bench.loader, &confirm), 0);
	assert_int_equal(loader_role_get(bench.loader, FAKE_TGID, &entry), 0);
	assert_int_equal(entry.role, ROLE_COMPOSITOR);
	confirm.start_ticks++;
	assert_int_equal(loader_role_apply(bench.loader, &confirm), -EEXIST);
	clear.start_ticks++;
	assert_int_equal(loader_role_apply(bench.loader, &clear), -EEXIST);
	clear.start_ticks = 0; /* whichever */
	assert_int_equal(loader_role_apply(bench.loader, &clear), 0);
	assert_int_equal(loader_role_get(bench.loader, FAKE_TGID, &entry), -ENOENT);
}

static void test_apply_refuses(void **state)
{
	struct role_request bad = request_new(7, FAKE_TGID);

	assert_int_equal(loader_role_apply(bench.loader, &bad), -EINVAL);
	bad.op = ROLE_OP_CONFIRM;
	bad.role = ROLE_NONE;
	assert_int_equal(loader_role_apply(bench.loader, &bad), -EINVAL);
	bad.role = ROLE_COUNT;
	assert_int_equal(loader_role_apply(bench.loader, &bad), -EINVAL);
}

static void test_apply_confirms_exec(void **state)
{
	struct role_entry entry;
	struct child c = child_start(*state);
	struct role_request confirm = request_new(ROLE_OP_CONFIRM, (uint32_t)c.pid);

	confirm.role = ROLE_AUDIO_SERVER;
	confirm.start_ticks = start_ticks(c.pid);
	assert_int_equal(loader_role_apply(bench.loader, &confirm), 0);
	assert_int_equal(loader_role_get(bench.loader, (uint32_t)c.pid, &entry), 0);
	assert_int_equal(entry.source, SOURCE_BPF); /* who made it, not who confirmed it */
	assert_true(entry.confirmed_ns >= entry.granted_ns);
	child_end(&c);
}

/* First users who want more than they may have, then many who want one. */
static void limits_request(uint32_t op, uint32_t i, struct role_request *r)
{
	uint32_t max = bench.config.roles_max, each = bench.config.roles_per_uid_max + 1;

	*r = request_new(op, FAKE_TGID + i);
	r->uid = FAKE_UID + (i < max ? i / each : i);
}

/* No user keeps another from his first place. */
static void test_limits(void **state)
{
	uint32_t max = bench.config.roles_max, per_uid = bench.config.roles_per_uid_max;
	uint32_t present = loader_roles_count(bench.loader), granted = 0, mine = 0, uid = 0;
	struct role_request r;

	for (uint32_t i = 0; i < 2 * max + 8; i++) {
		uint32_t taken = granted + present;
		bool may;

		limits_request(ROLE_OP_CONFIRM, i, &r);
		mine = r.uid == uid ? mine : 0;
		uid = r.uid;
		may = taken < max && mine < (taken < (max + 1) / 2 ? per_uid : 1);
		assert_int_equal(loader_role_apply(bench.loader, &r), may ? 0 : -EAGAIN);
		granted += may;
		mine += may;
	}
	assert_int_equal(loader_roles_count(bench.loader), max);
	for (uint32_t i = 0; i < 2 * max + 8; i++) {
		limits_request(ROLE_OP_CLEAR, i, &r);
		granted -= loader_role_apply(bench.loader, &r) == 0;
	}
	assert_int_equal(granted, 0);
	assert_int_equal(loader_roles_count(bench.loader), present);
	/* The places of a uid came back, too. */
	r = request_new(ROLE_OP_CONFIRM, FAKE_TGID);
	assert_int_equal(loader_role_apply(bench.loader, &r), 0);
	r.op = ROLE_OP_CLEAR;
	assert_int_equal(loader_role_apply(bench.loader, &r), 0);
}

/* More servers of one uid than the limit allows: the rest run without a role. */
static void test_limit_at_exec(void **state)
{
	uint32_t per_uid = bench.config.roles_per_uid_max, refused = 0;
	struct child children[64];
	struct role_entry entry;

	assert_true(per_uid + 1 < 64);
	for (uint32_t i = 0; i <= per_uid; i++) {
		children[i] = child_start(*state);
		refused += loader_role_get(bench.loader, (uint32_t)children[i].pid, &entry) != 0;
	}
	assert_true(refused >= 1);
	for (uint32_t i = 0; i <= per_uid; i++)
		child_end(&children[i]);
}

static void test_iteration(void **state)
{
	struct role_request r = request_new(ROLE_OP_CONFIRM, FAKE_TGID + 5);
	uint32_t tgid = 0, *last = NULL;
	bool found = false;

	assert_int_equal(loader_role_apply(bench.loader, &r), 0);
	while (!loader_role_next(bench.loader, last, &tgid)) {
		found |= tgid == FAKE_TGID + 5;
		last = &tgid;
	}
	assert_true(found);
	r.op = ROLE_OP_CLEAR;
	assert_int_equal(loader_role_apply(bench.loader, &r), 0);
}

static void ignore_event(void *ctx, const struct event *event)
{
}

static void ignore_loss(void *ctx)
{
}

static int group_setup(void **state)
{
	static const struct loader_proc_sink sink = {.offer = ignore_event, .lost = ignore_loss};
	static char server[128];

	directory_make(dir);
	snprintf(server, sizeof(server), "%s/pipewire", dir);
	file_copy("/proc/self/exe", server, 0, 0755);
	file_copy("/proc/self/exe", other_path(), 0, 0755);
	config_init(&bench.config);
	bench_open(&bench, 16);
	assert_true(loader_offer_proc_events(bench.loader, &sink)); /* or none are made */
	bench_run(&bench);
	*state = server;
	return 0;
}

static int group_teardown(void **state)
{
	bench_close(&bench);
	return directory_remove(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exec_grants),
		cmocka_unit_test(test_exec_rejects),
		cmocka_unit_test(test_exec_ignores),
		cmocka_unit_test(test_exec_elsewhere_drops),
		cmocka_unit_test(test_fork_inherits),
		cmocka_unit_test(test_threads_and_exit),
		cmocka_unit_test(test_kill_leaves_nothing),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_apply_refuses),
		cmocka_unit_test(test_apply_confirms_exec),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limit_at_exec),
		cmocka_unit_test(test_iteration),
	};

	if (argc > 1 && !strcmp(argv[1], CHILD_FLAG))
		return child_main(argc > 2 ? argv[2] : argv[0]);
	if (test_obstacle())
		return test_unable(test_obstacle());
	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_WARNING);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
