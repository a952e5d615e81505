/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The socket filter on a real proc connector socket: what concerns a role comes through, what does
 * not does not. Other processes of the machine may pass, too; only ours are judged.
 */
#include "bpf/bpf_test.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "unit/detect/filter.h"

static struct bench bench;
static char dir[] = "/tmp/gamerd-filter-XXXXXX";
static char server[128], other[128];

struct message {
	struct nlmsghdr header;
	struct cn_msg cn;
	struct proc_event event;
} __attribute__((packed));

static void subscribe(int fd, uint32_t op)
{
	struct {
		struct nlmsghdr header;
		struct cn_msg cn;
		uint32_t op;
	} __attribute__((packed)) request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = NLMSG_DONE},
		.cn = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof(uint32_t)},
		.op = op,
	};

	assert_int_equal(send(fd, &request, sizeof(request), 0), (ssize_t)sizeof(request));
}

/* The next message within the time; false if none comes. */
static bool receive(int fd, int timeout_ms, struct proc_event *out)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	struct message message = {0};

	if (poll(&pfd, 1, timeout_ms) != 1)
		return false;
	if (recv(fd, &message, sizeof(message), 0) < 0)
		return false;
	*out = message.event;
	return true;
}

static bool is_about(const struct proc_event *event, uint32_t what, pid_t pid)
{
	if ((uint32_t)event->what != what)
		return false;
	/* All kinds begin with pid and tgid; a fork's child comes third. */
	return event->event_data.exec.process_tgid == pid ||
	       (what == PROC_EVENT_FORK && event->event_data.fork.child_tgid == pid);
}

static void expect(int fd, uint32_t what, pid_t pid)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;
	struct proc_event event;

	while (clock_now_ns() < end)
		if (receive(fd, 100, &event) && is_about(&event, what, pid))
			return;
	fail_msg("no event %#x about %d", what, (int)pid);
}

static pid_t run_true(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return pid;
}

/* The message of an exit follows the parent's wake-up: the last one may come after waitpid(). */
static void wait_filter_seen(uint64_t count)
{
	uint64_t end = clock_now_ns() + DEADLINE_MS * NSEC_PER_MSEC;

	while (bench_counters(&bench)->filter_seen < count && clock_now_ns() < end)
		sched_yield();
}

static void test_nothing_passes(void **state)
{
	int fd = *(int *)*state;
	struct cpu_slot before = *bench_counters(&bench), after;
	struct proc_event event;
	pid_t pids[200];

	for (int i = 0; i < 200; i++)
		pids[i] = run_true();
	wait_filter_seen(before.filter_seen + 600);
	while (receive(fd, 0, &event)) {
		for (int i = 0; i < 200; i++) {
			assert_false(is_about(&event, PROC_EVENT_FORK, pids[i]));
			assert_false(is_about(&event, PROC_EVENT_EXEC, pids[i]));
			assert_false(is_about(&event, PROC_EVENT_COMM, pids[i]));
			assert_false(is_about(&event, PROC_EVENT_EXIT, pids[i]));
		}
	}
	after = *bench_counters(&bench);
	/* Fork, exec, exit of each was seen. */
	assert_true(after.filter_seen - before.filter_seen >= 600);
}

static void test_server_passes(void **state)
{
	int fd = *(int *)*state;
	struct child c = child_start(server);
	pid_t forked;

	expect(fd, PROC_EVENT_EXEC, c.pid);
	forked = child_tell(&c, 'f').number;
	expect(fd, PROC_EVENT_FORK, forked);
	child_tell(&c, 'n'); /* takes another name: a role's process is followed */
	expect(fd, PROC_EVENT_COMM, c.pid);
	child_end(&c);
	expect(fd, PROC_EVENT_EXIT, c.pid);
}

/* The end of one thread of a server is not told: the process lives. */
static void test_thread_exit_is_dropped(void **state)
{
	int fd = *(int *)*state;
	struct child c = child_start(server);
	struct proc_event event;

	expect(fd, PROC_EVENT_EXEC, c.pid);
	child_tell(&c, 't');
	while (receive(fd, 0, &event))
		assert_false(is_about(&event, PROC_EVENT_EXIT, c.pid));
	child_end(&c);
	expect(fd, PROC_EVENT_EXIT, c.pid);
}

/* A process that renames itself to a server's name: user space has to look. */
static void test_rename_passes(void **state)
{
	int fd = *(int *)*state;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		prctl(PR_SET_NAME, "pulseaudio");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	expect(fd, PROC_EVENT_COMM, pid);
}

/* The messages about that process's names that come before its end. */
static unsigned int count_names(int fd, pid_t pid)
{
	struct proc_event event;
	unsigned int count = 0;

	while (receive(fd, 200, &event))
		count += is_about(&event, PROC_EVENT_COMM, pid);
	return count;
}

/* A process that goes on taking such names is not told again until it execs, or the list changes.
 */
static void test_rename_again_is_dropped(void **state)
{
	int fd = *(int *)*state;
	struct child c = child_start(other);

	for (int i = 0; i < 50; i++)
		child_tell(&c, 'p');
	assert_int_equal(count_names(fd, c.pid), 1);
	child_tell(&c, 'x');
	child_tell(&c, 'p');
	child_tell(&c, 'p');
	assert_int_equal(count_names(fd, c.pid), 1);
	assert_int_equal(loader_reload(bench.loader, &bench.config), 0);
	child_tell(&c, 'p');
	child_tell(&c, 'p');
	assert_int_equal(count_names(fd, c.pid), 1);
	child_end(&c);
}

