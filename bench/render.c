// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs a request to get its body:
 *
 *   per_request.FORMAT  rendered for this request alone (docs/review.md, 4: indented JSON)
 *   first.FORMAT        the first reader of a snapshot, who renders for all
 *   later.FORMAT        everybody else: get the snapshot, its body, put the snapshot
 *   bytes.FORMAT        how long the body is
 *
 * The picture is that of a machine with eight audio servers and all histograms in use.
 *
 * Invariant: all readers of a snapshot get the same text; it is what rendering per request gives,
 * but for the figures that are a time; it was rendered once.
 */
#include "base/rcu.h"

#include <getopt.h>

#include "line.h"
#include "metrics/render.h"
#include "metrics/snapshot.h"
#include "picture.h"
#include "stopwatch.h"

#define LATER_BATCH 200
#define STORE_READERS 60

static struct snapshot_store *store;
static struct metrics picture;

static const char *const format_names[SNAPSHOT_FORMATS] = {"json", "pretty", "prometheus"};

static int render(enum snapshot_format format, char **text, size_t *length)
{
	if (format == SNAPSHOT_PROMETHEUS)
		return render_prometheus(&picture, clock_now_ns(), text, length);
	return render_json(&picture, clock_now_ns(), format == SNAPSHOT_PRETTY, text, length);
}

static void print(const char *what, enum snapshot_format format, const char *unit, struct dist *d,
		  double per)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", what, format_names[format]);
	line_dist("render", name, unit, d, per);
}

static int publish(void)
{
	struct metrics *draft;

	if (snapshot_draft(store, &draft)) {
		rcu_barrier();
		if (snapshot_draft(store, &draft))
			return -1;
	}
	memcpy(draft, &picture, sizeof(picture));
	snapshot_publish(store);
	return 0;
}

/* Equal but for digits: ages and sequence numbers differ in value and length. */
static bool is_alike(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	while (*a && *b) {
		size_t of_a = strspn(a, digits), of_b = strspn(b, digits);

		if (!of_a != !of_b || (!of_a && *a != *b))
			return false;
		a += of_a ? of_a : 1;
		b += of_b ? of_b : 1;
	}
	return *a == *b;
}

static int measure_per_request(enum snapshot_format format, struct stopwatch *watch,
			       unsigned int rounds)
{
	unsigned int i;
	struct dist d;

	dist_init(&d, rounds);
	for (i = 0; i < rounds + rounds / 10; i++) {
		char *text;
		size_t length;

		stopwatch_start(watch);
		if (render(format, &text, &length))
			return -1;
		free(text);
		if (i >= rounds / 10)
			dist_add(&d, stopwatch_stop(watch, 1));
	}
	print("per_request", format, "us", &d, PS_PER_US);
	dist_fini(&d);
	return 0;
}

/* Is the shared text right, and the same for the next reader? */
static int check_body(enum snapshot_format format, const struct snapshot *snap, const char *body,
		      size_t length)
{
	struct snapshot_counts before, after;
	const char *again;
	char *own = NULL;
	size_t own_length;
	int r = -1;

	snapshot_counts(store, &before);
	if (!snapshot_body(snap, format, &again, &own_length) && again == body &&
	    own_length == length && !render(format, &own, &own_length) && is_alike(body, own))
		r = 0;
	snapshot_counts(store, &after);
	if (after.rendered_total != before.rendered_total)
		r = -1;
	free(own);
	if (r)
		fprintf(stderr, "render: the shared %s is not what it should be\n",
			format_names[format]);
	return r;
}

static int measure_first(enum snapshot_format format, struct stopwatch *watch, unsigned int rounds)
{
	const struct snapshot *snap;
	const char *body;
	size_t length = 0;
	unsigned int i;
	struct dist d;
	int r = 0;

	dist_init(&d, rounds);
	for (i = 0; !r && i < rounds; i++) {
		if (publish())
			return -1;
		stopwatch_start(watch);
		snap = snapshot_get(store);
		r = snapshot_body(snap, format, &body, &length);
		dist_add(&d, stopwatch_stop(watch, 1));
		if (!r && !i)
			r = check_body(format, snap, body, length);
		snapshot_put(snap);
	}
	if (!r) {
		print("first", format, "us", &d, PS_PER_US);
		dist_reset(&d);
		dist_add(&d, length);
		print("bytes", format, "bytes", &d, 1);
	}
	dist_fini(&d);
	return r;
}

static int measure_later(enum snapshot_format format, struct stopwatch *watch, unsigned int rounds)
{
	size_t length = 0, sum = 0;
	const char *body = NULL;
	unsigned int i, turn;
	struct dist d;
	int r = 0;

	dist_init(&d, rounds);
	for (i = 0; !r && i < rounds; i++) {
		stopwatch_start(watch);
		for (turn = 0; turn < LATER_BATCH; turn++) {
			const struct snapshot *snap = snapshot_get(store);

			r |= snapshot_body(snap, format, &body, &length);
			snapshot_put(snap);
			sum += length;
		}
		dist_add(&d, stopwatch_stop(watch, LATER_BATCH));
	}
	if (r || sum != (size_t)rounds * LATER_BATCH * length) {
		fprintf(stderr, "render: a later reader of %s got another body\n",
			format_names[format]);
		r = -1;
	}
	if (!r)
		print("later", format, "us", &d, PS_PER_US);
	dist_fini(&d);
	return r;
}

int main(int argc, char **argv)
{
	unsigned int rounds = 500, format;
	struct stopwatch watch;
	int c, r = 0;

	while ((c = getopt(argc, argv, "q")) != -1) {
		if (c != 'q')
			return 2;
		rounds = 50;
	}
	if (rcu_start() || snapshot_store_new(STORE_READERS, &store))
		return 1;
	picture_fill(&picture, clock_now_ns());
	stopwatch_pin(0);
	stopwatch_init(&watch);
	for (format = 0; !r && format < SNAPSHOT_FORMATS; format++) {
		r = measure_per_request(format, &watch, rounds);
		if (!r)
			r = measure_first(format, &watch, rounds);
		if (!r)
			r = measure_later(format, &watch, rounds);
	}
	snapshot_store_free(store);
	rcu_stop();
	return r ? 1 : 0;
}
