/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PID_INIT_INO 0xEFFFFFFCu /* inode of the first pid namespace, in each kernel */
#define FIELD_STATE 3		 /* the first after the name */
#define FIELD_THREADS 20
#define FIELD_START 22
#define STAT_MAX 1024	/* field 22 ends well before */
#define STATUS_MAX 1024 /* the line Uid, too */

int proc_check(struct error *err)
{
	struct statfs fs;
	struct stat ns;

	/* A /proc of a namespace that we are not in has no `self`. */
	if (statfs("/proc/self/", &fs) || fs.f_type != PROC_SUPER_MAGIC)
		return error_set(err, ENOENT, "no /proc of this pid namespace is mounted");
	/* A kernel without pid namespaces has no such file. */
	if (!stat("/proc/self/ns/pid", &ns) && ns.st_ino != PID_INIT_INO)
		return error_set(err, EXDEV, "this is another pid namespace than the first");
	return 0;
}

static int open_pidfd(int32_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* A missing file and a dead task are the same thing here. */
static int gone_or(int error)
{
	return error == ENOENT || error == ESRCH ? -ESRCH : -error;
}

/* Reads at most size - 1 bytes and ends them with NUL. Returns the length. */
static int read_at(int dir, const char *name, char *out, size_t size)
{
	ssize_t length;
	int error, fd;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return gone_or(errno);
	length = read(fd, out, size - 1);
	error = errno;
	close(fd);
	if (length < 0)
		return gone_or(error);
	out[length] = '\0';
	return (int)length;
}

int proc_comm_in(int dir, const char *path, char comm[SERVER_COMM_MAX])
{
	char text[64];
	int length;

	length = read_at(dir, path, text, sizeof(text));
	if (length <= 0)
		return length < 0 ? length : -ESRCH;
	if (text[length - 1] == '\n')
		text[--length] = '\0';
	if (length >= SERVER_COMM_MAX)
		length = SERVER_COMM_MAX - 1;
	memset(comm, 0, SERVER_COMM_MAX);
	memcpy(comm, text, (size_t)length);
	return 0;
}

int proc_comm(int32_t pid, char comm[SERVER_COMM_MAX])
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	return proc_comm_in(AT_FDCWD, path, comm);
}

int proc_parse_stat(const char *text, size_t length, struct proc_stat *out)
{
	const char *open = memchr(text, '(', length);
	const char *close = memrchr(text, ')', length);
	const char *end = text + length;
	struct proc_stat stat = {0};
	size_t comm_length;
	int field = FIELD_STATE - 1;

	/* The name may hold spaces and parentheses itself: it ends at the last one. */
	if (!open || !close || close < open)
		return -EBADMSG;
	comm_length = (size_t)(close - open - 1);
	if (comm_length >= sizeof(stat.comm))
		comm_length = sizeof(stat.comm) - 1;
	memcpy(stat.comm, open + 1, comm_length);

	for (const char *at = close + 1; at < end; at++) {
		char number[24] = {0};

		if (*at != ' ')
			continue;
		field++;
		if (field != FIELD_THREADS && field != FIELD_START)
			continue;
		for (size_t n = 0; n < sizeof(number) - 1 && at + 1 + n < end; n++) {
			if (at[1 + n] < '0' || at[1 + n] > '9')
				break;
			number[n] = at[1 + n];
		}
		if (!number[0])
			return -EBADMSG;
		if (field == FIELD_THREADS) {
			stat.threads = (uint32_t)strtoul(number, NULL, 10);
		} else {
			stat.start_ticks = strtoull(number, NULL, 10);
			*out = stat;
			return 0;
		}
	}
	return -EBADMSG;
}

static int read_stat(int dir, struct proc_stat *out)
{
	char text[STAT_MAX];
	int length = read_at(dir, "stat", text, sizeof(text));

	if (length < 0)
		return length;
	return length ? proc_parse_stat(text, (size_t)length, out) : -ESRCH;
}

/* The real uid. The owner of /proc/PID would do for most, but a process that is not dumpable
 * (file capabilities) shows root there. */
static int read_uid(int dir, uint32_t *uid)
{
	char text[STATUS_MAX];
	const char *line;
	int length = read_at(dir, "status", text, sizeof(text));

	if (length < 0)
		return length;
	line = strstr(text, "\nUid:\t");
	if (!line)
		return length ? -EBADMSG : -ESRCH;
	*uid = (uint32_t)strtoul(line + 6, NULL, 10);
	return 0;
}

/* The path of an open file, from the descriptor and not from the process again: so path and inode
 * are one file even if the process execs in between. */
