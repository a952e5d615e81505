/* SPDX-License-Identifier: GPL-2.0-only */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#define SLICE_MIN_US 1000
#define SLICE_MAX_US 20000
#define EXIT_DUMP_MAX (1u << 20)
#define INTERVAL_MIN_S 0.1
#define INTERVAL_MAX_S 86400.0

enum {
	OPT_OBSERVE = 256,
	OPT_REQUIRE_SCHED,
	OPT_STATS,
	OPT_MONITOR,
	OPT_WATCH_INPUT,
	OPT_HELP_STATS,
	OPT_HELP_CONFIG,
	OPT_CHECK,
	OPT_DEBUG_API,
	OPT_CONFIG,
	OPT_SLICE_US,
	OPT_EXIT_DUMP_LEN,
};

/* Each option, in the order of --help, which is printed from this table; so is what getopt_long()
 * knows. The shells complete what --help lists (dist/completions). */
struct row {
	int code;	   /* for parse_one(); a character is the short form as well */
	const char *name;  /* NULL: an empty line in --help */
	const char *value; /* what the option takes, for --help; NULL: nothing */
	const char *help;
};

static const struct row rows[] = {
	{OPT_OBSERVE, "observe", NULL, "measure only, attach no scheduler"},
	{OPT_REQUIRE_SCHED, "require-sched", NULL,
	 "fail instead of observing where no scheduler can be attached"},
	{OPT_SLICE_US, "slice-us", "N",
	 "time slice of normal threads, 1000 to 20000; default 3000"},
	{OPT_EXIT_DUMP_LEN, "exit-dump-len", "N",
	 "bytes of the kernel's debug dump after a scheduler error"},
	{OPT_STATS, "stats", "SECS", "run, and print what happened every SECS seconds"},
	{OPT_DEBUG_API, "debug-api", "PORT", "serve HTTP on 127.0.0.1:PORT (0 picks a free port)"},
	{OPT_CONFIG, "config", "FILE", "settings in JSON instead of /etc/scx_gamerd.json"},
	{0},
	{OPT_MONITOR, "monitor", "SECS", "print the statistics of the running daemon"},
	{OPT_WATCH_INPUT, "watch-input", "SECS",
	 "print the input activity the running daemon sees"},
	{0},
	{OPT_CHECK, "check", NULL, "say what this kernel and system support"},
	{OPT_HELP_STATS, "help-stats", NULL, "explain every statistic"},
	{OPT_HELP_CONFIG, "help-config", NULL, "explain every setting of the configuration file"},
	{'v', "verbose", NULL, "log more"},
	{'V', "version", NULL, "print the version"},
	{'h', "help", NULL, "print this"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

void options_usage(FILE *out)
{
	fputs("Usage: scx_gamerd [OPTION]...\n"
	      "Keeps games and sound smooth, and says why when they are not.\n"
	      "\n",
	      out);
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		char left[32], letter[] = "-x, ";

		if (!row->name) {
			fputc('\n', out);
			continue;
		}
		letter[1] = (char)row->code;
		snprintf(left, sizeof(left), "%s--%s%s%s", row->code <= UCHAR_MAX ? letter : "",
			 row->name, row->value ? " " : "", row->value ? row->value : "");
		fprintf(out, "  %-18s   %s\n", left, row->help);
	}
	fputs("\n"
	      "Logs go to stderr. SIGINT and SIGTERM end it with status 0. SIGHUP has it read the\n"
	      "settings again; in a terminal, it ends it.\n",
	      out);
}

/* The table as getopt_long() wants it, into arrays of zeroes. */
static void fill_getopt(struct option longs[ROWS + 1], char shorts[ROWS + 2])
{
	*shorts++ = ':'; /* distinguishes a missing value from an unknown option */
	for (size_t i = 0; i < ROWS; i++) {
		if (!rows[i].name)
			continue;
		*longs++ = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].value ? required_argument : no_argument,
			.val = rows[i].code,
		};
		if (rows[i].code <= UCHAR_MAX)
			*shorts++ = (char)rows[i].code;
	}
}

