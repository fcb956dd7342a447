// SPDX-License-Identifier: BSD-2-Clause
/*
 * differential.c - random packets through the program and through the reference: one opinion.
 *
 * Valid, cut, padded, fragmented, tagged, with options and extension headers, and with random bytes
 * changed.  `differential [SEED [PACKETS]]` repeats a run; the seed is printed.  On a difference
 * the frame is printed in hex and the program fails.
 */
#include "_reference.h"
#include "_shape.h"

#include <linux/bpf.h>
#include <time.h>

#define PACKETS	     200000 /* by default */
#define BYTES_TO_HIT 60 /* random changes fall in the headers */

static uint64_t rng;

static uint32_t rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 32) % n);
}

#define PICK(array) ((array)[rnd(MR_ARRAY_SIZE(array))])

static void random_ip(struct shape *s, char *ext)
{
	static const char *const from4[] = { "198.51.100.1", "203.0.113.1", "203.0.113.200",
					     "192.0.2.1",    "192.0.2.200", "127.0.0.1",
					     "224.0.0.1",    "0.0.0.1" };
	static const char *const from6[] = { "2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1",
					     "2001:db8:4::1", "2001:db8::1",   "::ffff:192.0.2.1",
					     "ff02::1",	      "::1",	       "fe80::1" };
	static const char *const to4[] = { "192.0.2.25", "192.0.2.26", "255.255.255.255" };
	static const char *const to6[] = { "2001:db8::25", "2001:db8::26", "ff02::1" };
	static const uint16_t frags[] = { 0, 1, 8, 0x2000, 0x2001, 0x4000, 0x1fff, 9, 6 };
	static const char letters[] = "hdrafmis";
	size_t n;

	s->v6 = rnd(2);
	s->src = s->v6 ? PICK(from6) : PICK(from4);
	s->dst = s->v6 ? PICK(to6) : PICK(to4);
	if (rnd(4) == 0)
		s->frag = PICK(frags);
	if (!s->v6) {
		s->ihl = rnd(4) ? 0 : 1 + (int)rnd(15);
		return;
	}
	n = rnd(2) ? 0 : 1 + rnd(rnd(3) ? 3 : 10);
	for (size_t i = 0; i < n; i++)
		ext[i] = letters[rnd(8)];
	ext[n] = 0;
	s->ext = ext;
	s->units = rnd(3) ? 0 : (uint8_t)rnd(8);
	s->reserved = (uint8_t)rnd(256);
}

static void random_shape(struct shape *s, char *ext)
{
	static const uint16_t ports[] = { 25, 25, 110, 143, 443, 65535, 80, 587, 0 };
	static const uint8_t flags[] = {
		TCP_SYN,	   TCP_SYN,	      TCP_ACK,
		TCP_SYN | TCP_ACK, TCP_RST,	      TCP_SYN | TCP_ECE | TCP_CWR,
		TCP_SYN | TCP_RST, TCP_SYN | TCP_FIN, 0,
		TCP_ACK | TCP_PSH
	};
	static const uint16_t tags[] = { 0x8100, 0x88a8 };

	*s = (struct shape){ .l3 = rnd(3) == 0,
			     .sport = (uint16_t)rnd(65536),
			     .dport = PICK(ports) };
	s->flags = PICK(flags);
	for (size_t i = 0, n = rnd(3) ? 0 : 1 + rnd(rnd(8) ? 4 : 10); i < n; i++)
		s->tags[i] = PICK(tags);
	s->priority = (uint16_t)(rnd(0x10000) | (rnd(2) ? 0xffff : 0));
	random_ip(s, ext);
	if (rnd(16) == 0)
		s->proto = rnd(3) ? 17 : 1;
	if (rnd(16) == 0)
		s->version = (uint8_t)(1 + rnd(15));
	if (rnd(16) == 0)
		s->type = rnd(2) ? 0x0806 : s->v6 ? 0x0800 : 0x86dd;
	s->group_to = rnd(16) == 0;
	s->group_from = rnd(32) == 0;
	s->doff = rnd(4) ? 0 : 1 + (int)rnd(15);
	s->payload = rnd(4) ? 0 : (int)rnd(200);
	s->seq = rnd(4) ? rnd(0xffffffff) : 0xffffffff;
	if (rnd(3) == 0)
		s->l4 = rnd(8) ? 1 + (int)rnd(20) : SHAPE_NONE;
	if (rnd(4) == 0)
		s->counted = rnd(8) ? 1 + (int)rnd(20) : SHAPE_NONE;
	s->length = rnd(8) ? 0 : (int)rnd(60) - 30;
	s->length_zero = rnd(32) == 0;
	s->padding = rnd(3) ? 0 : (int)rnd(40);
}

