/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scheduler's BPF object, as bytes in this program.
 */
#include "loader/sched_object.h"

#include <stdint.h>

__asm__(".pushsection .rodata\n"
	".balign 8\n"
	"sched_object_begin:\n"
	".incbin \"" SCHED_OBJECT "\"\n"
	"sched_object_end:\n"
	".popsection\n");

extern const char sched_object_begin[], sched_object_end[];

const void *sched_object_bytes(size_t *size)
{
	/* As numbers: for the language these are two objects, which have no distance. */
	*size = (uintptr_t)sched_object_end - (uintptr_t)sched_object_begin;
	return sched_object_begin;
}
