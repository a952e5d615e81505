/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often the file may vanish between open and lock before that is no coincidence. */
#define LOCK_ATTEMPTS 16
#define FILE_MODE 0600

struct instance {
	int fd;
	bool has_made_dir;
	char *dir;
	char *path;
};

static int make_dir(struct instance *i, struct error *err)
{
	if (mkdir(i->dir, 0755) == 0) {
		i->has_made_dir = true;
		chmod(i->dir, 0755); /* whatever the umask took away */
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	return error_set(err, errno, "cannot create %s: %s", i->dir, error_name(-errno));
}

/* The sentence for a lock that somebody holds. */
static int refuse(const struct instance *i, int fd, struct error *err)
{
	char text[16];
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
	long pid;

	text[length > 0 ? length : 0] = '\0';
	pid = strtol(text, NULL, 10);
	if (pid > 0 && pid <= INT32_MAX && (!kill((pid_t)pid, 0) || errno != ESRCH))
		return error_set(err, EEXIST, "another instance is running with pid %ld (%s)", pid,
				 i->path);
	return error_set(err, EEXIST, "another instance is just starting or ending (%s)", i->path);
}

/* A write lock takes a file that is open for writing, and FILE_MODE allows that to nobody else: so
 * no other user can keep us from it. */
static bool lock_take(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return !fcntl(fd, F_OFD_SETLK, &whole);
}

/* Nobody can bring us to write into another file by a link to it in a directory of his own. */
static int check_links(const struct instance *i, const struct stat *st, struct error *err)
{
	if (S_ISREG(st->st_mode) && st->st_nlink == 1)
		return 0;
	return error_set(err, EMLINK, "%s is no file of its own", i->path);
}

/* Opens and locks what is the file at that moment: 0, or a negative errno with the sentence. i->fd
 * stays -1 if the file was removed before it was locked: its owner was ending. */
static int try_lock(struct instance *i, struct error *err)
{
	struct stat by_fd, by_path;
	int fd, ret;

	fd = open(i->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	if (fd < 0)
		return error_set(err, errno, "cannot open %s: %s", i->path, error_name(-errno));
	if (!lock_take(fd)) {
		ret = errno == EAGAIN || errno == EACCES
			      ? refuse(i, fd, err)
			      : error_set(err, errno, "cannot lock %s: %s", i->path,
					  error_name(-errno));
		goto close_fd;
	}
	ret = 0;
	if (fstat(fd, &by_fd) < 0 || stat(i->path, &by_path) < 0)
		goto close_fd;
	if (by_fd.st_dev != by_path.st_dev || by_fd.st_ino != by_path.st_ino)
		goto close_fd;
	ret = check_links(i, &by_fd, err);
	if (ret)
		goto close_fd;
	i->fd = fd;
	return 0;

close_fd:
	close(fd);
	return ret;
}

static int lock(struct instance *i, struct error *err)
{
	for (int n = 0; n < LOCK_ATTEMPTS; n++) {
		int ret = try_lock(i, err);

		if (ret < 0 || i->fd >= 0)
			return ret;
	}
	return error_set(err, EBUSY, "cannot lock %s: somebody keeps removing it", i->path);
}

static int write_pid(struct instance *i, struct error *err)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	fchmod(i->fd, FILE_MODE); /* an older one could be read by everybody */
	if (ftruncate(i->fd, 0) == 0 && pwrite(i->fd, text, (size_t)length, 0) == length)
		return 0;
	return error_set(err, EIO, "cannot write %s", i->path);
}

int instance_open(const char *runtime_dir, struct instance **out, struct error *err)
{
	struct instance *i = calloc(1, sizeof(*i));
	char *path;
	int ret;

	if (!i)
		return error_set(err, ENOMEM, "out of memory");
	i->fd = -1;
	i->dir = strdup(runtime_dir);
	if (asprintf(&path, "%s/pid", runtime_dir) >= 0)
		i->path = path;
	if (!i->dir || !i->path) {
		ret = error_set(err, ENOMEM, "out of memory");
		goto undo;
	}
	ret = make_dir(i, err);
	if (ret < 0)
		goto undo;
	ret = lock(i, err);
	if (ret < 0)
		goto undo;
	ret = write_pid(i, err);
	if (ret < 0)
		goto undo;
	*out = i;
	return 0;

undo:
	instance_close(i);
	return ret;
}

void instance_give(const struct instance *instance, uid_t uid)
{
	if (fchown(instance->fd, uid, (gid_t)-1) || !instance->has_made_dir)
		return;
	(void)!lchown(instance->dir, uid, (gid_t)-1);
}

void instance_close(struct instance *instance)
{
	if (!instance)
		return;
	if (instance->fd >= 0) {
		/* Removed while it is locked: no one else can have taken it over. */
		unlink(instance->path);
		close(instance->fd);
	}
	if (instance->has_made_dir)
		rmdir(instance->dir); /* fails if somebody put something into it: as it should */
	free(instance->path);
	free(instance->dir);
	free(instance);
}
