/* SPDX-License-Identifier: GPL-2.0-only */
#include "config/config_table.h"

#include <inttypes.h>
#include <unistd.h>

#include "model/server.h"

#define MIB (1024u * 1024u)

/* When a change of the setting takes effect. */
#define LIVE .is_live = true
#define RESTART .is_live = false

#define FIELD(field) \
	.offset = offsetof(struct config, field), .size = sizeof(((struct config *)0)->field)
#define NAMED(field) .key = #field, FIELD(field)
#define PATH(field, when, text_, is_optional_, help_, ...) \
	{NAMED(field),                                     \
	 when,                                             \
	 .type = SETTING_PATH,                             \
	 .text = text_,                                    \
	 .is_optional = is_optional_,                      \
	 .help = help_,                                    \
	 __VA_ARGS__}
#define BOOL(field, when, value_, help_, ...) \
	{NAMED(field), when, .type = SETTING_BOOL, .value = value_, .help = help_, __VA_ARGS__}
#define NAME(field, when, names_, value_, help_, ...)                           \
	{NAMED(field),	  when,		 .type = SETTING_NAME, .names = names_, \
	 .value = value_, .help = help_, __VA_ARGS__}
#define NUMBER(field, when, type_, min_, max_, value_, help_, ...)                \
	{NAMED(field),	  when,		 .type = type_, .min = min_, .max = max_, \
	 .value = value_, .help = help_, __VA_ARGS__}
#define GROUP(key_, when, field, help_, ...) \
	{.key = key_, FIELD(field), when, .type = SETTING_GROUP, .help = help_, __VA_ARGS__}
/* The list and, behind it, its length. */
#define LIST(key_, when, type_, help_, ...)                                    \
	{.key = key_,                                                          \
	 when,                                                                 \
	 .offset = offsetof(struct config, servers),                           \
	 .size = sizeof(((struct config *)0)->servers) + sizeof(unsigned int), \
	 .type = type_,                                                        \
	 .help = help_,                                                        \
	 __VA_ARGS__}
#define USER(field, when, text_, help_, ...) \
	{NAMED(field), when, .type = SETTING_USER, .text = text_, .help = help_, __VA_ARGS__}
_Static_assert(offsetof(struct config, server_count) ==
		       offsetof(struct config, servers) + sizeof(((struct config *)0)->servers),
	       "LIST() describes both");

static const char *const source_names[] = {
	[CONFIG_SOURCE_AUTO] = "auto", [CONFIG_SOURCE_NETLINK] = "netlink",
	[CONFIG_SOURCE_BPF] = "bpf",   [CONFIG_SOURCE_SCAN] = "scan",
	[CONFIG_SOURCE_NONE] = NULL, /* no setting */
};

const char *config_source_name(enum config_source source)
{
	return source < CONFIG_SOURCE_NONE ? source_names[source] : "none";
}

static const char *const measure_names[] = {
	[CONFIG_MEASURE_ALL] = "all",
	[CONFIG_MEASURE_LATENCY] = "latency",
	[CONFIG_MEASURE_NONE] = "none",
	NULL,
};

const struct setting config_table[] = {
	PATH(runtime_dir, RESTART, "/run/scx_gamerd", false,
	     "directory of the pid file and the stats socket"),
	PATH(scx_stats_path, RESTART, "/var/run/scx/root/stats", true,
	     "second stats socket, where the tools of sched_ext look; \"\" for none",
	     .more = "it is left alone if a living scheduler holds it"),
	NAME(source, RESTART, source_names, CONFIG_SOURCE_AUTO,
	     "where events of processes come from; auto takes the first that works"),
	LIST("servers", LIVE, SETTING_SERVERS,
	     "names that may get a role, instead of the built-in ones",
	     .more = "objects with name (of the process), role (audio_server, audio_support, "
		     "compositor, game) and, if the executable has another name than the process, "
		     "exe; a name also stands for .NAME-wrapped, as NixOS calls a program that has "
		     "a wrapper"),
	LIST("servers_extra", LIVE, SETTING_EXTRA,
	     "more of them; one with the same name is replaced"),
	BOOL(grant_at_exec, LIVE, true,
	     "the kernel side grants a role at exec, before user space has looked"),
	NUMBER(scan_interval_ms, RESTART, SETTING_NUMBER, 100, 3600000, 5000,
	       "period of the /proc scan, used only where there are no events"),
	NUMBER(roles_max, LIVE, SETTING_NUMBER, 1, SERVERS_MAX, 64, "processes with a role, in all",
	       .more = "once half of them have one, each user gets no more than a first"),
	NUMBER(roles_per_uid_max, LIVE, SETTING_NUMBER, 1, SERVERS_MAX, 8,
	       "processes with a role, of one user"),
	NUMBER(receive_buffer_bytes, RESTART, SETTING_NUMBER, 65536, 256 * MIB, 8 * MIB,
	       "buffer of the proc connector's socket"),
	NUMBER(ring_bytes, RESTART, SETTING_SIZE, 4096, 64 * MIB, MIB / 4, "BPF ring buffer"),
	NUMBER(queue_batches, RESTART, SETTING_NUMBER, 2, 1024, 16,
	       "batches of 8 KiB in the pool of each producer"),
	NUMBER(long_wait_us, LIVE, SETTING_NUMBER, 100, 10000000, 5000,
	       "a latency-critical thread's wait that is recorded by itself"),
	NAME(measure, RESTART, measure_names, CONFIG_MEASURE_ALL,
	     "waits for a CPU: of all threads, of the latency-critical ones, or of none, which "
	     "makes each switch of threads cheaper"),
	NUMBER(timeout_ms, RESTART, SETTING_NUMBER, 1000, 30000, 10000,
	       "a runnable thread that gets no CPU for so long ends the scheduler",
	       .more = "at a quarter of it the log names the thread, and what holds its CPU; at 60 % "
		       "the scheduler ends itself, so that the kernel need not throw it out"),
	NUMBER(http_threads, RESTART, SETTING_NUMBER, 2, 64, 6, "workers of the debug API",
	       .more = "all but two may serve kept connections"),
	NUMBER(http_timeout_ms, RESTART, SETTING_NUMBER, 100, 60000, 2000,
	       "how long the debug API waits for a slow client"),
	NUMBER(requests_cpu_percent, RESTART, SETTING_NUMBER, 0, 100, 3,
	       "part of a CPU for requests to the debug API, and as much for those to the stats "
	       "sockets; 0: no limit"),
	USER(user, RESTART, "scx_gamerd",
	     "whom the daemon becomes if root starts it and there is that user; \"\": it stays root",
	     .more = "see PRIVILEGES; a name that is in the file and that no user has is refused"),
	GROUP("stats_group", RESTART, stats_gid,
	      "group that may use the stats sockets besides root",
	      .more = "their mode is 0660; a name that no group has is refused"),
	NUMBER(stats_clients, LIVE, SETTING_NUMBER, 1, 64, 8,
	       "clients on the stats sockets at a time",
	       .more = "the one that has been idle for longest gives way to one more"),
};
const size_t config_table_size = sizeof(config_table) / sizeof(config_table[0]);

