/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options: the command line.
 *
 * Pure parsing, main thread only. A bad option is one sentence in *err and -EINVAL.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/errors.h"

#define OPTIONS_SLICE_US 3000 /* default of --slice-us */

enum options_command {
	COMMAND_RUN,
	COMMAND_MONITOR,
	COMMAND_WATCH_INPUT,
	COMMAND_HELP,
	COMMAND_HELP_STATS,
	COMMAND_HELP_CONFIG,
	COMMAND_CHECK,
	COMMAND_VERSION,
};

struct options {
	enum options_command command;
	double interval_s;	 /* --stats, --monitor, --watch-input; 0: none */
	const char *config_path; /* NULL: /etc/scx_gamerd.json if it exists */
	bool is_observe;
	bool is_sched_required;
	uint32_t slice_us;
	uint32_t exit_dump_len; /* bytes; 0: the kernel's default */
	bool has_debug_api;
	uint16_t debug_api_port; /* 0 picks a free one */
	unsigned int verbosity;
};

int options_parse(int argc, char **argv, struct options *out, struct error *err);
void options_usage(FILE *out);

#endif
