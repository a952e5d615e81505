/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bits of the kernel's preempt_count that say: in an NMI, in a hard interrupt, or serving a
 * soft one (not: merely with soft interrupts disabled). The layout of 5.1 held until 7.2. From 7.3
 * on, how often hard interrupts were disabled is counted between soft and hard interrupts
 * (include/linux/preempt.h):
 *
 *     bits        0-7       8-15    16-19      20-23
 *     to 7.2      preempt   soft    hard       NMI
 *     bits        0-7       8-15    16-23      24-27    28
 *     from 7.3    preempt   soft    disabled   hard     NMI
 *
 * Both are macros, which BTF does not tell; the loader looks for a variable that came with it.
 */
#ifndef BPF_ABI_PREEMPT_H
#define BPF_ABI_PREEMPT_H

#define PREEMPT_IN_INTERRUPT_5_1 0x00ff0100u
#define PREEMPT_IN_INTERRUPT_7_3 0x1f000100u

#endif
