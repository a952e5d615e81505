/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Classify: from evidence to the class of a thread, as pure functions.
 *
 * Compiles for BPF and for the host (tests/unit/bpf/test_classify.c). No clock, no map, no kernel
 * struct: everything comes in as an argument.
 *
 * The client end of an audio chain is told by its rhythm. Each time an audio server wakes the
 * thread, client_wake() takes the interval since the last such wake and what the thread ran in
 * it, and keeps running means (weight 1/8) of both and of the deviation from the mean interval:
 *
 *      wake      wake      wake            periodic: mean deviation < 1/4 of the mean interval
 *       |##...... |##...... |##......      short:    mean run < 70 % of the mean interval
 *       <--- interval ---->                seen CLIENT_WAKES_MIN times in a row
 *
 * One interval out of range, or a second without such a wake, and the count starts again.
 */
#ifndef BPF_LIB_CLASSIFY_H
#define BPF_LIB_CLASSIFY_H

#include <linux/types.h>
#include <stdbool.h>

#include "bpf/abi/roles.h"

#define CLIENT_WAKES_MIN 8
#define CLIENT_INTERVAL_MIN_NS 200000u
#define CLIENT_INTERVAL_MAX_NS 50000000u
#define CLIENT_HOLD_NS 1000000000ull
#define CLIENT_BURST_PERCENT 70
#define CLIENT_DEPTH_MAX 4     /* links of a chain: server, client, its worker, ... */
#define CLIENT_CURRENT_RATIO 4 /* a link is broken after so many periods without a wake */
#define INPUT_HOLD_NS 10000000000ull
#define NICE_0_PRIO 120 /* task_struct.static_prio of nice 0 */

enum sched_policy {
	POLICY_NORMAL = 0,
	POLICY_FIFO = 1,
	POLICY_RR = 2,
	POLICY_BATCH = 3,
	POLICY_IDLE = 5,
	POLICY_DEADLINE = 6,
};

struct client_evidence {
	__u64 last_ns; /* last wake by the chain; 0: none yet */
	__u32 wakes;   /* in a row, saturating */
	__u32 interval_ns;
	__u32 deviation_ns;
	__u32 burst_ns;
	__u32 depth; /* links between it and the server: 1 if that itself wakes it */
};

struct classify_input {
	__u32 role; /* of the process */
	__u32 policy;
	__s32 static_prio;
	__u64 now_ns;
	__u64 input_ns; /* last wake from the input event path; 0: none */
};

struct verdict {
	__u8 class;
	__u8 reason;
	__u64 expires_ns; /* must be looked at again then; 0: holds until an input changes */
};

static inline bool policy_is_rt(__u32 policy)
{
	return policy == POLICY_FIFO || policy == POLICY_RR || policy == POLICY_DEADLINE;
}

/* A step of 1/8 from mean towards sample, in unsigned arithmetic. */
static inline __u32 mean_step(__u32 mean, __u32 sample)
{
	if (sample >= mean)
		return mean + ((sample - mean) >> 3);
	return mean - ((mean - sample) >> 3);
}

/* Does the link that the evidence rests on still wake the thread? */
static inline bool client_is_current(const struct client_evidence *e, __u64 now_ns)
{
	__u64 most = e->interval_ns ? (__u64)CLIENT_CURRENT_RATIO * e->interval_ns
				    : CLIENT_INTERVAL_MAX_NS;

	return e->last_ns && now_ns - e->last_ns < most;
}

/*
 * An audio server, or a thread `depth - 1` links from one, woke the thread, which ran for run_ns
 * since the last time. True if that adds evidence.
 *
 * A thread is woken by several in each period: a client by the server, and by its own workers when
 * they are done. The nearest to the server counts; the others are left out as long as that one goes
 * on. When it stops (a JACK client is connected behind another one) the next takes its place, and
 * what is known of the thread's rhythm stays.
 */
