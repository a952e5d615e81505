/* SPDX-License-Identifier: GPL-2.0-only */
/* The classifier on synthetic traces: one thread, its wake-ups and what it ran in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf/lib/classify.h"

#define US 1000ull
#define MS 1000000ull
#define SECOND 1000000000ull

struct trace {
	struct client_evidence client;
	uint64_t now_ns;
	uint32_t depth; /* of the link that wakes it; 0: 1 */
};

static void trace_wakes(struct trace *t, unsigned int count, uint64_t interval_ns, uint64_t run_ns)
{
	for (unsigned int i = 0; i < count; i++) {
		t->now_ns += interval_ns;
		client_wake(&t->client, t->now_ns, run_ns, t->depth ? t->depth : 1);
	}
}

static struct verdict decide(const struct trace *t, struct classify_input in)
{
	struct verdict verdict;

	in.now_ns = t->now_ns;
	if (!in.static_prio)
		in.static_prio = NICE_0_PRIO;
	classify(&in, &t->client, &verdict);
	return verdict;
}

static struct verdict decide_plain(const struct trace *t)
{
	return decide(t, (struct classify_input){0});
}

static void test_roles(void **state)
{
	static const uint8_t classes[ROLE_COUNT] = {
		[ROLE_NONE] = CLASS_NORMAL,
		[ROLE_AUDIO_SERVER] = CLASS_AUDIO_SERVER,
		[ROLE_AUDIO_SUPPORT] = CLASS_AUDIO_SUPPORT,
		[ROLE_COMPOSITOR] = CLASS_COMPOSITOR,
		[ROLE_GAME] = CLASS_GAME,
	};
	struct trace t = {.now_ns = SECOND};

	for (uint32_t role = 0; role < ROLE_COUNT; role++) {
		struct verdict v = decide(&t, (struct classify_input){.role = role});

		assert_int_equal(v.class, classes[role]);
		assert_int_equal(v.reason, role == ROLE_NONE ? REASON_DEFAULT : REASON_ROLE);
		assert_int_equal(v.expires_ns, 0);
	}
	/* A role that is none, from a newer writer: no privilege. */
	assert_int_equal(decide(&t, (struct classify_input){.role = 200}).class, CLASS_NORMAL);
}

static void test_background(void **state)
{
	struct trace t = {.now_ns = SECOND};
	struct classify_input in = {.policy = POLICY_IDLE};

	assert_int_equal(decide(&t, in).class, CLASS_BACKGROUND);
	assert_int_equal(decide(&t, in).reason, REASON_POLICY);
	in.policy = POLICY_BATCH;
	assert_int_equal(decide(&t, in).class, CLASS_BACKGROUND);
	in = (struct classify_input){.static_prio = NICE_0_PRIO + 1};
	assert_int_equal(decide(&t, in).class, CLASS_BACKGROUND);
	assert_int_equal(decide(&t, in).reason, REASON_NICE);
	in.static_prio = NICE_0_PRIO - 1;
	assert_int_equal(decide(&t, in).class, CLASS_NORMAL);
	/* A real-time thread's nice value says nothing. */
	in = (struct classify_input){.static_prio = NICE_0_PRIO + 5, .policy = POLICY_FIFO};
	assert_int_equal(decide(&t, in).class, CLASS_NORMAL);
	/* A role outweighs nice. */
	in = (struct classify_input){.static_prio = NICE_0_PRIO + 5, .role = ROLE_GAME};
	assert_int_equal(decide(&t, in).class, CLASS_GAME);
}

/* PipeWire's quantum of 1024 at 48 kHz, JACK's of 128, PulseAudio's 10 ms. */
static void test_client_periodic(void **state)
{
	static const uint64_t periods_ns[] = {21333 * US, 2667 * US, 10 * MS, 200 * US, 50 * MS};

	for (size_t i = 0; i < sizeof(periods_ns) / sizeof(periods_ns[0]); i++) {
		struct trace t = {.now_ns = SECOND};

		trace_wakes(&t, CLIENT_WAKES_MIN - 1, periods_ns[i], periods_ns[i] / 5);
		assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
		trace_wakes(&t, 1, periods_ns[i], periods_ns[i] / 5);
		assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
		assert_int_equal(decide_plain(&t).reason, REASON_CLIENT);
		assert_int_equal(decide_plain(&t).expires_ns, t.now_ns + CLIENT_HOLD_NS);
	}
}

static void test_client_jitter(void **state)
{
	struct trace t = {.now_ns = SECOND};

	/* A tenth of the interval to either side is rhythm, a half is not. */
	for (int i = 0; i < 20; i++)
		trace_wakes(&t, 1, i % 2 ? 9 * MS : 11 * MS, MS);
	assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
	for (int i = 0; i < 40; i++)
		trace_wakes(&t, 1, i % 2 ? 5 * MS : 15 * MS, MS);
	assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
}

static void test_client_long_bursts(void **state)
{
	struct trace t = {.now_ns = SECOND};

	trace_wakes(&t, 20, 10 * MS, 8 * MS);
	assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
	t = (struct trace){.now_ns = SECOND};
	trace_wakes(&t, 20, 10 * MS, 6 * MS); /* heavy, but sleeps in each period */
	assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
	trace_wakes(&t, 40, 10 * MS, 10 * MS); /* begins to spin */
	assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
}

