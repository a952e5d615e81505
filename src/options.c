/* SPDX-License-Identifier: GPL-2.0-only */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>

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

static const struct option long_options[] = {
	{"observe", no_argument, NULL, OPT_OBSERVE},
	{"require-sched", no_argument, NULL, OPT_REQUIRE_SCHED},
	{"stats", required_argument, NULL, OPT_STATS},
	{"monitor", required_argument, NULL, OPT_MONITOR},
	{"watch-input", required_argument, NULL, OPT_WATCH_INPUT},
	{"help-stats", no_argument, NULL, OPT_HELP_STATS},
	{"help-config", no_argument, NULL, OPT_HELP_CONFIG},
	{"check", no_argument, NULL, OPT_CHECK},
	{"debug-api", required_argument, NULL, OPT_DEBUG_API},
	{"slice-us", required_argument, NULL, OPT_SLICE_US},
	{"exit-dump-len", required_argument, NULL, OPT_EXIT_DUMP_LEN},
	{"config", required_argument, NULL, OPT_CONFIG},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

void options_usage(FILE *out)
{
	fputs("Usage: scx_gamerd [OPTION]...\n"
	      "Keeps games and sound smooth, and says why when they are not.\n"
	      "\n"
	      "  --observe            measure only, attach no scheduler\n"
	      "  --require-sched      fail instead of observing where no scheduler can be attached\n"
	      "  --slice-us N         time slice of normal threads, 1000 to 20000; default 3000\n"
	      "  --exit-dump-len N    bytes of the kernel's debug dump after a scheduler error\n"
	      "  --stats SECS         run, and print what happened every SECS seconds\n"
	      "  --debug-api PORT     serve HTTP on 127.0.0.1:PORT (0 picks a free port)\n"
	      "  --config FILE        settings in JSON instead of /etc/scx_gamerd.json\n"
	      "\n"
	      "  --monitor SECS       print the statistics of the running daemon\n"
	      "  --watch-input SECS   print the input activity the running daemon sees\n"
	      "\n"
	      "  --check              say what this kernel and system support\n"
	      "  --help-stats         explain every statistic\n"
	      "  --help-config        explain every setting of the configuration file\n"
	      "  -v, --verbose        log more\n"
	      "  -V, --version        print the version\n"
	      "  -h, --help           print this\n"
	      "\n"
	      "Logs go to stderr. SIGINT and SIGTERM end it with status 0. SIGHUP has it read the\n"
	      "settings again; in a terminal, it ends it.\n",
	      out);
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
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":vVh", long_options, NULL)) != -1) {
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
