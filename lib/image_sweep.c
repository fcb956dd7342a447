// SPDX-License-Identifier: BSD-2-Clause
/*
 * image_sweep.c - collects the prefixes of all sources, sorts them, and walks them once.
 *
 * A sealed set is already in order, so collecting gives one sorted run a source and sorting is
 * merging; runs are merged two and two, halves of about equal size, so that one list of a million
 * is not copied once for each of a thousand single addresses beside it.  The arrays are those of
 * the image: `class` holds the number of the source until the walk, which goes over them once and
 * writes the result in place behind itself.
 *
 * The walk keeps the prefixes around its place on a stack: nesting cannot be deeper than the
 * prefix length.  It also notes which vectors some address really has: a prefix that narrower ones
 * cover entirely decides nothing.  Called twice by image.c, once a family; fails with what a step
 * fails with.
 */
#include "image_private.h"

typedef unsigned __int128 u128;

/* One prefix of either family.  IPv4 stands in the upper 32 bits, its length as it is. */
struct item {
	u128 first;
	uint8_t plen;
	uint16_t source;
};

static struct item get(const struct mr_image *i, bool six, size_t n)
{
	if (six) {
		const struct mr_flat6 *f = &i->v6[n];

		return (struct item){ (u128)f->hi << 64 | f->lo, f->plen, f->class };
	}
	return (struct item){ (u128)i->v4[n].addr << 96, i->v4[n].plen, i->v4[n].class };
}

static void put(struct mr_image *i, bool six, size_t n, const struct item *it, uint16_t class)
{
	if (six)
		i->v6[n] = (struct mr_flat6){ .hi = (uint64_t)(it->first >> 64),
					      .lo = (uint64_t)it->first,
					      .plen = it->plen,
					      .class = class };
	else
		i->v4[n] = (struct mr_flat4){ .addr = (uint32_t)(it->first >> 96),
					      .plen = it->plen,
					      .class = class };
}

static u128 last_address(u128 first, unsigned int plen)
{
	return plen < 128 ? first | ~(u128)0 >> plen : first;
}

/* --- collect and sort ------------------------------------------------------------------------- */

static bool before4(const struct mr_flat4 *a, const struct mr_flat4 *b)
{
	return a->addr != b->addr ? a->addr < b->addr : a->plen < b->plen;
}

static bool before6(const struct mr_flat6 *a, const struct mr_flat6 *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi;
	return a->lo != b->lo ? a->lo < b->lo : a->plen < b->plen;
}

/* Merges two sorted neighbours, list[0..mid) and list[mid..n); `room` takes the first. */
#define DEFINE_MERGE(name, type, before) \
	static void name(type *list, size_t mid, size_t n, type *room) \
	{ \
		size_t i = 0, j = mid, out = 0; \
\
		if (!before(&list[mid], &list[mid - 1])) \
			return; \
		memcpy(room, list, mid * sizeof(*list)); \
		while (i < mid && j < n) \
			list[out++] = before(&list[j], &room[i]) ? list[j++] : room[i++]; \
		memcpy(list + out, room + i, (mid - i) * sizeof(*list)); \
	}
DEFINE_MERGE(merge4, struct mr_flat4, before4)
DEFINE_MERGE(merge6, struct mr_flat6, before6)

struct runs {
	struct mr_image *image;
	bool six;
	const size_t *start; /* run i is start[i]..start[i + 1], none is empty */
	void *room; /* as big as the whole */
};

static void merge_runs(const struct runs *r, size_t from, size_t to)
{
	size_t at = r->start[from], half = at + (r->start[to] - at) / 2, split = from + 1;
	size_t end = to - 1;

	if (to - from < 2)
		return;
	/* the boundary nearest above the middle, so that both sides have about the same weight */
	while (split < end) {
		size_t m = split + (end - split) / 2;

		if (r->start[m] < half)
			split = m + 1;
		else
			end = m;
	}
	merge_runs(r, from, split);
	merge_runs(r, split, to);
	if (r->six)
		merge6(r->image->v6 + at, r->start[split] - at, r->start[to] - at, r->room);
	else
		merge4(r->image->v4 + at, r->start[split] - at, r->start[to] - at, r->room);
}

static void collect(const struct build *b, bool six, size_t *start, size_t *runs)
{
	struct mr_image *i = b->image;
	size_t n = 0;

	*runs = 0;
	for (size_t s = 0; s < b->n_sources; s++) {
		const struct mr_set *set = b->source[s].set;

		if ((six ? set->n6 : set->n4) == 0)
			continue;
		start[(*runs)++] = n;
		for (size_t k = 0; six && k < set->n6; k++)
			i->v6[n++] = (struct mr_flat6){ .hi = set->v6[k].hi,
							.lo = set->v6[k].lo,
							.plen = set->v6[k].plen,
							.class = (uint16_t)s };
		for (size_t k = 0; !six && k < set->n4; k++)
			i->v4[n++] = (struct mr_flat4){ .addr = set->v4[k].addr,
							.plen = set->v4[k].plen,
							.class = (uint16_t)s };
	}
	start[*runs] = n;
}

