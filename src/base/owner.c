/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/owner.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int owner_check(const char *path, struct error *err)
{
	struct stat st;

	if (stat(path, &st))
		return 0;
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return error_set(err, EPERM, "%s belongs to uid %u, who can change it", path,
				 st.st_uid);
	if (st.st_mode & S_IWOTH)
		return error_set(err, EPERM, "every user can change %s", path);
	if ((st.st_mode & S_IWGRP) && st.st_gid != 0 && st.st_gid != getegid())
		return error_set(err, EPERM, "%s can be changed by group %u", path, st.st_gid);
	return 0;
}
