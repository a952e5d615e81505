/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inbox: what other threads hand to the detect thread: BPF events, and the configuration when it
 * was read again.
 *
 *      ring thread --> [ head ... tail ] --> detect thread
 *                        eventfd on empty -> non-empty
 *      main ---------> [ configuration ] --> detect thread
 *                        eventfd; one that is not taken yet is replaced
 *
 * Owner:    detect. init/fini before and after both threads use it.
 * Threads:  one puts events, one configurations, one takes; inbox_kick() from any.
 * Blocking: never.
 * Limits:   INBOX_EVENTS. What does not fit is dropped and counted, and the taker is notified.
 */
#ifndef DETECT_INBOX_H
#define DETECT_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "bpf/abi/events.h"

#define INBOX_EVENTS 256 /* power of two */

struct inbox {
	int fd; /* eventfd: readable when there is something to take, or after a kick */
	_Alignas(64) _Atomic uint32_t head;    /* next to put; the putter's */
	_Alignas(64) _Atomic uint32_t tail;    /* next to take; the taker's */
	_Alignas(64) _Atomic uint64_t dropped; /* in all */
	_Atomic(struct config *) config;       /* NULL: none */
	struct event events[INBOX_EVENTS];
};

int inbox_init(struct inbox *box);
void inbox_fini(struct inbox *box);

void inbox_put(struct inbox *box, const struct event *event);
/* Something was lost before it came here. The putter. */
void inbox_lost(struct inbox *box);
bool inbox_take(struct inbox *box, struct event *out);

/* Puts a copy in, instead of one that nobody has taken. 0 or -ENOMEM. */
int inbox_put_config(struct inbox *box, const struct config *config);
/* NULL: there is none. To be freed with free(). */
struct config *inbox_take_config(struct inbox *box);

void inbox_clear(struct inbox *box); /* before a round of takes */
void inbox_kick(struct inbox *box);

#endif
