// SPDX-License-Identifier: BSD-2-Clause
/*
 * _lookup.c - a laid-out image in plain memory, and a lookup in it (_lookup.h).
 *
 * The lookup follows bpf/lookup.h step by step; the tries are plain lists, searched one by one.
 */
#include "_lookup.h"

void laid_out_clear(struct laid_out *x)
{
	mr_layout_clear(&x->l);
	free(x->index);
	free(x->hosts);
	free(x->hosts6);
	free(x->nodes);
	free(x->values);
	free(x->key4);
	free(x->key6);
	free(x->class4);
	free(x->class6);
}

int lay_out(const struct mr_image *i, enum mr_index_mode mode, struct laid_out *out)
{
	_cleanup_(laid_out_clear) struct laid_out x = { .image = i };
	int r = mr_layout_plan(i, mode, &x.l);

	if (r < 0)
		return r;
	if (x.l.flags & MR_GEN_INDEX4) {
		x.index = calloc(MR_INDEX_BLOCKS, sizeof(*x.index));
		x.hosts = calloc(x.l.host_buckets + 1, sizeof(*x.hosts));
		r = x.index && x.hosts ? mr_layout_index4(i, &x.l, x.index, x.hosts) : -ENOMEM;
	}
	if (r == 0 && x.l.flags & MR_GEN_TREE6) {
		x.nodes = calloc(x.l.tree6_nodes, sizeof(*x.nodes));
		x.values = calloc(x.l.tree6_values / MR_TREE6_VALUES, sizeof(*x.values));
		x.hosts6 = calloc(x.l.host6_buckets + 1, sizeof(*x.hosts6));
		r = x.nodes && x.values && x.hosts6
			    ? mr_layout_tree6(i, &x.l, x.nodes, x.values->value, x.hosts6)
			    : -ENOMEM;
	}
	if (r < 0)
		return r;
	x.key4 = calloc(x.l.trie4 + 1, sizeof(*x.key4));
	x.key6 = calloc(x.l.trie6 + 1, sizeof(*x.key6));
	x.class4 = calloc(x.l.trie4 + 1, sizeof(*x.class4));
	x.class6 = calloc(x.l.trie6 + 1, sizeof(*x.class6));
	if (!x.key4 || !x.key6 || !x.class4 || !x.class6)
		return -ENOMEM;
	r = mr_layout_trie4(i, &x.l, x.key4, x.class4);
	if (r == 0)
		r = mr_layout_trie6(i, &x.l, x.key6, x.class6);
	if (r < 0)
		return r;
	*out = x;
	x = (struct laid_out){ 0 };
	return 0;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	for (unsigned int n = 0; n < bits; n++)
		if ((a[n / 8] ^ b[n / 8]) & 0x80 >> n % 8)
			return false;
	return true;
}

static uint32_t trie4(const struct laid_out *x, const struct mr_addr *a)
{
	uint32_t class = x->image->root4, best = 0;

	if (!(x->l.flags & MR_GEN_TRIE4))
		return class;
	for (size_t n = 0; n < x->l.trie4; n++)
		if (x->key4[n].prefixlen > best &&
		    bits_equal(x->key4[n].addr, a->b + 12, x->key4[n].prefixlen)) {
			best = x->key4[n].prefixlen;
			class = x->class4[n];
		}
	return class;
}

static uint32_t trie6(const struct laid_out *x, const struct mr_addr *a)
{
	uint32_t class = x->image->root6, best = 0;

	if (!(x->l.flags & MR_GEN_TRIE6))
		return class;
	for (size_t n = 0; n < x->l.trie6; n++)
		if (x->key6[n].prefixlen > best &&
		    bits_equal(x->key6[n].addr, a->b, x->key6[n].prefixlen)) {
			best = x->key6[n].prefixlen;
			class = x->class6[n];
		}
	return class;
}

