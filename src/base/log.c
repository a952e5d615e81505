/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/output.h"
#include "base/utf8.h"

#define LINE_MAX_BYTES 1024

static const struct {
	const char *name;
	int priority; /* of syslog(3), for the journal */
} levels[] = {
	[LOG_ERROR] = {"error", 3},
	[LOG_WARNING] = {"warning", 4},
	[LOG_INFO] = {"info", 6},
	[LOG_DEBUG] = {"debug", 7},
};

static _Atomic int max_level = LOG_INFO;
static atomic_bool is_journal;
static _Atomic int own_fd = -1; /* of the pipe or terminal that stderr is, non-blocking */

/* JOURNAL_STREAM is inherited by whatever a service starts; only if it names the very file that
 * stderr is does the journal read our lines. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) != 2)
		return false;
	if (fstat(STDERR_FILENO, &st) < 0)
		return false;
	return st.st_dev == device && st.st_ino == inode;
}

void log_init(enum log_level level)
{
	int replaced;

	atomic_store(&max_level, level);
	atomic_store(&is_journal, stderr_is_journal());
	replaced = atomic_exchange(&own_fd, output_reopen(STDERR_FILENO));
	if (replaced >= 0)
		close(replaced);
}

int log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

static size_t put_prefix(char *line, size_t size, enum log_level level)
{
	time_t now = time(NULL);
	struct tm tm = {0};
	int n;

	if (atomic_load_explicit(&is_journal, memory_order_relaxed)) {
		n = snprintf(line, size, "<%d>", levels[level].priority);
	} else {
		localtime_r(&now, &tm);
		n = snprintf(line, size, "%02d:%02d:%02d %s: ", tm.tm_hour, tm.tm_min, tm.tm_sec,
			     levels[level].name);
	}
	return n < 0 ? 0 : (size_t)n;
}

/* Lines stderr had no room for, since the last one that passed. */
static _Atomic uint64_t lost_lines;
static atomic_bool is_cut; /* the last line that passed has no end */

/* False: there was no room for all of it. */
static bool put(int fd, const char *line, size_t length)
{
	ssize_t n;

	do
		n = write(fd, line, length);
	while (n < 0 && errno == EINTR);
	if (n > 0 && n < (ssize_t)length)
		atomic_store(&is_cut, true);
	return n == (ssize_t)length || (n < 0 && errno != EAGAIN);
}

/* Nobody who fails to drain a pipe, or stops a terminal, may hold up the thread that logs. Where
 * poll() finds room in a pipe there is a page of it, enough for several lines; in a terminal there
 * may be less, or another thread may take it: so the description should be a non-blocking one. */
static void put_or_lose(enum log_level level, const char *line, size_t length)
{
	int own = atomic_load_explicit(&own_fd, memory_order_relaxed);
	struct pollfd fd = {.fd = own < 0 ? STDERR_FILENO : own, .events = POLLOUT};
	char notice[128];
	uint64_t lost;
	size_t start;
	int n;

	if (poll(&fd, 1, 0) == 0) {
		atomic_fetch_add(&lost_lines, 1);
		return;
	}
	lost = atomic_exchange(&lost_lines, 0);
	if (lost) {
		start = atomic_exchange(&is_cut, false);
		notice[0] = '\n';
		start += put_prefix(notice + start, sizeof(notice) - start, level);
		n = snprintf(notice + start, sizeof(notice) - start,
			     "%llu lines lost: stderr had no room\n", (unsigned long long)lost);
		if (!put(fd.fd, notice, start + (size_t)n)) {
			atomic_fetch_add(&lost_lines, lost + 1);
			return;
		}
	}
	if (!put(fd.fd, line, length))
		atomic_fetch_add(&lost_lines, 1);
}

/* One line, `suffix` kept whole when the text has to be cut. */
static void write_line(enum log_level level, const char *suffix, const char *fmt, va_list args)
{
	static const char cut[] = "...";
	char line[LINE_MAX_BYTES];
	size_t suffix_length = strlen(suffix), start, length, room;
	int saved_errno = errno;
	int n;

	start = put_prefix(line, sizeof(line), level);
	room = sizeof(line) - start - suffix_length; /* the '\0' makes room for the '\n' */
	n = vsnprintf(line + start, room, fmt, args);
	length = n < 0 ? 0 : (size_t)n;
	if (length >= room) {
		length = room - 1;
		memcpy(line + start + length - (sizeof(cut) - 1), cut, sizeof(cut) - 1);
	}
	memcpy(line + start + length, suffix, suffix_length); /* NOLINT: put together by length */
	length += start + suffix_length;
	utf8_mask(line + start, length - start); /* a name in it must not forge a line */
	line[length++] = '\n';

	put_or_lose(level, line, length);
	errno = saved_errno;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, fmt);
	write_line(level, "", fmt, args);
	va_end(args);
}

void log_line_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
	uint64_t now = clock_now_ns();
	uint64_t start = atomic_load(&limit->window_start_ns);
	char suffix[64] = "";
	uint64_t swallowed;
	va_list args;

	if (!log_enabled(level))
		return;
	if (start == 0 || now - start >= LOG_INTERVAL_S * NSEC_PER_SEC) {
		/* One thread opens the window; a line that races with it may count in the old. */
		if (atomic_compare_exchange_strong(&limit->window_start_ns, &start, now))
			atomic_store(&limit->passed, 0);
	}
	if (atomic_fetch_add(&limit->passed, 1) >= LOG_BURST) {
		atomic_fetch_add(&limit->swallowed, 1);
		return;
	}
	swallowed = atomic_exchange(&limit->swallowed, 0);
	if (swallowed > 0)
		snprintf(suffix, sizeof(suffix), " (%" PRIu64 " such lines left out before)",
			 swallowed);
	va_start(args, fmt);
	write_line(level, suffix, fmt, args);
	va_end(args);
}