static inline bool client_wake(struct client_evidence *e, __u64 now_ns, __u64 run_ns, __u32 depth)
{
	__u64 interval = now_ns - e->last_ns;
	__u32 sample, deviation, run;

	if (depth > e->depth && client_is_current(e, now_ns))
		return false;
	if (e->depth && depth != e->depth) {
		e->depth = depth;
		e->last_ns = now_ns;
		return true;
	}
	e->depth = depth;
	if (!e->last_ns || now_ns < e->last_ns || interval < CLIENT_INTERVAL_MIN_NS ||
	    interval > CLIENT_INTERVAL_MAX_NS) {
		e->last_ns = now_ns;
		e->wakes = 1;
		e->interval_ns = 0;
		return true;
	}
	e->last_ns = now_ns;
	sample = (__u32)interval;
	run = run_ns < sample ? (__u32)run_ns : sample;
	if (!e->interval_ns) {
		/* Half the interval as first deviation: rhythm has to be shown. */
		e->interval_ns = sample;
		e->deviation_ns = sample / 2;
		e->burst_ns = run;
	} else {
		deviation = sample > e->interval_ns ? sample - e->interval_ns
						    : e->interval_ns - sample;
		e->interval_ns = mean_step(e->interval_ns, sample);
		e->deviation_ns = mean_step(e->deviation_ns, deviation);
		e->burst_ns = mean_step(e->burst_ns, run);
	}
	if (e->wakes < CLIENT_WAKES_MIN)
		e->wakes++;
	return true;
}

static inline bool client_holds(const struct client_evidence *e, __u64 now_ns)
{
	return e->wakes >= CLIENT_WAKES_MIN && now_ns - e->last_ns < CLIENT_HOLD_NS &&
	       e->deviation_ns < e->interval_ns / 4 &&
	       (__u64)e->burst_ns * 100 < (__u64)e->interval_ns * CLIENT_BURST_PERCENT;
}

/* How many links whom such a thread wakes is from an audio server; 0: it is not of the chain, or
 * the chain is long enough. */
static inline __u32 chain_depth(__u32 class, const struct client_evidence *client)
{
	if (class == CLASS_AUDIO_SERVER)
		return 1;
	return class == CLASS_AUDIO_CLIENT && client->depth < CLIENT_DEPTH_MAX ? client->depth + 1
									       : 0;
}

static inline __u8 class_of_role(__u32 role)
{
#define ROLE_CLASS(id, name, class) \
	case id:                    \
		return class;
	switch (role) {
		ROLE_LIST(ROLE_CLASS)
	default:
		return CLASS_NORMAL;
	}
#undef ROLE_CLASS
}

/* The class of a thread: the strongest evidence decides, in the order of enum class. */
static inline void classify(const struct classify_input *in, const struct client_evidence *client,
			    struct verdict *out)
{
	__u8 role_class = class_of_role(in->role);

	out->class = role_class;
	out->reason = REASON_ROLE;
	out->expires_ns = 0;
	if (role_class == CLASS_AUDIO_SERVER || role_class == CLASS_AUDIO_SUPPORT)
		return;
	if (client_holds(client, in->now_ns)) {
		out->class = CLASS_AUDIO_CLIENT;
		out->reason = REASON_CLIENT;
		out->expires_ns = client->last_ns + CLIENT_HOLD_NS;
		return;
	}
	if (in->input_ns && in->now_ns - in->input_ns < INPUT_HOLD_NS) {
		out->class = CLASS_INPUT;
		out->reason = REASON_INPUT;
		out->expires_ns = in->input_ns + INPUT_HOLD_NS;
		return;
	}
	if (role_class != CLASS_NORMAL)
		return;
	if (in->policy == POLICY_BATCH || in->policy == POLICY_IDLE) {
		out->class = CLASS_BACKGROUND;
		out->reason = REASON_POLICY;
	} else if (!policy_is_rt(in->policy) && in->static_prio > NICE_0_PRIO) {
		out->class = CLASS_BACKGROUND;
		out->reason = REASON_NICE;
	} else {
		out->reason = REASON_DEFAULT;
	}
}

#endif
