// SPDX-License-Identifier: BSD-2-Clause
/*
 * layout_tree6.c - the IPv6 tree (abi.h has its shape).
 *
 * An index by leading bits, as for IPv4, does not work here: lists hold /32 to /64 within a few
 * /16, so any fixed cut is either too coarse or too big.  But beyond a /64 nobody routes, and few
 * list; so the upper 64 bits nearly always decide.  The flattened prefixes up to /64 cut the space
 * of those 64 bits into ranges, each with one class (neighbours of the same class are one range);
 * finding the range of an address is a search for the last start that is not above it.
 *
 * Binary search would touch twenty cache lines among a million starts.  The tree touches one a
 * level and has nine ways out of each: a node is eight starts in one cache line, compared without a
 * branch.  It is laid out without pointers: child c of node k is node 9k + 1 + c, the nodes fill
 * one level after the other, and the starts stand in the order of the walk "child 0, start 0,
 * child 1, start 1, …".  The value of start s of node k is values[8k + s].  Places behind the last
 * start are all ones and have the value of the last range, which is right for the one address that
 * meets them.
 *
 * A /64 in which single addresses differ, as lists of attackers have them, is a range of its own;
 * the addresses are in a host table like that of IPv4, keyed by the place of the range, which is
 * shorter than the upper 64 bits and as good.  A /64 in which other long prefixes differ has the
 * value MR_TREE6_TRIE: the trie holds those, and the longest prefix around that /64, by the same
 * invariant as in layout_index4.c.  So do hosts that found no room.
 *
 * Called by mr_layout_plan() and by whoever fills a generation.  More ranges than the tree's levels
 * hold: no tree, the trie holds all.
 */
#include "layout_private.h"

#define WAYS		  (MR_TREE6_KEYS + 1)
#define HOSTS6_PER_BUCKET 2 /* on average, of MR_HOST6_WAYS: 5 in 100 buckets overflow */

struct ranges {
	const struct mr_image *image;
	struct mr_layout *layout;
	struct layout_state *state;
	size_t n; /* ranges so far */
	uint32_t value; /* of the last one */
	size_t n_hosts; /* plan */
	/* fill: where the next start goes */
	struct mr_tree6_node *nodes;
	uint32_t *values;
	struct mr_host6_bucket *buckets;
	size_t last; /* the place of the last start */
	size_t node[MR_TREE6_DEPTH]; /* the way down to it */
	unsigned int key[MR_TREE6_DEPTH];
	size_t depth;
};

static void descend(struct ranges *x, size_t node)
{
	while (node < x->layout->tree6_nodes) {
		x->node[x->depth] = node;
		x->key[x->depth++] = 0;
		node = node * WAYS + 1;
	}
}

/* Writes the next place in order. */
static void put(struct ranges *x, uint64_t start, uint32_t value)
{
	size_t node, key;

	while (x->key[x->depth - 1] == MR_TREE6_KEYS)
		x->depth--;
	node = x->node[x->depth - 1];
	key = x->key[x->depth - 1]++;
	x->last = node * MR_TREE6_KEYS + key;
	x->nodes[node].start[key] = start;
	x->values[x->last] = value;
	descend(x, node * WAYS + 2 + key);
}

static void add(struct ranges *x, uint64_t start, uint32_t value)
{
	bool merges = value < MR_TREE6_HOSTS || value == MR_TREE6_TRIE;

	if (x->n && merges && value == x->value)
		return;
	x->n++;
	x->value = value;
	if (x->nodes)
		put(x, start, value);
}

static uint16_t cover_class(const struct ranges *x, mr_layout_cover cover)
{
	return cover ? x->image->v6[cover - 1].class : x->image->root6;
}

static void on_range(void *userdata, uint64_t first, uint64_t last _unused_, mr_layout_cover cover)
{
	struct ranges *x = userdata;

	add(x, first, cover_class(x, cover));
}

/* Not the last cell of all: the places behind the last start find it too, under another number. */
static bool only_hosts(const struct mr_image *i, uint64_t cell, size_t from, size_t to)
{
	if (cell == UINT64_MAX)
		return false;
	for (size_t n = from; n < to; n++)
		if (i->v6[n].plen != 128)
			return false;
	return true;
}

