/* SPDX-License-Identifier: GPL-2.0-only */
#include "scheduler.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "bpf/abi/sched_pause.h"
#include "loader/sched_events.h"
#include "model/names.h"

__attribute__((format(printf, 3, 4))) static void state_set(struct scheduler *s, bool is_attached,
							    const char *fmt, ...)
{
	va_list args;

	pthread_mutex_lock(&s->lock);
	s->feature.is_available = is_attached;
	va_start(args, fmt);
	vsnprintf(s->feature.detail, sizeof(s->feature.detail), fmt, args);
	va_end(args);
	snprintf(s->ops, sizeof(s->ops), "%s", is_attached ? sched_name(s->sched) : "");
	pthread_mutex_unlock(&s->lock);
}

void scheduler_init(struct scheduler *s, const struct loader *l,
		    const struct sched_options *options, bool is_required)
{
	*s = (struct scheduler){.loader = l,
				.options = *options,
				.is_required = is_required,
				.has_sched_ext = sched_exists(),
				.lock = PTHREAD_MUTEX_INITIALIZER,
				.feature.name = "scheduler"};
	state_set(s, false, "not attached yet");
}

void scheduler_observe(struct scheduler *s, const char *why)
{
	state_set(s, false, "observing: %s", why);
}

/* The lock is for scheduler_read(), which other threads call. */
static void sched_set(struct scheduler *s, struct sched *sched)
{
	pthread_mutex_lock(&s->lock);
	s->sched = sched;
	pthread_mutex_unlock(&s->lock);
}

static int attach(struct scheduler *s, struct error *err)
{
	struct sched *sched = NULL;
	const char *missing;
	int ret = sched_new(s->loader, &s->options, &sched, err);

	if (!ret)
		ret = sched_attach(sched, err);
	if (ret) {
		sched_free(sched);
		return ret;
	}
	sched_set(s, sched);
	backoff_began(&s->backoff, clock_now_ns());
	missing = sched_watch_missing(sched);
	if (missing)
		log_warning("no early warning of threads that starve: %s", missing);
	state_set(s, true, "%s is attached%s%s", sched_name(sched),
		  missing ? "; no early warning: " : "", missing ? missing : "");
	return 0;
}

/* Returns when the kernel is done with it. */
static void detach(struct scheduler *s)
{
	struct sched *sched = s->sched;

	sched_set(s, NULL);
	sched_free(sched);
}

int scheduler_start(struct scheduler *s, struct error *err)
{
	struct error why;
	int ret = attach(s, &why);

	if (!ret)
		return 0;
	if (s->is_required)
		return error_set(err, -ret, "--require-sched: %s", why.text);
	scheduler_observe(s, why.text);
	log_warning("observing, not scheduling: %s", why.text);
	return 0;
}

void scheduler_stop(struct scheduler *s)
{
	detach(s);
}

int scheduler_fd(const struct scheduler *s)
{
	return s->sched ? sched_fd(s->sched) : -1;
}

uint64_t scheduler_due_ns(const struct scheduler *s)
{
	return s->retry_ns;
}

static void retry_set(struct scheduler *s, uint64_t retry_ns)
{
	pthread_mutex_lock(&s->lock);
	s->retry_ns = retry_ns;
	pthread_mutex_unlock(&s->lock);
}

static void stall_describe(const struct sched_stall *stall, char *text, size_t size)
{
	char holder[64] = "which is idle";

	if (stall->holder_pid)
		snprintf(holder, sizeof(holder), "held by %s %.*s[%u]",
			 stall->holder_is_rt ? "the real-time thread" : "thread", COMM_LEN,
			 stall->holder_comm, stall->holder_pid);
	snprintf(text, size, "%s thread %.*s[%u] has waited %.1f s for CPU %u, %s",
		 names_class(stall->class), COMM_LEN, stall->comm, stall->pid,
		 (double)stall->age_ns / (double)NSEC_PER_SEC, stall->cpu, holder);
}

/* The dump is long: line by line, so that it can be cut out of a journal. */
static void dump_log(const char *dump)
{
	while (*dump) {
		size_t length = strcspn(dump, "\n");

		log_error("dump: %.*s", (int)length, dump);
		dump += length + (dump[length] == '\n');
	}
}

