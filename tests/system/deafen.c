/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * deafen: makes the proc connector's socket of another process deaf, as if the kernel sent nothing.
 *
 *   deafen PID
 *
 * Takes a copy of each of its descriptors, and attaches a filter that drops everything to what is a
 * connector's socket. Prints how many there were.
 */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#define DESCRIPTORS 1024

static int option(int fd, int name)
{
	socklen_t length = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &length) ? -1 : value;
}

/* 1 if it was a connector's, else 0; negative: it could not be done. */
static int deafen(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {.len = 1, .filter = &drop};

	if (option(fd, SO_DOMAIN) != AF_NETLINK || option(fd, SO_PROTOCOL) != NETLINK_CONNECTOR)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ? -1 : 1;
}

int main(int argc, char **argv)
{
	int pid = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0, count = 0;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int number = 0; pidfd >= 0 && number < DESCRIPTORS; number++) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0), r;

		if (fd < 0)
			continue;
		r = deafen(fd);
		close(fd);
		if (r < 0)
			break;
		count += r;
	}
	printf("%d\n", count);
	return count ? 0 : 1;
}
