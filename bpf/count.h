/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * count.h - what the program leaves behind: counters, sampled events, the record of a replay.
 *
 * Also the token buckets that limit events and resets.  All per CPU, so nothing here is atomic.
 */
#ifndef MR_BPF_COUNT_H
#define MR_BPF_COUNT_H

#include "verdict.h"

#define MR_SECOND_NS	1000000000ULL
#define MR_SERVICE_NONE 255
#define MR_SAMPLE_SKIP	64 /* packets that find no token between two looks at the clock */

static __always_inline void mr_count(void *map, __u32 index, __u64 bytes)
{
	struct mr_count *c = bpf_map_lookup_elem(map, &index);

	if (!c)
		return;
	c->packets++;
	c->bytes += bytes;
}

static __always_inline void mr_count_reason(__u32 why, __u64 bytes)
{
	mr_count(&reason_counters, why, bytes);
}

static __always_inline void mr_count_service(__u32 service, enum mr_counted what, __u64 bytes)
{
	mr_count(&service_counters, service * MR_COUNTED_N + what, bytes);
}

static __always_inline void mr_count_rule(const struct mr_gen *g, __u32 rule, __u64 bytes)
{
	if (rule)
		mr_count(&rule_counters, g->rule_counter[rule & MR_RULES_MAX], bytes);
}

/* One token of `rate` a second; saves up for at most a second. */
static __always_inline int mr_token(struct mr_bucket *b, __u32 rate, __u64 now)
{
	__u64 cost = MR_SECOND_NS / rate;

	b->credit += now - b->last;
	b->last = now;
	if (b->credit > MR_SECOND_NS)
		b->credit = MR_SECOND_NS;
	if (b->credit < cost)
		return 0;
	b->credit -= cost;
	return 1;
}

static __always_inline int mr_token_reset(void)
{
	__u32 rate = state.reject_limit, i = MR_BUCKET_RESET;
	struct mr_bucket *b = bpf_map_lookup_elem(&buckets, &i);

	return b && rate && mr_token(b, rate, bpf_ktime_get_boot_ns());
}

/* Everything about one judged packet that outlives it. */
struct mr_case {
	union mr_end source, destination;
	struct mr_answer answer;
	__u32 slot;
	__u32 bytes;
	__u16 sport, dport;
	__u8 service; /* id */
	__u8 conf; /* MR_SERVICE_ flags */
	__u8 why;
	__u8 verdict;
	__u8 syn;
};

/*
 * A place in the ring buffer if this CPU has a token left.  Under a flood the clock is read once in
 * MR_SAMPLE_SKIP packets.  The kernel wakes the reader only if it had read everything: one wake-up
 * for a batch, and none missing for the last event of one, as a watermark of our own would have.
 */
static __always_inline void mr_sample(struct xdp_md *ctx, const struct mr_case *c)
{
	__u32 rate = state.sample, i = MR_BUCKET_SAMPLE;
	__u64 now;
	struct mr_event_packet *ev;
	struct mr_bucket *b;

	if (!rate)
		return;
	b = bpf_map_lookup_elem(&buckets, &i);
	if (!b || (b->skip && b->skip--))
		return;
	now = bpf_ktime_get_boot_ns();
	if (!mr_token(b, rate, now)) {
		b->skip = MR_SAMPLE_SKIP;
		return;
	}
	ev = bpf_ringbuf_reserve(&events, sizeof(*ev), 0);
	if (!ev) {
		mr_count_reason(MR_WHY_EVENT_LOST, c->bytes);
		return;
	}
	ev->time = now;
	ev->generation = state.gen[c->slot & 1].number;
	__builtin_memcpy(ev->source, &c->source, sizeof(ev->source));
	__builtin_memcpy(ev->destination, &c->destination, sizeof(ev->destination));
	ev->sport = c->sport;
	ev->dport = c->dport;
	ev->ifindex = ctx->ingress_ifindex;
	ev->rule = MR_OUTCOME_RULE(c->answer.outcome);
	ev->why = c->why;
	ev->verdict = c->verdict;
	ev->service = c->service;
	ev->flags = (c->syn ? MR_EVENT_SYN : 0) | (c->answer.permitted ? MR_EVENT_PERMITTED : 0) |
		    (c->answer.banned ? MR_EVENT_BANNED : 0) |
		    (c->conf & MR_SERVICE_SHADOW ? MR_EVENT_SHADOW : 0);
	ev->pad = 0;
	bpf_ringbuf_submit(ev, 0);
}

static __always_inline void mr_record(__u8 verdict, __u8 why, __u8 service, __u16 outcome)
{
	if (!mr_replay)
		return;
	decision.verdict = verdict;
	decision.why = why;
	decision.service = service;
	decision.action = MR_OUTCOME_ACTION(outcome);
	decision.rule = MR_OUTCOME_RULE(outcome);
}

#endif
