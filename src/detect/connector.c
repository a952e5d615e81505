/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/connector.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF 50
#endif

/* The long form of a request; headers before 6.6 don't have it. */
struct request {
	uint32_t op;
	uint32_t mask;
};

/* Bytes of struct proc_event before its union, and what each kind needs of it. */
#define EVENT_DATA offsetof(struct proc_event, event_data)

static uint32_t load32(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* One proc_event of `length` bytes. 1 if it is of interest, 0 if not, -EBADMSG if it is cut. */
static int parse_event(const unsigned char *event, size_t length, uint32_t ack,
		       struct connector_event *out)
{
	const unsigned char *data = event + EVENT_DATA;
	size_t need;

	if (length < EVENT_DATA)
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	memcpy(&out->time_ns, event + offsetof(struct proc_event, timestamp_ns),
	       sizeof(out->time_ns));
	switch (load32(event + offsetof(struct proc_event, what))) {
	case (uint32_t)PROC_EVENT_NONE:
		out->kind = CONNECTOR_ACK;
		need = 4;
		break;
	case (uint32_t)PROC_EVENT_FORK:
		out->kind = CONNECTOR_FORK;
		need = 16;
		break;
	case (uint32_t)PROC_EVENT_EXEC:
		out->kind = CONNECTOR_EXEC;
		need = 8;
		break;
	case (uint32_t)PROC_EVENT_COMM:
		out->kind = CONNECTOR_COMM;
		need = 8 + CONNECTOR_COMM_MAX;
		break;
	case (uint32_t)PROC_EVENT_EXIT:
		out->kind = CONNECTOR_EXIT;
		need = 8;
		break;
	default:
		return 0;
	}
	if (length - EVENT_DATA < need)
		return -EBADMSG;
	if (out->kind == CONNECTOR_ACK) {
		out->ack = ack;
		out->ack_error = load32(data);
		return 1;
	}
	if (out->kind == CONNECTOR_FORK) {
		out->parent_tgid = (int32_t)load32(data + 4);
		data += 8;
	}
	out->pid = (int32_t)load32(data);
	out->tgid = (int32_t)load32(data + 4);
	if (out->kind == CONNECTOR_COMM) {
		memcpy(out->comm, data + 8, CONNECTOR_COMM_MAX);
		out->comm[CONNECTOR_COMM_MAX - 1] = '\0';
	}
	return 1;
}

/* The payload of one netlink message: a connector message with a proc_event inside. */
static int parse_payload(const unsigned char *payload, size_t length, struct connector_event *out)
{
	struct cn_msg header;

	if (length < sizeof(header))
		return -EBADMSG;
	memcpy(&header, payload, sizeof(header));
	if (header.id.idx != CN_IDX_PROC || header.id.val != CN_VAL_PROC)
		return 0;
	if (header.len > length - sizeof(header))
		return -EBADMSG;
	return parse_event(payload + sizeof(header), header.len, header.ack, out);
}

int connector_parse(const void *buffer, size_t length,
		    void (*each)(void *ctx, const struct connector_event *event), void *ctx)
{
	const unsigned char *at = buffer;
	int count = 0;

	while (length > 0) {
		struct connector_event event;
		struct nlmsghdr header;
		size_t step;
		int r = 0;

		if (length < sizeof(header))
			return -EBADMSG;
		memcpy(&header, at, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length)
			return -EBADMSG;
		if (header.nlmsg_type >= NLMSG_DONE)
			r = parse_payload(at + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN,
					  &event);
		if (r < 0)
			return r;
		if (r > 0) {
			each(ctx, &event);
			count++;
		}
		step = NLMSG_ALIGN((size_t)header.nlmsg_len);
		if (step >= length)
			break;
		at += step;
		length -= step;
	}
	return count;
}

static int send_request(const struct connector *c, const void *request, size_t length)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	const struct cn_msg connector = {
		.id = {.idx = CN_IDX_PROC, .val = CN_VAL_PROC},
		.ack = c->mark,
		.len = (uint16_t)length,
	};
	const struct nlmsghdr netlink = {
		.nlmsg_len = (uint32_t)(NLMSG_LENGTH(sizeof(connector)) + length),
		.nlmsg_type = NLMSG_DONE,
	};
	unsigned char message[NLMSG_SPACE(sizeof(connector) + sizeof(struct request))] = {0};
	ssize_t r;

	memcpy(message, &netlink, sizeof(netlink));
	memcpy(message + NLMSG_HDRLEN, &connector, sizeof(connector));
	memcpy(message + NLMSG_HDRLEN + sizeof(connector), request, length);
	do {
		r = sendto(c->fd, message, netlink.nlmsg_len, 0, (const struct sockaddr *)&kernel,
			   sizeof(kernel));
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static int send_op(const struct connector *c, uint32_t op)
{
	return send_request(c, &op, sizeof(op));
}

static int open_socket(struct error *err)
{
	struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
	int fd, r;

	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
	if (fd < 0) {
		r = errno;
		if (r == EPROTONOSUPPORT)
			return error_set(err, r, "this kernel has no connector (CONFIG_CONNECTOR)");
		if (r == EAFNOSUPPORT || r == EPERM || r == EACCES)
			return error_set(err, r,
					 "netlink sockets are forbidden here "
					 "(RestrictAddressFamilies without AF_NETLINK?)");
		return error_set(err, r, "no netlink socket: %s", error_name(-r));
	}
	if (bind(fd, (struct sockaddr *)&group, sizeof(group)) < 0) {
		r = errno;
		close(fd);
		if (r == EPERM || r == EACCES)
			return error_set(err, r, "joining its group needs CAP_NET_ADMIN");
		return error_set(err, r, "can't join its group: %s", error_name(-r));
	}
	return fd;
}

static uint32_t set_receive_buffer(int fd, uint32_t bytes)
{
	int value = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes;
	socklen_t length = sizeof(value);

	/* Forced past net.core.rmem_max where we may. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof(value)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value));
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &length) < 0)
		return 0;
	return (uint32_t)value;
}

struct ack_wait {
	uint32_t want;
	bool is_here;
	uint32_t error;
};

static void on_ack(void *ctx, const struct connector_event *event)
{
	struct ack_wait *wait = ctx;

	if (event->kind == CONNECTOR_ACK && event->ack == wait->want) {
		wait->is_here = true;
		wait->error = event->ack_error;
	}
}

static int wait_ack(struct connector *c, struct error *err)
{
	uint64_t deadline_ns = clock_now_ns() + CONNECTOR_ACK_MS * NSEC_PER_MSEC;
	struct ack_wait wait = {.want = c->mark + 1};

	for (;;) {
		struct pollfd fd = {.fd = c->fd, .events = POLLIN};
		uint64_t now_ns;
		int r;

		r = connector_read(c, on_ack, &wait);
		if (wait.is_here)
			break;
		/* On a busy machine many events may come first, or even flood the buffer. */
		if (r < 0 && r != -EAGAIN && r != -ENOBUFS)
			return error_set(err, -r, "can't read its answer: %s", error_name(r));
		now_ns = clock_now_ns();
		if (now_ns >= deadline_ns)
			return error_set(err, ETIMEDOUT,
					 "it does not answer: no CONFIG_PROC_EVENTS, "
					 "or another user namespace than the first");
		if (r == -EAGAIN)
			(void)poll(&fd, 1, (int)((deadline_ns - now_ns) / NSEC_PER_MSEC) + 1);
	}
	if (wait.error)
		return error_set(err, (int)wait.error, "it refuses listeners: %s",
				 error_name(-(int)wait.error));
	return 0;
}

static int listen_to(struct connector *c, struct error *err)
{
	int r = send_op(c, PROC_CN_MCAST_LISTEN);

	if (r == -ECONNREFUSED)
		return error_set(err, -r,
				 "it exists in the first network namespace only "
				 "(PrivateNetwork?)");
	if (r == -EPERM || r == -EACCES)
		return error_set(err, -r, "listening needs CAP_NET_ADMIN");
	if (r < 0)
		return error_set(err, -r, "can't ask to listen: %s", error_name(r));
	c->is_listening = true;
	return wait_ack(c, err);
}

int connector_open(struct connector *c, const struct connector_options *options, struct error *err)
{
	const struct request masked = {
		.op = PROC_CN_MCAST_LISTEN,
		.mask = (uint32_t)PROC_EVENT_FORK | (uint32_t)PROC_EVENT_EXEC |
			(uint32_t)PROC_EVENT_COMM | (uint32_t)PROC_EVENT_EXIT,
	};
	int r;

	/* The answer goes to the whole group, so ours must be distinguished from those of others.
	 */
	c->mark = (uint32_t)clock_now_ns() ^ (uint32_t)getpid() << 16;
	c->is_listening = false;
	c->filter_error = -ENOTSUP;
	c->fd = -1;
	r = open_socket(err);
	if (r < 0)
		return r;
	c->fd = r;
	c->receive_buffer_bytes = set_receive_buffer(c->fd, options->receive_buffer_bytes);
	r = listen_to(c, err);
	if (r < 0)
		goto close_it;
	if (options->filter_fd >= 0) {
		int fd = options->filter_fd;

		/* Optional: without it events are sorted out in user space. */
		c->filter_error = 0;
		if (setsockopt(c->fd, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd)) < 0)
			c->filter_error = -errno;
	}
	if (options->has_mask)
		(void)send_request(c, &masked, sizeof(masked));
	return 0;

close_it:
	connector_close(c);
	return r;
}

