/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lookup.h - from an address to its class, in the structures of one slot.
 *
 * What the structures hold and why is told in lib/layout_index4.c, layout_lines4.c and
 * layout_tree6.c; the tests have a twin of this in plain C.  Returns MR_CLASS_NONE if a map that
 * the generation's flags promise is not there; the caller passes the packet and counts.
 */
#ifndef MR_BPF_LOOKUP_H
#define MR_BPF_LOOKUP_H

#include "maps.h"

#include <bpf/bpf_endian.h>

#define MR_CLASS_NONE 0xffffffffu
#define MR_CLASS_MISS 0xfffffffeu /* between these functions: not in the host table */

/* --- IPv4: index, hosts, trie ------------------------------------------------------------------
 */

static __always_inline __u32 trie_class4(__u32 slot, const struct mr_gen *g, __u32 addr)
{
	struct mr_trie4_key key = { .prefixlen = 32 };
	const __u32 *class;
	void *map;

	if (!(g->flags & MR_GEN_TRIE4))
		return g->root4;
	map = bpf_map_lookup_elem(&trie4, &slot);
	if (!map)
		return MR_CLASS_NONE;
	*(__u32 *)key.addr = bpf_htonl(addr);
	class = bpf_map_lookup_elem(map, &key);
	return class ? *class : g->root4;
}

/* Class, MR_CLASS_MISS or MR_CLASS_NONE. */
static __always_inline __u32 host_class(__u32 slot, const struct mr_gen *g, __u32 addr)
{
	__u32 at = MR_HOST_BUCKET(addr, g->host_buckets);
	void *map;

	if (!(g->flags & MR_GEN_HOSTS))
		return MR_CLASS_MISS;
	map = bpf_map_lookup_elem(&hosts, &slot);
	if (!map)
		return MR_CLASS_NONE;
	for (int probe = 0; probe < MR_HOST_PROBES; probe++) {
		const struct mr_host_bucket *b = bpf_map_lookup_elem(map, &at);

		if (!b)
			return MR_CLASS_NONE;
#pragma unroll
		for (int way = 0; way < MR_HOST_WAYS; way++)
			/* a free way is all zeroes, and so may the address be */
			if (b->addr[way] == addr && way < b->used)
				return b->class[way];
		if (!b->more)
			return MR_CLASS_MISS;
		if (++at >= g->host_buckets)
			at = 0;
	}
	return MR_CLASS_MISS;
}

/*
 * Has the host's bucket fetched while the index is: where both miss the caches, and with a million
 * prefixes they do, one wait is for both.
 */
#define TOUCH_MIN 8192 /* buckets, 512 KiB: fewer stay in the second cache */
static __always_inline void touch_host(__u32 slot, const struct mr_gen *g, __u32 addr)
{
	__u32 at = MR_HOST_BUCKET(addr, g->host_buckets);
	const struct mr_host_bucket *b;
	void *map;

	if (g->host_buckets < TOUCH_MIN)
		return;
	map = bpf_map_lookup_elem(&hosts, &slot);
	b = map ? bpf_map_lookup_elem(map, &at) : 0;
	if (b)
		(void)*(volatile const __u32 *)b->addr;
}

/*
 * The class that a line gives an address (struct mr_index_line).  No branch up to the answer: lists
 * mix nets and single addresses, and a guess at which it is would be wrong every third time.  The
 * answer itself is a branch, and not an index: in a flood it is the same for all, and with the
 * right guess nothing that comes after waits until the line is there.
 */
#define LANES 0x0001000100010001ULL /* a 16-bit value, four times */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LANE_LAST 0xffff000000000000ULL
#else
#define LANE_LAST 0x000000000000ffffULL
#endif
static __always_inline __u32 line_class(const struct mr_gen *g, const struct mr_index_line *l,
					__u32 addr)
{
	__u64 low = (addr & 0xffff) * LANES, found = 0;
	const __u64 *four = (const __u64 *)l->host;
	__u32 which;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u64 differs = four[i] ^ low;

		if (i == 3) /* the number of hosts is none */
			differs |= LANE_LAST;
		/* the top bit of a lane that is 0, perhaps of lanes above one, else of none */
		found |= (differs - LANES) & ~differs;
	}
	found = found >> 15 & LANES;
	/* the top bit of -x is set for every small x but 0 */
	found = (0 - found) & (0 - (__u64)l->hosts);
	which = l->listed[addr >> 11 & 31] >> (addr >> 8 & 7) ^ found >> 63;
	return which & 1 ? g->line4[1] : g->line4[0];
}

/* The line that tells the address's /16, or NULL if none does. */
static __always_inline const struct mr_index_line *line_of4(__u32 slot, const struct mr_gen *g,
							    __u32 addr)
{
	const struct mr_index_block *block;
	__u32 key, at;
	void *map;

	if (g->flags & MR_GEN_NEAR4)
		return &g->near4.line[g->near4.of[addr >> 16] & (MR_NEAR_LINES - 1)];
	if (!(g->flags & MR_GEN_INDEX4) ||
	    !(g->lines4[addr >> 19 & (MR_LINES / 8 - 1)] >> (addr >> 16 & 7) & 1))
		return 0;
	key = slot; /* copied here: what has an address lives on the stack from where it is set */
	at = MR_INDEX_BLOCK((addr >> 8) & ~0xffu, g->index_pack & 3);
	map = bpf_map_lookup_elem(&index4, &key);
	block = map ? bpf_map_lookup_elem(map, &at) : 0;
	return block ? &block->line : 0;
}

