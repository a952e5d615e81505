/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long from the exec of an audio server until its process has the role, and what a full /proc
 * scan costs in the same run.
 *
 * A private daemon runs; this program's own binary, copied as a root-owned `pipewire`, is executed
 * again and again. Three stamps of one clock (CLOCK_MONOTONIC) are compared: taken by the child
 * right before execve(), by BPF when the exec tracepoint fired, and those in the entry of
 * tgid_roles (entry made, entry confirmed by the detect thread). Four settings: BPF grants at exec,
 * or leaves it to the detect thread and the proc connector alone; CPUs idle, or each loaded by a
 * spinning process.
 *
 * Invariant: every exec ends with a confirmed role; a missing one fails the bench.
 */
#include <dirent.h>
#include <getopt.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "bpf/abi/roles.h"
#include "daemon_process.h"
#include "dist.h"

#define DEADLINE_NS (2 * NSEC_PER_SEC)
#define SCAN_REPEATS 20

struct setting {
	const char *name, *key, *config;
	bool is_loaded;
};

static const struct setting settings[] = {
	{"BPF at exec, idle", "bpf_idle", "", false},
	{"BPF at exec, CPUs loaded", "bpf_loaded", "", true},
	{"proc connector alone, idle", "netlink_idle", "\"grant_at_exec\": false", false},
	{"proc connector alone, CPUs loaded", "netlink_loaded", "\"grant_at_exec\": false", true},
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

	r = daemon_process_start(&daemon, binary, s->config);
	if (r) {
		fprintf(stderr, "the daemon did not start\n");
		return r;
	}
	map_fd = daemon_process_map(&daemon, "tgid_roles");
	r = map_fd < 0 ? map_fd : 0;
	if (s->is_loaded)
		hog_count = start_load(hogs, 256);
	for (i = 0; !r && i < execs; i++)
		r = run_one(map_fd, server, result);
	for (i = 0; i < hog_count; i++) {
		kill(hogs[i], SIGKILL);
		waitpid(hogs[i], NULL, 0);
	}
	if (map_fd >= 0)
		close(map_fd);
	daemon_process_stop(&daemon);
	return r;
}

/* The old pattern: every process's name is read. Returns how many there were. */
static unsigned int scan_proc(void)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir))) {
		char path[300], comm[32];
		int fd;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, comm, sizeof(comm)) > 0)
			count++;
		close(fd);
	}
	if (dir)
		closedir(dir);
	return count;
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

static json_t *report(struct result *results, struct dist *scan, unsigned int processes)
{
	json_t *json = json_object();
	unsigned int i;

	dist_print_header(stdout, "exec of an audio server until its role is in the BPF map");
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct result *r = &results[i];
		char name[96];

		dist_print(stdout, settings[i].name, &r->to_role);
		snprintf(name, sizeof(name), "  until confirmed by the detect thread");
		dist_print(stdout, name, &r->to_confirmed);
		snprintf(name, sizeof(name), "  role, counted from before execve()");
		dist_print(stdout, name, &r->from_before);
		json_object_set_new(json, settings[i].key,
				    json_pack("{s:o, s:o, s:o}", "role", dist_json(&r->to_role),
					      "confirmed", dist_json(&r->to_confirmed),
					      "role_from_before_execve",
					      dist_json(&r->from_before)));
	}
	dist_print_header(stdout, "for comparison");
	printf("one full /proc scan of %u processes (comm only):\n", processes);
	dist_print(stdout, "  time", scan);
	json_object_set_new(
		json, "proc_scan",
		json_pack("{s:i, s:o}", "processes", (int)processes, "time", dist_json(scan)));
	return json;
}

int main(int argc, char **argv)
{
	struct result results[sizeof(settings) / sizeof(settings[0])];
	char dir[] = "/tmp/gamerd-bench-XXXXXX", server[64];
	const char *binary = NULL, *json_path = NULL;
	unsigned int execs = 1000, i, processes = 0;
	struct dist scan;
	json_t *json;
	int c, r = 0;

	if (argc > 1 && !strcmp(argv[1], "--wait")) {
		alarm(10);
		return pause();
	}
	while ((c = getopt(argc, argv, "d:n:j:")) != -1) {
		if (c == 'd')
			binary = optarg;
		else if (c == 'n')
			execs = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 'j')
			json_path = optarg;
		else
			return 2;
	}
	if (!binary || !execs || execs > 100000) {
		fprintf(stderr, "usage: bench_detect -d DAEMON [-n EXECS] [-j FILE]\n");
		return 2;
	}
	before_exec_ns = mmap(NULL, sizeof(*before_exec_ns), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (before_exec_ns == MAP_FAILED || !mkdtemp(dir) || chmod(dir, 0755)) {
		perror("bench_detect");
		return 1;
	}
	snprintf(server, sizeof(server), "%s/pipewire", dir);
	r = copy_self(server);

	dist_init(&scan, SCAN_REPEATS);
	for (i = 0; i < SCAN_REPEATS; i++) {
		uint64_t start = clock_now_ns();

		processes = scan_proc();
		dist_add(&scan, clock_now_ns() - start);
	}
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		dist_init(&results[i].to_role, execs);
		dist_init(&results[i].to_confirmed, execs);
		dist_init(&results[i].from_before, execs);
		if (!r)
			r = run_setting(&settings[i], binary, server, execs, &results[i]);
	}
	if (!r) {
		json = report(results, &scan, processes);
		if (json_path && json_dump_file(json, json_path, JSON_INDENT(2)))
			r = -EIO;
		json_decref(json);
	}
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		dist_fini(&results[i].to_role);
		dist_fini(&results[i].to_confirmed);
		dist_fini(&results[i].from_before);
	}
	dist_fini(&scan);
	unlink(server);
	rmdir(dir);
	return r ? 1 : 0;
}
