/* SPDX-License-Identifier: GPL-2.0-only */
#include "bridge.h"

static struct loader *loader_of(void *ctx)
{
	return ((struct bridge *)ctx)->loader;
}

static int roles_apply(void *ctx, const struct role_request *request)
{
	return loader_role_apply(loader_of(ctx), request);
}

static int roles_get(void *ctx, uint32_t tgid, struct role_entry *out)
{
	return loader_role_get(loader_of(ctx), tgid, out);
}

static int roles_next(void *ctx, const uint32_t *tgid, uint32_t *next)
{
	return loader_role_next(loader_of(ctx), tgid, next);
}

static int roles_reload(void *ctx, const struct config *config)
{
	return loader_reload(loader_of(ctx), config);
}

static void roles_selftest(void *ctx, uint32_t tgid)
{
	loader_filter_selftest(loader_of(ctx), tgid);
}

static void offer_event(void *ctx, const struct event *event)
{
	detect_offer(ctx, event);
}

static void events_lost(void *ctx)
{
	detect_lost(ctx);
}

static bool roles_offer_bpf(void *ctx, struct detect *detect)
{
	struct bridge *b = ctx;

	b->proc_sink = (struct loader_proc_sink){
		.ctx = detect, .offer = offer_event, .lost = events_lost};
	return loader_offer_proc_events(b->loader, &b->proc_sink);
}

static void roles_pause_bpf(void *ctx, bool is_paused)
{
	loader_pause_proc_events(loader_of(ctx), is_paused);
}

static void connector_silent(void *ctx)
{
	detect_silent(ctx);
}

static void roles_watch_connector(void *ctx, struct detect *detect)
{
	struct bridge *b = ctx;

	b->silence_sink = (struct loader_silence_sink){.ctx = detect, .silent = connector_silent};
	loader_watch_connector(b->loader, &b->silence_sink);
}

struct detect_roles bridge_roles(struct bridge *b, struct loader *loader)
{
	*b = (struct bridge){.loader = loader};
	return (struct detect_roles){.ctx = b,
				     .apply = roles_apply,
				     .get = roles_get,
				     .next = roles_next,
				     .filter_fd = loader_filter_fd(loader),
				     .reload = roles_reload,
				     .selftest = roles_selftest,
				     .offer_bpf = roles_offer_bpf,
				     .pause_bpf = roles_pause_bpf,
				     .watch_connector = roles_watch_connector};
}
