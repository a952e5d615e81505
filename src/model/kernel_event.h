/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel event: one of the counters that the kernel keeps of a sched_ext scheduler, from 6.15 on.
 *
 * Plain data. The names are the kernel's, so there are other ones on other kernels.
 */
#ifndef MODEL_KERNEL_EVENT_H
#define MODEL_KERNEL_EVENT_H

#include <stdint.h>

#define KERNEL_EVENT_MAX 32
#define KERNEL_EVENT_NAME_MAX 48

struct kernel_event {
	char name[KERNEL_EVENT_NAME_MAX]; /* "SCX_EV_...", letters, digits and '_' only */
	uint64_t value;			  /* since the scheduler was attached */
};

#endif