static bool wants_restart(const struct sched_exit_record *record)
{
	return (record->kind == SCHED_EXIT_UNREG_BPF || record->kind == SCHED_EXIT_UNREG_KERN) &&
	       (record->exit_code & SCHED_EXIT_ACT_RESTART);
}

static bool is_own_end(const struct sched_exit_record *record)
{
	return record->kind == SCHED_EXIT_UNREG_BPF && record->exit_code == SCHED_EXIT_STALL;
}

/* What is to be done after the end of an attachment. */
struct verdict {
	bool is_failure;
	bool is_retried;
	uint64_t wait_ns; /* before it is tried again */
	char text[ERROR_MAX];
};

/* "10 s" or "5 min" */
static const char *wait_text(uint64_t wait_ns, char *text, size_t size)
{
	unsigned int seconds = (unsigned int)((wait_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC);

	if (seconds < 60)
		snprintf(text, size, "%u s", seconds);
	else
		snprintf(text, size, "%u min", (seconds + 30) / 60);
	return text;
}

/* To end itself is a failure as well: what was starving may go on, and a scheduler that comes back
 * over and over helps nobody. */
static void failure_judge(struct scheduler *s, const char *what, struct verdict *out)
{
	char wait[16];

	out->is_failure = true;
	out->is_retried = true;
	out->wait_ns = backoff_failed(&s->backoff, clock_now_ns());
	if (!out->wait_ns)
		snprintf(out->text, sizeof(out->text), "%s: attaching once more", what);
	else
		snprintf(out->text, sizeof(out->text), "%s, failure %u in a row: next try in %s",
			 what, s->backoff.failures, wait_text(out->wait_ns, wait, sizeof(wait)));
}

/* After a pause the kernel sees stalls, and lockups of CPUs and of RCU, which have no kind of their
 * own. Returns the length of the pause, in ns; 0: that was not it. */
static uint64_t pause_judge(const struct scheduler *s, const struct sched_exit_record *record)
{
	if (record->kind != SCHED_EXIT_ERROR_STALL && record->kind != SCHED_EXIT_ERROR)
		return 0;
	return sched_pause_ns(s->sched);
}

static void exit_judge(struct scheduler *s, const struct sched_exit_record *record,
		       struct verdict *out)
{
	uint64_t pause_ns = pause_judge(s, record);
	char what[sizeof(s->stall) + 16];

	*out = (struct verdict){0};
	if (wants_restart(record)) {
		out->is_retried = true;
		snprintf(out->text, sizeof(out->text), "the kernel asks for a restart");
	} else if (pause_ns) {
		out->is_retried = true;
		snprintf(out->text, sizeof(out->text),
			 "the machine stood still for %.1f s, which is no stall: attaching again",
			 (double)pause_ns / (double)NSEC_PER_SEC);
	} else if (is_own_end(record)) {
		snprintf(what, sizeof(what), "ended itself: %s", s->stall);
		failure_judge(s, what, out);
	} else if (record->kind >= SCHED_EXIT_ERROR) {
		failure_judge(s, "thrown out", out);
	} else {
		snprintf(out->text, sizeof(out->text), "%s",
			 record->kind == SCHED_EXIT_SYSRQ ? "ended by SysRq-S"
							  : "ended from outside");
	}
}

/* The dump is for whoever looks for a mistake of ours. */
static void exit_log(const struct sched_exit_record *record, const char *dump,
		     const struct verdict *verdict)
{
	if (is_own_end(record)) {
		log_warning("before the kernel would have ended it, the scheduler %s",
			    verdict->text);
		return;
	}
	log_warning("the kernel ended the scheduler: %s%s%s (kind %u, code 0x%llx): %s",
		    record->reason, record->message[0] ? ": " : "", record->message, record->kind,
		    (unsigned long long)record->exit_code, verdict->text);
	if (verdict->is_failure)
		dump_log(dump);
}

static void stall_handle(struct scheduler *s)
{
	struct sched_stall stall;

	if (!sched_stall_take(s->sched, &stall))
		return;
	stall_describe(&stall, s->stall, sizeof(s->stall));
	pthread_mutex_lock(&s->lock);
	s->stalls_total++;
	pthread_mutex_unlock(&s->lock);
	if (!stall.is_end)
		log_warning("%s; after %.1f s the scheduler ends itself", s->stall,
			    (double)s->options.timeout_ms * SCHED_END_PERCENT / 1e5);
}

static void groups_handle(struct scheduler *s)
{
	if (sched_groups_full_take(s->sched))
		log_warning("more than %d cgroups and sessions have threads: those of the others "
			    "count as threads of the root, without weight or limit",
			    SCHED_GROUP_MAX - 1);
}

/* Attaches now or later, or not any more. */
static int verdict_follow(struct scheduler *s, struct verdict *verdict, struct error *err)
{
	uint64_t retry_ns;
	struct error why;

	if (verdict->is_retried && !verdict->wait_ns) {
		if (!attach(s, &why)) {
			log_info("scheduling again");
			return 0;
		}
		do
			failure_judge(s, why.text, verdict);
		while (!verdict->wait_ns);
	}
	if (s->is_required)
		return error_set(err, ECANCELED, "--require-sched: %s", verdict->text);
	retry_ns = verdict->is_retried ? clock_now_ns() + verdict->wait_ns : 0;
	log_warning("observing %s: %s", retry_ns ? "for now" : "from now on", verdict->text);
	scheduler_observe(s, verdict->text);
	retry_set(s, retry_ns);
	return 0;
}

static int retry(struct scheduler *s, struct error *err)
{
	struct verdict verdict = {.is_retried = true};

	retry_set(s, 0);
	return verdict_follow(s, &verdict, err);
}

static int topology_follow(struct scheduler *s, struct error *err)
{
	struct verdict verdict = {.is_retried = true};

	log_info("a CPU has come on line whose cache was unknown: attaching again, to know it");
	detach(s);
	return verdict_follow(s, &verdict, err);
}

int scheduler_on_event(struct scheduler *s, struct error *err)
{
	struct sched_exit_record record;
	struct verdict verdict;
	const char *dump;
	bool is_changed;

	if (!s->sched)
		return s->retry_ns && clock_now_ns() >= s->retry_ns ? retry(s, err) : 0;
	stall_handle(s);
	groups_handle(s);
	is_changed = sched_topology_changed(s->sched);
	sched_exit_read(s->sched, &record, &dump);
	if (!record.kind)
		return is_changed ? topology_follow(s, err) : 0;
	exit_judge(s, &record, &verdict);
	exit_log(&record, dump, &verdict);
	detach(s);
	return verdict_follow(s, &verdict, err);
}

/* Under the lock. When the next try is comes first: the reason may be longer than its place. */
static void feature_read(const struct scheduler *s, struct feature *out)
{
	uint64_t now_ns = clock_now_ns();
	char wait[16];

	*out = s->feature;
	if (!s->retry_ns)
		return;
	wait_text(s->retry_ns > now_ns ? s->retry_ns - now_ns : 0, wait, sizeof(wait));
	snprintf(out->detail, sizeof(out->detail), "next try in %s; %.120s", wait,
		 s->feature.detail);
}

const char *scheduler_detail(const struct scheduler *s)
{
	return s->feature.detail;
}

void scheduler_read(struct scheduler *s, struct metrics *m)
{
	struct sched_watch watch = {0};

	pthread_mutex_lock(&s->lock);
	m->is_sched = s->ops[0] != '\0';
	m->sched_enabled = m->is_sched;
	snprintf(m->sched_ops, sizeof(m->sched_ops), "%s", s->ops);
	m->sched_stalls_total = s->stalls_total;
	if (s->sched)
		sched_watch_read(s->sched, &watch);
	if (m->feature_count < FEATURE_MAX)
		feature_read(s, &m->features[m->feature_count++]);
	pthread_mutex_unlock(&s->lock);
	memcpy(m->oldest_runnable_ns, watch.oldest_ns, sizeof(m->oldest_runnable_ns));
	if (!m->is_sched && s->has_sched_ext && !sched_active(m->sched_ops, sizeof(m->sched_ops)))
		m->sched_ops[0] = '\0';
	m->kernel_event_count = m->sched_ops[0] ? sched_events_read(m->kernel_events) : 0;
}
