/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/source.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "detect/proc.h"
#include "detect/selftest.h"

#define NICE_AHEAD (-11)
#define PRIORITY_FEATURE "detect_priority"

/* A connector that falls silent more often is given up: some kernels let it whenever a filter drops
 * a message. */
#define MEND_PAUSE_NS (60 * NSEC_PER_SEC)

/* Of a connector that was opened. */
struct test_result {
	bool has_failed;
	bool has_mask; /* it has passed with an event mask */
};

__attribute__((format(printf, 4, 5))) static void
add_feature(struct source *s, const char *name, bool is_available, const char *fmt, ...)
{
	struct source_features *features = &s->features[s->being_made];
	struct feature *f = &features->list[features->count];
	va_list args;

	if (features->count == SOURCE_FEATURES)
		return;
	features->count++;
	f->is_available = is_available;
	snprintf(f->name, sizeof(f->name), "%s", name);
	va_start(args, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, args);
	va_end(args);
}

void source_set_priority(struct source *s)
{
	/* A verdict is late if it waits behind the load it is about. */
	int error = thread_set_policy(SCHED_FIFO, 1);

	s->may_run_ahead = !error;
	if (!error) {
		add_feature(s, PRIORITY_FEATURE, true,
			    "SCHED_FIFO 1, ordinary for a while after 5 ms of work");
		return;
	}
	if (setpriority(PRIO_PROCESS, (id_t)gettid(), NICE_AHEAD) == 0) {
		add_feature(s, PRIORITY_FEATURE, true, "nice %d (SCHED_FIFO: %s)", NICE_AHEAD,
			    error_name(error));
		return;
	}
	add_feature(s, PRIORITY_FEATURE, false,
		    "ordinary (needs CAP_SYS_NICE): verdicts may wait behind other load");
}

void source_run_ahead(const struct source *s, bool is_ahead)
{
	if (s->may_run_ahead)
		(void)(is_ahead ? thread_set_policy(SCHED_FIFO, 1)
				: thread_set_policy(SCHED_OTHER, 0));
}

static void add_filter_feature(struct source *s, const struct detect_roles *roles)
{
	int error = s->connector.filter_error;

	if (!error)
		add_feature(s, "proc_filter", true,
			    "in the kernel: processes that do not matter cost no wake-up");
	else
		add_feature(s, "proc_filter", false,
			    "%s: each fork, exec, rename and exit on the machine wakes the daemon, "
			    "some microseconds each",
			    roles->filter_fd < 0 ? "no BPF socket filter" : error_name(error));
}

/* Opens and tests. First with an event mask; some kernels are silent then, so once more without. */
static int open_connector(struct source *s, const struct config *config,
			  const struct detect_roles *roles, struct test_result *test,
			  struct error *err)
{
	struct connector_options options = {
		.receive_buffer_bytes = config->receive_buffer_bytes,
		.filter_fd = roles->filter_fd,
		.has_mask = true,
	};
	int r;

	*test = (struct test_result){0};
	for (;;) {
		r = connector_open(&s->connector, &options, err);
		if (r < 0)
			return r;
		r = selftest_run(&s->connector, roles, err);
		if (r == 0)
			break;
		connector_close(&s->connector);
		if (!options.has_mask) {
			test->has_failed = true;
			return r;
		}
		options.has_mask = false;
	}
	test->has_mask = options.has_mask;
	return 0;
}

/* Without the filter the kernel side does not know which events the connector delivers. */
static void watch_connector(const struct source *s, const struct detect_roles *roles,
			    struct detect *d)
{
	if (!s->connector.filter_error)
		roles->watch_connector(roles->ctx, d);
}

static int open_netlink(struct source *s, const struct config *config,
			const struct detect_roles *roles, struct detect *d, struct error *err)
{
	struct test_result test;
	int r = open_connector(s, config, roles, &test, err);

	if (test.has_failed)
		add_feature(s, "selftest", false, "%s", err->text);
	if (r < 0)
		return r;
	watch_connector(s, roles, d);
	s->kind = CONFIG_SOURCE_NETLINK;
	add_feature(s, "proc_connector", true, "source of process events, %u KiB of buffer",
		    s->connector.receive_buffer_bytes / 1024);
	add_filter_feature(s, roles);
	add_feature(s, "selftest", true, "fork, rename and exit of a test process arrived%s",
		    test.has_mask ? "" : " (without event mask)");
	return 0;
}

static int open_bpf(struct source *s, const struct detect_roles *roles, struct detect *d,
		    struct error *err)
{
	if (!roles->offer_bpf(roles->ctx, d))
		return error_set(err, ENOTSUP,
				 "the kernel took no BPF program for exec, fork and exit");
	s->kind = CONFIG_SOURCE_BPF;
	add_feature(s, "bpf_events", true,
		    "source of process events: exec, fork and exit; renames are not seen");
	return 0;
}

