/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of the verifier's log is the reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loader/internal.h"

static void test_the_last_line_is_the_verdict(void **state)
{
	char log[] = "\n0: R1=ctx() R10=fp0\n"
		     "; scx_bpf_dump_bstr(fmt, args, sizeof(args)); @ sched_dump.h:20\n"
		     "17: <invalid kfunc call>\n"
		     "kfunc 'scx_bpf_dsq_nr_queued' is referenced but wasn't resolved\n"
		     "verification time 8146 usec\nstack depth 0\n"
		     "processed 5 insns (limit 1000000) max_states_per_insn 0 total_states 0\n"
		     "-- END PROG LOAD LOG --\n";
	char verdict[160];

	messages_verdict_find(log, verdict, sizeof(verdict));
	assert_string_equal(verdict,
			    "kfunc 'scx_bpf_dsq_nr_queued' is referenced but wasn't resolved");
}

static void test_a_log_without_words(void **state)
{
	char log[] = "\nprocessed 0 insns (limit 1000000)\n-- END PROG LOAD LOG --\n", verdict[160];

	messages_verdict_find(log, verdict, sizeof(verdict));
	assert_string_equal(verdict, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_last_line_is_the_verdict),
		cmocka_unit_test(test_a_log_without_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
