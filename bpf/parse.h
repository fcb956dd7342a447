/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parse.h - from the bytes of a frame to "TCP to this port", or to why it is not.
 *
 * Knows no maps and no policy.  Two bounds hold at every step: what is in the buffer (data_end),
 * and what the IP header says is the packet.  The kernel trims a frame to the second before it
 * looks at TCP; padding behind it must not supply ports or flags here either.
 */
#ifndef MR_BPF_PARSE_H
#define MR_BPF_PARSE_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <mailreeve/abi.h>

#define MR_PARSE_TAGS	    2 /* VLANs: 802.1ad outside, 802.1Q inside */
#define MR_PARSE_TAGS_ALL   8 /* with priority tags, which name no VLAN; one is usual */
#define MR_PARSE_HEADERS    8 /* IPv6 extension headers; real chains have one or two */
#define MR_PARSE_PORTS	    4 /* bytes of TCP that hold the ports */
#define MR_PARSE_FLAGS	    14 /* bytes of TCP up to and with the flags */
#define MR_PARSE_OFFSET_MAX 0x7fff /* bytes; eight headers of 2,048 and the fixed one */
#define MR_PARSE_TCP	    MR_WHY_N /* mr_parse(): no reason yet, ask the policy */

#define MR_TCP_FIN 0x01
#define MR_TCP_SYN 0x02
#define MR_TCP_RST 0x04
#define MR_TCP_ACK 0x10

struct mr_packet {
	void *l3; /* IP header */
	__u32 l4; /* offset of TCP from l3 */
	__u32 l4_bytes; /* bytes of TCP that are packet and are here */
	__u32 l4_total; /* bytes of TCP by the IP header's length, here or not */
	__u16 sport, dport; /* host order */
	__u8 v6;
	__u8 fragment; /* a first fragment; atomic ones are whole packets */
	__u8 has_flags;
	__u8 flags;
};

/*
 * How an IPv6 extension header's length follows from its second byte: ((byte & mask) + add) <<
 * shift.  A table, not branches: so the verifier sees one path through a header, not four.
 */
struct mr_header {
	__u8 known; /* an extension header that can stand before TCP */
	__u8 mask;
	__u8 add;
	__u8 shift;
};
#define MR_HEADER_USUAL \
	{ \
		1, 0xff, 1, 3 \
	}
#define MR_NEXT_MOBILITY 135
#define MR_NEXT_HIP	 139
#define MR_NEXT_SHIM6	 140
static const struct mr_header mr_headers[256] = {
	[IPPROTO_HOPOPTS] = MR_HEADER_USUAL,
	[IPPROTO_ROUTING] = MR_HEADER_USUAL,
	[IPPROTO_DSTOPTS] = MR_HEADER_USUAL,
	[MR_NEXT_MOBILITY] = MR_HEADER_USUAL,
	[MR_NEXT_HIP] = MR_HEADER_USUAL,
	[MR_NEXT_SHIM6] = MR_HEADER_USUAL,
	[IPPROTO_AH] = { 1, 0xff, 2, 2 },
	/* always 8 bytes: the byte where others have a length is reserved, and the sender's to set
	 */
	[IPPROTO_FRAGMENT] = { 1, 0, 1, 3 },
};

/* Host order.  Verifiers before Linux 6.13 forget the bounds of a value whose bytes are swapped. */
static __always_inline __u32 mr_host16(__be16 v)
{
	__u32 host = bpf_ntohs(v);

	__asm__ volatile("" : "+r"(host)); /* else the compiler knows better and drops the mask */
	return host & 0xffff;
}

static __always_inline int mr_is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

/* Ports, once l4, l4_bytes and fragment are known. */
static __always_inline int mr_parse_ports(void *end, struct mr_packet *p)
{
	const __be16 *ports = p->l3 + p->l4;

	if (p->l4_bytes < MR_PARSE_PORTS || (void *)(ports + 2) > end)
		return p->fragment ? MR_WHY_SHORT_FRAGMENT : MR_WHY_MALFORMED;
	p->sport = mr_host16(ports[0]);
	p->dport = mr_host16(ports[1]);
	return MR_PARSE_TCP;
}

