/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/tracker_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "detect/rules.h"
#include "detect/table.h"
#include "model/names.h"

int tracker_init(struct tracker *t, const struct config *config, const struct detect_roles *roles,
		 struct evq_producer *producer, struct thread *thread)
{
	memset(t, 0, sizeof(*t));
	t->config = config;
	t->roles = *roles;
	t->producer = producer;
	t->thread = thread;
	registry_init(&t->registry);
	t->deaths_fd = epoll_create1(EPOLL_CLOEXEC);
	return t->deaths_fd < 0 ? -errno : 0;
}

void tracker_fini(struct tracker *t)
{
	registry_fini(&t->registry);
	if (t->deaths_fd >= 0)
		close(t->deaths_fd);
	t->deaths_fd = -1;
}

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Who was refused is looked at again. */
static void place_is_free(struct tracker *t)
{
	t->is_scan_due = t->has_refused;
}

void tracker_drop(struct tracker *t, struct registry_slot *slot, const char *why)
{
	const struct server *server = &slot->server;

	log_limited(LOG_INFO, "%s %s (pid %d) %s", names_role(server->role), server->comm,
		    server->pid, why);
	table_clear(&t->roles, server->pid, server->start_ticks);
	registry_remove(&t->registry, slot); /* closing the pidfd takes it out of the epoll */
	count(&t->unregistered);
	place_is_free(t);
}

static void reject(struct tracker *t, const struct proc_identity *id, uint8_t reason)
{
	bool is_unread = id->exe_error && reason == REJECT_EXE;

	t->has_refused |= reason == REJECT_LIMIT;
	for (unsigned int i = 0; t->is_scanning && i < TRACKER_REJECTS; i++)
		if (t->rejects[i].pid == id->pid &&
		    t->rejects[i].start_ticks == id->stat.start_ticks)
			return;
	t->rejects[t->reject_next].pid = id->pid;
	t->rejects[t->reject_next].start_ticks = id->stat.start_ticks;
	t->reject_next = (t->reject_next + 1) % TRACKER_REJECTS;
	count(&t->rejected);
	log_limited(LOG_INFO, "no role for %s (pid %d, %s): %s", id->stat.comm, id->pid,
		    is_unread ? "executable unreadable" : id->exe,
		    is_unread ? error_name(id->exe_error) : names_reject(reason));
}

static int confirm_role(struct tracker *t, const struct sighting *s, uint8_t role)
{
	const struct role_request request = {
		.op = ROLE_OP_CONFIRM,
		.tgid = (uint32_t)s->id.pid,
		.start_ticks = s->id.stat.start_ticks,
		.exec_ns = s->time_ns,
		.uid = s->id.uid,
		.threads = s->id.stat.threads,
		.role = role,
		.source = s->source,
	};

	return table_confirm(&t->roles, &request);
}

static void fill_server(const struct sighting *s, uint8_t role, struct server *out)
{
	uint64_t now_ns = clock_now_ns();

	memset(out, 0, sizeof(*out));
	out->pid = s->id.pid;
	out->uid = s->id.uid;
	out->start_ticks = s->id.stat.start_ticks;
	out->threads = s->id.stat.threads;
	out->role = role;
	out->source = s->source;
	if (s->has_entry && (s->entry.source == SOURCE_BPF || s->source == SOURCE_SCAN))
		out->source = s->entry.source; /* the kernel side was first */
	if (s->time_ns && now_ns > s->time_ns)
		out->detect_latency_ns = now_ns - s->time_ns;
	memcpy(out->comm, s->id.stat.comm, sizeof(out->comm));
	memcpy(out->exe, s->id.exe, sizeof(out->exe));
}

static void watch_death(struct tracker *t, const struct registry_slot *slot)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = (uint32_t)slot->server.pid}};

	if (slot->pidfd >= 0)
		(void)epoll_ctl(t->deaths_fd, EPOLL_CTL_ADD, slot->pidfd, &event);
}

