// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the daemon costs when nothing happens:
 *
 *   wakeups.*, cpu.*  a second, of all its threads: without the debug API, with it and nobody
 *                     reading, with a reader each second, with a real Prometheus each second
 *   rss.*             resident memory without and with the debug API, when both have published and
 *                     every format has been asked for, and what the API adds
 *   startup           from before fork() until it says "ready"; first_read: the first GET after it
 *   binary            what of the executable is loaded
 *   lookups           of a role, for a thousand wake-ups of the whole machine
 *
 * Invariant: who reads on gets newer snapshots.
 */
#include <elf.h>
#include <getopt.h>
#include <sys/un.h>

#include "daemon_process.h"
#include "http_client.h"
#include "line.h"
#include "usage.h"

/* ---- readers ---- */

static void print_usage(const char *who, const struct usage *before, const struct usage *after)
{
	double seconds = (double)(after->time_ns - before->time_ns) / NSEC_PER_SEC;
	char name[64];

	snprintf(name, sizeof(name), "wakeups.%s", who);
	line_value("rest", name, "1/s", (double)(after->sleeps - before->sleeps) / seconds);
	snprintf(name, sizeof(name), "cpu.%s", who);
	line_value("rest", name, "us/s",
		   (double)(after->cpu_ns - before->cpu_ns) / NSEC_PER_USEC / seconds);
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NSEC_PER_SEC),
			      .tv_nsec = (long)(ns % NSEC_PER_SEC)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* The reader's own time is not the daemon's: it parses JSON. */
static void watch_alone(const struct daemon_process *d, const char *who, double seconds)
{
	struct usage before = usage_of(d->pid), after;

	sleep_until(before.time_ns + (uint64_t)(seconds * NSEC_PER_SEC));
	after = usage_of(d->pid);
	print_usage(who, &before, &after);
}

static json_int_t member(const json_t *json, const char *object, const char *name)
{
	return json_integer_value(json_object_get(json_object_get(json, object), name));
}

static void print_lookups(const json_t *before, const json_t *after)
{
	json_int_t lookups = member(after, "roles", "lookups_total") -
			     member(before, "roles", "lookups_total");
	json_int_t cached = member(after, "roles", "cached_total") -
			    member(before, "roles", "cached_total");

	if (lookups + cached > 0)
		line_value("rest", "lookups", "of 1000",
			   1e3 * (double)lookups / (double)(lookups + cached));
}

static json_int_t sequence_of(const json_t *json)
{
	return json_integer_value(json_object_get(json, "sequence"));
}

static int watch_reader(const struct daemon_process *d, unsigned int seconds)
{
	struct usage before = usage_of(d->pid), after;
	json_t *first = NULL, *last = NULL;
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < seconds; i++) {
		r = http_get(d->port, "/metrics?format=json", i ? NULL : &first);
		sleep_until(before.time_ns + (i + 1) * NSEC_PER_SEC);
	}
	after = usage_of(d->pid);
	if (!r)
		r = http_get(d->port, "/metrics?format=json", &last);
	if (!r && sequence_of(last) <= sequence_of(first))
		r = -1;
	if (r) {
		fprintf(stderr, "rest: a reader each second got no newer snapshot\n");
	} else {
		print_usage("reader", &before, &after);
		print_lookups(first, last);
	}
	json_decref(first);
	json_decref(last);
	return r;
}

static json_int_t requests_total(int port)
{
	json_t *json = NULL;
	json_int_t requests;

	http_get(port, "/metrics?format=json", &json);
	requests = member(json, "http", "requests_total");
	json_decref(json);
	return requests;
}

/* Until it has scraped: more requests than our own. */
static bool prometheus_scrapes(int port)
{
	json_int_t first = requests_total(port), own;

	for (own = 1; own < 50; own++) {
		usleep(200000);
		if (requests_total(port) > first + own)
			return true;
	}
	return false;
}

