/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By the system calls themselves: a library for capabilities would be one more package, and spares
 * a dozen lines.
 */
#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	unsigned int number;
	const char *name;
} kept[] = {
	{CAP_BPF, "bpf"},
	{CAP_PERFMON, "perfmon"},
	{CAP_NET_ADMIN, "net_admin"},
	{CAP_SYS_PTRACE, "sys_ptrace"},
	{CAP_SYS_NICE, "sys_nice"},
};
#define KEPT (sizeof(kept) / sizeof(kept[0]))

static uint64_t caps_permitted(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data))
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

/* Of the calling thread: permitted and effective; inheritable, and with it ambient, none. */
static int caps_set(uint64_t caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
		{.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)},
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int privilege_shed(void)
{
	return caps_set(0);
}

/* Both the right and a sandbox around us decide. */
static bool may_become_others(void)
{
	const uint64_t needed = UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID;
	const uid_t same = (uid_t)-1;

	return (caps_permitted() & needed) == needed && !setresuid(same, same, same);
}

void privilege_choose(const struct privilege_user *user, struct privilege *out)
{
	const struct passwd *entry;

	*out = (struct privilege){.uid = PRIVILEGE_UID_KEPT};
	if (geteuid() != 0 || !user->name[0])
		return;
	entry = getpwnam(user->name); /* main is the only thread yet */
	if (entry && entry->pw_uid == 0)
		return;
	out->user = *user;
	out->obstacle = !entry ? -ENOENT : may_become_others() ? 0 : -EPERM;
	if (out->obstacle)
		return;
	out->uid = entry->pw_uid;
	out->gid = entry->pw_gid;
}

static int become(const struct privilege *p)
{
	if (p->uid == PRIVILEGE_UID_KEPT)
		return p->obstacle;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgroups(0, NULL) ||
	    setresgid(p->gid, p->gid, p->gid) || setresuid(p->uid, p->uid, p->uid))
		return -errno;
	return 0;
}

/* What no exec may bring any more. It takes CAP_SETPCAP, so it comes first. */
static void bounding_set_clear(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static void describe(const struct privilege *p, int switch_error, int caps_error,
		     struct feature *out)
{
	const char *name = p->user.name;
	const char *before = " but ";

	*out = (struct feature){.name = "privileges", .is_available = !caps_error && !switch_error};
	if (switch_error == -ENOENT)
		feature_append(out, "there is no user %s: ", name);
	else if (switch_error)
		feature_append(out, "can't become %s (%s): ", name, error_name(switch_error));
	feature_append(out, "uid %u, ", geteuid());
	if (caps_error) {
		feature_append(out, "all capabilities are kept (%s)", error_name(caps_error));
		return;
	}
	feature_append(out, "no capabilities");
	for (size_t i = 0; i < KEPT; i++) {
		if (!(caps_permitted() & UINT64_C(1) << kept[i].number))
			continue;
		feature_append(out, "%s%s", before, kept[i].name);
		before = ", ";
	}
}

int privilege_drop(const struct privilege *p, struct feature *out, struct error *err)
{
	uint64_t caps = 0;
	int switch_error, caps_error, death_signal = 0;

	for (size_t i = 0; i < KEPT; i++)
		caps |= UINT64_C(1) << kept[i].number;
	caps &= caps_permitted();
	prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
	bounding_set_clear();
	switch_error = become(p);
	if (switch_error && p->user.is_required)
		return error_set(err, -switch_error, "can't become the user %s: %s", p->user.name,
				 error_name(switch_error));
	caps_error = caps_set(caps);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* A change of user takes these two away. Without the second no core would be dumped, and
	 * /proc/self would be root's. Others of that user still can't look into us: they have not
	 * our capabilities. */
	prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	describe(p, switch_error, caps_error, out);
	return 0;
}
