/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Report fields: one list per struct of the "top" object, from which both the values and the
 * schema are made, so that they can't differ. Private to report.c and report_meta.c.
 *
 * NAME_FIELDS(X) calls X(KIND, "name", value, "description"); KIND is U64,
 * TEXT or BYTES (an array that may be full without a terminator). The names in
 * `value` are those of the function in report.c that builds the struct. A field of the top object
 * that is a number of the metric table is not listed here: the table is its list.
 */
#ifndef CTL_REPORT_FIELDS_H
#define CTL_REPORT_FIELDS_H

#include <stddef.h>

#define TOP_FIELDS(X)                                                                            \
	X(TEXT, "version", GAMERD_VERSION, "Version of the daemon")                              \
	X(TEXT, "mode", now->is_sched ? "sched" : "observe", "sched or observe")                 \
	X(BYTES, "source", now->source,                                                          \
	  "Where process events come from: netlink, bpf, scan or none")                          \
	X(TEXT, "input_hook", input_hook(now), "available, or why input events are not counted") \
	X(U64, "interval_ns", now->published_ns - base->published_ns,                            \
	  "Time between the two snapshots; counters are differences over it")                    \
	X(U64, "uptime_ns", now->published_ns - now->started_ns, "Time since the daemon started")

#define CLASS_FIELDS(X)                                                                            \
	X(U64, "threads", c->threads > 0 ? (uint64_t)c->threads : 0, "Threads of this class now")  \
	X(U64, "wakeups", difference(c->wakeups, b->wakeups), "Times one of them became runnable") \
	X(U64, "runtime_ns", difference(c->runtime_ns, b->runtime_ns), "Time they ran on a CPU")   \
	X(U64, "rt_waits", difference(c->rt_waits, b->rt_waits),                                   \
	  "Of the waits, those of real-time threads")                                              \
	X(U64, "wait_count", metrics_hist_count(&wait), "Waits for a CPU that were measured")      \
	X(U64, "wait_sum_ns", wait.sum_ns, "All those waits together")                             \
	X(U64, "wait_p50_ns", metrics_hist_quantile(&wait, 0.5), "Median wait")                    \
	X(U64, "wait_p99_ns", metrics_hist_quantile(&wait, 0.99), "99 of 100 waits were shorter")  \
	X(U64, "wait_max_ns", wait.max_ns, "Longest wait")                                         \
	X(U64, "oldest_runnable_ns", now->oldest_runnable_ns[i],                                   \
	  "Longest that one of them had been runnable without running, at the last look")

#define SERVER_FIELDS(X)                                               \
	X(BYTES, "comm", s->comm, "Name of the process")               \
	X(BYTES, "exe", s->exe, "Its executable")                      \
	X(TEXT, "role", names_role(s->role), "Role it was given")      \
	X(TEXT, "source", names_source(s->source), "How it was found") \
	X(U64, "uid", s->uid, "User it runs as")                       \
	X(U64, "threads", s->threads, "Its threads now")               \
	X(U64, "detect_latency_ns", s->detect_latency_ns,              \
	  "From its exec or fork until the role was confirmed; 0 if found by a scan")

#define LONG_WAIT_FIELDS(X)                                                                   \
	X(TEXT, "class", names_class(w->class), "Class of the thread that waited")            \
	X(TEXT, "reason", names_reason(w->reason), "Why it has that class")                   \
	X(BYTES, "comm", w->comm, "Its name")                                                 \
	X(U64, "pid", w->pid, "Its thread id")                                                \
	X(U64, "cpu", w->cpu, "Where it got a CPU at last")                                   \
	X(U64, "is_rt", w->is_rt, "Whether it has a real-time policy")                        \
	X(U64, "wait_ns", w->wait_ns, "How long it waited")                                   \
	X(U64, "age_ns", now->published_ns > w->time_ns ? now->published_ns - w->time_ns : 0, \
	  "How long ago that was")                                                            \
	X(BYTES, "holder_comm", w->holder_comm, "Who held the CPU until then")                \
	X(U64, "holder_pid", w->holder_pid, "Its thread id")                                  \
	X(U64, "holder_is_rt", w->holder_is_rt, "Whether it has a real-time policy")

/* The name of a metric in the object: its path with '_' for '.'. */
#define REPORT_NAME_MAX 64
void report_field_name(const char *path, char name[REPORT_NAME_MAX]);

#endif
