/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A sequence of configuration files, good and bad, each read as at SIGHUP, with the real detect
 * thread behind. The input's records are the file's contents one after the other; an empty one is a
 * file that is missing.
 *
 * A bad file changes nothing, whatever part of it is good, and says so in one sentence that names
 * the file. After a good one the settings that may change are the file's alone, whatever came
 * before it, and the others are those of the start and named if they differ; the detect thread has
 * the same. Corpus: tests/data/reload.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rcu.h"
#include "model/server.h"
#include "cpu_limit.h"
#include "detect/detect.h"
#include "records.h"
#include "require.h"
#include "roles.h"
#include "scratch.h"

#define FILES_MAX 16
#define DEADLINE_S 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct config start, now; /* at the start of the daemon; in force */
static struct detect *detect;
static struct evq *queue; /* of its news about real servers of this machine */
static char dir[SCRATCH_MAX];
static char path[SCRATCH_MAX + 16];

/* What the detect thread has handed on, and how often. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_come = PTHREAD_COND_INITIALIZER;
static struct config detects;
static unsigned int reloads;

static int on_reload(void *ctx, const struct config *config)
{
	pthread_mutex_lock(&lock);
	detects = *config;
	reloads++;
	pthread_cond_signal(&has_come);
	pthread_mutex_unlock(&lock);
	return 0;
}

static void ignore(void *ctx, const struct evq_batch *batch)
{
}

static void remove_all(void)
{
	unlink(path);
	rmdir(dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct detect_roles roles = roles_empty();
	struct evq_producer *producer;
	struct error err;
	sigset_t all, mask;

	scratch_make(dir, "fuzz_reload");
	snprintf(path, sizeof(path), "%s/config.json", dir);
	atexit(remove_all);
	/* A thread begins with all signals blocked, as in the daemon; libFuzzer needs its own. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &mask);
	log_init(LOG_ERROR);
	roles.reload = on_reload;
	config_init(&start);
	start.source = CONFIG_SOURCE_SCAN;
	start.scan_interval_ms = 3600000;
	require(!rcu_start() && !evq_new(&queue));
	require(!evq_producer_new(queue, EVQ_KIND_SERVERS, 16, &producer));
	require(!detect_new(&start, &roles, producer, &detect, &err));
	require(!detect_start(detect, &err));
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	now = start;
	return 0;
}

static void put(struct record text)
{
	int fd;

	unlink(path);
	if (!text.size)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	require(fd >= 0 && write(fd, text.data, text.size) == (ssize_t)text.size);
	close(fd);
}

/* The settings of `fixed`, but of `live` those that may change while the daemon runs. */
static struct config mix(const struct config *fixed, const struct config *live)
{
	struct config mixed = *fixed;

	memcpy(mixed.servers, live->servers, sizeof(mixed.servers));
	mixed.server_count = live->server_count;
	mixed.grant_at_exec = live->grant_at_exec;
	mixed.roles_max = live->roles_max;
	mixed.roles_per_uid_max = live->roles_per_uid_max;
	mixed.long_wait_us = live->long_wait_us;
	mixed.stats_clients = live->stats_clients;
	return mixed;
}

static void check_refused(const struct config *next, const struct error *err)
{
	struct config blank;

	config_init(&blank);
	require(!memcmp(next, &blank, sizeof(blank)));
	require(strstr(err->text, path) != NULL);
	require(strlen(err->text) > strlen(path) + 2);
	require(memchr(err->text, '\0', sizeof(err->text)) != NULL);
}

static void check_taken(const struct config *next, const char *restart)
{
	struct config expected = mix(&start, next);
	char again[CONFIG_KEYS_MAX];

	require(!memcmp(&now, &expected, sizeof(now)));
	require(memchr(restart, '\0', CONFIG_KEYS_MAX) != NULL);
	require(!restart[0] == !memcmp(&now, next, sizeof(now)));
	config_change(&now, next, again, sizeof(again));
	require(!strcmp(again, restart) && !memcmp(&now, &expected, sizeof(now)));
}

/* Hands it to the detect thread, which takes it over in its own time. */
static void check_detect(void)
{
	struct timespec deadline;
	unsigned int before = reloads;
	struct error err;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += DEADLINE_S;
	require(!detect_reload(detect, &now, &err));
	pthread_mutex_lock(&lock);
	while (reloads == before)
		require(!pthread_cond_timedwait(&has_come, &lock, &deadline));
	require(reloads == before + 1 && !memcmp(&detects, &now, sizeof(now)));
	pthread_mutex_unlock(&lock);
	evq_drain(queue, ignore, NULL);
}

static void reload(struct record text)
{
	char restart[CONFIG_KEYS_MAX];
	struct config next;
	struct error err = {""};

	put(text);
	config_init(&next);
	if (config_load(&next, path, &err)) {
		check_refused(&next, &err);
		return;
	}
	config_change(&now, &next, restart, sizeof(restart));
	check_taken(&next, restart);
	check_detect();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record text;

	cpu_limit_restart();
	for (int i = 0; i < FILES_MAX && record_next(&data, &size, &text); i++)
		reload(text);
	return 0;
}
