/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading a metric's value out of the plain data, and the names of classes, roles and sources.
 */
#include <string.h>

#include "metrics/metrics.h"

static const void *scope_base(const struct metrics *m, enum metric_scope scope, unsigned int index)
{
	switch (scope) {
	case SCOPE_CLASS:
		return index < CLASS_COUNT ? &m->counters.classes[index] : NULL;
	case SCOPE_THREAD:
		return index < THREAD_MAX + 1 ? &m->threads[index] : NULL;
	case SCOPE_EVENT:
		return index < KERNEL_EVENT_MAX ? &m->kernel_events[index] : NULL;
	case SCOPE_GLOBAL:
		break;
	}
	return m;
}

uint64_t metrics_value(const struct metrics *m, const struct metric *metric, unsigned int index)
{
	const unsigned char *base = scope_base(m, metric->scope, index);
	uint64_t word = 0;
	uint32_t half = 0;

	if (!base)
		return 0;
	if (metric->derive)
		return metric->derive(m, index);

	switch (metric->size) {
	case sizeof(bool):
		return base[metric->offset] != 0;
	case sizeof(half):
		memcpy(&half, base + metric->offset, sizeof(half));
		return half;
	default:
		memcpy(&word, base + metric->offset, sizeof(word));
		return metric->is_signed && (int64_t)word < 0 ? 0 : word;
	}
}

const char *metrics_scope_prefix(enum metric_scope scope)
{
	switch (scope) {
	case SCOPE_CLASS:
		return "classes.<class>.";
	case SCOPE_THREAD:
		return "self.threads.<thread>.";
	case SCOPE_EVENT:
		return "sched.events.<event>.";
	case SCOPE_GLOBAL:
		break;
	}
	return "";
}

bool metrics_is_audio_role(unsigned int role)
{
	return role == ROLE_AUDIO_SERVER || role == ROLE_AUDIO_SUPPORT;
}
