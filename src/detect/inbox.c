/* SPDX-License-Identifier: GPL-2.0-only */
#include "detect/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int inbox_init(struct inbox *box)
{
	box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (box->fd < 0)
		return -errno;
	atomic_init(&box->head, 0);
	atomic_init(&box->tail, 0);
	atomic_init(&box->dropped, 0);
	atomic_init(&box->config, NULL);
	return 0;
}

void inbox_fini(struct inbox *box)
{
	if (box->fd >= 0)
		close(box->fd);
	box->fd = -1;
	free(inbox_take_config(box));
}

void inbox_kick(struct inbox *box)
{
	uint64_t one = 1;

	/* It can only fail with EAGAIN at 2^64-2 kicks not taken, when the fd is readable anyway.
	 */
	while (write(box->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void inbox_clear(struct inbox *box)
{
	uint64_t count;

	while (read(box->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
}

/*
 * Sequentially consistent on purpose: the putter stores head, then loads tail; the taker stores
 * tail, then loads head. One of them must see the other's store, or an event put while the taker
 * finishes its round would stay without a wake-up.
 */
void inbox_put(struct inbox *box, const struct event *event)
{
	uint32_t head = atomic_load_explicit(&box->head, memory_order_relaxed);

	if (head - atomic_load(&box->tail) == INBOX_EVENTS) {
		/* The taker is behind by a full box, so its fd is readable already. */
		atomic_fetch_add(&box->dropped, 1);
		return;
	}
	box->events[head % INBOX_EVENTS] = *event;
	atomic_store(&box->head, head + 1);
	if (atomic_load(&box->tail) == head)
		inbox_kick(box);
}

void inbox_lost(struct inbox *box)
{
	atomic_fetch_add(&box->dropped, 1);
	inbox_kick(box);
}

bool inbox_take(struct inbox *box, struct event *out)
{
	uint32_t tail = atomic_load_explicit(&box->tail, memory_order_relaxed);

	if (atomic_load(&box->head) == tail)
		return false;
	*out = box->events[tail % INBOX_EVENTS];
	atomic_store(&box->tail, tail + 1);
	return true;
}

int inbox_put_config(struct inbox *box, const struct config *config)
{
	struct config *copy = malloc(sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	*copy = *config;
	free(atomic_exchange(&box->config, copy));
	inbox_kick(box);
	return 0;
}

struct config *inbox_take_config(struct inbox *box)
{
	return atomic_exchange(&box->config, NULL);
}
