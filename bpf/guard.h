/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - a packet's way, in order: parse, service, destination, class, verdict, session, count,
 * act.
 *
 * The path of packets that concern no service comes first and touches one byte of one map; nothing
 * is counted there.  Everything else may cost more.  Plain packets have a short way, below, with
 * the same result.  A way reads the slot once: all that a packet is asked comes from one
 * generation.
 */
#ifndef MR_BPF_GUARD_H
#define MR_BPF_GUARD_H

#include "count.h"
#include "parse.h"
#include "reset.h"
#include "verdict.h"

/* Of a program: constants in its entry point, so that the verifier drops what is not for it. */
enum { MR_KIND_L3 = 1, MR_KIND_FRAGS = 2 };

#define MR_TCP_LISTEN 10 /* the kernel's TCP_LISTEN, which no UAPI header has for BPF */

static __always_inline __u32 mr_slot(void)
{
	return *(volatile __u32 *)&state.active & (MR_SLOTS - 1);
}

/* No policy was asked: the reason alone decides. */
static __always_inline int mr_unasked(struct xdp_md *ctx, const int frags, __u32 why)
{
	int verdict = why >= MR_WHY_DENY && why < MR_WHY_NO_GENERATION ? XDP_DROP : XDP_PASS;

	mr_record(verdict, why, MR_SERVICE_NONE, 0);
	if (why > MR_WHY_NO_SERVICE)
		mr_count_reason(why, mr_frame_bytes(ctx, frags));
	return verdict;
}

/* 0: an address is out of the buffer, which the parser excludes. */
static __always_inline int mr_ends(const struct mr_packet *p, void *end, struct mr_case *c)
{
	const struct ipv6hdr *ip6 = p->l3;
	const struct iphdr *ip = p->l3;

	if (p->v6) {
		if ((void *)(ip6 + 1) > end)
			return 0;
		__builtin_memcpy(&c->source, &ip6->saddr, sizeof(c->source));
		__builtin_memcpy(&c->destination, &ip6->daddr, sizeof(c->destination));
		return 1;
	}
	if ((void *)(ip + 1) > end)
		return 0;
	mr_end_from4(&c->source, ip->saddr);
	mr_end_from4(&c->destination, ip->daddr);
	return 1;
}

static __always_inline int mr_is_destination(const struct mr_case *c)
{
	struct mr_to_key key = { .slot = c->slot, .service = c->service };

	__builtin_memcpy(key.addr, &c->destination, sizeof(key.addr));
	return bpf_map_lookup_elem(&to, &key) != 0;
}

/* Is there a socket of this connection?  A listener is not one; TIME_WAIT and a half-open request
 * are. */
static __always_inline int mr_session_stands(struct xdp_md *ctx, const struct mr_case *c, int v6)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	int stands;

	if (mr_replay)
		return mr_replay == 2;
	if (v6) {
		__builtin_memcpy(t.ipv6.saddr, &c->source, sizeof(t.ipv6.saddr));
		__builtin_memcpy(t.ipv6.daddr, &c->destination, sizeof(t.ipv6.daddr));
		t.ipv6.sport = bpf_htons(c->sport);
		t.ipv6.dport = bpf_htons(c->dport);
		sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	} else {
		t.ipv4.saddr = c->source.word[3];
		t.ipv4.daddr = c->destination.word[3];
		t.ipv4.sport = bpf_htons(c->sport);
		t.ipv4.dport = bpf_htons(c->dport);
		sk = bpf_skc_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return 0;
	stands = sk->state != MR_TCP_LISTEN;
	bpf_sk_release(sk);
	return stands;
}

/* From the outcome to the reason. */
static __always_inline __u8 mr_reason_of(__u32 outcome)
{
	switch (MR_OUTCOME_ACTION(outcome)) {
	case MR_ALLOW:
		return MR_WHY_ALLOW;
	case MR_DENY:
		return MR_OUTCOME_RULE(outcome) ? MR_WHY_DENY : MR_WHY_BANNED;
	case MR_REJECT:
		return MR_WHY_REJECT;
	}
	return MR_WHY_UNMATCHED;
}

/* The same of a packet that may belong to a session.  Without flags it may be a SYN: no benefit of
 * the doubt. */
static __always_inline __u8 mr_reason(struct xdp_md *ctx, const struct mr_case *c,
				      const struct mr_packet *p)
{
	__u8 why = mr_reason_of(c->answer.outcome);

	if (why != MR_WHY_UNMATCHED || c->syn)
		return why;
	if (p->has_flags && (c->conf & MR_SERVICE_ESTABLISHED))
		return MR_WHY_ESTABLISHED;
	return mr_session_stands(ctx, c, p->v6) ? MR_WHY_ESTABLISHED : MR_WHY_UNMATCHED;
}

