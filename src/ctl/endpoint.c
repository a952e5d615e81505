/* SPDX-License-Identifier: GPL-2.0-only */
#include "ctl/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FILE_MODE 0660
#define DIR_MODE 0755
#define BACKLOG 16

static int make_address(const char *path, struct sockaddr_un *address)
{
	size_t length = strlen(path);

	if (length >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, length);
	return 0;
}

int endpoint_connect(const char *path)
{
	struct sockaddr_un address;
	int fd, ret = make_address(path, &address);

	if (ret)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		ret = -errno;
		close(fd);
		return ret;
	}
	fcntl(fd, F_SETFL, 0);
	return fd;
}

/* Whether it made the last of them. */
static bool make_directories(const char *path)
{
	bool is_made = false;
	char dir[CONFIG_PATH_MAX];
	size_t length = strnlen(path, sizeof(dir) - 1);
	char *slash;

	memcpy(dir, path, length);
	dir[length] = '\0';
	for (slash = strchr(dir + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		is_made = !mkdir(dir, DIR_MODE); /* bind() reports what fails here */
		*slash = '/';
	}
	return is_made;
}

/* 0 if nobody can be behind that file any more, else why it stays. */
static int remove_dead(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = endpoint_connect(path);
	if (fd >= 0)
		close(fd);
	if (fd == -ENOENT)
		return 0;
	if (fd != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* The file is born with the mode of its socket, less the umask, which is the process's: there is no
 * other thread yet. A chmod after that would follow a link. */
static int bind_address(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0);
	int ret;

	fchmod(fd, FILE_MODE);
	ret = bind(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : 0;
	umask(mask);
	return ret;
}

static int bind_file(int fd, const char *path)
{
	struct sockaddr_un address;
	int ret = make_address(path, &address);

	if (ret)
		return ret;
	ret = bind_address(fd, &address);
	if (ret != -EADDRINUSE)
		return ret;
	ret = remove_dead(path);
	return ret ? ret : bind_address(fd, &address);
}

static int refuse(int ret, const char *path, struct error *err)
{
	if (ret == -EADDRINUSE)
		return error_set(err, EADDRINUSE, "%s is in use by a living process", path);
	if (ret == -EEXIST)
		return error_set(err, EEXIST, "%s exists and is no socket", path);
	return error_set(err, -ret, "can't listen on %s: %s", path, error_name(ret));
}

int endpoint_open(struct endpoint *e, const char *path, struct error *err)
{
	bool has_made_dir;
	struct stat st;
	int fd, ret;

	e->fd = -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return refuse(-errno, path, err);
	has_made_dir = make_directories(path);
	ret = bind_file(fd, path);
	if (ret)
		goto close_fd;
	ret = lstat(path, &st) ? -errno : 0;
	if (ret)
		goto close_fd;
	if (listen(fd, BACKLOG)) {
		ret = -errno;
		unlink(path);
		goto close_fd;
	}
	*e = (struct endpoint){
		.fd = fd, .device = st.st_dev, .inode = st.st_ino, .has_made_dir = has_made_dir};
	memcpy(e->path, path, strlen(path) + 1);
	return 0;

close_fd:
	close(fd);
	return refuse(ret, path, err);
}

int endpoint_set_group(struct endpoint *e, gid_t group, struct error *err)
{
	if (!lchown(e->path, (uid_t)-1, group))
		return 0;
	return error_set(err, errno, "can't give %s the group %u: %s", e->path, group,
			 error_name(-errno));
}

void endpoint_give(const struct endpoint *e, uid_t uid)
{
	char dir[CONFIG_PATH_MAX];

	if (lchown(e->path, uid, (gid_t)-1) || !e->has_made_dir)
		return;
	memcpy(dir, e->path, sizeof(dir));
	*strrchr(dir, '/') = '\0';
	(void)!lchown(dir, uid, (gid_t)-1);
}

void endpoint_close(struct endpoint *e)
{
	struct stat st;

	if (e->fd < 0)
		return;
	if (!lstat(e->path, &st) && st.st_dev == e->device && st.st_ino == e->inode)
		unlink(e->path);
	close(e->fd);
	e->fd = -1;
}
