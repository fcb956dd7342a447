// SPDX-License-Identifier: BSD-2-Clause
/*
 * layout_lines4.c - the /16s of the IPv4 index that one cache line tells whole.
 *
 * With a million prefixes every table is far away: an index of /24s and a table of hosts are two
 * misses of the caches and of the TLB for a packet, and whether a source is listed by its net or by
 * itself is a branch that nobody can guess.  But most of such a list has one class, and its single
 * addresses lie thinly: four or five to a /16 among 300,000.  So a line holds a bit for each /24
 * and up to fifteen addresses that differ, and the program reads it without a branch.  A /16 with
 * more of them, with narrow prefixes that are more than a few addresses, or with a third class is
 * told by the codes of its /24s (layout_index4.c), as if there were no lines.
 *
 * Where all /16s are told by lines and nearly all by the same two, as under a policy without big
 * lists, the lines stand in the head of the generation: neither index nor trie, no map is asked.
 *
 * Called by layout_index4.c; cannot fail.
 */
#include "layout_private.h"

#include <string.h>

enum { NEAR_ROOT, NEAR_LISTED }; /* lines of the head that many /16s share */

struct lines4 {
	const struct mr_image *image;
	struct mr_layout *layout;
	uint32_t at; /* the /16 of the last cell with hosts … */
	uint32_t hosts; /* … and how many of its addresses differ */
};

void layout_cell4(const struct mr_image *i, size_t from, size_t to, struct layout_cell4 *out)
{
	uint64_t held[4] = { 0 }; /* a bit by the last byte of the address */

	for (size_t n = from; n < to; n++) {
		uint32_t first = i->v4[n].addr & 255, end = first + (1u << (32 - i->v4[n].plen));

		for (uint32_t a = first; a < end; a++) {
			held[a / 64] |= (uint64_t)1 << a % 64;
			out->class[a] = i->v4[n].class;
		}
	}
	out->n = 0;
	for (uint32_t word = 0; word < 4; word++)
		for (uint64_t left = held[word]; left; left &= left - 1)
			out->last[out->n++] =
				(uint8_t)(word * 64 + (uint32_t)__builtin_ctzll(left));
}

/* --- plan ------------------------------------------------------------------------------------- */

static bool of_line(const struct mr_layout *l, uint16_t class)
{
	return class == l->line4[0] || class == l->line4[1];
}

static void no_line(struct mr_layout *l, uint32_t slash16)
{
	l->lines4[slash16 / 8] &= (uint8_t) ~(1u << slash16 % 8);
}

static void plan_range(void *userdata, uint64_t first, uint64_t last, mr_layout_cover cover)
{
	struct lines4 *x = userdata;

	if (of_line(x->layout, layout_class4(x->image, cover)))
		return;
	for (uint32_t s = (uint32_t)(first >> 8); s <= last >> 8; s++)
		no_line(x->layout, s);
}

static void plan_cell(void *userdata, uint64_t net, mr_layout_cover cover, size_t from, size_t to)
{
	struct lines4 *x = userdata;
	uint16_t class = layout_class4(x->image, cover);
	struct layout_cell4 cell;
	uint32_t s = (uint32_t)(net >> 8);
	bool fits = of_line(x->layout, class);

	if (!layout_is_line(x->layout, (uint32_t)net))
		return;
	if (s != x->at)
		x->hosts = 0;
	x->at = s;
	layout_cell4(x->image, from, to, &cell);
	for (size_t n = 0; n < cell.n; n++) {
		x->hosts += cell.class[cell.last[n]] != class;
		fits &= of_line(x->layout, cell.class[cell.last[n]]);
	}
	if (!fits || x->hosts > MR_LINE_HOSTS)
		no_line(x->layout, s);
}

void mr_layout_lines4_plan(const struct mr_image *i, uint16_t listed, struct mr_layout *l)
{
	struct lines4 x = { .image = i, .layout = l, .at = MR_LINES };

	l->line4[0] = i->root4;
	l->line4[1] = listed;
	memset(l->lines4, 0xff, sizeof(l->lines4));
	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .range = plan_range, .cell = plan_cell, .userdata = &x });
}

struct near4 {
	const struct mr_image *image;
	struct mr_near4 *near4;
	uint16_t listed;
	uint32_t lines; /* in use, or more than there are */
};

static void own_line(struct near4 *x, uint32_t slash16)
{
	if (x->near4->of[slash16] != NEAR_ROOT)
		return;
	if (x->lines < MR_NEAR_LINES)
		x->near4->of[slash16] = (uint8_t)x->lines;
	x->lines++;
}

static void near_range(void *userdata, uint64_t first, uint64_t last, mr_layout_cover cover)
{
	struct near4 *x = userdata;

	if (layout_class4(x->image, cover) != x->listed)
		return;
	for (uint64_t s = first >> 8; s <= last >> 8 && x->lines <= MR_NEAR_LINES; s++) {
		if (first <= s << 8 && last >= (s << 8 | 255))
			x->near4->of[s] = NEAR_LISTED;
		else
			own_line(x, (uint32_t)s);
	}
}

static void near_cell(void *userdata, uint64_t net, mr_layout_cover cover _unused_,
		      size_t from _unused_, size_t to _unused_)
{
	struct near4 *x = userdata;

	if (x->lines <= MR_NEAR_LINES)
		own_line(x, (uint32_t)(net >> 8));
}

bool mr_layout_near4_plan(const struct mr_image *i, struct mr_layout *l)
{
	struct layout_state *s = l->state;
	struct near4 x = {
		.image = i, .near4 = &s->near4, .listed = l->line4[1], .lines = NEAR_LISTED + 1
	};

	for (size_t n = 0; n < sizeof(l->lines4); n++)
		if (l->lines4[n] != 0xff)
			return false;
	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .range = near_range, .cell = near_cell, .userdata = &x });
	memset(s->near4.line[NEAR_LISTED].listed, 0xff, sizeof(s->near4.line[0].listed));
	return x.lines <= MR_NEAR_LINES;
}

/* --- fill: lines are zeroed, and so is what has the root's class -------------------------------
 */

void mr_layout_line4_range(struct mr_index_line *line, uint32_t first, uint32_t last)
{
	for (; first <= last && first % 8; first++)
		line->listed[first / 8] |= (uint8_t)(1u << first % 8);
	for (; first + 7 <= last; first += 8)
		line->listed[first / 8] = 0xff;
	for (; first <= last; first++)
		line->listed[first / 8] |= (uint8_t)(1u << first % 8);
}

static void put_host(struct mr_index_line *line, uint16_t low)
{
	/* free places match what is there already: the program looks at all fifteen */
	for (unsigned int n = line->hosts; n < MR_LINE_HOSTS; n++)
		line->host[n] = n == line->hosts || !line->hosts ? low : line->host[0];
	line->hosts++;
}

void mr_layout_line4_cell(const struct mr_image *i, struct mr_index_line *line, uint32_t net,
			  uint16_t cover, size_t from, size_t to)
{
	struct layout_cell4 cell;

	if (cover != i->root4)
		mr_layout_line4_range(line, net & 255, net & 255);
	layout_cell4(i, from, to, &cell);
	for (size_t n = 0; n < cell.n; n++)
		if (cell.class[cell.last[n]] != cover)
			put_host(line, (uint16_t)(net << 8 | cell.last[n]));
}
