/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Server: what the daemon knows of one process with a role, as detect tells metrics.
 *
 * Plain data; records of this type travel in evq batches of kind EVQ_KIND_SERVERS.
 */
#ifndef MODEL_SERVER_H
#define MODEL_SERVER_H

#include <stdint.h>

/* Kinds of evq batches: struct event of bpf/abi/events.h, and struct server_event. */
enum evq_kind { EVQ_KIND_EVENTS, EVQ_KIND_SERVERS };

#define SERVER_COMM_MAX 16
#define SERVER_EXE_MAX 256
#define SERVERS_MAX 64

struct server {
	int32_t pid;
	uint32_t uid;
	uint64_t
		start_ticks; /* field 22 of /proc/PID/stat: with pid, the identity of the process */
	uint64_t detect_latency_ns; /* kernel's exec (or fork) stamp until the role was confirmed; 0
				       for a scan */
	uint32_t threads;	    /* live; kept fresh by the aggregator */
	uint8_t role;		    /* enum role */
	uint8_t source;		    /* enum role_source */
	char comm[SERVER_COMM_MAX];
	char exe[SERVER_EXE_MAX]; /* path, its tail if longer; "" if it can't be read */
};

enum server_change {
	SERVER_UP,   /* new, or changed: replaces an entry of the same pid */
	SERVER_DOWN, /* only pid and start_ticks count */
};

struct server_event {
	uint32_t change;
	struct server server;
};

#endif
