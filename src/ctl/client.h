/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client: --monitor and --watch-input, the commands that talk to a running daemon.
 *
 * Threads:  one, main's: they take SIGINT and SIGTERM for themselves while they run.
 * Blocking: until SIGINT or SIGTERM, or until nobody reads stdout any more: 0. They wait for a
 *           daemon, retry each second, and reconnect after its restart. Only what no waiting can
 *           mend (no permission) ends them with a negative errno.
 *
 * Blocks and lines go to stdout, one sentence for each change of state to the log. The first answer
 * of a connection is the baseline and is not printed; the second comes after a second at most.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "config/config.h"

int client_monitor(const struct config *config, double interval_s);
int client_watch_input(const struct config *config, double interval_s);

#endif
