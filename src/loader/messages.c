/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/log.h"

#define PREFIX "libbpf: "
#define FAILED "load failed: "
#define VERIFIER "-- BEGIN PROG LOAD LOG --"

static struct {
	pthread_mutex_t lock;
	char first[160];
	char verdict[160];
} messages = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A line that ends each log of the verifier, whatever it says of the program. */
static bool line_is_summary(const char *line)
{
	static const char *const starts[] = {"processed ", "verification time ", "stack depth ",
					     "-- END PROG LOAD LOG"};

	for (unsigned int i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (!strncmp(line, starts[i], strlen(starts[i])))
			return true;
	return !line[0];
}

/* The verifier tells on many lines how it got there, and on the last one what is wrong. */
void messages_verdict_find(char *log, char *out, size_t size)
{
	char *line = log, *save = NULL;

	out[0] = '\0';
	for (line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!line_is_summary(line))
			snprintf(out, size, "%s", line);
}

static void verdict_keep(const char *fmt, va_list args)
{
	char *text = NULL, *log;

	if (vasprintf(&text, fmt, args) < 0)
		return;
	log = strstr(text, VERIFIER);
	pthread_mutex_lock(&messages.lock);
	if (log && !messages.verdict[0])
		messages_verdict_find(log + strlen(VERIFIER), messages.verdict,
				      sizeof(messages.verdict));
	pthread_mutex_unlock(&messages.lock);
	free(text);
}

/* Much of what libbpf says is many lines of verifier log; the first line names the cause. */
static int messages_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[1024], *start = line;
	va_list again;

	if (level == LIBBPF_DEBUG)
		return 0;
	va_copy(again, args);
	if (level == LIBBPF_WARN && strstr(fmt, VERIFIER))
		verdict_keep(fmt, again);
	va_end(again);
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
	messages.verdict[0] = '\0';
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

void messages_verdict(char *out, size_t size)
{
	pthread_mutex_lock(&messages.lock);
	snprintf(out, size, "%s", messages.verdict);
	pthread_mutex_unlock(&messages.lock);
}