/* A struct on the stack of another function keeps no bounds: the mask tells the verifier. */
static __always_inline void *mr_tcp(const struct mr_packet *p)
{
	__u32 off = p->l4;

	__asm__ volatile("" : "+r"(off));
	return p->l3 + (off & MR_PARSE_OFFSET_MAX);
}

/* The flags, if the packet carries them.  Apart from the ports: only a hit needs them. */
static __always_inline void mr_parse_flags(void *end, struct mr_packet *p)
{
	const __u8 *tcp = mr_tcp(p);

	if (p->l4_bytes < MR_PARSE_FLAGS || (void *)(tcp + MR_PARSE_FLAGS) > end)
		return;
	p->has_flags = 1;
	p->flags = tcp[MR_PARSE_FLAGS - 1];
}

/* The length of a frame with all its buffers; only kernels that load the frags programs know more
 * than the first. */
static __always_inline __u32 mr_frame_bytes(struct xdp_md *ctx, const int frags)
{
	return frags ? (__u32)bpf_xdp_get_buff_len(ctx) : ctx->data_end - ctx->data;
}

/*
 * A length of 0 is not an error where the kernel itself merged more than 64 KiB ("BIG TCP", as
 * generic XDP sees it); it does not trim such packets.
 */
static __always_inline int mr_parse_ip4(struct xdp_md *ctx, const int frags, void *l3, void *end,
					struct mr_packet *p)
{
	const struct iphdr *ip = l3;
	__u32 here = end - l3;
	__u32 total, header, offset;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return MR_WHY_MALFORMED;
	header = ip->ihl * 4;
	total = mr_host16(ip->tot_len);
	if (total == 0) {
		/* a return here, not one test for all: verifiers up to 6.1 do not see that a total
		 * of 0 is below any header, and walk on with an empty range */
		total = mr_frame_bytes(ctx, frags);
		if (total <= 0xffff)
			return MR_WHY_MALFORMED;
	}
	if (total < header || here < header)
		return MR_WHY_MALFORMED;
	if (ip->protocol != IPPROTO_TCP)
		return MR_WHY_NOT_TCP;
	offset = mr_host16(ip->frag_off);
	if (offset & 0x1fff)
		return MR_WHY_LATER_FRAGMENT;
	p->l3 = l3;
	p->l4 = header;
	p->l4_total = total - header;
	p->l4_bytes = (total < here ? total : here) - header;
	p->fragment = !!(offset & 0x2000);
	return mr_parse_ports(end, p);
}

static __always_inline int mr_mapped_source(const struct ipv6hdr *ip)
{
	const __be32 *a = ip->saddr.in6_u.u6_addr32;

	return (a[0] | a[1]) == 0 && a[2] == bpf_htonl(0xffff);
}

static __always_inline int mr_parse_ip6(void *l3, void *end, struct mr_packet *p)
{
	const struct ipv6hdr *ip = l3;
	__u32 here = end - l3, off = sizeof(*ip), total, seen = 0;
	__u8 next;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return MR_WHY_MALFORMED;
	if (mr_mapped_source(ip))
		return MR_WHY_MAPPED_SOURCE;
	next = ip->nexthdr;
	total = sizeof(*ip) + mr_host16(ip->payload_len);
	if (total == sizeof(*ip) && next == IPPROTO_HOPOPTS)
		total = here;
	p->v6 = 1;
	for (int i = 0; i < MR_PARSE_HEADERS && next != IPPROTO_TCP; i++) {
		const struct mr_header *h = &mr_headers[next];
		const __u8 *b = l3 + off;

		if (!h->known)
			return MR_WHY_NOT_TCP;
		if (off + 8 > total || (void *)(b + 8) > end)
			return p->fragment ? MR_WHY_SHORT_FRAGMENT : MR_WHY_MALFORMED;
		if (next == IPPROTO_FRAGMENT) {
			/* the kernel refuses a fragment in a fragment, and so do we */
			if (seen)
				return MR_WHY_MALFORMED;
			seen = 1;
			if (b[2] | (b[3] & 0xf8))
				return MR_WHY_LATER_FRAGMENT;
			p->fragment = b[3] & 1;
		}
		off += ((b[1] & h->mask) + (h->add & 3)) << (h->shift & 3);
		next = b[0];
		/* the compiler knows that eight headers are shorter; the verifier wants to be told
		 */
		__asm__ volatile("" : "+r"(off));
		if (off > MR_PARSE_OFFSET_MAX)
			return MR_WHY_DEEP_HEADERS;
	}
	if (next != IPPROTO_TCP)
		return mr_headers[next].known ? MR_WHY_DEEP_HEADERS : MR_WHY_NOT_TCP;
	p->l3 = l3;
	p->l4 = off;
	if (off > total || off > here)
		return p->fragment ? MR_WHY_SHORT_FRAGMENT : MR_WHY_MALFORMED;
	p->l4_total = total - off;
	p->l4_bytes = (total < here ? total : here) - off;
	return mr_parse_ports(end, p);
}

