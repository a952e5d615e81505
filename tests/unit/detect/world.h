/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * World: everything around the detect thread in its tests, as real as can be: real processes made
 * from copies of the test program, the real /proc and connector, the real queue. The role table is
 * the other side of struct detect_roles, a small one in memory that behaves like the BPF map.
 *
 * The list of servers is its own, with names nobody else uses: whatever real servers or other tests
 * run on the machine meanwhile is none of its business.
 *
 * A header with functions, because each test program is made of one source file.
 */
#ifndef DETECT_WORLD_H
#define DETECT_WORLD_H

#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/server.h"
#include "detect/detect.h"

#define WORLD_ENTRIES 128
#define WORLD_PATH 256
#define WORLD_DEADLINE_NS (20 * NSEC_PER_SEC)
#define WORLD_TICK_NS 10000000ull

struct world {
	struct config config;
	struct evq *queue;
	struct detect *detect;
	char dir[WORLD_PATH];
	char path[WORLD_PATH * 2]; /* of world_install() */
	/* Three listed names, and one that only looks like one. */
	char server_a[16], server_b[16], server_c[16], near[16];
	/* The role table. Holding the lock stops the detect thread at its next verdict. */
	pthread_mutex_t lock;
	struct {
		uint32_t tgid; /* 0: free */
		struct role_entry entry;
	} table[WORLD_ENTRIES];
	int filter_fd;
	bool has_bpf;		      /* what offer_bpf() says */
	_Atomic unsigned int watches; /* calls of watch_connector() */
	_Atomic unsigned int reloads;
	/* What the queue told, as the aggregator would keep it. */
	struct server servers[SERVERS_MAX];
	unsigned int server_count;
	unsigned int ups, downs;
};

/* ---- The other lives of the test program: one step per byte, answered with the actor's pid. ----
 */

