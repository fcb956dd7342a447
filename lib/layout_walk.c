// SPDX-License-Identifier: BSD-2-Clause
/*
 * layout_walk.c - one walk over the flattened prefixes, for index and tree alike.
 *
 * Keeps the wide prefixes around its place on a stack.  Called by layout_index4.c and
 * layout_tree6.c, up to three times an image; cannot fail.
 */
#include "layout_private.h"

struct level {
	uint64_t last; /* cell */
	mr_layout_cover cover;
};
struct walk {
	const struct mr_layout_walk *w;
	struct level level[65]; /* one a length of a wide prefix, and the root */
	size_t depth;
	uint64_t next; /* first cell not reported yet */
	bool done; /* … there is none */
};

/* Reports what is left up to `last` as covered by the innermost prefix. */
static void report(struct walk *s, uint64_t last)
{
	if (s->done || s->next > last)
		return;
	s->w->range(s->w->userdata, s->next, last, s->level[s->depth - 1].cover);
	s->done = last == UINT64_MAX;
	s->next = last + 1;
}

/* Leaves the prefixes that end before `cell`, and reports what lies before it. */
static void advance(struct walk *s, uint64_t cell)
{
	while (s->level[s->depth - 1].last < cell) {
		report(s, s->level[s->depth - 1].last);
		s->depth--;
	}
	if (cell)
		report(s, cell - 1);
}

static uint64_t cell_of(const struct mr_layout_walk *w, size_t n)
{
	return w->six ? w->image->v6[n].hi : w->image->v4[n].addr >> 8;
}

/* Is the entry wider than, or as wide as, a cell?  Then *last is the last cell of it. */
static bool is_wide(const struct mr_layout_walk *w, size_t n, uint64_t *last)
{
	unsigned int plen = w->six ? w->image->v6[n].plen : w->image->v4[n].plen;
	unsigned int bits = w->six ? 64 : 24;

	if (plen > bits)
		return false;
	*last = cell_of(w, n);
	if (plen < bits)
		*last |= UINT64_MAX >> (64 - bits) >> plen;
	return true;
}

void mr_layout_walk(const struct mr_layout_walk *w)
{
	size_t count = w->six ? w->image->n6 : w->image->n4;
	struct walk s = { .w = w, .depth = 1 };
	size_t n = 0, to;
	uint64_t last;

	s.level[0].last = w->six ? UINT64_MAX : 0xffffff;
	while (n < count) {
		uint64_t cell = cell_of(w, n);

		advance(&s, cell);
		if (is_wide(w, n, &last)) {
			s.level[s.depth++] = (struct level){ last, ++n };
			continue;
		}
		for (to = n + 1; to < count && cell_of(w, to) == cell;)
			to++;
		w->cell(w->userdata, cell, s.level[s.depth - 1].cover, n, to);
		s.done = cell == UINT64_MAX;
		s.next = cell + 1;
		n = to;
	}
	for (; s.depth; s.depth--)
		report(&s, s.level[s.depth - 1].last);
}