/* 1 for a tag's type.  No branch: the verifier would walk on once for every number of tags. */
static __always_inline __u32 mr_tag_bit(__be16 type)
{
	__u32 q = type ^ bpf_htons(ETH_P_8021Q), ad = type ^ bpf_htons(ETH_P_8021AD);
	__u32 bit = ((q - 1) | (ad - 1)) >> 31;

	__asm__ volatile("" : "+r"(bit));
	return bit & 1;
}

/*
 * More than two tags.  The kernel takes priority tags (VLAN 0) off where no device asked for them,
 * as many as there are: they must not hide a packet.  Three VLANs need three devices stacked on
 * purpose, and pass.
 */
static __always_inline int mr_parse_more_tags(void *data, void *end, void **l3, __be16 *out)
{
	__u32 off = offsetof(struct ethhdr, h_proto), vlans = 0;
	const __be16 *type = data + off;

	for (int i = 0; i < MR_PARSE_TAGS_ALL; i++) {
		__u32 bit, vlan;

		/* a way out per turn would be a walk of the verifier's each */
		if ((void *)(type + 2) > end)
			return MR_WHY_MALFORMED;
		bit = mr_tag_bit(type[0]);
		vlan = type[1] & bpf_htons(0x0fff);
		vlans += bit & ((0 - vlan) >> 31);
		off += bit << 2;
		type = data + off;
	}
	if ((void *)(type + 1) > end)
		return MR_WHY_MALFORMED;
	if (vlans > MR_PARSE_TAGS)
		return MR_WHY_DEEP_TAGS;
	if (mr_is_tag(*type))
		return MR_WHY_MALFORMED;
	*out = *type;
	*l3 = (void *)(type + 1);
	return MR_PARSE_TCP;
}

/* The whole way.  Returns MR_PARSE_TCP with *p filled up to the ports, or the reason why the policy
 * is not asked. */
static __always_inline int mr_parse(struct xdp_md *ctx, const int l3, const int frags,
				    struct mr_packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;
	void *at = data;
	__be16 type;

	if (l3) {
		if (data + 1 > end)
			return MR_WHY_NOT_IP;
		switch (*(__u8 *)data >> 4) {
		case 4:
			return mr_parse_ip4(ctx, frags, data, end, p);
		case 6:
			return mr_parse_ip6(data, end, p);
		}
		return MR_WHY_NOT_IP;
	}
	if ((void *)(eth + 1) > end)
		return MR_WHY_NOT_IP;
	type = eth->h_proto;
	at = data + sizeof(*eth);
#pragma unroll
	for (int i = 0; i < MR_PARSE_TAGS; i++) {
		if (!mr_is_tag(type))
			break;
		if (at + 4 > end)
			return MR_WHY_MALFORMED;
		type = *(__be16 *)(at + 2);
		at += 4;
	}
	if (mr_is_tag(type)) {
		int why = mr_parse_more_tags(data, end, &at, &type);

		if (why != MR_PARSE_TCP)
			return why;
	}
	if (type == bpf_htons(ETH_P_IP))
		return mr_parse_ip4(ctx, frags, at, end, p);
	if (type == bpf_htons(ETH_P_IPV6))
		return mr_parse_ip6(at, end, p);
	return MR_WHY_NOT_IP;
}

#endif