/* Nobody has asked for them: the connector is there. */
static void test_no_records(void **state)
{
	struct cpu_slot before = *bench_counters(&bench);
	struct child c = child_start(server);

	child_tell(&c, 'f');
	child_end(&c);
	assert_int_equal(bench_counters(&bench)->ring_attempted, before.ring_attempted);
}

static void test_selftest_passes(void **state)
{
	int fd = *(int *)*state, status;
	pid_t pid;

	loader_filter_selftest(bench.loader, (uint32_t)getpid());
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, "probe");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	loader_filter_selftest(bench.loader, 0);
	expect(fd, PROC_EVENT_FORK, pid);
	expect(fd, PROC_EVENT_COMM, pid);
	expect(fd, PROC_EVENT_EXIT, pid);
	test_nothing_passes(state);
}

static void on_silent(void *ctx)
{
	atomic_fetch_add((_Atomic unsigned int *)ctx, 1);
}

static void attach(int fd, int filter)
{
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &filter, sizeof(filter)), 0);
}

/* Programs are executed for that long, or until `silences` has that value. */
static void run_for(uint64_t ns, _Atomic unsigned int *silences, unsigned int until)
{
	uint64_t end = clock_now_ns() + ns;

	while (clock_now_ns() < end && atomic_load(silences) != until)
		run_true();
}

/* Programs are executed and no message about any comes to the filter: told, once for each watch. */
static void test_silence(void **state)
{
	static _Atomic unsigned int silences;
	const struct loader_silence_sink sink = {.ctx = &silences, .silent = on_silent};
	int fd = *(int *)*state, deaf = filter_load(0);

	assert_true(deaf >= 0);
	loader_watch_connector(bench.loader, &sink);
	run_for(1500 * NSEC_PER_MSEC, &silences, 1);
	assert_int_equal(silences, 0);
	attach(fd, deaf);
	run_for(DEADLINE_MS * NSEC_PER_MSEC, &silences, 1);
	assert_int_equal(silences, 1);
	run_for(1500 * NSEC_PER_MSEC, &silences, 2);
	assert_int_equal(silences, 1);
	loader_watch_connector(bench.loader, &sink);
	run_for(DEADLINE_MS * NSEC_PER_MSEC, &silences, 2);
	assert_int_equal(silences, 2);
	attach(fd, loader_filter_fd(bench.loader));
	loader_watch_connector(bench.loader, &sink);
	run_for(1500 * NSEC_PER_MSEC, &silences, 3);
	assert_int_equal(silences, 2);
	loader_watch_connector(bench.loader, NULL);
	close(deaf);
}

static void *thread_body(void *arg)
{
	return NULL;
}

static int child_main(void)
{
	bool is_even = false;
	char command;
	pid_t pid;

	child_say('r', 0);
	while (read(0, &command, 1) == 1) {
		if (command == 'f') {
			pid = fork();
			if (pid == 0)
				_exit(0);
			waitpid(pid, NULL, 0);
			child_say('f', pid);
		} else if (command == 't') {
			pthread_t thread;

			pthread_create(&thread, NULL, thread_body, NULL);
			pthread_join(thread, NULL);
			child_say('t', 0);
		} else if (command == 'n') {
			prctl(PR_SET_NAME, "renamed");
			child_say('n', 0);
		} else if (command == 'p') {
			prctl(PR_SET_NAME, is_even ? "pipewire" : "pulseaudio");
			is_even = !is_even;
			child_say('p', 0);
		} else if (command == 'x') {
			execl("/proc/self/exe", "x", CHILD_FLAG, (char *)NULL);
			_exit(127);
		}
	}
	return 0;
}

static int group_setup(void **state)
{
	static int fd;
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	struct proc_event event;
	int filter;

	directory_make(dir);
	snprintf(server, sizeof(server), "%s/pipewire", dir);
	file_copy("/proc/self/exe", server, 0, 0755);
	snprintf(other, sizeof(other), "%s/other", dir);
	file_copy("/proc/self/exe", other, 0, 0755);
	config_init(&bench.config);
	bench.config.long_wait_us = 60000000; /* no records but those of processes */
	bench_open(&bench, 16);
	bench_run(&bench);
	filter = loader_filter_fd(bench.loader);
	assert_true(filter >= 0);
	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &filter, sizeof(filter)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	subscribe(fd, PROC_CN_MCAST_LISTEN);
	/* The filter lets the acknowledgement through. */
	assert_true(receive(fd, DEADLINE_MS, &event));
	assert_int_equal(event.what, PROC_EVENT_NONE);
	*state = &fd;
	return 0;
}

static int group_teardown(void **state)
{
	int fd = *(int *)*state;

	subscribe(fd, PROC_CN_MCAST_IGNORE);
	close(fd);
	bench_close(&bench);
	return directory_remove(dir);
}

static const char *connector_obstacle(void)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);

	if (fd < 0)
		return "this kernel has no proc connector";
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_passes),
		cmocka_unit_test(test_server_passes),
		cmocka_unit_test(test_thread_exit_is_dropped),
		cmocka_unit_test(test_rename_passes),
		cmocka_unit_test(test_selftest_passes),
		cmocka_unit_test(test_rename_again_is_dropped),
		cmocka_unit_test(test_no_records),
		cmocka_unit_test(test_silence),
	};

	if (argc > 1 && !strcmp(argv[1], CHILD_FLAG))
		return child_main();
	if (test_obstacle() || connector_obstacle())
		return test_unable(test_obstacle() ? test_obstacle() : connector_obstacle());
	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_WARNING);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
