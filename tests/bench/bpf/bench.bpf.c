// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench.bpf.c - the programs that the benchmark measures with and measures against.
 *
 * generate: an XDP program for live test runs: gives each frame a source drawn at random from the
 *           pool, sums mended, and sends it out of the device that the run names.
 * floor:    counts and drops; what a frame costs before anybody looks at it.
 * empty:    passes; what the rest of the machine's packets would pay at least.
 * draw:     generate, but hands the frame to another XDP program by tail call: test runs of one
 *           frame with changing sources.
 * None of them is ever attached outside the benchmark's own network namespaces.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../_frame.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_POOL);
	__type(key, __u32);
	__type(value, struct bench_source);
} pool SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} floor_count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

__u32 pool_size = 1; /* sources in use; written before a run */

/* One source, drawn at random, or NULL. */
static __always_inline const struct bench_source *draw_source(void)
{
	__u32 i = ((__u64)bpf_get_prandom_u32() * pool_size) >> 32;

	return bpf_map_lookup_elem(&pool, &i);
}

/* Writes the source into the frame.  0, or -1 for a frame that is not one of ours. */
static __always_inline int put_source(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct bench_source *s = draw_source();
	struct ethhdr *eth = data;

	if (!s || data + sizeof(*eth) > end)
		return -1;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + sizeof(*eth);
		struct tcphdr *tcp = (void *)(ip + 1);

		if ((void *)(tcp + 1) > end)
			return -1;
		ip->saddr = s->addr[0];
		ip->check = s->ip_sum;
		tcp->check = s->tcp_sum;
	} else {
		struct ipv6hdr *ip = data + sizeof(*eth);
		struct tcphdr *tcp = (void *)(ip + 1);

		if ((void *)(tcp + 1) > end)
			return -1;
		ip->saddr.in6_u.u6_addr32[0] = s->addr[0];
		ip->saddr.in6_u.u6_addr32[1] = s->addr[1];
		ip->saddr.in6_u.u6_addr32[2] = s->addr[2];
		ip->saddr.in6_u.u6_addr32[3] = s->addr[3];
		tcp->check = s->tcp_sum;
	}
	return 0;
}

SEC("xdp")
int bench_generate(struct xdp_md *ctx)
{
	return put_source(ctx) ? XDP_ABORTED : XDP_TX;
}

SEC("xdp")
int bench_draw(struct xdp_md *ctx)
{
	if (put_source(ctx))
		return XDP_ABORTED;
	bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int bench_floor(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&floor_count, &zero);

	(void)ctx;
	if (n)
		(*n)++;
	return XDP_DROP;
}

SEC("xdp")
int bench_empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
