/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - a packet's way, in order: parse, service, destination, class, verdict, session, count,
 * act.
 *
 * The path of packets that concern no service comes first and touches one byte of one map; nothing
 * is counted there.  Everything else may cost more.  The slot is read once: all that a packet is
 * asked comes from one generation.
 */
#ifndef MR_BPF_GUARD_H
#define MR_BPF_GUARD_H

#include "count.h"
#include "parse.h"
#include "reset.h"
#include "verdict.h"

#define MR_TCP_LISTEN 10 /* the kernel's TCP_LISTEN, which no UAPI header has for BPF */

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

/* From the outcome to the reason.  Without flags a packet may be a SYN: no benefit of the doubt. */
static __always_inline __u8 mr_reason(struct xdp_md *ctx, const struct mr_case *c,
				      const struct mr_packet *p)
{
	switch (MR_OUTCOME_ACTION(c->answer.outcome)) {
	case MR_ALLOW:
		return MR_WHY_ALLOW;
	case MR_DENY:
		return MR_OUTCOME_RULE(c->answer.outcome) ? MR_WHY_DENY : MR_WHY_BANNED;
	case MR_REJECT:
		return MR_WHY_REJECT;
	}
	if (c->syn)
		return MR_WHY_UNMATCHED;
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

/* A packet to a service. */
static __always_inline int mr_judge(struct xdp_md *ctx, const int l3, const int frags, __u32 slot,
				    __u32 column, struct mr_packet *p)
{
	const struct mr_gen *g = &state.gen[slot];
	void *end = (void *)(long)ctx->data_end;
	struct mr_case c = { .slot = slot, .sport = p->sport, .dport = p->dport };
	__u32 class;
	__u64 cell;

	c.service = g->service[column].id & (MR_SERVICES_MAX - 1);
	c.conf = g->service[column].flags;
	if (!mr_ends(p, end, &c))
		return mr_unasked(ctx, frags, MR_WHY_MALFORMED);
	if ((c.conf & MR_SERVICE_TO) && !mr_is_destination(&c))
		return mr_unasked(ctx, frags, MR_WHY_OTHER_DESTINATION);
	class = p->v6 ? class_of6(slot, c.source.half)
		      : class_of4(slot, bpf_ntohl(c.source.word[3]));
	if (class == MR_CLASS_NONE || mr_cell(slot, class, column, &cell))
		return mr_unasked(ctx, frags, MR_WHY_NO_GENERATION);
	mr_answer(slot, cell, c.service, &c.source, p->v6, &c.answer);

	mr_parse_flags(end, p);
	c.syn = (p->flags & (MR_TCP_SYN | MR_TCP_ACK)) == MR_TCP_SYN;
	c.bytes = mr_frame_bytes(ctx, frags);
	c.why = mr_reason(ctx, &c, p);
	if (c.why >= MR_WHY_DENY && (c.conf & MR_SERVICE_SHADOW))
		c.why = MR_WHY_SHADOW;
	c.verdict = c.why >= MR_WHY_DENY ? XDP_DROP : XDP_PASS;
	if (c.why == MR_WHY_REJECT) {
		c.verdict = mr_reset(ctx, l3, frags, &c, p);
		if (c.verdict == XDP_DROP)
			mr_count_service(c.service, MR_COUNTED_UNANSWERED, c.bytes);
	}
	mr_count_service(c.service, mr_counted(c.why), c.bytes);
	mr_count_rule(g, MR_OUTCOME_RULE(c.answer.outcome), c.bytes);
	/* the packets of a session that is allowed would drown what is worth seeing */
	if (c.syn || c.why > MR_WHY_ESTABLISHED)
		mr_sample(ctx, &c);
	mr_record(c.verdict, c.why, c.service, c.answer.outcome);
	return c.verdict;
}

static __always_inline int mr_guard(struct xdp_md *ctx, const int l3, const int frags)
{
	__u32 slot = *(volatile __u32 *)&state.active & (MR_SLOTS - 1);
	struct mr_packet p = {};
	int why = mr_parse(ctx, l3, frags, &p);
	__u32 column;

	if (why != MR_PARSE_TCP)
		return mr_unasked(ctx, frags, why);
	column = state.gen[slot].column[p.dport];
	if (!column)
		return mr_unasked(ctx, frags, MR_WHY_NO_SERVICE);
	return mr_judge(ctx, l3, frags, slot, (column - 1) & (MR_SERVICES_MAX - 1), &p);
}

#endif