void tracker_grant(struct tracker *t, struct sighting *s, uint8_t role,
		   const struct config_server *rule)
{
	struct registry_slot *slot = registry_find(&t->registry, s->id.pid);
	struct server server;
	bool is_new;
	int r;

	if (slot && slot->server.start_ticks != s->id.stat.start_ticks) {
		tracker_drop(t, slot, "is gone, and its pid reused");
		slot = NULL;
	}
	/* What the kernel side has granted it has counted. */
	r = slot || s->has_entry ? 0
				 : registry_check(&t->registry, s->id.uid, t->config->roles_max,
						  t->config->roles_per_uid_max);
	if (r == 0)
		r = confirm_role(t, s, role);
	if (r == -ESRCH) {
		count(&t->gone);
	} else if (r == -EAGAIN) {
		reject(t, &s->id, REJECT_LIMIT);
	} else if (r < 0) {
		log_limited(LOG_WARNING, "can't give %s (pid %d) its role: %s", s->id.stat.comm,
			    s->id.pid, error_name(r));
	}
	if (r < 0) {
		if (slot)
			tracker_drop(t, slot, "lost its role");
		else
			table_clear_entry(&t->roles, s->id.pid);
		return;
	}

	is_new = !slot;
	fill_server(s, role, &server);
	if (slot && !s->time_ns) { /* nothing new happened to it */
		server.source = slot->server.source;
		server.detect_latency_ns = slot->server.detect_latency_ns;
	}
	if (registry_put(&t->registry, &server, s->pidfd, atomic_load(&t->generation), &slot) < 0)
		return; /* not reached: checked above */
	slot->exe_dev = s->id.exe_dev;
	slot->exe_ino = s->id.exe_ino;
	slot->rule = *rule;
	if (s->pidfd >= 0) {
		s->pidfd = -1;
		watch_death(t, slot);
	}
	if (is_new) {
		count(&t->registered);
		log_limited(LOG_INFO, "%s %s (pid %d, %s) by %s, %llu us", names_role(role),
			    server.comm, server.pid, server.exe, names_source(server.source),
			    (unsigned long long)(server.detect_latency_ns / NSEC_PER_USEC));
	}
}

void tracker_judge(struct tracker *t, struct sighting *s)
{
	struct rules_verdict verdict = sighting_judge(s, t->config);
	struct registry_slot *slot;

	if (verdict.role != ROLE_NONE) {
		tracker_grant(t, s, verdict.role, verdict.rule);
		return;
	}
	slot = registry_find(&t->registry, s->id.pid);
	if (slot)
		tracker_drop(t, slot,
			     t->is_relisted ? "is not listed any more" : "is another program now");
	table_clear_entry(&t->roles, s->id.pid);
	if (verdict.reject != REJECT_NONE)
		reject(t, &s->id, verdict.reject);
}

bool tracker_is_same_file(const struct registry_slot *slot, const struct proc_identity *id)
{
	return slot->exe_dev == id->exe_dev && slot->exe_ino == id->exe_ino;
}

/* It ended before it could be read. */
static void on_gone(struct tracker *t, int32_t pid)
{
	struct registry_slot *slot = registry_find(&t->registry, pid);

	count(&t->gone);
	if (slot)
		tracker_drop(t, slot, "ended");
	table_clear_entry(&t->roles, pid);
	place_is_free(t); /* the kernel side may have granted one meanwhile */
}

/* The kernel side reports an exec only if the name is on the list or the process has a role. If
 * user space made the entry, the process may have executed another program just before that, and
 * that exec was not reported. So the process is read once more: with the entry there, every later
 * exec is reported. */
static void look_again(struct tracker *t, const struct sighting *before)
{
	struct registry_slot *slot = registry_find(&t->registry, before->id.pid);
	struct sighting s;

	if (!slot || before->has_entry)
		return;
	if (sighting_open(&s, &t->roles, before->id.pid, 0, before->source) < 0)
		tracker_drop(t, slot, "ended");
	else if (!tracker_is_same_file(slot, &s.id))
		tracker_judge(t, &s);
	sighting_close(&s);
}

static void on_exec(struct tracker *t, int32_t pid, uint64_t time_ns, uint8_t source)
{
	char comm[SERVER_COMM_MAX];
	struct role_entry entry;
	struct sighting s;
	int r = 0;

	/* Unless it had a role or was granted one, the name first: that is one short read, and
	 * without a filter most are of no interest. */
	if (!registry_find(&t->registry, pid) &&
	    t->roles.get(t->roles.ctx, (uint32_t)pid, &entry) < 0) {
		r = proc_comm(pid, comm);
		if (r == 0 && !rules_is_listed(t->config, comm))
			return;
	}
	if (r >= 0)
		r = sighting_open(&s, &t->roles, pid, time_ns, source);
	if (r < 0) {
		on_gone(t, pid);
		return;
	}
	tracker_judge(t, &s);
	look_again(t, &s);
	sighting_close(&s);
}

