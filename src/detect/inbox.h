/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inbox: BPF events on their way from the ring thread to the detect thread.
 *
 *      ring thread --> [ head ... tail ] --> detect thread
 *                        eventfd on empty -> non-empty
 *
 * Owner:    detect. init/fini before and after both threads use it.
 * Threads:  one puts, one takes; inbox_kick() from either.
 * Blocking: never.
 * Limits:   INBOX_EVENTS. What does not fit is dropped and counted, and the taker told.
 */
#ifndef DETECT_INBOX_H
#define DETECT_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi/events.h"

#define INBOX_EVENTS 256 /* power of two */

struct inbox {
	int fd; /* eventfd: readable when there is something to take, or after a kick */
	_Alignas(64) _Atomic uint32_t head;    /* next to put; the putter's */
	_Alignas(64) _Atomic uint32_t tail;    /* next to take; the taker's */
	_Alignas(64) _Atomic uint64_t dropped; /* in all */
	struct event events[INBOX_EVENTS];
};

int inbox_init(struct inbox *box);
void inbox_fini(struct inbox *box);

void inbox_put(struct inbox *box, const struct event *event);
/* Something was lost before it came here. The putter. */
void inbox_lost(struct inbox *box);
bool inbox_take(struct inbox *box, struct event *out);
void inbox_clear(struct inbox *box); /* before a round of takes */
void inbox_kick(struct inbox *box);

#endif
