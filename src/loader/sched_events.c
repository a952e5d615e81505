/* SPDX-License-Identifier: GPL-2.0-only */
#include "loader/sched_events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_PATH "/sys/kernel/sched_ext/root/events"
#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static bool line_parse(const char *line, size_t length, struct kernel_event *event)
{
	size_t name = strspn(line, NAME_CHARS);
	unsigned long long value;
	char *end;

	if (!name || name >= sizeof(event->name) || line[name] != ' ' || line[name + 1] < '0' ||
	    line[name + 1] > '9')
		return false;
	errno = 0;
	value = strtoull(line + name + 1, &end, 10);
	if (errno || end != line + length)
		return false;
	memcpy(event->name, line, name);
	event->name[name] = '\0';
	event->value = value;
	return true;
}

unsigned int sched_events_parse(const char *text, struct kernel_event *events)
{
	unsigned int count = 0;

	while (*text && count < KERNEL_EVENT_MAX) {
		size_t length = strcspn(text, "\n");

		if (line_parse(text, length, &events[count]))
			count++;
		text += length + (text[length] == '\n');
	}
	return count;
}

unsigned int sched_events_read(struct kernel_event *events)
{
	int fd = open(EVENTS_PATH, O_RDONLY | O_CLOEXEC);
	char text[4096 + 1]; /* a file of sysfs is a page at most */
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sched_events_parse(text, events);
}
