/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long from the exec of an audio server until its process has the role.
 *
 * A private daemon runs; this program's own binary, copied as a root-owned `pipewire`, is executed
 * again and again. Three stamps of one clock (CLOCK_MONOTONIC) are compared: taken by the child
 * right before execve(), by BPF when the exec tracepoint fired, and those in the entry of
 * tgid_roles (entry made, entry confirmed by the detect thread). Four settings: BPF grants at exec,
 * or leaves it to the detect thread and the proc connector alone; CPUs idle, or each loaded by a
 * spinning process. Without BPF's grant the entry is made when it is confirmed.
 *
 * Invariant: every exec ends with a confirmed role; a missing one fails the bench.
 */
#include <getopt.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "bpf/abi/roles.h"
#include "daemon_process.h"
#include "line.h"

#define DEADLINE_NS (2 * NSEC_PER_SEC)

/* Between two execs: without it they are a flood, in which the detect thread is no longer real-time
 * (detect/budget.h). */
#define PAUSE_NS (30 * NSEC_PER_MSEC)

struct setting {
	const char *name, *config;
	bool is_loaded;
};

static const struct setting settings[] = {
	{"bpf_idle", "", false},
	{"bpf_loaded", "", true},
	{"netlink_idle", "\"grant_at_exec\": false", false},
	{"netlink_loaded", "\"grant_at_exec\": false", true},
};

struct result {
	struct dist to_role;	  /* exec tracepoint until the entry was made */
	struct dist to_confirmed; /* ... until the detect thread confirmed it */
	struct dist
		from_before; /* from before execve() until the entry was made: the upper bound */
};

static uint64_t *before_exec_ns; /* shared with the child */

static void sleep_ns(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NSEC_PER_SEC),
			      .tv_nsec = (long)(ns % NSEC_PER_SEC)};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static int run_one(int map_fd, const char *server, struct result *result)
{
	struct role_entry entry = {0};
	uint64_t deadline;
	uint32_t tgid;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*before_exec_ns = clock_now_ns();
		execl(server, "pipewire", "--wait", (char *)NULL);
		_exit(127);
	}
	tgid = (uint32_t)pid;
	deadline = clock_now_ns() + DEADLINE_NS;
	while ((bpf_map_lookup_elem(map_fd, &tgid, &entry) || !entry.confirmed_ns) &&
	       clock_now_ns() < deadline)
		sleep_ns(200 * NSEC_PER_USEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!entry.confirmed_ns) {
		fprintf(stderr, "pid %d never got a confirmed role\n", pid);
		return -ETIMEDOUT;
	}
	dist_add(&result->to_role, entry.granted_ns - entry.exec_ns);
	dist_add(&result->to_confirmed, entry.confirmed_ns - entry.exec_ns);
	dist_add(&result->from_before, entry.granted_ns - *before_exec_ns);
	return 0;
}

static unsigned int start_load(pid_t *hogs, unsigned int max)
{
	unsigned int count = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), i;

	if (count > max)
		count = max;
	for (i = 0; i < count; i++) {
		hogs[i] = fork();
		if (!hogs[i]) {
			cpu_set_t set;

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			CPU_ZERO(&set);
			CPU_SET(i, &set);
			sched_setaffinity(0, sizeof(set), &set);
			alarm(120);
			for (;;)
				;
		}
	}
	return count;
}

static int run_setting(const struct setting *s, const char *binary, const char *server,
		       unsigned int execs, struct result *result)
{
	struct daemon_process daemon;
	unsigned int i, hog_count = 0;
	pid_t hogs[256];
	int map_fd, r;

	r = daemon_process_start(&daemon, binary, s->config, false);
	if (r) {
		fprintf(stderr, "the daemon did not start\n");
		return r;
	}
	map_fd = daemon_process_map(&daemon, "tgid_roles");
	r = map_fd < 0 ? map_fd : 0;
	if (s->is_loaded)
		hog_count = start_load(hogs, 256);
	for (i = 0; !r && i < execs; i++) {
		r = run_one(map_fd, server, result);
		sleep_ns(PAUSE_NS);
	}
	for (i = 0; i < hog_count; i++) {
		kill(hogs[i], SIGKILL);
		waitpid(hogs[i], NULL, 0);
	}
	if (map_fd >= 0)
		close(map_fd);
	daemon_process_stop(&daemon);
	return r;
}

static int copy_self(const char *to)
{
	char buffer[65536];
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out, r = 0;
	ssize_t n;

	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (in < 0 || out < 0)
		r = -errno;
	while (!r && (n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, (size_t)n) != n)
			r = -errno;
	if (out >= 0) {
		fchmod(out, 0755);
		close(out);
	}
	if (in >= 0)
		close(in);
	return r;
}

static void report(struct result *results)
{
	char name[64];
	unsigned int i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(name, sizeof(name), "role.%s", settings[i].name);
		line_dist("detect", name, "us", &results[i].to_role, NSEC_PER_USEC);
		snprintf(name, sizeof(name), "before.%s", settings[i].name);
		line_dist("detect", name, "us", &results[i].from_before, NSEC_PER_USEC);
		if (settings[i].config[0])
			continue;
		snprintf(name, sizeof(name), "confirmed.%s", settings[i].name);
		line_dist("detect", name, "us", &results[i].to_confirmed, NSEC_PER_USEC);
	}
}

int main(int argc, char **argv)
{
	struct result results[sizeof(settings) / sizeof(settings[0])];
	char dir[] = BENCH_DIR_TEMPLATE, server[64];
	const char *binary = NULL;
	unsigned int execs = 200, i;
	int c, r = 0;

	if (argc > 1 && !strcmp(argv[1], "--wait")) {
		alarm(10);
		return pause();
	}
	while ((c = getopt(argc, argv, "d:q")) != -1) {
		if (c == 'd')
			binary = optarg;
		else if (c == 'q')
			execs = 20;
		else
			return 2;
	}
	if (!binary)
		return 2;
	before_exec_ns = mmap(NULL, sizeof(*before_exec_ns), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (before_exec_ns == MAP_FAILED || !mkdtemp(dir) || chmod(dir, 0755)) {
		perror("detect");
		return 1;
	}
	snprintf(server, sizeof(server), "%s/pipewire", dir);
	r = copy_self(server);

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		dist_init(&results[i].to_role, execs);
		dist_init(&results[i].to_confirmed, execs);
		dist_init(&results[i].from_before, execs);
		if (!r)
			r = run_setting(&settings[i], binary, server, execs, &results[i]);
	}
	if (!r)
		report(results);
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		dist_fini(&results[i].to_role);
		dist_fini(&results[i].to_confirmed);
		dist_fini(&results[i].from_before);
	}
	unlink(server);
	rmdir(dir);
	return r ? 1 : 0;
}
