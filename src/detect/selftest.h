/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Selftest: proof that the proc connector delivers the events we rely on.
 *
 * Owner:    nobody; runs once per opened connector, before it is trusted.
 * Threads:  the connector's.
 * Blocking: at most SELFTEST_MS.
 * Limits:   one child process, reaped before it returns.
 *
 * A child is forked that renames itself and exits; its fork, rename and exit must arrive. Some
 * kernels (early 2024 releases of 6.6 and 6.7) acknowledge a listener and then stay silent.
 */
#ifndef DETECT_SELFTEST_H
#define DETECT_SELFTEST_H

#include "base/errors.h"
#include "detect/connector.h"
#include "detect/detect.h"

#define SELFTEST_MS 1000

/* Other events that arrive meanwhile are lost: scan afterwards. -ETIMEDOUT names what is missing.
 */
int selftest_run(struct connector *c, const struct detect_roles *roles, struct error *err);

#endif
