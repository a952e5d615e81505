/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client: --monitor and --watch-input, the commands that talk to a running daemon.
 *
 * Blocking: until SIGINT or SIGTERM (status 0). They wait for a daemon, retry each second, and
 * reconnect after its restart. Lines go to stdout, the rest to stderr.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "base/config.h"

int client_monitor(const struct config *config, double interval_s);
int client_watch_input(const struct config *config, double interval_s);

#endif