static void on_fork(struct tracker *t, int32_t parent, int32_t child, uint64_t time_ns)
{
	struct registry_slot *slot = registry_find(&t->registry, parent);
	struct role_entry entry;
	struct sighting s;

	if (!slot && t->roles.get(t->roles.ctx, (uint32_t)child, &entry) < 0)
		return;
	if (sighting_open(&s, &t->roles, child, time_ns, SOURCE_FORK) < 0) {
		on_gone(t, child);
		return;
	}
	/* The same program goes on in the child: the evidence is its parent's, whatever it calls
	 * itself. If it has become another one already, its own evidence counts. */
	if (slot && tracker_is_same_file(slot, &s.id))
		tracker_grant(t, &s, slot->server.role, &slot->rule);
	else
		tracker_judge(t, &s);
	sighting_close(&s);
}

static void on_rename(struct tracker *t, int32_t pid, const char *comm, uint64_t time_ns)
{
	struct registry_slot *slot = registry_find(&t->registry, pid);
	struct rules_verdict verdict;
	struct sighting s;

	if (!slot && !rules_is_listed(t->config, comm))
		return;
	if (sighting_open(&s, &t->roles, pid, slot ? 0 : time_ns, SOURCE_NETLINK) < 0) {
		on_gone(t, pid);
		return;
	}
	if (slot && slot->server.start_ticks == s.id.stat.start_ticks &&
	    tracker_is_same_file(slot, &s.id)) {
		/* What it was when it started stands: a new name takes nothing away and, with the
		 * role there, adds nothing. */
		tracker_grant(t, &s, slot->server.role, &slot->rule);
	} else if (slot) {
		tracker_judge(t, &s);
	} else {
		/* The name it took, even if it has given it up again since, is what it answers for;
		 * the name it has now is what it may get a role for. */
		verdict = sighting_judge_as(&s, t->config, comm);
		if (verdict.reject != REJECT_NONE)
			reject(t, &s.id, verdict.reject);
		else
			tracker_judge(t, &s);
	}
	sighting_close(&s);
}

/* One thread is gone. The process is when its pidfd says so, or the kernel side (which counts
 * threads) has dropped its entry. */
static void on_end(struct tracker *t, int32_t pid)
{
	struct registry_slot *slot = registry_find(&t->registry, pid);
	struct role_entry entry;

	if (!slot)
		return;
	if (!proc_is_alive(pid, slot->server.start_ticks, slot->pidfd) ||
	    t->roles.get(t->roles.ctx, (uint32_t)pid, &entry) == -ENOENT)
		tracker_drop(t, slot, "ended");
}

void tracker_connector_event(struct tracker *t, const struct connector_event *event)
{
	switch (event->kind) {
	case CONNECTOR_EXEC:
		on_exec(t, event->tgid, event->time_ns, SOURCE_NETLINK);
		break;
	case CONNECTOR_FORK: /* of a process, not of a thread */
		if (event->pid == event->tgid)
			on_fork(t, event->parent_tgid, event->tgid, event->time_ns);
		break;
	case CONNECTOR_COMM: /* of the leader: a process goes by its name */
		if (event->pid == event->tgid)
			on_rename(t, event->tgid, event->comm, event->time_ns);
		break;
	case CONNECTOR_EXIT:
		on_end(t, event->tgid);
		break;
	case CONNECTOR_ACK:
		break;
	}
}

void tracker_bpf_event(struct tracker *t, const struct event *event)
{
	int32_t pid = (int32_t)event->tgid;

	switch (event->type) {
	case EVENT_EXEC:
		on_exec(t, pid, event->time_ns, SOURCE_BPF);
		break;
	case EVENT_FORK:
		on_fork(t, (int32_t)event->fork.parent_tgid, pid, event->time_ns);
		break;
	case EVENT_EXIT:
		on_end(t, pid);
		break;
	default:
		break;
	}
}

void tracker_deaths(struct tracker *t)
{
	struct epoll_event events[SERVERS_MAX];
	int n = epoll_wait(t->deaths_fd, events, SERVERS_MAX, 0);

	for (int i = 0; i < n; i++) {
		struct registry_slot *slot = registry_find(&t->registry,
							   (int32_t)events[i].data.u32);

		if (slot && !proc_is_alive(slot->server.pid, slot->server.start_ticks, slot->pidfd))
			tracker_drop(t, slot, "ended");
	}
}

void tracker_relist(struct tracker *t)
{
	t->is_relisted = true;
}

bool tracker_announce(struct tracker *t)
{
	while (registry_has_news(&t->registry)) {
		struct evq_batch *batch;

		if (evq_batch_get(t->producer, &batch) < 0)
			return false;
		batch->count = registry_news(&t->registry, (void *)batch->payload,
					     sizeof(batch->payload) / sizeof(struct server_event));
		evq_push(t->producer, batch);
	}
	return true;
}