static __always_inline enum mr_counted mr_counted(__u8 why)
{
	switch (why) {
	case MR_WHY_DENY:
		return MR_COUNTED_DENY;
	case MR_WHY_REJECT:
		return MR_COUNTED_REJECT;
	case MR_WHY_UNMATCHED:
		return MR_COUNTED_UNMATCHED;
	case MR_WHY_ESTABLISHED:
		return MR_COUNTED_ESTABLISHED;
	case MR_WHY_BANNED:
		return MR_COUNTED_BANNED;
	case MR_WHY_SHADOW:
		return MR_COUNTED_SHADOW;
	}
	return MR_COUNTED_ALLOW;
}

/* Who asks whom, and what the service wants.  0: see mr_ends(). */
static __always_inline int mr_case_open(struct xdp_md *ctx, const struct mr_packet *p, __u32 slot,
					__u32 column, struct mr_case *c)
{
	const struct mr_service_conf *s = &state.gen[slot].service[column];

	*c = (struct mr_case){ .slot = slot, .sport = p->sport, .dport = p->dport };
	c->service = s->id & (MR_SERVICES_MAX - 1);
	c->conf = s->flags;
	return mr_ends(p, (void *)(long)ctx->data_end, c);
}

/* From the cell to the verdict. */
static __noinline int mr_conclude(struct xdp_md *ctx, struct mr_case *c, struct mr_packet *p,
				  __u64 cell, int kind)
{
	const int l3 = kind & MR_KIND_L3, frags = kind & MR_KIND_FRAGS;
	const struct mr_gen *g = &state.gen[c->slot & (MR_SLOTS - 1)];

	mr_answer(c->slot, cell, c->service, &c->source, p->v6, &c->answer);
	mr_parse_flags((void *)(long)ctx->data_end, p);
	c->syn = (p->flags & (MR_TCP_SYN | MR_TCP_ACK)) == MR_TCP_SYN;
	c->bytes = mr_frame_bytes(ctx, frags);
	c->why = mr_reason(ctx, c, p);
	if (c->why >= MR_WHY_DENY && (c->conf & MR_SERVICE_SHADOW))
		c->why = MR_WHY_SHADOW;
	c->verdict = c->why >= MR_WHY_DENY ? XDP_DROP : XDP_PASS;
	if (c->why == MR_WHY_REJECT) {
		c->verdict = mr_reset(ctx, l3, frags, c, p);
		if (c->verdict == XDP_DROP)
			mr_count_service(c->service, MR_COUNTED_UNANSWERED, c->bytes);
	}
	mr_count_service(c->service, mr_counted(c->why), c->bytes);
	mr_count_rule(g, MR_OUTCOME_RULE(c->answer.outcome), c->bytes);
	/* the packets of a session that is allowed would drown what is worth seeing */
	if (c->syn || c->why > MR_WHY_ESTABLISHED)
		mr_sample(ctx, c);
	mr_record(c->verdict, c->why, c->service, c->answer.outcome);
	return c->verdict;
}

/* Any packet, from its first byte. */
static __noinline int mr_any(struct xdp_md *ctx, int kind)
{
	const int l3 = kind & MR_KIND_L3, frags = kind & MR_KIND_FRAGS;
	__u32 slot = mr_slot(), column, class;
	const struct mr_gen *g = &state.gen[slot];
	struct mr_packet p = {};
	int why = mr_parse(ctx, l3, frags, &p);
	struct mr_case c;
	__u64 cell;

	if (why != MR_PARSE_TCP)
		return mr_unasked(ctx, frags, why);
	column = g->column[p.dport];
	if (!column)
		return mr_unasked(ctx, frags, MR_WHY_NO_SERVICE);
	column = (column - 1) & (MR_SERVICES_MAX - 1);
	if (!mr_case_open(ctx, &p, slot, column, &c))
		return mr_unasked(ctx, frags, MR_WHY_MALFORMED);
	if ((c.conf & MR_SERVICE_TO) && !mr_is_destination(&c))
		return mr_unasked(ctx, frags, MR_WHY_OTHER_DESTINATION);
	class = p.v6 ? class_of6(slot, c.source.half)
		     : class_of4(slot, g, bpf_ntohl(c.source.word[3]));
	if (class == MR_CLASS_NONE || mr_cell(slot, g, class, column, &cell))
		return mr_unasked(ctx, frags, MR_WHY_NO_GENERATION);
	return mr_conclude(ctx, &c, &p, cell, kind);
}

/* --- the plain packet -------------------------------------------------------------------------
 */

/*
 * Nearly all packets are IPv4 without options or tags, in one piece and with their TCP flags: all
 * is at a fixed place.  And nearly all are passed or dropped, and counted, and no more.  Here they
 * have a way of their own, short enough to live in registers.  It says what mr_any() would say, and
 * leaves to it, or to mr_conclude(), whatever is not so simple.
 */
_Static_assert(MR_COUNTED_ALLOW == (int)MR_ALLOW && MR_COUNTED_DENY == (int)MR_DENY &&
		       MR_COUNTED_UNMATCHED == (int)MR_UNMATCHED,
	       "the first counters of a service go by the action");

