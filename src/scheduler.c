/* SPDX-License-Identifier: GPL-2.0-only */
#include "scheduler.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "loader/sched_events.h"

#define ERRORS_APART_NS (600 * NSEC_PER_SEC)

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

static void stall_describe(const struct sched_stall *stall, char *text, size_t size)
{
	char holder[64] = "which is idle";

	if (stall->holder_pid)
		snprintf(holder, sizeof(holder), "held by %s %.*s[%u]",
			 stall->holder_is_rt ? "the real-time thread" : "thread", COMM_LEN,
			 stall->holder_comm, stall->holder_pid);
	snprintf(text, size, "%s thread %.*s[%u] has waited %.1f s for CPU %u, %s",
		 metrics_class_name(stall->class), COMM_LEN, stall->comm, stall->pid,
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

/* May it be attached again after this? Ending itself is a failure like being thrown out: what was
 * starving may go on, and a scheduler that comes back over and over helps nobody. */
static bool exit_judge(struct scheduler *s, const struct sched_exit_record *record, char *verdict,
		       size_t size)
{
	uint64_t now_ns = clock_now_ns(), last_ns = s->error_ns;
	bool is_own = is_own_end(record);

	if (wants_restart(record)) {
		snprintf(verdict, size, "the kernel asks for a restart");
		return true;
	}
	if (record->kind < SCHED_EXIT_ERROR && !is_own) {
		snprintf(verdict, size, "%s",
			 record->kind == SCHED_EXIT_SYSRQ ? "ended by SysRq-S"
							  : "ended from outside");
		return false;
	}
	s->error_ns = now_ns;
	if (!last_ns || now_ns - last_ns > ERRORS_APART_NS) {
		snprintf(verdict, size, "attaching once more");
		return true;
	}
	if (is_own)
		snprintf(verdict, size, "ended itself, the second end in ten minutes: %s",
			 s->stall);
	else
		snprintf(verdict, size, "thrown out, the second end in ten minutes");
	return false;
}

static void exit_log(const struct scheduler *s, const struct sched_exit_record *record,
		     const char *dump, const char *verdict)
{
	if (is_own_end(record)) {
		log_warning("the scheduler ended itself before the kernel would: %s: %s", s->stall,
			    verdict);
		return;
	}
	log_warning("the kernel ended the scheduler: %s%s%s (kind %u, code 0x%llx): %s",
		    record->reason, record->message[0] ? ": " : "", record->message, record->kind,
		    (unsigned long long)record->exit_code, verdict);
	if (record->kind >= SCHED_EXIT_ERROR)
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

int scheduler_on_event(struct scheduler *s, struct error *err)
{
	struct sched_exit_record record;
	struct error why;
	char verdict[sizeof(why.text)];
	const char *dump;
	bool is_again;

	if (!s->sched)
		return 0;
	stall_handle(s);
	sched_exit_read(s->sched, &record, &dump);
	if (!record.kind)
		return 0;
	is_again = exit_judge(s, &record, verdict, sizeof(verdict));
	exit_log(s, &record, dump, is_again ? verdict : "not attaching again");
	detach(s);
	if (is_again) {
		if (!attach(s, &why)) {
			log_info("scheduling again");
			return 0;
		}
		snprintf(verdict, sizeof(verdict), "%s", why.text);
	}
	if (s->is_required)
		return error_set(err, ECANCELED, "--require-sched: %s", verdict);
	log_warning("observing from now on: %s", verdict);
	scheduler_observe(s, verdict);
	return 0;
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
		m->features[m->feature_count++] = s->feature;
	pthread_mutex_unlock(&s->lock);
	memcpy(m->oldest_runnable_ns, watch.oldest_ns, sizeof(m->oldest_runnable_ns));
	if (!m->is_sched && s->has_sched_ext && !sched_active(m->sched_ops, sizeof(m->sched_ops)))
		m->sched_ops[0] = '\0';
	m->kernel_event_count = m->sched_ops[0] ? sched_events_read(m->kernel_events) : 0;
}
