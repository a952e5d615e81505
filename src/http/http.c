/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * civetweb reads and parses; everything else is decided in begin_request, which sees each request
 * before civetweb would answer anything by itself (CORS preflight, files, websockets). Only a
 * target that civetweb takes for another server's ("*", or an absolute URI) never gets there: it
 * would close the connection without a word, and just before that, in connection_close, it is
 * answered.
 *
 * civetweb's master thread sits in poll() on the listening socket for up to two seconds before it
 * notices that it is to stop. So http_stop() first shuts that socket and all connections down,
 * which wakes whoever waits on them, and then calls mg_stop().
 */
#include "http/http.h"

#include <civetweb.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "http/guard.h"
#include "http/reply.h"
#include "http/route.h"
#include "http/slots.h"
#include "http/throttle.h"

struct http_server {
	struct mg_context *mg;
	struct snapshot_store *store;
	struct slots slots;
	struct throttle throttle;
	uint16_t port;
	uint64_t timeout_ns; /* for a request to be complete */
	int bind_errno;	     /* why the port could not be had; 0: no such complaint */
	_Atomic uint64_t requests_total;
	_Atomic uint64_t rejected_total;
};

static struct http_server *server_of(const struct mg_connection *conn)
{
	return mg_get_user_data(mg_get_context(conn));
}

static void count(struct http_server *server, bool is_rejected)
{
	atomic_fetch_add_explicit(&server->requests_total, 1, memory_order_relaxed);
	if (is_rejected)
		atomic_fetch_add_explicit(&server->rejected_total, 1, memory_order_relaxed);
}

/* In each thread of civetweb before it does anything: none of them needs what main may do, and all
 * use CPU time for requests. */
static void *on_init_thread(const struct mg_context *mg, int type)
{
	struct http_server *server = mg_get_user_data(mg);
	int ret = sandbox_enter_reader();

	throttle_join(&server->throttle);
	if (ret)
		log_limited(LOG_WARNING, "an HTTP thread may do more than it needs: %s",
			    error_name(ret));
	return NULL;
}

static void cut_waiting(void *slots)
{
	slots_cut_waiting(slots);
}

/* Before work for a client begins. A request that comes byte by byte keeps a worker busy all the
 * while, without passing here: those are ended when there is no CPU time left. */
static void pass(struct http_server *server)
{
	if (!throttle_is_overdrawn(&server->throttle))
		return;
	log_limited(LOG_WARNING, "debug API: requests take more than %u %% of a CPU, so they wait",
		    server->throttle.percent);
	throttle_wait(&server->throttle, cut_waiting, &server->slots);
}

static int on_init_connection(const struct mg_connection *conn, void **conn_data)
{
	struct http_server *server = server_of(conn);

	pass(server);
	slots_enter(&server->slots, conn);
	return 0;
}

/* Whether it has a whole request that was given neither to begin_request nor to http_error. */
static bool is_unanswered(const struct mg_connection *conn)
{
	const struct mg_request_info *ri = mg_get_request_info(conn);

	return ri && ri->request_uri && !ri->local_uri_raw && !reply_was_refused(conn);
}

static void on_connection_close(const struct mg_connection *conn)
{
	struct http_server *server = server_of(conn);
	bool is_rejected;

	if (is_unanswered(conn)) {
		/* const for the callback, not for the connection: it is open until this returns */
		struct mg_connection *open = (struct mg_connection *)conn;

		reply_may_keep(open, false);
		route_request(server->store, open, &is_rejected);
		count(server, is_rejected);
	}
	slots_leave(&server->slots, conn);
}

/* Does the client want the connection kept? If in doubt no: a connection that civetweb closes must
 * have been answered with "Connection: close". */
static bool wants_keep(const struct mg_connection *conn)
{
	const struct mg_request_info *ri = mg_get_request_info(conn);
	unsigned int count;
	const char *value = guard_header(ri, "Connection", &count);

	if (!count)
		return !strcmp(ri->http_version, "1.1");
	return count == 1 && !strcasecmp(value, "keep-alive");
}

/* Never returns 0: nothing is left to civetweb. */
static int on_begin_request(struct mg_connection *conn)
{
	struct http_server *server = server_of(conn);
	bool is_rejected;
	int status;

	reply_may_keep(conn, slots_served(&server->slots, conn, wants_keep(conn)));
	pass(server);
	status = route_request(server->store, conn, &is_rejected);
	count(server, is_rejected);
	return status;
}

/* What civetweb itself refuses: text that is no request, too much of it, or none in time. */
static int on_http_error(struct mg_connection *conn, int status, const char *text)
{
	struct http_server *server = server_of(conn);

	count(server, true);
	if (status != 505)
		status = slots_refusal(&server->slots, conn, server->timeout_ns);
	switch (status) {
	case 505:
		text = "only HTTP/1.0 and HTTP/1.1 are spoken";
		break;
	case 431:
		text = "the request is longer than 8 KiB";
		break;
	case 408:
		text = "the request took too long";
		break;
	default:
		text = "this is no HTTP request of at most 8 KiB";
	}
	reply_error(conn, status, text);
	reply_refused(conn);
	return 0;
}

