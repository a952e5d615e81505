/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe: static markers (USDT) in the running daemon, for perf and bpftrace.
 *
 *      publish(sequence, servers)         a snapshot has replaced the one before
 *      drain(batches)                     the aggregator has taken what was queued
 *      detect(pid, role, latency_ns)      a process got a role it had not
 *      render(format, bytes)              a body was rendered; 0 bytes if that failed
 *      drop(what, total)                  events were lost; `what` is a string, `total` how many
 *                                         (ring) or how often (the others) so far
 *
 * Threads:  any. Blocking: never.
 * Limits:   integers and pointers, no call among the arguments: they are evaluated whether or not
 *           anybody looks. A marker nobody is attached to is one nop, and a note in the file that
 *           says where it is; without <sys/sdt.h> at build time it is nothing at all.
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#if __has_include(<sys/sdt.h>)
/* Constants and registers: perf does not read every way to address memory. */
#define STAP_SDT_ARG_CONSTRAINT nr
#include <sys/sdt.h>

#define PROBE1(name, a) STAP_PROBE1(scx_gamerd, name, a)
#define PROBE2(name, a, b) STAP_PROBE2(scx_gamerd, name, a, b)
#define PROBE3(name, a, b, c) STAP_PROBE3(scx_gamerd, name, a, b, c)
#else
#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
