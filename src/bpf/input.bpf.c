// SPDX-License-Identifier: GPL-2.0-only
/*
 * Input: which threads read input devices, and how many events there are.
 *
 * While a thread or an interrupt is inside input_event() on a CPU, the CPU's slot says which; a
 * thread that it wakes in that time (on_sched_waking in trace.bpf.c) reads the device. Events are
 * counted by kind. What key it was is looked at to tell a keyboard from a mouse, and kept nowhere.
 *
 * An object of its own: kernels without fentry refuse it, and the rest works without it.
 */
#include "bpf/kernel/types.h"

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/abi/counters.h"
#include "bpf/lib/input_path.h"

char LICENSE[] SEC("license") = "GPL";

/* Of linux/input-event-codes.h. */
#define EV_SYN 0
#define EV_KEY 1
#define EV_REL 2
#define EV_ABS 3
#define EV_MSC 4
#define KEY_CODES_END 0x100
#define BTN_MOUSE 0x110
#define BTN_JOYSTICK 0x120
#define BTN_GAMEPAD 0x130

/* The map of the trace object: the loader hands it over. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_slot);
} slots SEC(".maps");

static __always_inline struct cpu_slot *slot_this_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&slots, &cpu);
}

static __always_inline bool is_gamepad(struct input_dev *dev)
{
	unsigned long word = BPF_CORE_READ(dev, keybit[BTN_GAMEPAD / 64]);

	return word & (1ul << (BTN_GAMEPAD % 64));
}

/* Atomic: one device's event in process context, another's in an interrupt above it. */
static __always_inline void event_count(struct cpu_slot *slot, struct input_dev *dev,
					unsigned int type, unsigned int code)
{
	if (type == EV_SYN || type == EV_MSC)
		return;
	if (type == EV_KEY && code < KEY_CODES_END)
		__sync_fetch_and_add(&slot->input_keyboard, 1);
	else if (type == EV_REL || (type == EV_KEY && code >= BTN_MOUSE && code < BTN_JOYSTICK) ||
		 (type == EV_ABS && !is_gamepad(dev)))
		__sync_fetch_and_add(&slot->input_pointer, 1);
	else
		__sync_fetch_and_add(&slot->input_other, 1);
}

SEC("fentry/input_event")
int BPF_PROG(on_input_event, struct input_dev *dev, unsigned int type, unsigned int code, int value)
{
	struct cpu_slot *slot = slot_this_cpu();

	if (!slot)
		return 0;
	input_path_enter(slot);
	event_count(slot, dev, type, code);
	return 0;
}

SEC("fexit/input_event")
int BPF_PROG(on_input_event_done, struct input_dev *dev, unsigned int type, unsigned int code,
	     int value)
{
	struct cpu_slot *slot = slot_this_cpu();

	if (slot)
		input_path_leave(slot);
	return 0;
}
