/* SPDX-License-Identifier: GPL-2.0-only */
#include "scheduler.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

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

static int attach(struct scheduler *s, struct error *err)
{
	int ret = sched_new(s->loader, &s->options, &s->sched, err);

	if (!ret)
		ret = sched_attach(s->sched, err);
	if (ret) {
		sched_free(s->sched);
		s->sched = NULL;
		return ret;
	}
	state_set(s, true, "%s is attached", sched_name(s->sched));
	return 0;
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
	sched_free(s->sched);
	s->sched = NULL;
}

int scheduler_fd(const struct scheduler *s)
{
	return s->sched ? sched_exit_fd(s->sched) : -1;
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

/* May it be attached again after this? */
static bool exit_judge(struct scheduler *s, const struct sched_exit_record *record,
		       const char **verdict)
{
	uint64_t now_ns = clock_now_ns(), last_ns = s->error_ns;

	if (wants_restart(record)) {
		*verdict = "the kernel asks for a restart";
		return true;
	}
	if (record->kind < SCHED_EXIT_ERROR) {
		*verdict = record->kind == SCHED_EXIT_SYSRQ ? "ended by SysRq-S"
							    : "ended from outside";
		return false;
	}
	s->error_ns = now_ns;
	if (!last_ns || now_ns - last_ns > ERRORS_APART_NS) {
		*verdict = "attaching once more";
		return true;
	}
	*verdict = "thrown out twice in ten minutes";
	return false;
}

int scheduler_on_exit(struct scheduler *s, struct error *err)
{
	struct sched_exit_record record;
	const char *dump, *verdict;
	struct error why;
	bool is_again;

	if (!s->sched)
		return 0;
	sched_exit_read(s->sched, &record, &dump);
	if (!record.kind)
		return 0;
	is_again = exit_judge(s, &record, &verdict);
	log_warning("the kernel ended the scheduler: %s%s%s (kind %u, code 0x%llx): %s",
		    record.reason, record.message[0] ? ": " : "", record.message, record.kind,
		    (unsigned long long)record.exit_code, verdict);
	if (record.kind >= SCHED_EXIT_ERROR)
		dump_log(dump);
	sched_free(s->sched); /* returns when the kernel is done with it */
	s->sched = NULL;
	if (is_again) {
		if (!attach(s, &why)) {
			log_info("scheduling again");
			return 0;
		}
		verdict = why.text;
	}
	if (s->is_required)
		return error_set(err, ECANCELED, "--require-sched: %s", verdict);
	log_warning("observing from now on: %s", verdict);
	scheduler_observe(s, verdict);
	return 0;
}

void scheduler_read(struct scheduler *s, struct metrics *m)
{
	pthread_mutex_lock(&s->lock);
	m->is_sched = s->ops[0] != '\0';
	m->sched_enabled = m->is_sched;
	snprintf(m->sched_ops, sizeof(m->sched_ops), "%s", s->ops);
	if (m->feature_count < FEATURE_MAX)
		m->features[m->feature_count++] = s->feature;
	pthread_mutex_unlock(&s->lock);
	if (!m->is_sched && s->has_sched_ext && !sched_active(m->sched_ops, sizeof(m->sched_ops)))
		m->sched_ops[0] = '\0';
}