static int collect_sorted(struct build *b, bool six, size_t *count)
{
	size_t size = six ? sizeof(struct mr_flat6) : sizeof(struct mr_flat4);
	_free_ size_t *start = calloc(b->n_sources + 1, sizeof(*start));
	_free_ void *room = NULL;
	struct runs r = { .image = b->image, .six = six, .start = start };
	size_t n = 0, runs;
	void *list;

	for (size_t s = 0; s < b->n_sources; s++)
		n += six ? b->source[s].set->n6 : b->source[s].set->n4;
	list = calloc(n + 1, size);
	if (six)
		b->image->v6 = list;
	else
		b->image->v4 = list;
	if (!start || !list)
		return -ENOMEM;
	collect(b, six, start, &runs);
	if (runs > 1) {
		room = malloc(n * size);
		if (!room)
			return -ENOMEM;
		r.room = room;
		merge_runs(&r, 0, runs);
	}
	*count = n;
	return 0;
}

/* --- walk ------------------------------------------------------------------------------------- */

struct level {
	u128 last; /* address of the prefix */
	u128 next; /* first address behind the nested prefixes seen so far */
	uint32_t vector;
	uint16_t class; /* of the prefix */
	bool full; /* the nested prefixes reach the end of the address space */
	bool live; /* some address lies in none of the nested ones */
	size_t held; /* limited sources that held before it */
};
struct walk {
	struct build *b;
	bool six;
	struct level level[129]; /* one a prefix length, /0 included */
	size_t depth;
};

static void pop(struct walk *w)
{
	struct level *l = &w->level[--w->depth];

	if (l->live || (!l->full && l->next <= l->last)) {
		w->b->info[l->vector].live = true;
		if (w->b->n_held)
			mr_image_reach_held(w->b, l->vector);
	}
	w->b->n_held = l->held;
}

/* The parent's account of what is covered, as a nested prefix begins. */
static void cover(struct level *parent, u128 first, u128 last)
{
	if (first > parent->next)
		parent->live = true;
	parent->next = last + 1;
	parent->full = parent->next == 0;
}

/* Adds the sources of the group of equal prefixes at *n; leaves *n behind it. */
static int add_sources(struct walk *w, size_t *n, size_t count, struct level *l)
{
	struct item it = get(w->b->image, w->six, *n), next;
	int r;

	do {
		next = get(w->b->image, w->six, *n);
		if (next.first != it.first || next.plen != it.plen)
			break;
		r = mr_image_step(w->b, l->vector, next.source, &l->vector);
		if (r == 0 && w->b->source[next.source].n_limited)
			r = mr_image_reach_hold(w->b, next.source);
		if (r < 0)
			return r;
	} while (++*n < count);
	l->class = w->b->info[l->vector].class;
	return 0;
}

static int walk(struct walk *w, size_t count, size_t *left)
{
	size_t n = 0, out = 0;
	int r;

	while (n < count) {
		struct item it = get(w->b->image, w->six, n);
		struct level l = { .last = last_address(it.first, it.plen), .next = it.first };
		struct level *parent;

		while (w->level[w->depth - 1].last < it.first)
			pop(w);
		parent = &w->level[w->depth - 1];
		if (it.plen)
			cover(parent, it.first, l.last);
		l.vector = parent->vector;
		l.held = w->b->n_held;
		r = add_sources(w, &n, count, it.plen ? &l : parent);
		if (r < 0)
			return r;
		if (it.plen == 0)
			continue; /* the root itself */
		if (l.class != parent->class)
			put(w->b->image, w->six, out++, &it, l.class);
		w->level[w->depth++] = l;
	}
	*left = out;
	return 0;
}

int mr_image_sweep(struct build *b, bool six, uint16_t *root)
{
	_free_ struct walk *w = calloc(1, sizeof(*w));
	size_t count, left;
	int r;

	if (!w)
		return -ENOMEM;
	r = collect_sorted(b, six, &count);
	if (r < 0)
		return r;
	w->b = b;
	w->six = six;
	w->depth = 1;
	w->level[0].last = ~(u128)0;
	r = mr_image_root(b, &w->level[0].vector);
	if (r < 0)
		return r;
	w->level[0].class = b->info[w->level[0].vector].class;
	r = walk(w, count, &left);
	if (r < 0)
		return r;
	*root = w->level[0].class;
	while (w->depth)
		pop(w);
	*(six ? &b->image->n6 : &b->image->n4) = left;
	return 0;
}