static size_t random_packet(struct shape *s, uint8_t *frame)
{
	char ext[16];
	size_t n, low = 0;

	random_shape(s, ext);
	n = shape_build(s, frame);
	if (rnd(4) == 0)
		n = 1 + rnd((uint32_t)n);
	for (uint32_t hits = rnd(4) ? 0 : 1 + rnd(3); hits; hits--)
		frame[low + rnd(BYTES_TO_HIT)] = (uint8_t)rnd(256);
	return n;
}

static void complain(uint64_t seed, unsigned long i, const struct shape *s, const uint8_t *frame,
		     size_t n)
{
	printf("# seed %llu packet %lu, %s, %zu bytes:\n#", (unsigned long long)seed, i,
	       s->l3 ? "L3" : "L2", n);
	for (size_t k = 0; k < n && k < 256; k++)
		printf(" %02x", frame[k]);
	printf("\n");
}

/* The answer must be a well-formed reset; its every byte is checked in reset.c. */
static bool same(struct world *w, const struct shape *s, const uint8_t *frame, size_t n,
		 const struct fate *f, bool frags)
{
	static const uint8_t ids[] = WORLD_IDS;
	const struct mr_decision *d = world_decision(w);
	int verdict = f->answered ? XDP_TX : f->why >= MR_WHY_DENY ? XDP_DROP : XDP_PASS;
	int got = world_run(w, s->l3, frags, frame, n, NULL, NULL);
	bool judged = f->column >= 0 && f->why != MR_WHY_NO_SERVICE;
	uint8_t id = judged ? ids[f->column] : 255;

	if (got == verdict && d->verdict == verdict && d->why == f->why && d->service == id &&
	    d->action == MR_OUTCOME_ACTION(f->outcome) && d->rule == MR_OUTCOME_RULE(f->outcome))
		return true;
	printf("# expected verdict %d why %d service %u outcome %#x, got %d (%d) why %d service %u"
	       " action %u rule %u\n",
	       verdict, f->why, id, f->outcome, got, d->verdict, d->why, d->service, d->action,
	       d->rule);
	return false;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	unsigned long packets = argc > 2 ? strtoul(argv[2], NULL, 0) : PACKETS;
	unsigned long seen[MR_WHY_N] = { 0 }, answered = 0, failures = 0;
	struct world none, all;
	uint8_t frame[SHAPE_BYTES];

	if (world_skip())
		return 77;
	if (world_open(&none, MR_REPLAY_NONE) < 0 || world_open(&all, MR_REPLAY_ALL) < 0)
		return 1;
	printf("# seed %llu, %lu packets\n", (unsigned long long)seed, packets);
	rng = seed * 0x9E3779B97F4A7C15ULL + 1;
	for (unsigned long i = 0; i < packets && failures < 10; i++) {
		bool stand = i & 1, frags = i & 2;
		struct shape s;
		size_t n = random_packet(&s, frame);
		struct fate f;

		if (n < 14) /* the kernel runs no shorter ones */
			continue;
		f = reference_fate(frame, n, s.l3, stand);
		if (!same(stand ? &all : &none, &s, frame, n, &f, frags)) {
			complain(seed, i, &s, frame, n);
			failures++;
		}
		seen[f.why]++;
		answered += f.answered;
	}
	world_close(&none);
	world_close(&all);
	printf("# reasons seen:");
	for (size_t i = 0; i < MR_WHY_N; i++)
		printf(" %zu:%lu", i, seen[i]);
	printf(", resets: %lu\n", answered);
	printf("1..1\n%s 1 - the program agrees with the reference\n", failures ? "not ok" : "ok");
	return failures != 0;
}
