/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/registry.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/probe.h"
#include "bpf/abi/roles.h"

void registry_init(struct registry *r)
{
	memset(r, 0, sizeof(*r));
	for (unsigned int i = 0; i < SERVERS_MAX; i++)
		r->slots[i].pidfd = -1;
}

static void slot_clear(struct registry_slot *slot)
{
	if (slot->pidfd >= 0)
		close(slot->pidfd);
	memset(slot, 0, sizeof(*slot));
	slot->pidfd = -1;
}

void registry_fini(struct registry *r)
{
	for (unsigned int i = 0; i < SERVERS_MAX; i++)
		slot_clear(&r->slots[i]);
	r->count = 0;
}

struct registry_slot *registry_find(struct registry *r, int32_t pid)
{
	if (r->count == 0 || pid <= 0)
		return NULL;
	for (unsigned int i = 0; i < SERVERS_MAX; i++)
		if (r->slots[i].server.pid == pid)
			return &r->slots[i];
	return NULL;
}

int registry_check(const struct registry *r, uint32_t uid, unsigned int max,
		   unsigned int max_per_uid)
{
	unsigned int same = 0;

	if (r->count >= SERVERS_MAX || r->count >= max)
		return -EAGAIN;
	for (unsigned int i = 0; i < SERVERS_MAX; i++)
		if (r->slots[i].server.pid && r->slots[i].server.uid == uid)
			same++;
	return same >= ROLE_PLACES(r->count, max, max_per_uid) ? -EAGAIN : 0;
}

static struct registry_slot *slot_free(struct registry *r)
{
	for (unsigned int i = 0; i < SERVERS_MAX; i++)
		if (!r->slots[i].server.pid)
			return &r->slots[i];
	return NULL;
}

/* `threads` moves all the time and is the aggregator's to keep fresh: no news. */
static bool is_changed(const struct server *old, const struct server *new)
{
	return old->uid != new->uid || old->role != new->role || old->source != new->source ||
	       old->detect_latency_ns != new->detect_latency_ns || strcmp(old->comm, new->comm) ||
	       strcmp(old->exe, new->exe);
}

int registry_put(struct registry *r, const struct server *server, int pidfd, uint64_t generation,
		 struct registry_slot **out)
{
	struct registry_slot *slot = registry_find(r, server->pid);

	if (slot && slot->server.start_ticks != server->start_ticks)
		return -EEXIST;
	if (!slot) {
		slot = slot_free(r);
		if (!slot)
			return -EAGAIN;
		slot->has_news = true;
		r->count++;
		PROBE3(detect, server->pid, server->role, server->detect_latency_ns);
	} else if (is_changed(&slot->server, server)) {
		slot->has_news = true;
	}
	if (slot->pidfd >= 0 && slot->pidfd != pidfd)
		close(slot->pidfd);
	slot->pidfd = pidfd;
	slot->server = *server;
	slot->generation = generation;
	*out = slot;
	return 0;
}

void registry_remove(struct registry *r, struct registry_slot *slot)
{
	/* A process whose start was never reported needs no report of its end. */
	if (slot->is_reported && r->tomb_count < REGISTRY_TOMBS) {
		r->tombs[r->tomb_count].pid = slot->server.pid;
		r->tombs[r->tomb_count].start_ticks = slot->server.start_ticks;
		r->tomb_count++;
	}
	slot_clear(slot);
	r->count--;
}

bool registry_has_news(const struct registry *r)
{
	if (r->tomb_count)
		return true;
	for (unsigned int i = 0; r->count && i < SERVERS_MAX; i++)
		if (r->slots[i].has_news)
			return true;
	return false;
}

unsigned int registry_news(struct registry *r, struct server_event *out, unsigned int max)
{
	unsigned int n = 0;

	for (; n < max && n < r->tomb_count; n++)
		out[n] = (struct server_event){
			.change = SERVER_DOWN,
			.server = {.pid = r->tombs[n].pid, .start_ticks = r->tombs[n].start_ticks},
		};
	r->tomb_count -= n;
	memmove(r->tombs, r->tombs + n, r->tomb_count * sizeof(r->tombs[0]));

	for (unsigned int i = 0; n < max && i < SERVERS_MAX; i++) {
		struct registry_slot *slot = &r->slots[i];

		if (!slot->has_news)
			continue;
		out[n].change = SERVER_UP;
		out[n].server = slot->server;
		slot->is_reported = true;
		slot->has_news = false;
		n++;
	}
	return n;
}

bool registry_is_congested(const struct registry *r)
{
	return r->tomb_count > REGISTRY_TOMBS - SERVERS_MAX;
}