/* What no line tells.  addr: host order */
static __noinline __u32 class_far4(__u32 slot, __u32 addr)
{
	const struct mr_gen *g = &state.gen[slot & 1];
	const struct mr_index_block *block;
	__u32 net = addr >> 8, pack = g->index_pack & 3, at, class, code;
	void *map;

	if (!(g->flags & MR_GEN_INDEX4))
		return trie_class4(slot, g, addr);
	at = MR_INDEX_BLOCK(net, pack);
	touch_host(slot, g, addr);
	map = bpf_map_lookup_elem(&index4, &slot);
	if (!map)
		return MR_CLASS_NONE;
	block = bpf_map_lookup_elem(map, &at);
	if (!block)
		return MR_CLASS_NONE;
	code = block->code[MR_INDEX_BYTE(net, pack)];
	if (pack)
		code = g->index_code[code >> MR_INDEX_SHIFT(net, pack) &
				     ((1u << MR_INDEX_BITS(pack)) - 1) & (MR_INDEX_PACKED - 1)];
	if (code < MR_INDEX_HOSTS)
		return g->top4[code];
	if (code < MR_INDEX_TRIE) {
		class = host_class(slot, g, addr);
		if (class != MR_CLASS_MISS)
			return class;
		if (code < MR_INDEX_HOSTS_TRIE)
			return g->top4[code];
	}
	return trie_class4(slot, g, addr);
}

/* addr: host order */
static __always_inline __u32 class_of4(__u32 slot, const struct mr_gen *g, __u32 addr)
{
	const struct mr_index_line *line = line_of4(slot, g, addr);

	return line ? line_class(g, line, addr) : class_far4(slot, addr);
}

/* --- IPv6: tree, trie ------------------------------------------------------------------------- */

/* addr: as on the wire */
static __always_inline __u32 trie_class6(__u32 slot, const struct mr_gen *g, const __u64 addr[2])
{
	struct mr_trie6_key key = { .prefixlen = 128 };
	const __u32 *class;
	void *map;

	if (!(g->flags & MR_GEN_TRIE6))
		return g->root6;
	map = bpf_map_lookup_elem(&trie6, &slot);
	if (!map)
		return MR_CLASS_NONE;
	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	class = bpf_map_lookup_elem(map, &key);
	return class ? *class : g->root6;
}

/* Class, MR_CLASS_MISS or MR_CLASS_NONE.  lo: host order */
static __always_inline __u32 host_class6(__u32 slot, const struct mr_gen *g, __u32 range, __u64 lo)
{
	__u32 at = MR_HOST6_BUCKET(range, lo, g->host6_buckets);
	void *map = bpf_map_lookup_elem(&hosts6, &slot);

	if (!map)
		return MR_CLASS_NONE;
	for (int probe = 0; probe < MR_HOST6_PROBES; probe++) {
		const struct mr_host6_bucket *b = bpf_map_lookup_elem(map, &at);

		if (!b)
			return MR_CLASS_NONE;
#pragma unroll
		for (int way = 0; way < MR_HOST6_WAYS; way++)
			if (b->lo[way] == lo && b->range[way] == range && way < b->used)
				return b->class[way];
		if (!b->more)
			return MR_CLASS_MISS;
		if (++at >= g->host6_buckets)
			at = 0;
	}
	return MR_CLASS_MISS;
}

/*
 * How many of the starts are not above hi.  Without a branch: BPF has no "set if less", a compare
 * would be a jump that is guessed wrong once a node, and eight forks for the verifier.  The top bit
 * of the term is the borrow of hi - start.
 */
static __always_inline __u32 starts_up_to(const struct mr_tree6_node *n, __u64 hi)
{
	__u64 not_hi = ~hi;
	__u32 count = MR_TREE6_KEYS;

#pragma unroll
	for (int k = 0; k < MR_TREE6_KEYS; k++) {
		__u64 start = n->start[k];

		count -= ((not_hi & start) | ((not_hi ^ start) & (hi - start))) >> 63;
	}
	return count;
}

/* addr: the sixteen bytes as they are on the wire, on the stack */
static __always_inline __u32 class_of6(__u32 slot, const __u64 addr[2])
{
	const struct mr_gen *g = &state.gen[slot & 1];
	__u32 node = 0, found = 0, nodes = g->tree6_nodes;
	__u64 hi = bpf_be64_to_cpu(addr[0]);
	const struct mr_tree6_values *values;
	__u32 at, value, class;
	void *map;

	if (!(g->flags & MR_GEN_TREE6))
		return trie_class6(slot, g, addr);
	map = bpf_map_lookup_elem(&tree6, &slot);
	if (!map)
		return MR_CLASS_NONE;
	for (int level = 0; level < MR_TREE6_DEPTH && node < nodes; level++) {
		const struct mr_tree6_node *n = bpf_map_lookup_elem(map, &node);
		__u32 count, here;

		if (!n)
			return MR_CLASS_NONE;
		count = starts_up_to(n, hi);
		/* the last start not above hi is the one before, or one of a level higher up */
		here = -((count + MR_TREE6_KEYS - 1) / MR_TREE6_KEYS);
		found ^= (found ^ (node * MR_TREE6_KEYS + count - 1)) & here;
		node = node * (MR_TREE6_KEYS + 1) + 1 + count;
	}
	map = bpf_map_lookup_elem(&tree6_values, &slot);
	if (!map)
		return MR_CLASS_NONE;
	at = found / MR_TREE6_VALUES;
	values = bpf_map_lookup_elem(map, &at);
	if (!values)
		return MR_CLASS_NONE;
	value = values->value[found & (MR_TREE6_VALUES - 1)];
	if (value < MR_TREE6_HOSTS)
		return value;
	if (value == MR_TREE6_TRIE)
		return trie_class6(slot, g, addr);
	class = host_class6(slot, g, found, bpf_be64_to_cpu(addr[1]));
	return class == MR_CLASS_MISS ? value - MR_TREE6_HOSTS : class;
}

#endif