static void use_scan(struct source *s, const struct config *config)
{
	s->kind = CONFIG_SOURCE_SCAN;
	add_feature(s, "proc_scan", true,
		    "source of process events: /proc is read each %u ms, so a start is seen that "
		    "late; an end at once",
		    config->scan_interval_ms);
}

/* The kernel side knows processes by other numbers than we do: what it says of one, /proc would say
 * of another. */
static int use_none(struct source *s, const struct config *config, const struct error *why,
		    struct error *err)
{
	if (config->source != CONFIG_SOURCE_AUTO)
		return error_set(err, ENOTSUP, "source %s: %s", config_source_name(config->source),
				 why->text);
	s->kind = CONFIG_SOURCE_NONE;
	add_feature(s, "process_numbers", false,
		    "%s: the kernel side alone gives roles, to what is started from now on; no "
		    "server is listed",
		    why->text);
	log_warning("process numbers mean nothing here: %s; the kernel side alone gives roles, to "
		    "what is started from now on",
		    why->text);
	return 0;
}

int source_choose(struct source *s, const struct config *config, const struct detect_roles *roles,
		  struct detect *d, struct error *err)
{
	const enum config_source want = config->source;
	struct error why = {""};
	int r;

	s->connector.fd = -1;
	s->being_made = SOURCE_AT_START;
	s->features[SOURCE_AT_START].count = 0;
	if (proc_check(&why) < 0)
		return use_none(s, config, &why, err);
	if (want == CONFIG_SOURCE_AUTO || want == CONFIG_SOURCE_NETLINK) {
		r = open_netlink(s, config, roles, d, &why);
		if (r == 0)
			return 0;
		if (want == CONFIG_SOURCE_NETLINK)
			return error_set(err, -r, "source netlink, the proc connector: %s",
					 why.text);
		add_feature(s, "proc_connector", false, "%s", why.text);
		log_warning("proc connector not used: %s; trying BPF events", why.text);
	}
	if (want == CONFIG_SOURCE_AUTO || want == CONFIG_SOURCE_BPF) {
		r = open_bpf(s, roles, d, &why);
		if (r == 0)
			return 0;
		if (want == CONFIG_SOURCE_BPF)
			return error_set(err, -r, "source bpf: %s", why.text);
		add_feature(s, "bpf_events", false, "%s", why.text);
		log_warning("BPF events not used: %s; scanning /proc each %u ms", why.text,
			    config->scan_interval_ms);
	}
	if (want != CONFIG_SOURCE_AUTO)
		add_feature(s, "proc_connector", false, "not used: source %s is configured",
			    config_source_name(want));
	use_scan(s, config);
	return 0;
}

void source_close(struct source *s)
{
	connector_close(&s->connector);
}

void source_fall_back(struct source *s, const struct config *config,
		      const struct detect_roles *roles, struct detect *d, const char *why)
{
	const struct source_features *before = &s->features[SOURCE_AT_START];
	struct error refusal;

	source_close(s);
	s->being_made = SOURCE_FALLEN;
	add_feature(s, "proc_connector", false, "failed while in use: %s", why);
	if (open_bpf(s, roles, d, &refusal) < 0)
		use_scan(s, config);
	log_error("proc connector failed: %s; process events come from %s from now on", why,
		  s->kind == CONFIG_SOURCE_BPF ? "BPF records" : "scans of /proc");
	for (unsigned int i = 0; i < before->count; i++)
		if (!strcmp(before->list[i].name, PRIORITY_FEATURE))
			add_feature(s, PRIORITY_FEATURE, before->list[i].is_available, "%s",
				    before->list[i].detail);
	atomic_store(&s->in_force, s->being_made);
}

void source_mend(struct source *s, const struct config *config, const struct detect_roles *roles,
		 struct detect *d)
{
	uint64_t last_ns = s->silent_ns;
	struct test_result test;
	struct error why;

	connector_abandon(&s->connector);
	s->silent_ns = clock_now_ns();
	if (last_ns && s->silent_ns - last_ns < MEND_PAUSE_NS) {
		source_fall_back(s, config, roles, d, "it keeps falling silent");
		return;
	}
	log_warning("the proc connector has fallen silent (did another program end all its "
		    "listeners?): subscribing again, /proc will be read again");
	if (open_connector(s, config, roles, &test, &why) < 0)
		source_fall_back(s, config, roles, d, why.text);
	else
		watch_connector(s, roles, d);
}

const struct source_features *source_features(const struct source *s)
{
	return &s->features[atomic_load(&s->in_force)];
}
