/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reset.h - turns a refused SYN into the TCP reset that answers it, in place.
 *
 * RST|ACK, sequence 0, acknowledging sequence + 1 + payload (RFC 9293, 3.5.2), addresses and ports
 * exchanged, VLAN tags kept, IP options and extension headers left out.  Never for what could make
 * us answer many, answer ourselves or answer a lie: fragments, cut-off packets, multicast and
 * broadcast, addresses that nobody can have.
 */
#ifndef MR_BPF_RESET_H
#define MR_BPF_RESET_H

#include "count.h"
#include "parse.h"

#define MR_RESET_TTL 64

/* The ones' complement sum of 32-bit words is that of their halves, in either byte order. */
static __always_inline __sum16 mr_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* 0/8, 127/8, multicast, reserved, broadcast; :: and ::1, multicast */
static __always_inline int mr_nobody(const union mr_end *e, int v6)
{
	__u32 first = bpf_ntohl(e->word[v6 ? 0 : 3]);

	if (!v6)
		return first >> 24 == 0 || first >> 24 == 127 || first >> 28 >= 14;
	return first >> 24 == 0xff ||
	       (e->half[0] == 0 && e->word[2] == 0 && bpf_ntohl(e->word[3]) <= 1);
}

/* A link-layer sender or receiver that is many. */
static __always_inline int mr_group(const struct ethhdr *eth)
{
	return (eth->h_dest[0] | eth->h_source[0]) & 1;
}

/* The header of the answer, checksum and all; 0: this packet gets none. */
static __always_inline int mr_reset_tcp(const struct mr_case *c, const struct mr_packet *p,
					void *end, struct tcphdr *out)
{
	const struct tcphdr *tcp = mr_tcp(p);
	const __be32 *words = (const __be32 *)out;
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*out));

	/* cut off: the kernel would not have taken it for a SYN either */
	if (p->l4_bytes < sizeof(*tcp) || p->l4_total != p->l4_bytes || (void *)(tcp + 1) > end)
		return 0;
	if (tcp->doff < 5 || tcp->doff * 4 > p->l4_bytes)
		return 0;
	out->source = bpf_htons(p->dport);
	out->dest = bpf_htons(p->sport);
	out->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + 1 + tcp->fin + p->l4_bytes - tcp->doff * 4);
	out->doff = sizeof(*out) / 4;
	out->rst = 1;
	out->ack = 1;
#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += words[i];
	if (p->v6)
		sum += (__u64)c->source.word[0] + c->source.word[1] + c->source.word[2] +
		       c->destination.word[0] + c->destination.word[1] + c->destination.word[2];
	sum += (__u64)c->source.word[3] + c->destination.word[3];
	out->check = mr_fold(sum);
	return 1;
}

static __always_inline void mr_reset_ip4(struct iphdr *ip, const struct mr_case *c)
{
	const __be32 *words = (const __be32 *)ip;
	__u64 sum = 0;

	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(struct tcphdr));
	ip->frag_off = bpf_htons(0x4000); /* don't fragment: then an id of 0 is right (RFC 6864) */
	ip->ttl = MR_RESET_TTL;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = c->destination.word[3];
	ip->daddr = c->source.word[3];
#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += words[i];
	ip->check = mr_fold(sum);
}

static __always_inline void mr_reset_ip6(struct ipv6hdr *ip, const struct mr_case *c)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 6;
	ip->payload_len = bpf_htons(sizeof(struct tcphdr));
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = MR_RESET_TTL;
	__builtin_memcpy(&ip->saddr, &c->destination, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &c->source, sizeof(ip->daddr));
}

/*
 * Writes the answer over the packet and cuts the rest off.  XDP_TX, or XDP_DROP if the packet gets
 * no answer.  Everything that is read from the packet is read before anything is written.
 */
static __always_inline int mr_reset(struct xdp_md *ctx, const int l3, const int frags,
				    const struct mr_case *c, struct mr_packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 header = p->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	struct ethhdr *eth = data;
	struct tcphdr tcp = {};
	void *tail;
	__u8 mac[ETH_ALEN];
	int surplus;

	if (!(p->flags & MR_TCP_SYN) || (p->flags & (MR_TCP_ACK | MR_TCP_RST)) || p->fragment)
		return XDP_DROP;
	if (mr_nobody(&c->source, p->v6) || mr_nobody(&c->destination, p->v6))
		return XDP_DROP;
	if (!l3 && ((void *)(eth + 1) > end || mr_group(eth)))
		return XDP_DROP;
	if (frags && mr_frame_bytes(ctx, frags) != end - data)
		return XDP_DROP;
	if (!mr_reset_tcp(c, p, end, &tcp) || p->l3 + header + sizeof(tcp) > end)
		return XDP_DROP;
	if (!mr_replay && !mr_token_reset())
		return XDP_DROP;

	if (!l3) {
		__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
		__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
		__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	}
	if (p->v6)
		mr_reset_ip6(p->l3, c);
	else
		mr_reset_ip4(p->l3, c);
	__builtin_memcpy(p->l3 + header, &tcp, sizeof(tcp));
	tail = p->l3 + header + sizeof(tcp);
	__asm__ volatile("" : "+r"(tail)); /* else 32 bits of a pointer, which no verifier takes */
	surplus = end - tail;
	if (surplus > 0 && bpf_xdp_adjust_tail(ctx, -surplus))
		return XDP_DROP;
	return XDP_TX;
}

#endif
