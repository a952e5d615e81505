/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/tracker_internal.h"

#include <string.h>

#include "detect/rules.h"
#include "detect/table.h"

/* The list is another than the one by which it got its role. What was seen when it started stands
 * as long as its rule wants the same executable; otherwise it is judged by what it is now, and what
 * the kernel side once said of it counts no more. */
static void relist(struct tracker *t, struct sighting *s, struct registry_slot *slot)
{
	const struct config_server *rule = rules_find(t->config, slot->rule.name);

	if (rule && !strcmp(rule->exe, slot->rule.exe) && slot->server.role == slot->rule.role) {
		tracker_grant(t, s, rule->role, rule);
		return;
	}
	s->has_entry = false;
	tracker_judge(t, s);
}

static bool scan_one(void *ctx, int32_t pid)
{
	struct tracker *t = ctx;
	struct registry_slot *slot = registry_find(&t->registry, pid);
	char comm[SERVER_COMM_MAX];
	struct sighting s;

	thread_beat(t->thread);
	if (!slot && (proc_comm(pid, comm) < 0 || !rules_is_listed(t->config, comm)))
		return true;
	if (sighting_open(&s, &t->roles, pid, 0, SOURCE_SCAN) < 0)
		return true; /* gone: the sweep sees to it */
	if (slot && slot->server.start_ticks == s.id.stat.start_ticks &&
	    (s.id.exe_error || tracker_is_same_file(slot, &s.id))) {
		if (s.id.exe_error) {
			memcpy(s.id.exe, slot->server.exe, sizeof(s.id.exe));
			s.id.exe_dev = slot->exe_dev;
			s.id.exe_ino = slot->exe_ino;
		}
		if (t->is_relisted)
			relist(t, &s, slot);
		else
			tracker_grant(t, &s, slot->server.role, &slot->rule);
	} else {
		tracker_judge(t, &s);
	}
	sighting_close(&s);
	return true;
}

/* Finds entries that the kernel side made and whose events were lost. They are collected first,
 * because the table must not change while it is iterated over. */
static void scan_table(struct tracker *t)
{
	uint32_t tgids[4 * SERVERS_MAX], last = 0;
	unsigned int n = 0;

	while (n < sizeof(tgids) / sizeof(tgids[0]) &&
	       t->roles.next(t->roles.ctx, n ? &last : NULL, &tgids[n]) == 0)
		last = tgids[n++];
	for (unsigned int i = 0; i < n; i++) {
		int32_t pid = (int32_t)tgids[i];
		struct sighting s;

		if (registry_find(&t->registry, pid))
			continue;
		if (sighting_open(&s, &t->roles, pid, 0, SOURCE_SCAN) < 0) {
			table_clear_entry(&t->roles, pid);
			continue;
		}
		tracker_judge(t, &s);
		sighting_close(&s);
	}
}

int tracker_scan(struct tracker *t, void *buffer, size_t size)
{
	uint64_t generation = atomic_fetch_add(&t->generation, 1) + 1;
	int r;

	t->is_scanning = true;
	t->has_refused = false;
	t->is_scan_due = false;
	r = proc_walk(buffer, size, scan_one, t);
	if (r == 0) {
		for (unsigned int i = 0; i < SERVERS_MAX; i++) {
			struct registry_slot *slot = &t->registry.slots[i];

			if (slot->server.pid && slot->generation != generation)
				tracker_drop(t, slot, "is gone");
		}
		scan_table(t);
		t->is_relisted = false;
	}
	t->is_scan_due |= t->is_relisted;
	t->is_scanning = false;
	return r;
}