static bool host(const struct laid_out *x, uint32_t addr, uint32_t *class)
{
	size_t at;

	if (!(x->l.flags & MR_GEN_HOSTS))
		return false;
	at = MR_HOST_BUCKET(addr, x->l.host_buckets);
	for (unsigned int probe = 0; probe < MR_HOST_PROBES; probe++) {
		const struct mr_host_bucket *b = &x->hosts[at];

		for (unsigned int w = 0; w < b->used; w++)
			if (b->addr[w] == addr) {
				*class = b->class[w];
				return true;
			}
		if (!b->more)
			return false;
		at = at + 1 == x->l.host_buckets ? 0 : at + 1;
	}
	return false;
}

static bool host6(const struct laid_out *x, uint32_t range, uint64_t lo, uint32_t *class)
{
	size_t at = MR_HOST6_BUCKET(range, lo, x->l.host6_buckets);

	for (unsigned int probe = 0; probe < MR_HOST6_PROBES; probe++) {
		const struct mr_host6_bucket *b = &x->hosts6[at];

		for (unsigned int w = 0; w < b->used; w++)
			if (b->lo[w] == lo && b->range[w] == range) {
				*class = b->class[w];
				return true;
			}
		if (!b->more)
			return false;
		at = at + 1 == x->l.host6_buckets ? 0 : at + 1;
	}
	return false;
}

static uint32_t line(const struct laid_out *x, const struct mr_index_line *l, uint32_t addr)
{
	unsigned int listed = l->listed[addr >> 11 & 31] >> (addr >> 8 & 7) & 1;

	for (unsigned int n = 0; n < l->hosts; n++)
		if (l->host[n] == (addr & 0xffff))
			return x->l.line4[!listed];
	return x->l.line4[listed];
}

static uint32_t class_of4(const struct laid_out *x, const struct mr_addr *a)
{
	uint32_t addr = mr_addr_v4(a), class, net, pack = x->l.index_pack;
	uint8_t code;

	if (x->l.flags & MR_GEN_NEAR4)
		return line(x, &x->l.near4->line[x->l.near4->of[addr >> 16]], addr);
	if (!(x->l.flags & MR_GEN_INDEX4))
		return trie4(x, a);
	net = addr >> 8;
	if (x->l.lines4[net >> 11] >> (net >> 8 & 7) & 1)
		return line(x, &x->index[MR_INDEX_BLOCK(net & ~255u, pack)].line, addr);
	code = x->index[MR_INDEX_BLOCK(net, pack)].code[MR_INDEX_BYTE(net, pack)];
	if (pack)
		code = x->l.index_code[code >> MR_INDEX_SHIFT(net, pack) &
				       ((1u << MR_INDEX_BITS(pack)) - 1)];
	if (code < MR_INDEX_HOSTS)
		return x->l.top4[code];
	if (code < MR_INDEX_TRIE) {
		if (host(x, addr, &class))
			return class;
		if (code < MR_INDEX_HOSTS_TRIE)
			return x->l.top4[code];
	}
	return trie4(x, a);
}

static uint32_t class_of6(const struct laid_out *x, const struct mr_addr *a)
{
	uint64_t hi = mr_addr_hi(a);
	uint32_t node = 0, at = 0, value, class;

	if (!(x->l.flags & MR_GEN_TREE6))
		return trie6(x, a);
	for (unsigned int level = 0; level < MR_TREE6_DEPTH && node < x->l.tree6_nodes; level++) {
		unsigned int n = 0;

		for (unsigned int k = 0; k < MR_TREE6_KEYS; k++)
			n += x->nodes[node].start[k] <= hi;
		if (n)
			at = node * MR_TREE6_KEYS + n - 1;
		node = node * (MR_TREE6_KEYS + 1) + 1 + n;
	}
	value = x->values[at / MR_TREE6_VALUES].value[at % MR_TREE6_VALUES];
	if (value < MR_TREE6_HOSTS)
		return value;
	if (value == MR_TREE6_TRIE)
		return trie6(x, a);
	return host6(x, at, mr_addr_lo(a), &class) ? class : value - MR_TREE6_HOSTS;
}

uint32_t laid_out_class(const struct laid_out *x, const struct mr_addr *a)
{
	return mr_addr_is4(a) ? class_of4(x, a) : class_of6(x, a);
}
