/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Config: every setting of the daemon, its default, its range, and the JSON file that changes it.
 *
 * Owner:    main, of the one that is in force. Who needs it later on keeps a copy of its own, which
 *           a reload replaces (detect), or a word of it (ctl, loader).
 * Threads:  all functions from main only.
 * Blocking: reads one file.
 * Limits:   a file of at most 64 KiB; CONFIG_SERVERS_MAX names.
 *
 * One table, config_table.c, defines key, type, range, default and help of each setting, and
 * whether it may change while the daemon runs; the loader, its errors, the reload, --help-config,
 * the man page's list and the example come from it. An unknown key, a wrong type, a value out of
 * range is refused with one sentence that names the key; then nothing of the file is taken.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/errors.h"
#include "base/privilege.h"

#define CONFIG_SERVERS_MAX 64
#define CONFIG_NAME_MAX 64
#define CONFIG_PATH_MAX 108 /* sun_path */
#define CONFIG_GID_NONE UINT32_MAX
#define CONFIG_KEYS_MAX 256 /* all that need a restart, as a list */

/* Where verdicts on processes come from. */
enum config_source {
	CONFIG_SOURCE_AUTO,
	CONFIG_SOURCE_NETLINK,
	CONFIG_SOURCE_BPF,
	CONFIG_SOURCE_SCAN,
	CONFIG_SOURCE_NONE, /* no setting: nothing that user space can read is of use */
};

/* As a configuration and the metrics call it. */
const char *config_source_name(enum config_source source);

/* Whose waits for a CPU are measured. */
enum config_measure { CONFIG_MEASURE_ALL, CONFIG_MEASURE_LATENCY, CONFIG_MEASURE_NONE };

/* A process name that may get a role, and the executables it may be. */
struct config_server {
	char name[CONFIG_NAME_MAX]; /* full name; the kernel's comm is its first 15 bytes */
	char exe[CONFIG_NAME_MAX];  /* base name of an executable it may be besides `name`; "" if
				       none */
	uint8_t role;		    /* enum role of bpf/abi/roles.h */
};

struct config {
	char runtime_dir[CONFIG_PATH_MAX - 16]; /* pid file and stats socket; /run/scx_gamerd */
	char scx_stats_path[CONFIG_PATH_MAX];	/* the ecosystem's socket; "" for none */
	struct config_server servers[CONFIG_SERVERS_MAX];
	unsigned int server_count;
	enum config_source source;     /* default auto: netlink, else bpf, else scan */
	bool grant_at_exec;	       /* BPF grants a role at exec by itself; default true */
	uint32_t scan_interval_ms;     /* period of the last-resort scan; default 5000 */
	uint32_t roles_max;	       /* processes with a role in all; default 64 */
	uint32_t roles_per_uid_max;    /* and per uid; default 8 */
	uint32_t receive_buffer_bytes; /* netlink; default 8 MiB */
	uint32_t ring_bytes;	       /* BPF ring buffer, power of two; default 256 KiB */
	uint32_t queue_batches;	       /* pool of each producer; default 16 */
	uint32_t long_wait_us;	       /* a latency class's wait that is recorded; default 5000 */
	uint32_t timeout_ms; /* of the kernel's watchdog over the scheduler; default 10000 */
	enum config_measure measure;   /* default all */
	uint32_t http_threads;	       /* default 6 */
	uint32_t http_timeout_ms;      /* default 2000 */
	uint32_t requests_cpu_percent; /* of the debug API, and of the stats sockets; default 3 */
	struct privilege_user user;
	uint32_t stats_gid;	/* of the stats sockets; default CONFIG_GID_NONE: ours */
	uint32_t stats_clients; /* at most so many clients on the stats sockets; default 8 */
};

/* The defaults, with the built-in list of servers. */
void config_init(struct config *config);

/* How that server is called where a wrapper of the same name starts it, as on NixOS: the program is
 * then the file .NAME-wrapped beside it. False if that is longer than a name may be. */
bool config_server_wrapped(const struct config_server *server, struct config_server *out);

/* Merges a JSON file over *config: 0, or a negative errno with a sentence that names file and key
 * (-EINVAL: content, else why it could not be read). On failure *config is as it was. */
int config_load(struct config *config, const char *path, struct error *err);

/* The same from memory; `source` names it in errors. */
int config_parse(struct config *config, const char *text, size_t length, const char *source,
		 struct error *err);

/* Merges what the environment says, SCX_TIMEOUT_MS, over *config: 0, or -EINVAL as above. */
int config_environment(struct config *config, struct error *err);

/* Takes over from *next what may change while the daemon runs. The keys of what else differs, and
 * stays as it is until a restart, are written to `restart`, "a, b, c"; "" if there is none. */
void config_change(struct config *config, const struct config *next, char *restart, size_t size);

/* Prints the table of settings for people: key, type, range, default, when a change takes effect,
 * help. */
void config_describe(FILE *out);

#endif
