// SPDX-License-Identifier: BSD-2-Clause
/*
 * layout.c - which structures of abi.h an image uses, how big they are, and what the tries hold.
 *
 * A plan first, so that maps can be made to size; the index and the tree are filled by
 * layout_index4.c and layout_tree6.c.  Writes only to memory it is given; never touches the kernel.
 * Called by whoever fills a generation, and by tests.  Fails with -ENOMEM.
 */
#include "layout_private.h"

/*
 * From how many prefixes on `index auto` wants the index, where lines in the head do not do, by the
 * size it would have: 16, 8 or 4 MiB a generation.  Measured: the trie takes 29 ns at 10 prefixes,
 * 71 at 1,000, 116 at 10,000, the index 10 to 14 (tests/bench/lookup.c).
 */
static const size_t index_auto_min[MR_INDEX_PACK_MAX + 1] = { 1024, 256, 8 };
/* From how many IPv6 prefixes on the tree is quicker than the trie; it costs next to nothing. */
#define TREE6_AUTO_MIN 8

static void all_to_trie(uint8_t *bits, size_t n, size_t *count)
{
	memset(bits, 0xff, n / 8 + 1);
	*count = n;
}

static int plan4(const struct mr_image *i, enum mr_index_mode mode, struct mr_layout *l)
{
	struct layout_state *s = l->state;
	int r;

	if (i->n4 && mode != MR_INDEX_OFF) {
		r = mr_layout_index4_plan(i, l);
		if (r == 0 && l->flags & MR_GEN_NEAR4)
			return mr_layout_index4(i, l, NULL, NULL);
		if (r < 0 || mode == MR_INDEX_ON || i->n4 >= index_auto_min[l->index_pack])
			return r;
		l->flags &= ~(uint32_t)(MR_GEN_INDEX4 | MR_GEN_HOSTS);
		l->host_buckets = 0;
	}
	all_to_trie(s->trie4, i->n4, &l->trie4);
	return 0;
}

static int plan6(const struct mr_image *i, enum mr_index_mode mode, struct mr_layout *l)
{
	struct layout_state *s = l->state;

	if (i->n6 && (mode == MR_INDEX_ON || (mode == MR_INDEX_AUTO && i->n6 >= TREE6_AUTO_MIN))) {
		int r = mr_layout_tree6_plan(i, l);

		if (r != -E2BIG)
			return r;
	}
	all_to_trie(s->trie6, i->n6, &l->trie6);
	return 0;
}

int mr_layout_plan(const struct mr_image *i, enum mr_index_mode mode, struct mr_layout *out)
{
	_cleanup_(mr_layout_clear) struct mr_layout l = { 0 };
	struct layout_state *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	l.state = s;
	s->trie4 = calloc(i->n4 / 8 + 1, 1);
	s->trie6 = calloc(i->n6 / 8 + 1, 1);
	if (!s->trie4 || !s->trie6)
		return -ENOMEM;
	r = plan4(i, mode, &l);
	if (r == 0)
		r = plan6(i, mode, &l);
	if (r < 0)
		return r;
	l.flags |= l.trie4 ? MR_GEN_TRIE4 : 0;
	l.flags |= l.trie6 ? MR_GEN_TRIE6 : 0;
	*out = l;
	l.state = NULL;
	return 0;
}

void mr_layout_clear(struct mr_layout *l)
{
	struct layout_state *s = l->state;

	if (!s)
		return;
	free(s->trie4);
	free(s->trie6);
	free(s);
	l->state = NULL;
}

int mr_layout_trie4(const struct mr_image *i, const struct mr_layout *l, struct mr_trie4_key *keys,
		    uint32_t *classes)
{
	const struct layout_state *s = l->state;
	size_t out = 0;

	for (size_t n = 0; n < i->n4; n++) {
		const struct mr_flat4 *f = &i->v4[n];

		if (!layout_marked(s->trie4, n))
			continue;
		keys[out] = (struct mr_trie4_key){
			.prefixlen = f->plen,
			.addr = { (uint8_t)(f->addr >> 24), (uint8_t)(f->addr >> 16),
				  (uint8_t)(f->addr >> 8), (uint8_t)f->addr }
		};
		classes[out++] = f->class;
	}
	return out == l->trie4 ? 0 : -EINVAL;
}

int mr_layout_trie6(const struct mr_image *i, const struct mr_layout *l, struct mr_trie6_key *keys,
		    uint32_t *classes)
{
	const struct layout_state *s = l->state;
	size_t out = 0;

	for (size_t n = 0; n < i->n6; n++) {
		const struct mr_flat6 *f = &i->v6[n];
		struct mr_addr a = mr_addr_from6(f->hi, f->lo);

		if (!layout_marked(s->trie6, n))
			continue;
		keys[out].prefixlen = f->plen;
		memcpy(keys[out].addr, a.b, sizeof(a.b));
		classes[out++] = f->class;
	}
	return out == l->trie6 ? 0 : -EINVAL;
}
