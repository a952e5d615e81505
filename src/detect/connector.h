/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connector: the kernel's proc connector, a netlink multicast group that reports every fork, exec,
 * rename and exit.
 *
 * Owner:    detect. open/close around everything else.
 * Threads:  the one that opened it; connector_parse() from any.
 * Blocking: open waits up to CONNECTOR_ACK_MS for the kernel's answer; read never blocks.
 * Limits:   CONNECTOR_BATCH messages a read; the receive buffer asked for.
 *
 * Membership alone proves nothing: events may flow because somebody else listens, and stop when he
 * goes. So open insists on the acknowledgement of our own LISTEN. It is sent in the plain four-byte
 * form first, because with an event mask the kernel never delivers the answer; then the socket
 * filter goes on, then the mask, which kernels before 6.6 ignore. Close says IGNORE: without it the
 * kernel's count of listeners would leak.
 */
#ifndef DETECT_CONNECTOR_H
#define DETECT_CONNECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"

#define CONNECTOR_BATCH 64
#define CONNECTOR_MESSAGE_MAX 256 /* an event has 76 bytes */
#define CONNECTOR_ACK_MS 500
#define CONNECTOR_COMM_MAX 16

enum connector_kind {
	CONNECTOR_ACK,
	CONNECTOR_FORK,
	CONNECTOR_EXEC,
	CONNECTOR_COMM,
	CONNECTOR_EXIT,
};

struct connector_event {
	enum connector_kind kind;
	int32_t pid;		       /* thread; for a fork, the child */
	int32_t tgid;		       /* process */
	int32_t parent_tgid;	       /* fork only */
	uint32_t ack;		       /* ack only: ours + 1 */
	uint32_t ack_error;	       /* ack only: errno */
	uint64_t time_ns;	       /* CLOCK_MONOTONIC, the kernel's stamp */
	char comm[CONNECTOR_COMM_MAX]; /* comm only */
};

/* Takes one datagram apart; what is of no interest is skipped. Returns the number of events, or
 * -EBADMSG for a datagram that contradicts itself (events before that place were delivered). Trusts
 * no length; `buffer` needs no alignment. */
int connector_parse(const void *buffer, size_t length,
		    void (*each)(void *ctx, const struct connector_event *event), void *ctx);

struct connector_options {
	uint32_t receive_buffer_bytes;
	int filter_fd; /* BPF socket filter, or negative */
	bool has_mask; /* ask for fork, exec, rename and exit only */
};

struct connector {
	int fd;
	uint32_t mark; /* of our requests; their answers carry one more */
	bool is_listening;
	int filter_error;	       /* 0 if a filter is attached, else negative errno */
	uint32_t receive_buffer_bytes; /* as the kernel set it */
	unsigned char buffers[CONNECTOR_BATCH][CONNECTOR_MESSAGE_MAX];
};

/* On failure *c is closed and the sentence says what is missing. */
int connector_open(struct connector *c, const struct connector_options *options, struct error *err);
void connector_close(struct connector *c); /* a closed one is a no-op */
/* The same without IGNORE: somebody else has taken our LISTEN back already. */
void connector_abandon(struct connector *c);

/* One batch: the number of messages read, -EAGAIN when the queue is empty, -ENOBUFS when the kernel
 * had to drop some (read on to -EAGAIN: it drops everything until then), or another errno. */
int connector_read(struct connector *c,
		   void (*each)(void *ctx, const struct connector_event *event), void *ctx);

/* Messages the kernel dropped since open. */
uint64_t connector_drops(const struct connector *c);

#endif
