// SPDX-License-Identifier: GPL-2.0-only
/*
 * GET /metrics as Prometheus, JSON and pretty JSON, by wrk with four connections, kept alive (as
 * many as the daemon keeps with its usual workers) and opened anew for each request; the same of
 * prometheus-node-exporter in the same run. wrk has one CPU, the servers the others. The daemon has
 * no limit to the CPU time of requests: it is a flood.
 *
 * Invariant: no request fails, and nearly all of the daemon's bodies are shared ones.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>

#include "daemon_process.h"
#include "http_client.h"
#include "line.h"

#define EXPORTER "prometheus-node-exporter"
#define CONNECTIONS 4u
#define SCRIPT "bench/run-latency.d/wrk.lua"

struct target {
	const char *name;
	const char *path;
	bool is_exporter;
};

static const struct target targets[] = {
	{"prometheus", "/metrics?format=prometheus", false},
	{"json", "/metrics?format=json", false},
	{"pretty", "/metrics?format=pretty", false},
	{"exporter", "/metrics", true},
};

static unsigned int last_cpu(void)
{
	return (unsigned int)sysconf(_SC_NPROCESSORS_ONLN) - 1;
}

/* What is started from here on leaves the last CPU to wrk. */
static void leave_last_cpu(void)
{
	cpu_set_t set;
	unsigned int cpu;

	CPU_ZERO(&set);
	for (cpu = 0; cpu < last_cpu() || cpu == 0; cpu++)
		CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void line(const struct target *t, bool is_kept, const char *what, const char *unit,
		 uint64_t count, const double value[3])
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s%s", what, t->name, is_kept ? "" : ".close");
	line_print("http", name, unit, count, value[0], value[1], value[2]);
}

static int measure(const struct target *t, int port, bool is_kept, unsigned int seconds)
{
	uint64_t requests = 0, duration_us, p50, p99, max, failures;
	char command[512], text[256];
	bool is_there = false;
	double rate;
	FILE *wrk;

	snprintf(command, sizeof(command),
		 "taskset -c %u wrk -t1 -c%u -d%us -s " SCRIPT " %s 'http://127.0.0.1:%d%s'",
		 last_cpu(), CONNECTIONS, seconds, is_kept ? "" : "-H 'Connection: close'", port,
		 t->path);
	wrk = popen(command, "r");
	while (wrk && fgets(text, sizeof(text), wrk))
		is_there |= sscanf(text,
				   "RESULT %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
				   " %" SCNu64,
				   &requests, &duration_us, &p50, &p99, &max, &failures) == 6;
	if (!wrk || pclose(wrk) || !is_there || !requests || failures) {
		fprintf(stderr, "http: wrk failed, or a request did: %s\n", command);
		return -1;
	}
	rate = (double)requests * 1e6 / (double)duration_us;
	line(t, is_kept, "rate", "1/s", requests, (double[]){rate, rate, rate});
	line(t, is_kept, "latency", "us", requests,
	     (double[]){(double)p50, (double)p99, (double)max});
	return 0;
}

/* A port nobody has just now. */
static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, size) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		abort();
	close(fd);
	return ntohs(address.sin_port);
}

/* Returns its pid once it answers, 0 if it is not installed. */
static pid_t exporter_start(int *port)
{
	char option[64];
	unsigned int turn;
	pid_t pid;

	*port = free_port();
	snprintf(option, sizeof(option), "--web.listen-address=127.0.0.1:%d", *port);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(null, STDERR_FILENO);
		execlp(EXPORTER, EXPORTER, option, (char *)NULL);
		_exit(127);
	}
	for (turn = 0; turn < 500; turn++) {
		json_t *none = NULL;

		if (http_get(*port, "/metrics", &none) == 0)
			return pid;
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return 0;
		usleep(10000);
	}
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return 0;
}

/* How many bodies the daemon's requests shared and rendered so far. */
static int bodies(int port, json_int_t *shared, json_int_t *rendered)
{
	json_t *json = NULL, *http;

	if (http_get(port, "/metrics?format=json", &json) || !json)
		return -1;
	http = json_object_get(json, "http");
	*shared = json_integer_value(json_object_get(http, "bodies_shared_total"));
	*rendered = json_integer_value(json_object_get(http, "bodies_rendered_total"));
	json_decref(json);
	return 0;
}

static int measure_all(int port, int exporter_port, unsigned int seconds)
{
	json_int_t shared, rendered;
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < 2 * sizeof(targets) / sizeof(targets[0]); i++) {
		const struct target *t = &targets[i / 2];

		if (t->is_exporter && !exporter_port)
			continue;
		r = measure(t, t->is_exporter ? exporter_port : port, i % 2 == 0, seconds);
	}
	if (!r)
		r = bodies(port, &shared, &rendered);
	if (!r && shared < 10 * rendered) {
		fprintf(stderr, "http: %lld bodies rendered, %lld shared\n", (long long)rendered,
			(long long)shared);
		r = -1;
	}
	return r;
}

int main(int argc, char **argv)
{
	int c, r, exporter_port = 0;
	const char *binary = NULL;
	struct daemon_process daemon;
	pid_t exporter;

	while ((c = getopt(argc, argv, "qd:")) != -1) {
		if (c == 'd')
			binary = optarg;
		else if (c != 'q')
			return 2;
	}
	if (!binary)
		return 2;
	leave_last_cpu();
	exporter = exporter_start(&exporter_port);
	if (!exporter) {
		exporter_port = 0;
		fprintf(stderr, "http: " EXPORTER " does not run here: no comparison with it\n");
	}
	r = daemon_process_start(&daemon, binary, "\"requests_cpu_percent\": 0", true);
	if (r)
		fprintf(stderr, "http: the daemon did not start\n");
	else
		r = measure_all(daemon.port, exporter_port, 1);
	daemon_process_stop(&daemon);
	if (exporter) {
		kill(exporter, SIGTERM);
		waitpid(exporter, NULL, 0);
	}
	return r ? 1 : 0;
}