static inline void life_answer(void)
{
	int32_t pid = getpid();

	if (write(STDOUT_FILENO, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
}

static inline bool life_next(void)
{
	char byte;

	return read(STDIN_FILENO, &byte, 1) == 1;
}

static inline void *life_thread(void *name)
{
	if (name)
		prctl(PR_SET_NAME, name);
	life_answer();
	while (life_next())
		life_answer();
	_exit(0);
}

static inline void life_step(const char *life, char *argument)
{
	pthread_t thread;

	if (!strcmp(life, "rename")) {
		prctl(PR_SET_NAME, argument);
	} else if (!strcmp(life, "exec")) {
		execl(argument, argument, "serve", "", (char *)NULL);
		_exit(1);
	} else if (!strcmp(life, "fork")) { /* as daemons do: the child goes on */
		if (fork() != 0)
			_exit(0);
	} else if (!strcmp(life, "thread")) { /* a thread, of another name, goes on beside us */
		if (pthread_create(&thread, NULL, life_thread, argument))
			_exit(1);
		pthread_join(thread, NULL);
	} else if (!strcmp(life, "leader")) { /* the first thread ends, the process does not */
		if (pthread_create(&thread, NULL, life_thread, NULL))
			_exit(1);
		pthread_exit(NULL);
	}
	life_answer();
}

/* Returns if argv tells of no other life. */
static inline void world_main(int argc, char **argv)
{
	if (argc != 3)
		return;
	life_answer();
	while (life_next())
		life_step(argv[1], argv[2]);
	_exit(0);
}

struct actor {
	pid_t pid;
	int in, out;
};

static inline int32_t actor_answer(struct actor *a)
{
	struct pollfd fd = {.fd = a->out, .events = POLLIN};
	int32_t pid = 0;

	if (poll(&fd, 1, 20000) != 1 || read(a->out, &pid, sizeof(pid)) != sizeof(pid))
		fail_msg("process %d does not answer", a->pid);
	return pid;
}

static inline struct actor actor_start(const char *path, const char *life, const char *argument)
{
	struct actor a;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	a.pid = fork();
	assert_true(a.pid >= 0);
	if (a.pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(path, path, life, argument, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	a.in = in[1];
	a.out = out[0];
	assert_int_equal(actor_answer(&a), a.pid);
	return a;
}

/* One step of its life; returns who answers. */
static inline pid_t actor_step(struct actor *a)
{
	assert_int_equal(write(a->in, "x", 1), 1);
	return actor_answer(a);
}

static inline void actor_end(struct actor *a)
{
	close(a->in);
	waitpid(a->pid, NULL, 0);
	close(a->out);
}

/* ---- The role table ---- */

static inline int table_find(struct world *w, uint32_t tgid)
{
	for (int i = 0; i < WORLD_ENTRIES; i++)
		if (w->table[i].tgid == tgid)
			return i;
	return -1;
}

static inline int table_confirm(struct world *w, const struct role_request *request)
{
	int i = table_find(w, request->tgid);
	struct role_entry *entry;

	if (i >= 0) {
		entry = &w->table[i].entry;
		if (entry->start_ns / WORLD_TICK_NS != request->start_ticks)
			return -EEXIST;
	} else {
		i = table_find(w, 0);
		if (i < 0)
			return -EAGAIN;
		entry = &w->table[i].entry;
		w->table[i].tgid = request->tgid;
		*entry = (struct role_entry){.start_ns = request->start_ticks * WORLD_TICK_NS,
					     .uid = request->uid,
					     .source = request->source};
	}
	entry->role = request->role;
	entry->confirmed_ns = clock_now_ns();
	return 0;
}

static inline int table_clear(struct world *w, const struct role_request *request)
{
	int i = table_find(w, request->tgid);

	if (i < 0)
		return -ESRCH;
	if (request->start_ticks &&
	    w->table[i].entry.start_ns / WORLD_TICK_NS != request->start_ticks)
		return -EEXIST;
	w->table[i].tgid = 0;
	return 0;
}

static inline int table_apply(void *ctx, const struct role_request *request)
{
	struct world *w = ctx;
	int r;

	pthread_mutex_lock(&w->lock);
	r = request->op == ROLE_OP_CONFIRM ? table_confirm(w, request) : table_clear(w, request);
	pthread_mutex_unlock(&w->lock);
	return r;
}

static inline int table_get(void *ctx, uint32_t tgid, struct role_entry *out)
{
	struct world *w = ctx;
	int i;

	pthread_mutex_lock(&w->lock);
	i = table_find(w, tgid);
	if (i >= 0)
		*out = w->table[i].entry;
	pthread_mutex_unlock(&w->lock);
	return i >= 0 ? 0 : -ENOENT;
}

static inline int table_next(void *ctx, const uint32_t *tgid, uint32_t *next)
{
	struct world *w = ctx;
	int i, r = -ENOENT;

	pthread_mutex_lock(&w->lock);
	for (i = tgid ? table_find(w, *tgid) + 1 : 0; i < WORLD_ENTRIES && r; i++) {
		if (w->table[i].tgid) {
			*next = w->table[i].tgid;
			r = 0;
		}
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

static inline void table_selftest(void *ctx, uint32_t tgid)
{
}

static inline int table_reload(void *ctx, const struct config *config)
{
	((struct world *)ctx)->reloads++;
	return 0;
}

static inline bool table_offer_bpf(void *ctx, struct detect *d)
{
	return ((struct world *)ctx)->has_bpf;
}

static inline void table_pause_bpf(void *ctx, bool is_paused)
{
}

static inline void table_watch_connector(void *ctx, struct detect *d)
{
	((struct world *)ctx)->watches++;
}

static inline bool world_has_role(struct world *w, pid_t pid, struct role_entry *out)
{
	struct role_entry entry;

	return table_get(w, (uint32_t)pid, out ? out : &entry) == 0;
}

/* As the kernel side does at exec (or fork, by `source`). */
static inline void world_grant(struct world *w, pid_t pid, uint64_t start_ticks, uint8_t source)
{
	int i;

	pthread_mutex_lock(&w->lock);
	i = table_find(w, 0);
	w->table[i].tgid = (uint32_t)pid;
	w->table[i].entry = (struct role_entry){.start_ns = start_ticks * WORLD_TICK_NS,
						.role = ROLE_AUDIO_SERVER,
						.source = source};
	pthread_mutex_unlock(&w->lock);
}

/* ---- What the queue tells ---- */

static inline struct server *world_find(struct world *w, pid_t pid)
{
	for (unsigned int i = 0; i < w->server_count; i++)
		if (w->servers[i].pid == pid)
			return &w->servers[i];
	return NULL;
}

static inline void world_news(struct world *w, const struct server_event *event)
{
	struct server *known = world_find(w, event->server.pid);

	if (event->change == SERVER_UP) {
		w->ups++;
		if (!known) {
			assert_true(w->server_count < SERVERS_MAX);
			known = &w->servers[w->server_count++];
		}
		*known = event->server;
		return;
	}
	/* Each end is told once, of a process that was told of. */
	assert_int_equal(event->change, SERVER_DOWN);
	assert_non_null(known);
	assert_int_equal(known->start_ticks, event->server.start_ticks);
	w->downs++;
	*known = w->servers[--w->server_count];
}

static inline void world_batch(void *ctx, const struct evq_batch *batch)
{
	const struct server_event *events = (const void *)batch->payload;

	assert_int_equal(batch->kind, EVQ_KIND_SERVERS);
	for (uint32_t i = 0; i < batch->count; i++)
		world_news(ctx, &events[i]);
}

static inline void world_drain(struct world *w)
{
	evq_clear(w->queue);
	evq_drain(w->queue, world_batch, w);
}

/* Takes news until the check holds; past the deadline the test fails. */
static inline void world_wait(struct world *w, bool (*check)(struct world *w, int64_t value),
			      int64_t value, const char *what)
{
	uint64_t deadline_ns = clock_now_ns() + WORLD_DEADLINE_NS;

	for (;;) {
		struct pollfd fd = {.fd = evq_fd(w->queue), .events = POLLIN};

		world_drain(w);
		if (check(w, value))
			return;
		if (clock_now_ns() > deadline_ns)
			fail_msg("waited in vain: %s %lld", what, (long long)value);
		poll(&fd, 1, 5); /* conditions other than news don't wake us */
	}
}

static inline bool world_is_up(struct world *w, int64_t pid)
{
	return world_find(w, (pid_t)pid);
}

static inline bool world_is_down(struct world *w, int64_t pid)
{
	return !world_find(w, (pid_t)pid);
}

static inline bool world_is_rejected(struct world *w, int64_t count)
{
	struct detect_counters c;

	detect_read(w->detect, &c);
	return c.rejected_total >= (uint64_t)count;
}

static inline struct detect_counters world_counters(struct world *w)
{
	struct detect_counters c;

	detect_read(w->detect, &c);
	return c;
}

/* ---- Start and end ---- */

static inline void world_list(struct world *w, char name[16], char letter)
{
	struct config_server *server = &w->config.servers[w->config.server_count++];

	snprintf(name, 16, "gd%d%c", getpid(), letter);
	memset(server, 0, sizeof(*server));
	snprintf(server->name, sizeof(server->name), "%s", name);
	server->role = ROLE_AUDIO_SERVER;
}

static inline void world_open(struct world *w, enum config_source source)
{
	memset(w, 0, sizeof(*w));
	log_init(LOG_ERROR);
	config_init(&w->config);
	w->config.server_count = 0;
	world_list(w, w->server_a, 'a');
	world_list(w, w->server_b, 'b');
	world_list(w, w->server_c, 'c');
	snprintf(w->near, sizeof(w->near), "gd%da-foo", getpid());
	w->config.source = source;
	w->filter_fd = -1;
	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->dir, sizeof(w->dir), "/tmp/gamerd-detect-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(chmod(w->dir, 0755), 0);
}

/* A copy of this program. */
static inline const char *world_install(struct world *w, const char *name, uid_t owner, mode_t mode)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to;
	struct stat st;
	off_t at = 0;

	snprintf(w->path, sizeof(w->path), "%s/%s", w->dir, name);
	to = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	assert_true(from >= 0 && to >= 0);
	assert_int_equal(fstat(from, &st), 0);
	while (at < st.st_size)
		assert_true(sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0);
	assert_int_equal(fchown(to, owner, owner), 0);
	assert_int_equal(fchmod(to, mode), 0);
	close(from);
	close(to);
	return w->path;
}

static inline int world_try(struct world *w, unsigned int batches, struct error *err)
{
	const struct detect_roles roles = {
		.ctx = w,
		.apply = table_apply,
		.get = table_get,
		.next = table_next,
		.filter_fd = w->filter_fd,
		.selftest = table_selftest,
		.reload = table_reload,
		.offer_bpf = table_offer_bpf,
		.pause_bpf = table_pause_bpf,
		.watch_connector = table_watch_connector,
	};
	struct evq_producer *producer;

	assert_int_equal(evq_new(&w->queue), 0);
	assert_int_equal(evq_producer_new(w->queue, EVQ_KIND_SERVERS, batches, &producer), 0);
	assert_int_equal(detect_new(&w->config, &roles, producer, &w->detect, err), 0);
	return detect_start(w->detect, err);
}

static inline void world_start(struct world *w, unsigned int batches)
{
	struct error err = {""};

	if (world_try(w, batches, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void world_close(struct world *w)
{
	const char *const names[] = {w->server_a, w->server_b, w->server_c, w->near, "other"};

	if (w->detect)
		detect_stop(w->detect);
	detect_free(w->detect);
	evq_free(w->queue);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(w->path, sizeof(w->path), "%s/%s", w->dir, names[i]);
		unlink(w->path);
	}
	rmdir(w->dir);
	pthread_mutex_destroy(&w->lock);
}

#endif
