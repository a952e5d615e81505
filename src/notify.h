/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Notify: reports to the service manager how far the daemon is (sd_notify(3)'s datagram protocol,
 * which is documented and stable: one line KEY=VALUE to the socket named by NOTIFY_SOCKET).
 *
 * Any thread; never blocks; does nothing without a service manager.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

/* "READY=1", "STOPPING=1", "STATUS=...", "WATCHDOG=1", "RELOADING=1" with "MONOTONIC_USEC=..." */
void notify_send(const char *state);

#endif
