/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * HTTP client: one GET on the loopback address, on a connection of its own.
 *
 * Blocking, at most 10 s. The body is thrown away, or given as JSON.
 */
#ifndef BENCH_HTTP_CLIENT_H
#define BENCH_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HTTP_CLIENT_BODY_MAX (1 << 20)

/* 0 if the answer was a 200. *json: the body, NULL if it is no JSON. */
static inline int http_get(int port, const char *path, json_t **json)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {.tv_sec = 10};
	char request[256], *answer, *body;
	size_t used = 0;
	ssize_t n;
	int fd, r = -1;

	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
	answer = malloc(HTTP_CLIENT_BODY_MAX);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!answer || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    write(fd, request, strlen(request)) != (ssize_t)strlen(request))
		goto end;
	while (used < HTTP_CLIENT_BODY_MAX - 1 &&
	       (n = read(fd, answer + used, HTTP_CLIENT_BODY_MAX - 1 - used)) > 0)
		used += (size_t)n;
	answer[used] = '\0';
	body = strstr(answer, "\r\n\r\n");
	if (strncmp(answer, "HTTP/1.1 200", 12) || !body)
		goto end;
	if (json)
		*json = json_loads(body + 4, 0, NULL);
	r = 0;
end:
	close(fd);
	free(answer);
	return r;
}

#endif
