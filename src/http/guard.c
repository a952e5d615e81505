/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/guard.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define AUTHORITY_MAX 22 /* 127.255.255.255:65535 */
#define NAME_MAX_LEN 15	 /* 127.255.255.255; "localhost" is shorter */

/* ":1" to ":65535", or nothing. */
static bool is_port_or_end(const char *s)
{
	unsigned int port = 0;
	unsigned int digits = 0;

	if (!*s)
		return true;
	if (*s++ != ':')
		return false;
	for (; *s >= '0' && *s <= '9' && digits < 6; s++, digits++)
		port = port * 10 + (unsigned int)(*s - '0');
	return !*s && port > 0 && port <= 65535;
}

bool guard_host_is_loopback(const char *value)
{
	struct in_addr address;
	char name[NAME_MAX_LEN + 1];
	size_t length;

	if (!strncmp(value, "[::1]", 5))
		return is_port_or_end(value + 5);
	length = strcspn(value, ":");
	if (length > NAME_MAX_LEN || !is_port_or_end(value + length))
		return false;
	memcpy(name, value, length);
	name[length] = '\0';
	if (!strcasecmp(name, "localhost"))
		return true;
	return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

const char *guard_header(const struct mg_request_info *ri, const char *name, unsigned int *count)
{
	const char *value = NULL;
	int i;

	*count = 0;
	for (i = 0; i < ri->num_headers; i++) {
		if (strcasecmp(ri->http_headers[i].name, name))
			continue;
		value = ri->http_headers[i].value;
		(*count)++;
	}
	return value;
}

static int refuse(int status, const char *text, const char **why)
{
	*why = text;
	return status;
}

int guard_request(const struct mg_request_info *ri, const char **why)
{
	unsigned int count, encodings;
	const char *host;

	/* civetweb stops reading headers at its limit without a word: what follows is unseen. */
	if (ri->num_headers >= MG_MAX_HEADERS)
		return refuse(431, "too many header fields", why);
	guard_header(ri, "Transfer-Encoding", &encodings);
	guard_header(ri, "Content-Length", &count);
	if (count + encodings > 1)
		return refuse(400, "the length of the request is given more than once", why);
	host = guard_header(ri, "Host", &count);
	if (count > 1)
		return refuse(400, "more than one Host header", why);
	if (!host)
		return strcmp(ri->http_version, "1.0")
			       ? refuse(400, "an HTTP/1.1 request needs a Host header", why)
			       : 0;
	if (!guard_host_is_loopback(host))
		return refuse(403, "Host is not a name or address of the loopback interface", why);
	return 0;
}

int guard_target(const char *target, const char **path, const char **why)
{
	static const char scheme[] = "http://";
	char authority[AUTHORITY_MAX] = "";
	size_t length;

	*path = target;
	if (*target == '/' || !strcmp(target, "*"))
		return 0;
	if (strncasecmp(target, scheme, sizeof(scheme) - 1))
		return refuse(400, "the request target is neither a path nor an http URI", why);
	target += sizeof(scheme) - 1;
	length = strcspn(target, "/");
	if (length >= sizeof(authority))
		length = 0;
	memcpy(authority, target, length);
	if (!guard_host_is_loopback(authority))
		return refuse(403, "the request target is not on the loopback interface", why);
	*path = target + length;
	return 0;
}

int guard_body(const struct mg_request_info *ri, const char **why)
{
	unsigned int encodings, lengths;
	const char *length;

	guard_header(ri, "Transfer-Encoding", &encodings);
	length = guard_header(ri, "Content-Length", &lengths);
	if (encodings || (length && strcmp(length, "0")))
		return refuse(400, "a request here has no body", why);
	return 0;
}