uint32_t config_table_min(const struct setting *s)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	return s->type == SETTING_SIZE && s->min < page ? page : s->min;
}

const char *config_table_type(const struct setting *s)
{
	switch (s->type) {
	case SETTING_PATH:
	case SETTING_NAME:
	case SETTING_GROUP:
	case SETTING_USER:
		return "string";
	case SETTING_BOOL:
		return "boolean";
	case SETTING_NUMBER:
	case SETTING_SIZE:
		return "integer";
	case SETTING_SERVERS:
	case SETTING_EXTRA:
		return "array";
	}
	return "";
}

/* The names of an enum: a, b, c. */
static void names_join(const struct setting *s, char *out, size_t size)
{
	size_t length = 0;

	out[0] = '\0';
	for (unsigned int i = 0; s->names[i] && length < size; i++)
		length += (size_t)snprintf(out + length, size - length, "%s%s", i ? ", " : "",
					   s->names[i]);
}

void config_table_range(const struct setting *s, char out[CONFIG_TABLE_TEXT])
{
	switch (s->type) {
	case SETTING_PATH:
		snprintf(out, CONFIG_TABLE_TEXT, "absolute path%s",
			 s->is_optional ? " or \"\"" : "");
		break;
	case SETTING_NAME:
		names_join(s, out, CONFIG_TABLE_TEXT);
		break;
	case SETTING_GROUP:
		snprintf(out, CONFIG_TABLE_TEXT, "name of a group or \"\"");
		break;
	case SETTING_USER:
		snprintf(out, CONFIG_TABLE_TEXT, "name of a user or \"\"");
		break;
	case SETTING_BOOL:
		snprintf(out, CONFIG_TABLE_TEXT, "true, false");
		break;
	case SETTING_NUMBER:
		snprintf(out, CONFIG_TABLE_TEXT, "%" PRIu32 " to %" PRIu32, s->min, s->max);
		break;
	case SETTING_SIZE:
		snprintf(out, CONFIG_TABLE_TEXT, "a page to %" PRIu32 ", 2^n", s->max);
		break;
	case SETTING_SERVERS:
	case SETTING_EXTRA:
		snprintf(out, CONFIG_TABLE_TEXT, "of {name, exe, role}");
		break;
	}
}

void config_table_default(const struct setting *s, char out[CONFIG_TABLE_TEXT])
{
	switch (s->type) {
	case SETTING_PATH:
	case SETTING_USER:
		snprintf(out, CONFIG_TABLE_TEXT, "%s", s->text);
		break;
	case SETTING_NAME:
		snprintf(out, CONFIG_TABLE_TEXT, "%s", s->names[s->value]);
		break;
	case SETTING_BOOL:
		snprintf(out, CONFIG_TABLE_TEXT, "%s", s->value ? "true" : "false");
		break;
	case SETTING_NUMBER:
	case SETTING_SIZE:
		snprintf(out, CONFIG_TABLE_TEXT, "%" PRIu32, s->value);
		break;
	case SETTING_SERVERS:
		snprintf(out, CONFIG_TABLE_TEXT, "built-in");
		break;
	case SETTING_GROUP:
	case SETTING_EXTRA:
		snprintf(out, CONFIG_TABLE_TEXT, "none");
		break;
	}
}
