/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Output: blocks of text on a file descriptor whose reader may be stuck, such as `less` left at a
 * page, or a stopped terminal.
 *
 * A block for which there is no room is left out as a whole; the next one that passes begins with a
 * line that says how many were. A block that has been begun is completed before another begins,
 * which takes a poll(2) of output_fd() by the caller.
 *
 * Owner:    whoever embeds the struct; the file descriptor remains the caller's.
 * Threads:  one.
 * Blocking: never, but for a regular file, as long as its disk takes.
 * Limits:   at most one block is kept.
 */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct output {
	int fd;
	bool is_opened;	  /* fd is ours, see output.c */
	bool is_reported; /* an error was returned */
	FILE *stream;	  /* between output_begin() and output_end() */
	char *block;	  /* what is not written yet begins at `sent` */
	size_t length, sent;
	uint64_t left_out; /* blocks since the last that passed */
};

/* A non-blocking file description of our own for the pipe or terminal that `fd` is; -1: it is none,
 * or can't be opened. To be closed. */
int output_reopen(int fd);

void output_init(struct output *o, int fd);
void output_fini(struct output *o); /* the rest of a block is lost */

/* A stream for one block, to be given back with output_end(). NULL: this block is left out. */
FILE *output_begin(struct output *o);

/* Writes what there is room for: 0 or a negative errno. With -EPIPE nobody reads any more. Another
 * error costs a block, and is returned once in the life of the output: later ones are counted. */
int output_end(struct output *o);
int output_flush(struct output *o); /* the rest of a block */

/* For poll(2), POLLOUT: there is a rest; -1: there is none. */
int output_fd(const struct output *o);

#endif
