/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Log: lines on stderr, one write(2) each.
 *
 * Owner:    the process; there is one log.
 * Threads:  any. Each line is built on the stack and written with one call.
 * Blocking: never: a line that stderr has no room for is lost, and the next one says how many.
 * Limits:   a line is cut at 1024 bytes. log_limited() lets LOG_BURST lines through per call site
 *           and LOG_INTERVAL_S, and the next line that passes says how many were swallowed.
 *
 * Only main, threads and the loader log above debug. A line says what, which object, the reason,
 * and what happens now.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_BURST 5
#define LOG_INTERVAL_S 60

struct log_limit {
	_Atomic uint64_t window_start_ns;
	_Atomic uint32_t passed;
	_Atomic uint64_t swallowed;
};

/* Lines above `level` are dropped. Under systemd (JOURNAL_STREAM names stderr) lines carry <N>
 * instead of a time stamp. Control characters are masked (utf8.h). */
void log_init(enum log_level level); /* while one thread exists */
int log_enabled(enum log_level level);
__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void
log_line_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_limited(level, ...)                                    \
	do {                                                       \
		static struct log_limit limit_here;                \
		log_line_limited(&limit_here, level, __VA_ARGS__); \
	} while (0)

#endif
