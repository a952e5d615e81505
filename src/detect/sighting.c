/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/sighting.h"

#include <string.h>
#include <unistd.h>

#include "detect/table.h"

int sighting_open(struct sighting *s, const struct detect_roles *roles, int32_t pid,
		  uint64_t time_ns, uint8_t source)
{
	int r;

	memset(s, 0, sizeof(*s));
	s->pidfd = -1;
	s->time_ns = time_ns;
	s->source = source;
	r = proc_read(pid, &s->id, &s->pidfd);
	if (r < 0)
		return r;
	s->has_entry = roles->get(roles->ctx, (uint32_t)pid, &s->entry) == 0 &&
		       table_ticks(s->entry.start_ns) == s->id.stat.start_ticks;
	return 0;
}

void sighting_close(struct sighting *s)
{
	if (s->pidfd >= 0)
		close(s->pidfd);
	s->pidfd = -1;
}

struct rules_verdict sighting_judge_as(const struct sighting *s, const struct config *config,
				       const char *comm)
{
	const struct rules_evidence evidence = {
		.comm = comm,
		.exe = s->id.exe,
		.exe_uid = s->id.exe_uid,
		.exe_mode = s->id.exe_mode,
		.is_fuse = s->id.is_fuse,
		.is_mounted = s->id.is_mounted,
	};

	return rules_judge(config, &evidence);
}

struct rules_verdict sighting_judge(const struct sighting *s, const struct config *config)
{
	struct rules_verdict verdict = sighting_judge_as(s, config, s->id.stat.comm);

	/* The kernel side gave it the role at exec or fork, and it has renamed itself since: a name
	 * given up takes nothing away, so the executable's name stands for it. */
	if (!verdict.is_listed && s->has_entry &&
	    (s->entry.source == SOURCE_BPF || s->entry.source == SOURCE_FORK))
		verdict = sighting_judge_as(s, config, rules_base_name(s->id.exe));
	/* At exec the kernel side had the file itself in hand: its word counts where another user's
	 * executable can't be read (no CAP_SYS_PTRACE), for one that is mounted, whose own name we
	 * can't see, and on virtiofs, which looks like FUSE. */
	if (verdict.is_listed &&
	    (s->id.exe_error || s->id.is_mounted || verdict.reject == REJECT_FILESYSTEM) &&
	    s->has_entry && s->entry.source == SOURCE_BPF)
		verdict.role = s->entry.role;
	return verdict;
}
