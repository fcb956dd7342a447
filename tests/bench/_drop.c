// SPDX-License-Identifier: BSD-2-Clause
/*
 * _drop.c - what it costs to refuse a frame: every side, every list, in alternating rounds.
 *
 * Each side has its own veth pair and namespace; all are set up before the first round, and each
 * round sends the same number of frames to every side in turn.  A measurement counts only if the
 * side's own counter went up by exactly the frames sent and nothing arrived at TCP behind it; and a
 * side takes part only if, before its list was loaded, frames did arrive at TCP.  Called by
 * bench.c; fails with a message on standard error.
 */
#include "_bench.h"

#include <string.h>

#define CONTROL_FRAMES 200 /* seen to arrive before a list is loaded */
#define WARM_FRAMES    65536 /* before each measurement: the other sides had the caches */
#define SETTLE_MS      1000 /* after setting up: what was freed is freed in the background */

struct scenario {
	const char *name;
	enum bench_mix mix;
	size_t n;
};
static const struct scenario scenarios[] = {
	{ "10 prefixes", BENCH_MIXED, 10 },
	{ "1,000 prefixes", BENCH_MIXED, 1000 },
	{ "1,000 hosts", BENCH_HOSTS, 1000 }, /* the one that xdp-filter can do */
	{ "100,000 prefixes", BENCH_MIXED, 100000 },
	{ "1,000,000 prefixes", BENCH_MIXED, 1000000 },
	{ "300,000 hosts", BENCH_HOSTS, 300000 },
	{ "100,000 IPv6 prefixes", BENCH_MIXED6, 100000 },
};
static const struct bench_side_ops *const all_sides[] = {
	&bench_side_floor, &bench_side_mailreeve,   &bench_side_nft,
	&bench_side_ipset, &bench_side_ipset_split, &bench_side_xdp_filter,
};
#define SIDES MR_ARRAY_SIZE(all_sides)

/* Frames that nobody refuses must arrive: else a drop proves nothing. */
static int control(struct bench *b, struct bench_side *s, bool ipv6, struct mr_error *e)
{
	uint64_t before = 0, after = 0;
	double ns;
	int r;

	r = bench_wire_arrived(&s->wire, &before);
	if (r == 0)
		r = bench_send(b, &s->wire, ipv6, CONTROL_FRAMES, &ns);
	if (r == 0)
		r = bench_wire_arrived(&s->wire, &after);
	if (r < 0)
		return mr_error(e, r, "control run: %s", strerror(-r));
	if (after - before != CONTROL_FRAMES)
		return mr_error(e, -EIO,
				"control run: of %d frames that nobody refuses %llu arrived",
				CONTROL_FRAMES, (unsigned long long)(after - before));
	return 0;
}

static int measure(struct bench *b, struct bench_side *s, bool ipv6, double *ns, struct mr_error *e)
{
	uint64_t before, after, in_before, in_after, sent = b->frames;
	double warm;
	int r;

	r = bench_wire_arrived(&s->wire, &in_before);
	if (r == 0)
		r = bench_send(b, &s->wire, ipv6, WARM_FRAMES, &warm);
	if (r < 0)
		return mr_error(e, r, "sending: %s", strerror(-r));
	r = s->ops->dropped(b, s, &before, e);
	if (r < 0)
		return r;
	r = bench_send(b, &s->wire, ipv6, b->frames, ns);
	if (r < 0)
		return mr_error(e, r, "sending: %s", strerror(-r));
	r = s->ops->dropped(b, s, &after, e);
	if (r < 0)
		return r;
	r = bench_wire_arrived(&s->wire, &in_after);
	if (r < 0)
		return mr_error(e, r, "counters of TCP: %s", strerror(-r));
	if (after - before != sent || in_after != in_before)
		return mr_error(e, -EIO, "of %llu frames %llu were dropped, %llu passed",
				(unsigned long long)sent, (unsigned long long)(after - before),
				(unsigned long long)(in_after - in_before));
	return 0;
}

static int set_up(struct bench *b, struct bench_side *s, unsigned int number,
		  const struct bench_list *l)
{
	struct mr_error e = { "" };
	double from;
	int r;

	r = bench_wire_new(b, number, &s->wire, &e);
	if (r == 0)
		r = control(b, s, bench_list_is6(l), &e);
	if (r == 0) {
		from = bench_now_ms();
		r = s->ops->setup(b, s, l, &e);
		s->setup_ms = bench_now_ms() - from;
	}
	if (r == 0) {
		s->in = true;
		return 0;
	}
	fprintf(stderr, "  %s: %s%s\n", s->ops->name, r > 0 ? "left out: " : "", e.text);
	return r == 1 || r == -ENOENT ? 0 : r; /* not installed: left out; else a failure */
}

static void tear_down(struct bench *b, struct bench_side *sides)
{
	for (unsigned int i = 0; i < SIDES; i++) {
		mr_closep(&sides[i].link);
		if (sides[i].wire.ns < 0)
			continue;
		if (sides[i].ops->clear)
			sides[i].ops->clear(b, &sides[i]);
		bench_wire_clear(b, &sides[i].wire, i);
	}
}

