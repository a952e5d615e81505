/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sched events: what the kernel counts of the attached scheduler, in
 * /sys/kernel/sched_ext/root/events.
 *
 * Threads:  any.
 * Blocking: reads one file of sysfs; none without a scheduler, or before 6.15.
 */
#ifndef LOADER_SCHED_EVENTS_H
#define LOADER_SCHED_EVENTS_H

#include "model/kernel_event.h"

/* Fills up to KERNEL_EVENT_MAX and returns how many; 0 where the kernel doesn't count. */
unsigned int sched_events_read(struct kernel_event *events);

/* The same from the file's text: lines of a name and a number; others are left out. */
unsigned int sched_events_parse(const char *text, struct kernel_event *events);

#endif