static void test_client_out_of_range(void **state)
{
	struct trace t = {.now_ns = SECOND};

	trace_wakes(&t, 100, 150 * US, 10 * US);
	assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
	t = (struct trace){.now_ns = SECOND};
	trace_wakes(&t, 100, 51 * MS, MS);
	assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
	/* One gap, and the rhythm has to be shown again. */
	t = (struct trace){.now_ns = SECOND};
	trace_wakes(&t, 20, 10 * MS, MS);
	trace_wakes(&t, 1, 60 * MS, MS);
	assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
	trace_wakes(&t, CLIENT_WAKES_MIN, 10 * MS, MS);
	assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
}

static void test_client_lost(void **state)
{
	struct trace t = {.now_ns = SECOND};

	trace_wakes(&t, 20, 10 * MS, MS);
	t.now_ns += CLIENT_HOLD_NS - 1;
	assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
	t.now_ns += 1;
	assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
}

static void test_client_clock_back(void **state)
{
	struct trace t = {.now_ns = SECOND};

	/* The CPUs' clocks may differ by a little: no wrap into a huge interval. */
	trace_wakes(&t, 20, 10 * MS, MS);
	client_wake(&t.client, t.now_ns - 5, MS, 1);
	assert_int_equal(t.client.wakes, 1);
	assert_int_equal(decide_plain(&t).class, CLASS_NORMAL);
}

/* A client's worker: woken once in each period by the client, not by the server. */
static void test_chain_of_workers(void **state)
{
	struct trace t = {.now_ns = SECOND, .depth = 2};

	trace_wakes(&t, 2 * CLIENT_WAKES_MIN, 3 * MS, MS / 4);
	assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
	assert_int_equal(t.client.depth, 2);
}

/* A client that its server and its own worker wake in each period: the worker does not count, or
 * the rhythm would be gone. */
static void test_chain_nearest_counts(void **state)
{
	struct trace t = {.now_ns = SECOND};

	for (unsigned int i = 0; i < 2 * CLIENT_WAKES_MIN; i++) {
		t.now_ns += 2 * MS;
		assert_true(client_wake(&t.client, t.now_ns, MS / 4, 1));
		t.now_ns += MS;
		assert_false(client_wake(&t.client, t.now_ns, 0, 3));
	}
	assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
	assert_int_equal(t.client.depth, 1);
	assert_in_range(t.client.interval_ns, 3 * MS - US, 3 * MS + US);
}

/* A client that is connected behind another one is woken by that from then on, and stays one. */
static void test_chain_reconnected(void **state)
{
	struct trace t = {.now_ns = SECOND};

	trace_wakes(&t, 2 * CLIENT_WAKES_MIN, 3 * MS, MS / 4);
	t.depth = 2;
	for (unsigned int i = 0; i < 4 * CLIENT_WAKES_MIN; i++) {
		trace_wakes(&t, 1, 3 * MS, MS / 4);
		assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
	}
	assert_int_equal(t.client.depth, 2);
	/* And back. */
	t.depth = 1;
	trace_wakes(&t, 1, 3 * MS, MS / 4);
	assert_int_equal(t.client.depth, 1);
	assert_int_equal(decide_plain(&t).class, CLASS_AUDIO_CLIENT);
}

static void test_input(void **state)
{
	struct trace t = {.now_ns = 20 * SECOND};
	struct classify_input in = {.input_ns = t.now_ns};

	assert_int_equal(decide(&t, in).class, CLASS_INPUT);
	assert_int_equal(decide(&t, in).expires_ns, in.input_ns + INPUT_HOLD_NS);
	in.role = ROLE_COMPOSITOR; /* the compositor's thread that reads devices */
	assert_int_equal(decide(&t, in).class, CLASS_INPUT);
	in.role = ROLE_AUDIO_SERVER;
	assert_int_equal(decide(&t, in).class, CLASS_AUDIO_SERVER);
	in.role = ROLE_NONE;
	t.now_ns += INPUT_HOLD_NS;
	assert_int_equal(decide(&t, in).class, CLASS_NORMAL);
}

static void test_order(void **state)
{
	struct trace t = {.now_ns = SECOND};
	struct classify_input in = {.role = ROLE_GAME};

	/* The audio thread of a game is more than a game's thread. */
	trace_wakes(&t, 20, 10 * MS, MS);
	assert_int_equal(decide(&t, in).class, CLASS_AUDIO_CLIENT);
	in.input_ns = t.now_ns;
	assert_int_equal(decide(&t, in).class, CLASS_AUDIO_CLIENT);
	in.role = ROLE_AUDIO_SUPPORT;
	assert_int_equal(decide(&t, in).class, CLASS_AUDIO_SUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_background),
		cmocka_unit_test(test_client_periodic),
		cmocka_unit_test(test_client_jitter),
		cmocka_unit_test(test_client_long_bursts),
		cmocka_unit_test(test_client_out_of_range),
		cmocka_unit_test(test_client_lost),
		cmocka_unit_test(test_client_clock_back),
		cmocka_unit_test(test_chain_of_workers),
		cmocka_unit_test(test_chain_nearest_counts),
		cmocka_unit_test(test_chain_reconnected),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