static int parse_interval(const char *option, const char *text, double *out, struct error *err)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(value) || value < INTERVAL_MIN_S ||
	    value > INTERVAL_MAX_S)
		return error_set(err, EINVAL, "--%s takes seconds from %g to %g, not '%s'", option,
				 INTERVAL_MIN_S, INTERVAL_MAX_S, text);
	*out = value;
	return 0;
}

static int parse_port(const char *text, uint16_t *out, struct error *err)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value > UINT16_MAX)
		return error_set(err, EINVAL, "--debug-api takes a port from 0 to 65535, not '%s'",
				 text);
	*out = (uint16_t)value;
	return 0;
}

static int parse_number(const char *option, const char *text, unsigned long min, unsigned long max,
			uint32_t *out, struct error *err)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < min || value > max)
		return error_set(err, EINVAL, "--%s takes a number from %lu to %lu, not '%s'",
				 option, min, max, text);
	*out = (uint32_t)value;
	return 0;
}

/* --monitor wins over --stats, as with the other scx schedulers; else the last command counts. */
static void set_command(struct options *o, enum options_command command)
{
	if (o->command != COMMAND_MONITOR)
		o->command = command;
}

static int parse_one(int c, char **argv, struct options *o, struct error *err)
{
	switch (c) {
	case OPT_OBSERVE:
		o->is_observe = true;
		return 0;
	case OPT_REQUIRE_SCHED:
		o->is_sched_required = true;
		return 0;
	case OPT_STATS:
		if (o->command != COMMAND_RUN)
			return 0;
		return parse_interval("stats", optarg, &o->interval_s, err);
	case OPT_MONITOR:
		o->command = COMMAND_MONITOR;
		return parse_interval("monitor", optarg, &o->interval_s, err);
	case OPT_WATCH_INPUT:
		set_command(o, COMMAND_WATCH_INPUT);
		return parse_interval("watch-input", optarg, &o->interval_s, err);
	case OPT_HELP_STATS:
		set_command(o, COMMAND_HELP_STATS);
		return 0;
	case OPT_HELP_CONFIG:
		set_command(o, COMMAND_HELP_CONFIG);
		return 0;
	case OPT_CHECK:
		set_command(o, COMMAND_CHECK);
		return 0;
	case OPT_DEBUG_API:
		o->has_debug_api = true;
		return parse_port(optarg, &o->debug_api_port, err);
	case OPT_SLICE_US:
		return parse_number("slice-us", optarg, SLICE_MIN_US, SLICE_MAX_US, &o->slice_us,
				    err);
	case OPT_EXIT_DUMP_LEN:
		return parse_number("exit-dump-len", optarg, 0, EXIT_DUMP_MAX, &o->exit_dump_len,
				    err);
	case OPT_CONFIG:
		o->config_path = optarg;
		return 0;
	case 'v':
		o->verbosity++;
		return 0;
	case 'V':
		set_command(o, COMMAND_VERSION);
		return 0;
	case 'h':
		set_command(o, COMMAND_HELP);
		return 0;
	case ':':
		return error_set(err, EINVAL, "%s needs a value", argv[optind - 1]);
	default:
		return error_set(err, EINVAL, "unknown option '%s'; see --help", argv[optind - 1]);
	}
}

int options_parse(int argc, char **argv, struct options *out, struct error *err)
{
	struct options o = {.command = COMMAND_RUN, .slice_us = OPTIONS_SLICE_US};
	struct option longs[ROWS + 1] = {0};
	char shorts[ROWS + 2] = {0};
	int c;

	fill_getopt(longs, shorts);
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		int r = parse_one(c, argv, &o, err);

		if (r)
			return r;
	}
	if (optind < argc)
		return error_set(err, EINVAL, "unexpected argument '%s'; see --help", argv[optind]);
	if (o.is_observe && o.is_sched_required)
		return error_set(err, EINVAL, "--observe and --require-sched exclude each other");
	*out = o;
	return 0;
}