/* One round after another, every side once in each; the first side changes with the round. */
static int rounds(struct bench *b, struct bench_side *sides, const struct bench_list *l)
{
	struct mr_error e;

	for (unsigned int round = 0; round < b->rounds; round++) {
		for (unsigned int i = 0; i < SIDES; i++) {
			struct bench_side *s = &sides[(i + round) % SIDES];
			int r = s->in ? measure(b, s, bench_list_is6(l), &s->ns[round], &e) : 0;

			if (r < 0) {
				fprintf(stderr, "  %s, round %u: %s\n", s->ops->name, round + 1,
					e.text);
				return r;
			}
		}
	}
	return 0;
}

static double median_of(const struct bench *b, const struct bench_side *sides,
			const struct bench_side_ops *ops)
{
	for (unsigned int i = 0; i < SIDES; i++)
		if (sides[i].ops == ops && sides[i].in)
			return bench_median(sides[i].ns, b->rounds);
	return 0;
}

static void report(struct bench *b, const struct scenario *c, const struct bench_side *sides)
{
	double floor = median_of(b, sides, &bench_side_floor);
	double own = median_of(b, sides, &bench_side_mailreeve);
	json_t *list = json_object();

	printf("%-22s", c->name);
	for (unsigned int i = 0; i < SIDES; i++) {
		double m = bench_median(sides[i].ns, b->rounds);
		json_t *all = json_array();

		if (!sides[i].in) {
			printf(" %12s", "-");
			json_decref(all);
			continue;
		}
		for (unsigned int k = 0; k < b->rounds; k++)
			json_array_append_new(all, json_real(sides[i].ns[k]));
		json_object_set_new(list, sides[i].ops->name,
				    json_pack("{s:f, s:o, s:f, s:f, s:f}", "ns", m, "rounds", all,
					      "of_floor", floor > 0 ? m / floor : 0.0,
					      "of_mailreeve", own > 0 ? m / own : 0.0, "setup_ms",
					      sides[i].setup_ms));
		printf(" %6.0f %5.2f", m, floor > 0 ? m / floor : 0.0);
	}
	printf("\n");
	fflush(stdout);
	json_object_set_new(json_object_get(b->json, "drop"), c->name, list);
}

static double least(double a, double b)
{
	return a > 0 && (b <= 0 || a < b) ? a : b;
}

static void bars(struct bench *b, const struct scenario *c, const struct bench_side *sides)
{
	double floor = median_of(b, sides, &bench_side_floor);
	double own = median_of(b, sides, &bench_side_mailreeve);
	double nft = median_of(b, sides, &bench_side_nft);
	double ipset = least(median_of(b, sides, &bench_side_ipset),
			     median_of(b, sides, &bench_side_ipset_split));

	if (own <= 0) {
		bench_bar_missing(b, c->name, "mailreeve's side could not be measured");
		return;
	}
	if (c->n == 10)
		bench_bar(b, "10 prefixes, of the floor", own / floor, 1.25, false, "x");
	if (c->n == 1000000) {
		bench_bar(b, "1,000,000 prefixes, of the floor", own / floor, 2.2, false, "x");
		bench_bar(b, "1,000,000 prefixes, of the floor (the wish)", own / floor, 1.6, false,
			  "x");
	}
	if (c->n == 1000000 && !b->own) {
		bench_bar(b, "1,000,000 prefixes, nftables takes", nft / own, 4.5, true, "x");
		bench_bar(b, "1,000,000 prefixes, ipset takes", ipset / own, 3, true, "x");
	}
	if (c->mix == BENCH_HOSTS && c->n == 300000)
		bench_bar(b, "300,000 hosts, of the floor", own / floor, 3.5, false, "x");
	if (c->mix == BENCH_MIXED6 && !b->own)
		bench_bar(b, "100,000 IPv6 prefixes, nftables takes", nft / own, 1, true, "x");
}

static int one_list(struct bench *b, const struct scenario *c)
{
	struct bench_side sides[SIDES] = { 0 };
	struct bench_list l;
	int r;

	for (unsigned int i = 0; i < SIDES; i++)
		sides[i] = (struct bench_side){ .ops = all_sides[i],
						.wire.ns = -EBADF,
						.link = -EBADF };
	r = bench_list_make(c->mix, c->n, b->seed, &l);
	if (r == 0)
		r = bench_pool_from_list(b, &l);
	for (unsigned int i = 0; r == 0 && i < SIDES; i++)
		if (!b->own || all_sides[i] == &bench_side_floor ||
		    all_sides[i] == &bench_side_mailreeve)
			r = set_up(b, &sides[i], i, &l);
	if (r == 0) {
		usleep(SETTLE_MS * 1000);
		r = rounds(b, sides, &l);
	}
	if (r == 0) {
		report(b, c, sides);
		bars(b, c, sides);
	}
	tear_down(b, sides);
	bench_list_clear(&l);
	return r;
}

int bench_drop(struct bench *b)
{
	int failed = 0;

	json_object_set_new(b->json, "drop", json_object());
	printf("To refuse a frame: ns a frame, sending included, and times the floor\n%-22s",
	       "list");
	for (unsigned int i = 0; i < SIDES; i++)
		printf(" %12s", all_sides[i]->name);
	printf("\n");
	for (size_t i = 0; i < MR_ARRAY_SIZE(scenarios); i++) {
		int r = 0;

		if (!b->list || strncmp(scenarios[i].name, b->list, strlen(b->list)) == 0)
			r = one_list(b, &scenarios[i]);
		if (r < 0) {
			fprintf(stderr, "bench: %s: %s\n", scenarios[i].name, strerror(-r));
			bench_bar_missing(b, scenarios[i].name, "the measurement failed");
			failed = r;
		}
	}
	return failed;
}