void connector_close(struct connector *c)
{
	if (c->fd < 0)
		return;
	if (c->is_listening)
		(void)send_op(c, PROC_CN_MCAST_IGNORE);
	c->is_listening = false;
	close(c->fd);
	c->fd = -1;
}

void connector_abandon(struct connector *c)
{
	c->is_listening = false;
	connector_close(c);
}

int connector_read(struct connector *c,
		   void (*each)(void *ctx, const struct connector_event *event), void *ctx)
{
	struct mmsghdr messages[CONNECTOR_BATCH];
	struct sockaddr_nl from[CONNECTOR_BATCH];
	struct iovec vectors[CONNECTOR_BATCH];
	int count;

	for (unsigned int i = 0; i < CONNECTOR_BATCH; i++) {
		vectors[i] = (struct iovec){c->buffers[i], sizeof(c->buffers[i])};
		messages[i] = (struct mmsghdr){
			.msg_hdr = {.msg_name = &from[i],
				    .msg_namelen = sizeof(from[i]),
				    .msg_iov = &vectors[i],
				    .msg_iovlen = 1},
		};
	}
	do {
		count = recvmmsg(c->fd, messages, CONNECTOR_BATCH, MSG_DONTWAIT, NULL);
	} while (count < 0 && errno == EINTR);
	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		/* Only the kernel has port 0; anything else is somebody's forgery. */
		if (messages[i].msg_hdr.msg_namelen != sizeof(from[i]) || from[i].nl_pid != 0 ||
		    (messages[i].msg_hdr.msg_flags & MSG_TRUNC))
			continue;
		(void)connector_parse(c->buffers[i], messages[i].msg_len, each, ctx);
	}
	return count;
}

uint64_t connector_drops(const struct connector *c)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t length = sizeof(info);

	if (c->fd < 0 || getsockopt(c->fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0)
		return 0;
	return info[SK_MEMINFO_DROPS];
}
