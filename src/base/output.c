/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a write is kept from blocking. O_NONBLOCK belongs to the file description, which we share
 * with whoever started us: set there, the user's shell and `tee` would get EAGAIN. So:
 *
 *  - a pipe or a terminal is opened a second time through /proc, which makes a description of our
 *    own, non-blocking. A regular file is not: its new description would begin at offset 0;
 *  - each write is of PIPE_BUF bytes at most and is preceded by poll(2), which reports room in a
 * pipe only when PIPE_BUF bytes fit. So it does not block either where the opening fails, for there
 * is no /proc or the pipe is another user's, as long as nobody else fills the pipe in between.
 */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int output_reopen(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	char path[32];
	struct stat st;

	if (flags < 0 || fstat(fd, &st) || (!S_ISFIFO(st.st_mode) && !isatty(fd)))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | (flags & O_DIRECT));
}

void output_init(struct output *o, int fd)
{
	int opened = output_reopen(fd);

	*o = (struct output){.fd = opened < 0 ? fd : opened, .is_opened = opened >= 0};
}

static void drop_block(struct output *o)
{
	free(o->block);
	o->block = NULL;
}

void output_fini(struct output *o)
{
	drop_block(o);
	if (o->is_opened)
		close(o->fd);
}

/* An error counts as room: write() then says which. */
static bool has_room(const struct output *o)
{
	struct pollfd fd = {.fd = o->fd, .events = POLLOUT};

	return poll(&fd, 1, 0) != 0;
}

FILE *output_begin(struct output *o)
{
	if (!o->block && has_room(o))
		o->stream = open_memstream(&o->block, &o->length);
	if (!o->stream) {
		o->left_out++;
		return NULL;
	}
	o->sent = 0;
	if (o->left_out)
		fprintf(o->stream, "(%" PRIu64 " left out: they could not be written)\n",
			o->left_out);
	return o->stream;
}

int output_end(struct output *o)
{
	bool is_short = fclose(o->stream); /* of memory */

	o->stream = NULL;
	if (is_short) {
		drop_block(o);
		o->left_out++;
		return 0;
	}
	return output_flush(o);
}

/* What has begun waits for room; what has not is left out. */
static int give_up(struct output *o, int error)
{
	if (error == EAGAIN && o->sent)
		return 0;
	drop_block(o);
	o->left_out++;
	if (error == EAGAIN || (error != EPIPE && o->is_reported))
		return 0;
	o->is_reported = true;
	return -error;
}

int output_flush(struct output *o)
{
	while (o->block && o->sent < o->length) {
		size_t left = o->length - o->sent;
		ssize_t n = -1;

		errno = EAGAIN;
		if (has_room(o))
			n = write(o->fd, o->block + o->sent, left < PIPE_BUF ? left : PIPE_BUF);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return give_up(o, n < 0 ? errno : EIO);
		if (!o->sent)
			o->left_out = 0; /* the line that says so has passed */
		o->sent += (size_t)n;
	}
	drop_block(o);
	return 0;
}

int output_fd(const struct output *o)
{
	return o->block ? o->fd : -1;
}