/* civetweb passes a connection even where there is none; its context is valid in both cases. */
static int on_log_message(const struct mg_connection *conn, const char *message)
{
	const char *bind = strstr(message, "cannot bind to ");

	log_debug("http: civetweb: %s", message);
	if (bind)
		sscanf(bind, "cannot bind to %*[^ ] %d", &server_of(conn)->bind_errno);
	return 1;
}

static int start_civetweb(struct http_server *server, const struct config *config, uint16_t port)
{
	char listening[32], threads[16], timeout[16], keep[16], request_max[16];
	/* clang-format off */
	const char *options[] = {
		"listening_ports", listening,
		"num_threads", threads,
		"request_timeout_ms", timeout,
		"connection_queue", "16",
		"listen_backlog", "4096",
		"max_request_size", request_max,
		"enable_keep_alive", "yes",
		"keep_alive_timeout_ms", keep,
		"tcp_nodelay", "1",
		"decode_url", "no",
		"decode_query_string", "no",
		"enable_directory_listing", "no",
		"cgi_pattern", "",
		"ssi_pattern", "",
		"access_control_allow_origin", "",
		"access_control_allow_methods", "",
		"access_control_allow_headers", "",
		"access_control_list", "-0.0.0.0/0,+127.0.0.0/8",
		NULL,
	};
	/* clang-format on */
	const struct mg_callbacks callbacks = {
		.init_thread = on_init_thread,
		.begin_request = on_begin_request,
		.http_error = on_http_error,
		.log_message = on_log_message,
		.init_connection = on_init_connection,
		.connection_close = on_connection_close,
	};

	snprintf(listening, sizeof(listening), "127.0.0.1:%u", port);
	snprintf(threads, sizeof(threads), "%u", server->slots.count);
	snprintf(request_max, sizeof(request_max), "%d", SLOTS_REQUEST_MAX);
	snprintf(timeout, sizeof(timeout), "%u", config->http_timeout_ms);
	snprintf(keep, sizeof(keep), "%d", SLOTS_KEEP_MS);
	server->mg = mg_start(&callbacks, server, options);
	if (server->mg)
		return 0;
	return server->bind_errno > 0 ? -server->bind_errno : -EIO;
}

/* From this port on anyone may listen. */
static unsigned int first_free_port(void)
{
	char text[16] = "";

	if (file_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", text, sizeof(text) - 1) <= 0)
		return 1024;
	return (unsigned int)strtoul(text, NULL, 10);
}

static int refuse_port(uint16_t port, int ret, struct error *err)
{
	unsigned int first = first_free_port();

	if (ret == -EACCES && port < first)
		return error_set(err, EACCES,
				 "debug API: can't listen on 127.0.0.1:%u: a port below %u "
				 "(net.ipv4.ip_unprivileged_port_start) takes a right that the "
				 "daemon does not keep",
				 port, first);
	return error_set(err, -ret, "debug API: can't listen on 127.0.0.1:%u: %s", port,
			 error_name(ret));
}

int http_start(const struct config *config, uint16_t port, struct snapshot_store *store,
	       struct http_server **out, struct error *err)
{
	struct mg_server_port bound = {0};
	struct http_server *server;
	int ret;

	server = calloc(1, sizeof(*server));
	if (!server)
		return error_set(err, ENOMEM, "debug API: out of memory");
	server->store = store;
	server->timeout_ns = config->http_timeout_ms * NSEC_PER_MSEC;
	slots_init(&server->slots, config->http_threads);
	throttle_init(&server->throttle, config->requests_cpu_percent);

	mg_init_library(MG_FEATURES_DEFAULT); /* no TLS: nothing of OpenSSL gets initialised */
	ret = start_civetweb(server, config, port);
	if (ret)
		goto fini;
	mg_get_server_ports(server->mg, 1, &bound);
	server->port = (uint16_t)bound.port;
	slots_listen(&server->slots, server->port);
	*out = server;
	return 0;

fini:
	mg_exit_library();
	throttle_fini(&server->throttle);
	slots_fini(&server->slots);
	free(server);
	return refuse_port(port, ret, err);
}

uint16_t http_port(const struct http_server *server)
{
	return server->port;
}

void http_stop(struct http_server *server)
{
	if (!server)
		return;
	slots_stop(&server->slots);
	throttle_stop(&server->throttle);
	mg_stop(server->mg);
	mg_exit_library();
	throttle_fini(&server->throttle);
	slots_fini(&server->slots);
	free(server);
}

void http_counters(const struct http_server *server, struct http_counters *out)
{
	*out = (struct http_counters){0};
	if (!server)
		return;
	out->requests_total = atomic_load_explicit(&server->requests_total, memory_order_relaxed);
	out->rejected_total = atomic_load_explicit(&server->rejected_total, memory_order_relaxed);
}
