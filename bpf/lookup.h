/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lookup.h - from an address to its class, in the structures of one slot.
 *
 * Returns MR_CLASS_NONE if a map that the generation's flags promise is not there; the caller
 * passes the packet and counts.
 */
#ifndef MR_BPF_LOOKUP_H
#define MR_BPF_LOOKUP_H

#include "maps.h"

#include <bpf/bpf_endian.h>

#define MR_CLASS_NONE 0xffffffffu

/* addr: host order */
static __always_inline __u32 class_of4(__u32 slot, __u32 addr)
{
	const struct mr_gen *g = &state.gen[slot & 1];
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

/* addr: the sixteen bytes as they are on the wire, on the stack */
static __always_inline __u32 class_of6(__u32 slot, const __u64 addr[2])
{
	const struct mr_gen *g = &state.gen[slot & 1];
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

#endif
