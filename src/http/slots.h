/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots: why a slow client can't take the API away from the others.
 *
 * civetweb gives a worker to a connection before it has seen one byte of a request, and the worker
 * waits there for request_timeout_ms. As many clients that connect and say nothing as there are
 * workers would stop the service for that long. Three measures, none of which needs a timer:
 *
 *  - the listening socket defers accepting until data has come (TCP_DEFER_ACCEPT), so a client
 *    that says nothing has no worker for its first second at least, and an honest one, whose
 *    request comes with one segment, never makes a worker wait;
 *  - whoever takes the last free worker ends the connection that has been waiting for the rest of
 *    its request longest. So one worker at least always comes free at once, whatever the number of
 *    clients that drip bytes; those get 408;
 *  - the send buffer takes the greatest answer as a whole, so a client that does not read holds
 *    nobody up.
 *
 * A connection that is kept open for further requests holds a worker, too, for up to SLOTS_KEEP_MS
 * between two requests. So at least SLOTS_FREE_MIN workers never serve kept connections, and the
 * three measures apply to those workers only: a kept connection neither delays the others, however
 * slow it is, nor is it ended for them. A client that does not come back (curl, run every second)
 * costs a wake-up when its kept connection ends. So after SLOTS_TRIES_MAX such clients in a row
 * only one connection in SLOTS_TRY_EACH is kept, until a client comes back.
 *
 * civetweb does not say which file descriptor a connection has. Among the open ones it is the one
 * that is bound to the server's port and connected to the client's. It is duplicated, checked once
 * more, and shut down for reading: while the duplicate exists, it can't become another connection.
 *
 * Owner:    the HTTP server. Threads: any worker.
 * Blocking: a mutex held for microseconds, once at begin and end of a connection.
 * Limits:   SLOTS_MAX workers.
 */
#ifndef HTTP_SLOTS_H
#define HTTP_SLOTS_H

#include <civetweb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SLOTS_MAX 64
#define SLOTS_FREE_MIN 2       /* workers that serve no kept connection: the measures need two */
#define SLOTS_REQUEST_MAX 8192 /* bytes of a request that civetweb reads */
#define SLOTS_KEEP_MS 20000    /* Prometheus asks every 15 s by default */
#define SLOTS_TRIES_MAX 8
#define SLOTS_TRY_EACH 17 /* a prime: in step with nobody */

struct slots {
	pthread_mutex_t lock;
	uint16_t port;
	unsigned int count; /* workers */
	unsigned int used, kept;
	unsigned int tries; /* connections kept or to be kept since one was used again */
	uint64_t next_order;
	struct slot {
		const struct mg_connection *conn; /* NULL: free */
		uint64_t order;			  /* of arrival */
		uint64_t since_ns;		  /* arrival, or its latest request */
		bool is_waiting;		  /* for the rest of its first request */
		bool is_kept;
		bool is_cut;
	} slots[SLOTS_MAX];
};

void slots_init(struct slots *s, unsigned int workers);
void slots_fini(struct slots *s);

/* Prepares the socket that listens on `port`; without it the rest works all the same. */
void slots_listen(struct slots *s, uint16_t port);

/* The life of a connection: taken by a worker, a request complete, about to be closed. */
void slots_enter(struct slots *s, const struct mg_connection *conn);
/* Whether it may be kept after this request, if the client wants that. */
bool slots_served(struct slots *s, const struct mg_connection *conn, bool wants_keep);
/* Ends all connections that wait for the rest of their first request. */
void slots_cut_waiting(struct slots *s);
void slots_leave(struct slots *s, const struct mg_connection *conn);

/* The status for a connection whose bytes never became a request: 408 if they came too slowly, 431
 * if they were too many, 400 if they were no HTTP. civetweb distinguishes these only in its log; on
 * a kept connection 431 and 400 can't be distinguished. */
int slots_refusal(struct slots *s, const struct mg_connection *conn, uint64_t timeout_ns);

/* Stops listening, and ends every wait of a worker, also for connections that are still queued. The
 * server's threads then have nothing left to wait for when the server is stopped. */
void slots_stop(struct slots *s);

#endif