static int path_of(int fd, struct proc_identity *out)
{
	static const char deleted[] = " (deleted)";
	const size_t suffix = sizeof(deleted) - 1;
	char link[40], path[4096];
	size_t start;
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return -errno;
	path[length] = '\0';
	if ((size_t)length > suffix && !strcmp(path + length - suffix, deleted)) {
		out->is_deleted = true;
		length -= (ssize_t)suffix;
		path[length] = '\0';
	}
	/* Too long: the end is what identifies it. */
	start = length < SERVER_EXE_MAX ? 0 : (size_t)length - (SERVER_EXE_MAX - 1);
	memcpy(out->exe, path + start, (size_t)length - start + 1);
	return 0;
}

static int read_exe(int dir, struct proc_identity *out)
{
	struct statfs fs;
	struct statx st;
	int fd, r;

	fd = openat(dir, "exe", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Cached attributes only: a user's own file server must not be able to hold us up. */
	r = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_TYPE | STATX_MODE | STATX_UID | STATX_INO, &st);
	if (r == 0 && st.stx_uid == 0)
		r = fstatfs(fd, &fs);
	if (r) {
		r = -errno;
		goto close_fd;
	}
	out->exe_dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
	out->exe_ino = st.stx_ino;
	out->exe_uid = st.stx_uid;
	out->exe_mode = st.stx_mode;
	out->is_mounted = st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	out->is_fuse = st.stx_uid == 0 && fs.f_type == FUSE_SUPER_MAGIC;
	r = path_of(fd, out);
close_fd:
	close(fd);
	return r;
}

/* Readable once the last thread is gone, reaped or not. */
static bool is_pidfd_alive(int pidfd)
{
	struct pollfd fd = {.fd = pidfd, .events = POLLIN};

	return poll(&fd, 1, 0) == 0;
}

bool proc_is_alive(int32_t pid, uint64_t start_ticks, int pidfd)
{
	struct proc_stat stat;
	char path[32];
	bool is_alive;
	int dir;

	if (pidfd >= 0)
		return is_pidfd_alive(pidfd);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return false;
	is_alive = !read_stat(dir, &stat) && stat.start_ticks == start_ticks;
	close(dir);
	return is_alive;
}

int proc_read_in(int dir, struct proc_identity *out)
{
	struct proc_identity id = {.pid = out->pid};
	int r;

	r = read_stat(dir, &id.stat);
	if (!r)
		r = read_uid(dir, &id.uid);
	if (r)
		return r;
	/* Not an error: a kernel thread has none, and another user's needs CAP_SYS_PTRACE. */
	id.exe_error = read_exe(dir, &id);
	if (id.exe_error)
		id.exe[0] = '\0';
	*out = id;
	return 0;
}

int proc_read(int32_t pid, struct proc_identity *out, int *pidfd)
{
	struct proc_identity id = {.pid = pid};
	char path[32];
	int dir, fd, r;

	fd = open_pidfd(pid);
	if (fd == -ESRCH || fd == -EINVAL) /* EINVAL: a thread, not a process */
		return -ESRCH;
	if (fd < 0)
		fd = -1;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		r = gone_or(errno);
		goto close_pidfd;
	}
	r = proc_read_in(dir, &id);
	if (r)
		goto close_dir;
	if (!proc_is_alive(pid, id.stat.start_ticks, fd)) {
		r = -ESRCH;
		goto close_dir;
	}
	close(dir);
	*out = id;
	*pidfd = fd;
	return 0;

close_dir:
	close(dir);
close_pidfd:
	if (fd >= 0)
		close(fd);
	return r;
}

static int32_t parse_pid(const char *name)
{
	uint32_t pid = 0;

	for (; *name >= '0' && *name <= '9' && pid < 100000000; name++)
		pid = pid * 10 + (uint32_t)(*name - '0');
	return *name ? 0 : (int32_t)pid;
}

int proc_walk(void *buffer, size_t size, bool (*each)(void *ctx, int32_t pid), void *ctx)
{
	ssize_t length;
	int dir, r = 0;

	dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	while ((length = getdents64(dir, buffer, size)) > 0) {
		for (char *at = buffer; at < (char *)buffer + length;) {
			struct dirent64 *entry = (void *)at;
			int32_t pid = parse_pid(entry->d_name);

			at += entry->d_reclen;
			if (pid > 0 && !each(ctx, pid))
				goto close_dir;
		}
	}
	if (length < 0)
		r = -errno;
close_dir:
	close(dir);
	return r;
}