static void to_trie(struct ranges *x, mr_layout_cover cover, size_t from, size_t to)
{
	if (cover)
		layout_mark(x->state->trie6, cover - 1, &x->layout->trie6);
	for (size_t n = from; n < to; n++)
		layout_mark(x->state->trie6, n, &x->layout->trie6);
}

static void plan_cell(void *userdata, uint64_t cell, mr_layout_cover cover, size_t from, size_t to)
{
	struct ranges *x = userdata;

	if (only_hosts(x->image, cell, from, to)) {
		add(x, cell, MR_TREE6_HOSTS | cover_class(x, cover));
		x->n_hosts += to - from;
	} else {
		add(x, cell, MR_TREE6_TRIE);
		to_trie(x, cover, from, to);
	}
}

static bool put_host(struct ranges *x, uint64_t lo, uint16_t class)
{
	size_t n = x->layout->host6_buckets;
	size_t at = MR_HOST6_BUCKET(x->last, lo, n);

	for (unsigned int probe = 0; probe < MR_HOST6_PROBES; probe++) {
		struct mr_host6_bucket *b = &x->buckets[at];

		if (b->used < MR_HOST6_WAYS) {
			b->lo[b->used] = lo;
			b->range[b->used] = (uint32_t)x->last;
			b->class[b->used] = class;
			b->used++;
			return true;
		}
		b->more = 1;
		if (++at == n)
			at = 0;
	}
	return false;
}

static void fill_cell(void *userdata, uint64_t cell, mr_layout_cover cover, size_t from, size_t to)
{
	struct ranges *x = userdata;

	if (!only_hosts(x->image, cell, from, to)) {
		add(x, cell, MR_TREE6_TRIE);
		return;
	}
	add(x, cell, MR_TREE6_HOSTS | cover_class(x, cover));
	for (size_t n = from; n < to; n++) {
		if (put_host(x, x->image->v6[n].lo, x->image->v6[n].class))
			continue;
		/* no room: those put in before are not asked for and do no harm; the range stays
		 * its own, the plan counted it */
		x->values[x->last] = MR_TREE6_TRIE;
		to_trie(x, cover, from, to);
		return;
	}
}

int mr_layout_tree6_plan(const struct mr_image *i, struct mr_layout *l)
{
	struct ranges x = { .image = i, .layout = l, .state = l->state };
	size_t nodes, room = 0, depth = 0, values;

	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .six = true, .range = on_range, .cell = plan_cell, .userdata = &x });
	nodes = (x.n + MR_TREE6_KEYS - 1) / MR_TREE6_KEYS;
	for (size_t level = 1; room < nodes; level *= WAYS, depth++)
		room += level;
	if (depth > MR_TREE6_DEPTH)
		return -E2BIG;
	values = nodes * MR_TREE6_KEYS;
	l->tree6_nodes = nodes;
	l->tree6_depth = depth;
	l->tree6_values = (values + MR_TREE6_VALUES - 1) / MR_TREE6_VALUES * MR_TREE6_VALUES;
	l->host6_buckets = (x.n_hosts + HOSTS6_PER_BUCKET - 1) / HOSTS6_PER_BUCKET;
	l->flags |= MR_GEN_TREE6 | (x.n_hosts ? MR_GEN_HOSTS6 : 0);
	return 0;
}

int mr_layout_tree6(const struct mr_image *i, struct mr_layout *l, struct mr_tree6_node *nodes,
		    uint32_t *values, struct mr_host6_bucket *buckets)
{
	struct ranges x = { .image = i,
			    .layout = l,
			    .state = l->state,
			    .nodes = nodes,
			    .values = values,
			    .buckets = buckets };

	if (!(l->flags & MR_GEN_TREE6))
		return -EINVAL;
	descend(&x, 0);
	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .six = true, .range = on_range, .cell = fill_cell, .userdata = &x });
	for (size_t n = x.n; n < l->tree6_nodes * MR_TREE6_KEYS; n++)
		put(&x, UINT64_MAX, x.value);
	if (l->trie6)
		l->flags |= MR_GEN_TRIE6;
	return 0;
}
