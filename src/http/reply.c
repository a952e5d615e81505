/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"

#define HEAD_MAX 640

/* civetweb 1.15 has the reason phrases, but none for 431. */
static const char *reason(struct mg_connection *conn, int status)
{
	return status == 431 ? "Request Header Fields Too Large"
			     : mg_get_response_code_text(conn, status);
}

__attribute__((format(printf, 4, 5))) static void add(char *head, size_t size, size_t *used,
						      const char *fmt, ...)
{
	va_list args;
	int length;

	va_start(args, fmt);
	length = vsnprintf(head + *used, size - *used, fmt, args);
	va_end(args);
	if (length > 0 && (size_t)length < size - *used)
		*used += (size_t)length;
}

/* civetweb keeps one pointer of ours with each connection: NULL, or one of these marks. */
static char kept_mark, refused_mark;

void reply_may_keep(struct mg_connection *conn, bool may_keep)
{
	mg_set_user_connection_data(conn, may_keep ? &kept_mark : NULL);
}

void reply_refused(struct mg_connection *conn)
{
	mg_set_user_connection_data(conn, &refused_mark);
}

bool reply_was_refused(const struct mg_connection *conn)
{
	return mg_get_user_connection_data(conn) == &refused_mark;
}

static void write_all(struct mg_connection *conn, const void *bytes, size_t length)
{
	if (mg_write(conn, bytes, length) != (int)length)
		mg_disable_connection_keep_alive(conn);
}

/* Head and body in one send: on the loopback each runs through the receiver's side of TCP, too, and
 * costs more than the copy. */
static void write_whole(struct mg_connection *conn, const char *head, size_t head_length,
			const struct reply *reply)
{
	char *whole = malloc(head_length + reply->length);

	if (!whole) {
		write_all(conn, head, head_length);
		write_all(conn, reply->body, reply->length);
		return;
	}
	memcpy(whole, head, head_length);
	memcpy(whole + head_length, reply->body, reply->length);
	write_all(conn, whole, head_length + reply->length);
	free(whole);
}

int reply_send(struct mg_connection *conn, const struct reply *reply)
{
	const struct mg_request_info *ri = mg_get_request_info(conn);
	bool is_kept = reply->status < 400 && mg_get_user_connection_data(conn) == &kept_mark;
	char head[HEAD_MAX];
	size_t used = 0;

	if (!is_kept)
		mg_disable_connection_keep_alive(conn);
	add(head, sizeof(head), &used, "HTTP/1.1 %d %s\r\n", reply->status,
	    reason(conn, reply->status));
	if (reply->media_type)
		add(head, sizeof(head), &used, "Content-Type: %s\r\nContent-Length: %zu\r\n",
		    reply->media_type, reply->length);
	if (reply->status == 405)
		add(head, sizeof(head), &used, "Allow: " REPLY_ALLOW "\r\n");
	if (reply->etag)
		add(head, sizeof(head), &used, "ETag: %s\r\nVary: Accept\r\n", reply->etag);
	add(head, sizeof(head), &used,
	    "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n"
	    "Connection: %s\r\n\r\n",
	    is_kept ? "keep-alive" : "close");
	if (!reply->media_type || (ri && ri->request_method && !strcmp(ri->request_method, "HEAD")))
		write_all(conn, head, used);
	else
		write_whole(conn, head, used, reply);
	return reply->status;
}

int reply_error(struct mg_connection *conn, int status, const char *text)
{
	char body[ERROR_MAX * 2 + 32];
	size_t used = 0;

	add(body, sizeof(body), &used, "{\"error\": \"");
	for (; *text && used < sizeof(body) - 8; text++) {
		if (*text == '"' || *text == '\\')
			body[used++] = '\\';
		body[used++] = (unsigned char)*text < ' ' ? ' ' : *text;
	}
	add(body, sizeof(body), &used, "\"}\n");
	return reply_send(conn, &(struct reply){
					.status = status,
					.media_type = "application/json",
					.body = body,
					.length = used,
				});
}