/* IPv4, a header of five words, and room for what follows; NULL if not. */
static __always_inline const struct iphdr *mr_plain(struct xdp_md *ctx, const int l3)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct iphdr *ip = data + (l3 ? 0 : sizeof(struct ethhdr));

	if ((void *)(ip + 1) + MR_PARSE_FLAGS > end)
		return 0;
	if (!l3 && *((const __be16 *)ip - 1) != bpf_htons(ETH_P_IP))
		return 0;
	if (*(const __u8 *)ip != 0x45 || mr_host16(ip->tot_len) < sizeof(*ip) + MR_PARSE_FLAGS)
		return 0;
	return ip;
}

/* The rest of a plain packet's way where it is not so simple.  Reads the packet again: the short
 * way keeps nothing for it. */
static __noinline int mr_plain_on(struct xdp_md *ctx, __u64 cell, __u32 slot, __u32 column,
				  int kind)
{
	const struct iphdr *ip = mr_plain(ctx, kind & MR_KIND_L3);
	void *end = (void *)(long)ctx->data_end;
	struct mr_packet p = { .l3 = (void *)ip, .l4 = sizeof(*ip) };
	struct mr_case c;
	__u32 here;

	if (!ip)
		goto other;
	here = end - (void *)(ip + 1);
	p.l4_total = mr_host16(ip->tot_len) - sizeof(*ip);
	p.l4_bytes = p.l4_total < here ? p.l4_total : here;
	if (mr_parse_ports(end, &p) == MR_PARSE_TCP &&
	    mr_case_open(ctx, &p, slot & (MR_SLOTS - 1), column & (MR_SERVICES_MAX - 1), &c))
		return mr_conclude(ctx, &c, &p, cell, kind);
other: /* not the packet that it was: it cannot be */
	return mr_unasked(ctx, kind & MR_KIND_FRAGS, MR_WHY_MALFORMED);
}

/* The action, if it takes no more than counting; else -1. */
static __always_inline int mr_plain_action(__u32 outcome, __u32 conf, __u8 flags)
{
	int action = MR_OUTCOME_ACTION(outcome);

	if (action == MR_REJECT || (action != MR_ALLOW && (conf & MR_SERVICE_SHADOW)))
		return -1;
	/* not a SYN: is there a session? */
	if (action == MR_UNMATCHED && (flags & (MR_TCP_SYN | MR_TCP_ACK)) != MR_TCP_SYN)
		return -1;
	return action;
}

/* A packet's whole way. */
static __always_inline int mr_guard(struct xdp_md *ctx, const int kind)
{
	const struct iphdr *ip = mr_plain(ctx, kind & MR_KIND_L3);
	const __u8 *tcp = (const __u8 *)(ip + 1);
	__u32 column, class, outcome, bytes, what, slot = mr_slot();
	const struct mr_gen *g = &state.gen[slot];
	const struct mr_service_conf *s;
	__u64 cell;
	int action;

	if (!ip)
		return mr_any(ctx, kind);
	if (ip->protocol != IPPROTO_TCP)
		return mr_unasked(ctx, kind & MR_KIND_FRAGS, MR_WHY_NOT_TCP);
	if (ip->frag_off & bpf_htons(0x3fff)) /* an offset or more fragments */
		return mr_any(ctx, kind);
	/* else the compiler works the address out anew, from the slot, at each use */
	__asm__ volatile("" : "+r"(g));
	column = g->column[mr_host16(((const __be16 *)tcp)[1])];
	if (!column)
		return mr_unasked(ctx, kind & MR_KIND_FRAGS, MR_WHY_NO_SERVICE);
	column = (column - 1) & (MR_SERVICES_MAX - 1);
	s = &g->service[column];
	if (s->flags & MR_SERVICE_TO)
		return mr_any(ctx, kind);
	class = class_of4(slot, g, bpf_ntohl(ip->saddr));
	if (class == MR_CLASS_NONE || mr_cell(slot, g, class, column, &cell))
		return mr_any(ctx, kind);
	if (state.sample) /* an event tells which entries there were */
		return mr_plain_on(ctx, cell, slot, column, kind);
	outcome = mr_outcome4(slot, cell, s->id, ip->saddr);
	action = mr_plain_action(outcome, s->flags, tcp[MR_PARSE_FLAGS - 1]);
	if (action < 0)
		return mr_plain_on(ctx, MR_CELL_OF(outcome), slot, column, kind);
	bytes = mr_frame_bytes(ctx, kind & MR_KIND_FRAGS);
	what = action == MR_DENY && !MR_OUTCOME_RULE(outcome) ? MR_COUNTED_BANNED : action;
	mr_count_service(s->id & (MR_SERVICES_MAX - 1), what, bytes);
	mr_count_rule(g, MR_OUTCOME_RULE(outcome), bytes);
	mr_record(action == MR_ALLOW ? XDP_PASS : XDP_DROP, mr_reason_of(outcome),
		  s->id & (MR_SERVICES_MAX - 1), outcome);
	return action == MR_ALLOW ? XDP_PASS : XDP_DROP;
}

#endif
