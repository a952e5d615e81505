/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every request walks the same way: framing and Host, target, path, method, body, query; then its
 * route. Paths are compared as they came on the wire: nothing is decoded, no dot segment is
 * resolved, so there is one spelling of each.
 */
#include "http/route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/format.h"
#include "http/guard.h"
#include "http/reply.h"
#include "metrics/render.h"

#define ETAG_MAX 64

struct request {
	struct mg_connection *conn;
	const struct mg_request_info *info;
	struct snapshot_store *store;
	enum snapshot_format format;
};

static int no_memory(const struct request *r)
{
	return reply_error(r->conn, 500, "out of memory");
}

static const struct snapshot *fresh(const struct request *r)
{
	return snapshot_get_fresh(r->store, ROUTE_MAX_AGE_NS, ROUTE_FRESH_MS);
}

/* Sequence numbers begin again with each start of the daemon, so its start time is part of it. */
static void make_etag(const struct snapshot *snap, enum snapshot_format format, char *etag)
{
	const struct metrics *m = snapshot_metrics(snap);

	snprintf(etag, ETAG_MAX, "\"%" PRIu64 "-%s-%" PRIx64 "\"", m->sequence, format_name(format),
		 m->started_ns);
}

static bool has_current(const struct request *r, const char *etag)
{
	unsigned int count;
	const char *known = guard_header(r->info, "If-None-Match", &count);

	return known && (!strcmp(known, "*") || strstr(known, etag));
}

static int answer_metrics(const struct request *r)
{
	const struct snapshot *snap = fresh(r);
	struct reply reply = {.status = 304};
	char etag[ETAG_MAX];
	const char *body;
	int status;

	make_etag(snap, r->format, etag);
	reply.etag = etag;
	if (has_current(r, etag)) {
		status = reply_send(r->conn, &reply);
	} else if (snapshot_body(snap, r->format, &body, &reply.length)) {
		status = no_memory(r);
	} else {
		reply.status = 200;
		reply.media_type = format_media_type(r->format);
		reply.body = body;
		status = reply_send(r->conn, &reply);
	}
	snapshot_put(snap);
	return status;
}

static int answer_health(const struct request *r)
{
	const struct snapshot *snap = fresh(r);
	struct reply reply = {.media_type = "application/json"};
	bool is_healthy;
	char *text;
	int ret;

	ret = render_health(snapshot_metrics(snap), clock_now_ns(), &is_healthy, &text,
			    &reply.length);
	snapshot_put(snap);
	if (ret)
		return no_memory(r);
	reply.status = is_healthy ? 200 : 503;
	reply.body = text;
	reply_send(r->conn, &reply);
	free(text);
	return reply.status;
}

static int answer_index(const struct request *r);

static const struct route {
	const char *path;
	bool has_format; /* takes ?format= */
	int (*answer)(const struct request *r);
	const char *help;
} routes[] = {
	{"/", false, answer_index, "this list"},
	{"/metrics", true, answer_metrics,
	 "all metrics; ?format=json, pretty or prometheus, else as Accept asks"},
	{"/health", false, answer_health, "200 while the daemon works, 503 and the reason if not"},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static int answer_index(const struct request *r)
{
	char text[512];
	size_t used = 0;
	unsigned int i;

	used += (size_t)snprintf(text, sizeof(text), "scx_gamerd %s\n\n", GAMERD_VERSION);
	for (i = 0; i < ROUTES; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%-10s%s\n",
					 routes[i].path, routes[i].help);
	return reply_send(r->conn, &(struct reply){
					   .status = 200,
					   .media_type = "text/plain; charset=utf-8",
					   .body = text,
					   .length = used,
				   });
}

static const struct route *find(const char *path, size_t length)
{
	unsigned int i;

	for (i = 0; i < ROUTES; i++)
		if (strlen(routes[i].path) == length && !memcmp(path, routes[i].path, length))
			return &routes[i];
	return NULL;
}

int route_request(struct snapshot_store *store, struct mg_connection *conn, bool *is_rejected)
{
	struct request r = {.conn = conn, .info = mg_get_request_info(conn), .store = store};
	const char *method = r.info->request_method;
	bool is_read = !strcmp(method, "GET") || !strcmp(method, "HEAD");
	const char *path, *query, *why;
	const struct route *route;
	struct error err;
	bool is_given;
	size_t length;
	int status;

	*is_rejected = true;
	status = guard_request(r.info, &why);
	if (!status)
		status = guard_target(r.info->request_uri, &path, &why);
	if (status)
		return reply_error(conn, status, why);
	length = strcspn(path, "?");
	if (path[length])
		query = path + length + 1;
	else /* civetweb has cut it off, unless it does not know the target: then it is stale */
		query = r.info->local_uri_raw ? r.info->query_string : NULL;
	route = find(path, length);
	if (!route && (is_read || strcmp(path, "*")))
		return reply_error(conn, 404, "no such path; GET / lists what there is");
	if (!is_read)
		return reply_error(conn, 405, "only GET and HEAD are served");
	status = guard_body(r.info, &why);
	if (status)
		return reply_error(conn, status, why);
	if (format_from_query(query, route->has_format, &r.format, &is_given, &err))
		return reply_error(conn, 400, err.text);
	*is_rejected = false;
	if (route->has_format && !is_given)
		r.format = format_from_accept(r.info);
	return route->answer(&r);
}
