/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzz: one request line to the stats socket, as any local client of root may send it, and the
 * daemon's answer back through the client's parser and printer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/protocol.h"
#include "ctl/report.h"
#include "cpu_limit.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct metrics base, now;
static FILE *nowhere;

static void give(void *ctx, const struct metrics **out_base, const struct metrics **out_now)
{
	*out_base = &base;
	*out_now = &now;
}

/* Whatever came, the answer is one line of JSON with an errno and something in resp. */
static void check_answer(const char *text)
{
	json_t *reply = json_loads(text, 0, NULL);
	json_t *code = json_object_get(reply, "errno");
	json_t *resp = json_object_get(json_object_get(reply, "args"), "resp");

	require(strchr(text, '\n') == text + strlen(text) - 1);
	require(json_is_integer(code) && resp);
	require(json_is_object(resp) == !json_integer_value(code));
	json_decref(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct protocol_source source = {.metrics = give};
	struct error err;
	json_t *stats;
	char *text;

	cpu_limit_restart();
	text = protocol_answer((const char *)data, size, &source);
	require(text != NULL);
	check_answer(text);
	free(text);

	/* the client's side of the same bytes: a daemon of another version, or no daemon at all */
	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	stats = protocol_parse_reply((const char *)data, size, &err);
	if (stats && nowhere) {
		report_print(nowhere, stats);
		report_print_input(nowhere, stats);
	}
	json_decref(stats);
	return 0;
}
