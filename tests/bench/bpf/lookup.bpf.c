// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * lookup.bpf.c - mailreeve's lookup alone, many times over, for tests/bench/lookup.c.
 *
 * bare:  reads the probes and looks nothing up; what the loop itself costs.
 * v4, v6: bpf/lookup.h as it is.
 * v4_hash: the same with the kernel's hash map where the host table is.
 */
#include "../../../bpf/lookup.h"
#include "../_lookup.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOKUP_PROBES);
	__type(key, __u32);
	__type(value, struct lookup_probe);
} probes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} host_hash SEC(".maps");

struct sum {
	__u32 classes;
	__u32 slot;
};

static __always_inline struct lookup_probe *probe_at(__u32 i)
{
	__u32 key = i & (LOOKUP_PROBES - 1);

	return bpf_map_lookup_elem(&probes, &key);
}

static long bare_one(__u32 i, struct sum *s)
{
	struct lookup_probe *p = probe_at(i);

	if (!p)
		return 1;
	s->classes += p->half[1];
	return 0;
}

static long v4_one(__u32 i, struct sum *s)
{
	struct lookup_probe *p = probe_at(i);

	if (!p)
		return 1;
	s->classes += class_of4(s->slot, &state.gen[s->slot & 1], p->half[1]);
	return 0;
}

static long v6_one(__u32 i, struct sum *s)
{
	struct lookup_probe *p = probe_at(i);
	__u64 addr[2];

	if (!p)
		return 1;
	addr[0] = bpf_cpu_to_be64(p->half[0]);
	addr[1] = bpf_cpu_to_be64(p->half[1]);
	s->classes += class_of6(s->slot, addr);
	return 0;
}

static __always_inline __u32 class_by_hash(__u32 slot, __u32 addr)
{
	const struct mr_gen *g = &state.gen[slot & 1];
	const struct mr_index_block *block;
	__u32 net = addr >> 8, pack = g->index_pack & 3, at = MR_INDEX_BLOCK(net, pack), *class;
	__u32 code;
	void *map;

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
		class = bpf_map_lookup_elem(&host_hash, &addr);
		if (class)
			return *class;
		if (code < MR_INDEX_HOSTS_TRIE)
			return g->top4[code];
	}
	return trie_class4(slot, g, addr);
}

static long v4_hash_one(__u32 i, struct sum *s)
{
	struct lookup_probe *p = probe_at(i);

	if (!p)
		return 1;
	s->classes += class_by_hash(s->slot, p->half[1]);
	return 0;
}

#define RUN(name, one) \
	SEC("xdp") int name(struct xdp_md *ctx) \
	{ \
		struct sum s = { .slot = state.active & 1 }; \
		(void)ctx; \
\
		bpf_loop(LOOKUP_PROBES, one, &s, 0); \
		return (int)(s.classes & 0xffffff); \
	}
RUN(bare, bare_one)
RUN(v4, v4_one)
RUN(v6, v6_one)
RUN(v4_hash, v4_hash_one)

char _license[] SEC("license") = "Dual BSD/GPL";