static pid_t prometheus_start(const struct daemon_process *d, const char *dir)
{
	char config[128], config_option[160], data_option[160];
	pid_t pid;
	FILE *f;

	snprintf(config, sizeof(config), "%s/prometheus.yml", dir);
	snprintf(config_option, sizeof(config_option), "--config.file=%s", config);
	snprintf(data_option, sizeof(data_option), "--storage.tsdb.path=%s/data", dir);
	f = fopen(config, "we");
	if (!f)
		return 0;
	fprintf(f,
		"scrape_configs:\n  - job_name: gamerd\n    scrape_interval: 1s\n"
		"    static_configs: [ { targets: ['127.0.0.1:%d'] } ]\n",
		d->port);
	fclose(f);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execlp("prometheus", "prometheus", config_option, data_option,
		       "--web.listen-address=127.0.0.1:0", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void watch_prometheus(const struct daemon_process *d, unsigned int seconds)
{
	char dir[] = BENCH_DIR_TEMPLATE, command[64];
	pid_t pid = mkdtemp(dir) ? prometheus_start(d, dir) : 0;

	if (pid > 0 && prometheus_scrapes(d->port))
		watch_alone(d, "prometheus", seconds);
	else
		fprintf(stderr, "rest: prometheus does not run here: nothing about its reads\n");
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		fprintf(stderr, "rest: %s is left\n", dir);
}

/* ---- memory and size ---- */

/* A reader of the stats socket makes a daemon publish, with the debug API or without. */
static int read_socket(const struct daemon_process *d)
{
	static const char request[] = "{\"req\":\"stats\"}\n";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char text[4096] = "";
	ssize_t n = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/stats", d->dir);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    write(fd, request, sizeof(request) - 1) == (ssize_t)sizeof(request) - 1)
		n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 && strstr(text, "\"errno\"") ? 0 : -1;
}

static uint64_t rss_kib(const struct daemon_process *d)
{
	static const char *const formats[] = {"json", "pretty", "prometheus"};
	unsigned int i, turn;
	char path[64];

	for (turn = 0; turn < 3; turn++)
		if (read_socket(d))
			return 0;
	for (turn = 0; d->port && turn < 20; turn++)
		for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
			snprintf(path, sizeof(path), "/metrics?format=%s", formats[i]);
			if (http_get(d->port, path, NULL))
				return 0;
		}
	snprintf(path, sizeof(path), "/proc/%d/status", d->pid);
	return usage_number(path, "VmRSS:");
}

static double loaded_kib(const char *binary)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;
	uint64_t bytes = 0;
	FILE *f = fopen(binary, "re");
	unsigned int i;

	if (f && fread(&head, sizeof(head), 1, f) == 1 && !fseek(f, (long)head.e_phoff, SEEK_SET))
		for (i = 0; i < head.e_phnum && fread(&part, sizeof(part), 1, f) == 1; i++)
			if (part.p_type == PT_LOAD)
				bytes += part.p_filesz;
	if (f)
		fclose(f);
	return (double)bytes / 1024;
}

/* ---- the two daemons ---- */

static int start(struct daemon_process *d, const char *binary, bool has_api, const char *name)
{
	uint64_t begin = clock_now_ns();
	int r = daemon_process_start(d, binary, "", has_api);

	if (r)
		fprintf(stderr, "rest: the daemon did not start\n");
	else if (name)
		line_value("rest", name, "ms", (double)(clock_now_ns() - begin) / NSEC_PER_MSEC);
	return r;
}

static int measure_without(const char *binary, unsigned int seconds, uint64_t *rss)
{
	struct daemon_process d;
	int r = start(&d, binary, false, "startup");

	if (!r) {
		usleep(500000); /* the start's last ripples */
		watch_alone(&d, "nobody", seconds / 2.0);
		*rss = rss_kib(&d);
	}
	daemon_process_stop(&d);
	return r || !*rss ? -1 : 0;
}

static int measure_with(const char *binary, unsigned int seconds, uint64_t *rss)
{
	struct daemon_process d;
	uint64_t begin;
	int r = start(&d, binary, true, NULL);

	if (!r) {
		usleep(500000);
		watch_alone(&d, "api", seconds / 2.0);
		begin = clock_now_ns();
		r = http_get(d.port, "/metrics?format=json", NULL);
		line_value("rest", "first_read", "ms",
			   (double)(clock_now_ns() - begin) / NSEC_PER_MSEC);
	}
	if (!r)
		r = watch_reader(&d, seconds);
	if (!r) {
		watch_prometheus(&d, seconds);
		*rss = rss_kib(&d);
	}
	daemon_process_stop(&d);
	return r || !*rss ? -1 : 0;
}

int main(int argc, char **argv)
{
	uint64_t without = 0, with = 0;
	const char *binary = NULL;
	unsigned int seconds = 2;
	int c, r;

	while ((c = getopt(argc, argv, "qd:")) != -1) {
		if (c == 'd')
			binary = optarg;
		else if (c == 'q')
			seconds = 2; /* shorter says nothing */
		else
			return 2;
	}
	if (!binary)
		return 2;
	line_value("rest", "binary", "KiB", loaded_kib(binary));
	r = measure_without(binary, seconds, &without);
	if (!r)
		r = measure_with(binary, seconds, &with);
	if (r)
		return 1;
	line_value("rest", "rss.without", "KiB", (double)without);
	line_value("rest", "rss.with", "KiB", (double)with);
	line_value("rest", "rss.added", "KiB", (double)with - (double)without);
	return 0;
}
