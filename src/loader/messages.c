/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/log.h"

#define PREFIX "libbpf: "
#define FAILED "load failed: "

static struct {
	pthread_mutex_t lock;
	char first[160];
} messages = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Much of what libbpf says is many lines of verifier log; the first line names the cause. */
static int messages_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[1024], *start = line;

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, args);
	if (!strncmp(line, PREFIX, strlen(PREFIX)))
		start += strlen(PREFIX);
	start[strcspn(start, "\n")] = '\0';
	log_debug("libbpf: %s", start);
	if (level != LIBBPF_WARN)
		return 0;
	pthread_mutex_lock(&messages.lock);
	if (!messages.first[0])
		snprintf(messages.first, sizeof(messages.first), "%.*s",
			 (int)sizeof(messages.first) - 1, start);
	pthread_mutex_unlock(&messages.lock);
	return 0;
}

void messages_init(void)
{
	libbpf_set_print(messages_print);
}

void messages_clear(void)
{
	pthread_mutex_lock(&messages.lock);
	messages.first[0] = '\0';
	pthread_mutex_unlock(&messages.lock);
}

void messages_first(int error, char *out, size_t size)
{
	const char *cause;

	pthread_mutex_lock(&messages.lock);
	/* "prog 'x': BPF program load failed: Permission denied": the caller knows the first part.
	 */
	cause = strstr(messages.first, FAILED);
	if (cause)
		cause += strlen(FAILED);
	else
		cause = messages.first[0] ? messages.first : error_name(error);
	snprintf(out, size, "%s", cause);
	pthread_mutex_unlock(&messages.lock);
}
