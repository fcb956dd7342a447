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
 * A /64 in which longer prefixes differ has the value MR_TREE6_TRIE: the trie holds those, and the
 * longest prefix around that /64, by the same invariant as in layout_index4.c.
 *
 * Called by mr_layout_plan() and by whoever fills a generation.  More ranges than the tree's levels
 * hold: no tree, the trie holds all.
 */
#include "layout_private.h"

#define WAYS (MR_TREE6_KEYS + 1)

struct ranges {
	const struct mr_image *image;
	struct mr_layout *layout;
	struct layout_state *state;
	size_t n; /* ranges so far */
	uint32_t value; /* of the last one */
	/* fill: where the next start goes */
	struct mr_tree6_node *nodes;
	uint32_t *values;
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
	x->nodes[node].start[key] = start;
	x->values[node * MR_TREE6_KEYS + key] = value;
	descend(x, node * WAYS + 2 + key);
}

static void add(struct ranges *x, uint64_t start, uint32_t value)
{
	if (x->n && value == x->value)
		return;
	x->n++;
	x->value = value;
	if (x->nodes)
		put(x, start, value);
}

static void on_range(void *userdata, uint64_t first, uint64_t last _unused_, mr_layout_cover cover)
{
	struct ranges *x = userdata;

	add(x, first, cover ? x->image->v6[cover - 1].class : x->image->root6);
}

static void on_cell(void *userdata, uint64_t cell, mr_layout_cover cover, size_t from, size_t to)
{
	struct ranges *x = userdata;

	add(x, cell, MR_TREE6_TRIE);
	if (x->nodes)
		return;
	if (cover)
		layout_mark(x->state->trie6, cover - 1, &x->layout->trie6);
	for (size_t n = from; n < to; n++)
		layout_mark(x->state->trie6, n, &x->layout->trie6);
}

int mr_layout_tree6_plan(const struct mr_image *i, struct mr_layout *l)
{
	struct ranges x = { .image = i, .layout = l, .state = l->state };
	size_t nodes, room = 0, depth = 0, values;

	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .six = true, .range = on_range, .cell = on_cell, .userdata = &x });
	nodes = (x.n + MR_TREE6_KEYS - 1) / MR_TREE6_KEYS;
	for (size_t level = 1; room < nodes; level *= WAYS, depth++)
		room += level;
	if (depth > MR_TREE6_DEPTH)
		return -E2BIG;
	values = nodes * MR_TREE6_KEYS;
	l->tree6_nodes = nodes;
	l->tree6_depth = depth;
	l->tree6_values = (values + MR_TREE6_VALUES - 1) / MR_TREE6_VALUES * MR_TREE6_VALUES;
	l->flags |= MR_GEN_TREE6;
	return 0;
}

int mr_layout_tree6(const struct mr_image *i, const struct mr_layout *l,
		    struct mr_tree6_node *nodes, uint32_t *values)
{
	struct mr_layout copy = *l; /* the walk of a plan counts in it, this one only reads */
	struct ranges x = {
		.image = i, .layout = &copy, .state = l->state, .nodes = nodes, .values = values
	};

	if (!(l->flags & MR_GEN_TREE6))
		return -EINVAL;
	descend(&x, 0);
	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .six = true, .range = on_range, .cell = on_cell, .userdata = &x });
	for (size_t n = x.n; n < l->tree6_nodes * MR_TREE6_KEYS; n++)
		put(&x, UINT64_MAX, x.value);
	return 0;
}
