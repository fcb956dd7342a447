// SPDX-License-Identifier: BSD-2-Clause
/*
 * _reference.c - the way of a packet, step by step as the manual has it.
 *
 * Shares no code and no table with bpf/, only the numbers of abi.h and the world's policy.
 */
#include "_reference.h"

#include <arpa/inet.h>
#include <string.h>

struct segment { /* what the IP layer would hand to TCP */
	struct mr_addr from, to;
	const uint8_t *bytes;
	size_t here; /* bytes that are packet and are in the frame */
	size_t said; /* bytes the IP header speaks of */
	bool first_fragment;
};

static unsigned int be16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static struct fate fate(enum mr_why why)
{
	return (struct fate){ .why = why, .column = -1 };
}

/* Step 3 and 4 for IPv4.  MR_WHY_N: go on. */
static enum mr_why read4(const uint8_t *p, size_t n, struct segment *s)
{
	size_t header, said;
	unsigned int field;

	if (n < 20 || p[0] >> 4 != 4)
		return MR_WHY_MALFORMED;
	header = (size_t)(p[0] & 15) * 4;
	said = be16(p + 2);
	if (header < 20 || header > n || said < header)
		return MR_WHY_MALFORMED;
	if (p[9] != 6)
		return MR_WHY_NOT_TCP;
	field = be16(p + 6);
	if ((field & 0x1fff) != 0)
		return MR_WHY_LATER_FRAGMENT;
	memset(s, 0, sizeof(*s));
	s->first_fragment = (field & 0x2000) != 0;
	s->from.b[10] = s->from.b[11] = s->to.b[10] = s->to.b[11] = 0xff;
	memcpy(s->from.b + 12, p + 12, 4);
	memcpy(s->to.b + 12, p + 16, 4);
	s->bytes = p + header;
	s->said = said - header;
	s->here = said < n ? said - header : n - header;
	return MR_WHY_N;
}

static bool is_extension(unsigned int next)
{
	switch (next) {
	case 0: /* hop-by-hop */
	case 43: /* routing */
	case 44: /* fragment */
	case 51: /* AH */
	case 60: /* destination */
	case 135: /* mobility */
	case 139: /* HIP */
	case 140: /* shim6 */
		return true;
	}
	return false;
}

static size_t extension_bytes(unsigned int next, unsigned int length_byte)
{
	if (next == 44)
		return 8;
	return next == 51 ? ((size_t)length_byte + 2) * 4 : ((size_t)length_byte + 1) * 8;
}

/* The chain of extension headers, from byte 40 on; `n` bytes count. */
static enum mr_why read_chain(const uint8_t *p, size_t n, size_t *at, bool *first_fragment)
{
	unsigned int next = p[6], walked = 0;
	bool fragment_header = false;

	for (*at = 40; is_extension(next); walked++) {
		const uint8_t *h = p + *at;

		if (walked == 8)
			return MR_WHY_DEEP_HEADERS;
		if (*at + 8 > n)
			return *first_fragment ? MR_WHY_SHORT_FRAGMENT : MR_WHY_MALFORMED;
		if (next == 44) {
			if (fragment_header)
				return MR_WHY_MALFORMED;
			fragment_header = true;
			if (be16(h + 2) >> 3 != 0)
				return MR_WHY_LATER_FRAGMENT;
			*first_fragment = h[3] & 1; /* neither: atomic, a whole packet */
		}
		*at += extension_bytes(next, h[1]);
		next = h[0];
	}
	return next == 6 ? MR_WHY_N : MR_WHY_NOT_TCP;
}

/* Step 3 and 4 for IPv6. */
static enum mr_why read6(const uint8_t *p, size_t n, struct segment *s)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t said, counts, at = 40;
	enum mr_why why;

	if (n < 40 || p[0] >> 4 != 6)
		return MR_WHY_MALFORMED;
	if (memcmp(p + 8, mapped, sizeof(mapped)) == 0)
		return MR_WHY_MAPPED_SOURCE;
	said = 40 + be16(p + 4);
	/* a jumbogram's length is in its hop-by-hop header; the kernel takes the buffer's */
	if (said == 40 && p[6] == 0)
		said = n;
	counts = said < n ? said : n;
	memset(s, 0, sizeof(*s));
	why = read_chain(p, counts, &at, &s->first_fragment);
	if (why != MR_WHY_N)
		return why;
	if (at > counts)
		return s->first_fragment ? MR_WHY_SHORT_FRAGMENT : MR_WHY_MALFORMED;
	memcpy(s->from.b, p + 8, 16);
	memcpy(s->to.b, p + 24, 16);
	s->bytes = p + at;
	s->said = said - at;
	s->here = counts - at;
	return MR_WHY_N;
}

/* Steps 1 and 2. */
static enum mr_why read_frame(const uint8_t *p, size_t n, bool l3, struct segment *s)
{
	size_t at = 12, tags = 0, vlans = 0;
	unsigned int type;

	if (l3) {
		if (n == 0 || (p[0] >> 4 != 4 && p[0] >> 4 != 6))
			return MR_WHY_NOT_IP;
		return p[0] >> 4 == 4 ? read4(p, n, s) : read6(p, n, s);
	}
	if (n < 14)
		return MR_WHY_NOT_IP;
	for (type = be16(p + at); type == 0x8100 || type == 0x88a8; type = be16(p + at)) {
		tags++;
		at += 4;
		if (at + 2 > n)
			return MR_WHY_MALFORMED;
		vlans += (be16(p + at - 2) & 0xfff) != 0;
		if (tags == 8)
			break;
	}
	if (tags > 2 && tags < 8 && at + 4 > n)
		return MR_WHY_MALFORMED; /* nothing is that short */
	if (vlans > 2)
		return MR_WHY_DEEP_TAGS;
	type = be16(p + at);
	if (type == 0x8100 || type == 0x88a8)
		return MR_WHY_MALFORMED;
	if (type != 0x0800 && type != 0x86dd)
		return MR_WHY_NOT_IP;
	return type == 0x0800 ? read4(p + at + 2, n - at - 2, s) : read6(p + at + 2, n - at - 2, s);
}

static bool many_or_nobody(const struct mr_addr *a)
{
	static const uint8_t zero[15] = { 0 };
	uint8_t first = a->b[12];

	if (mr_addr_is4(a))
		return first == 0 || first == 127 || first >= 224;
	return a->b[0] == 0xff || (memcmp(a->b, zero, 15) == 0 && a->b[15] <= 1);
}

#define SYN 0x02
#define RST 0x04
#define ACK 0x10

/* Section 3, point 6: who gets a reset. */
static bool gets_reset(const uint8_t *frame, bool l3, const struct segment *s)
{
	size_t doff;

	if (s->first_fragment || s->here < 20 || s->here != s->said)
		return false;
	doff = (size_t)(s->bytes[12] >> 4) * 4;
	if (doff < 20 || doff > s->here)
		return false;
	if ((s->bytes[13] & (SYN | ACK | RST)) != SYN)
		return false;
	if (!l3 && ((frame[0] & 1) || (frame[6] & 1)))
		return false;
	return !many_or_nobody(&s->from) && !many_or_nobody(&s->to);
}

/* Step 6. */
static bool is_destination(const struct mr_addr *a)
{
	struct mr_addr four, six;

	mr_addr_parse("192.0.2.25", 10, &four);
	mr_addr_parse("2001:db8::25", 12, &six);
	return memcmp(a, &four, 16) == 0 || memcmp(a, &six, 16) == 0;
}

/* Steps 7 and 8, without entries. */
static enum mr_why ask_policy(const struct segment *s, int column, bool sessions_stand,
			      uint16_t *outcome)
{
	bool flags = s->here >= 14;
	bool maybe_new = !flags || (s->bytes[13] & (SYN | ACK)) == SYN;
	bool surely_new = flags && maybe_new;

	switch (world_class(&s->from)) {
	case WORLD_ALLOW:
		*outcome = MR_OUTCOME(WORLD_RULE_ALLOW, MR_ALLOW);
		return MR_WHY_ALLOW;
	case WORLD_DENY:
		*outcome = MR_OUTCOME(WORLD_RULE_DENY, MR_DENY);
		return MR_WHY_DENY;
	case WORLD_REJECT:
		*outcome = MR_OUTCOME(WORLD_RULE_REJECT, MR_REJECT);
		return MR_WHY_REJECT;
	}
	*outcome = MR_OUTCOME(0, MR_UNMATCHED);
	if (!maybe_new && column == WORLD_ANY)
		return MR_WHY_ESTABLISHED;
	return !surely_new && sessions_stand ? MR_WHY_ESTABLISHED : MR_WHY_UNMATCHED;
}

struct fate reference_fate(const uint8_t *frame, size_t n, bool l3, bool sessions_stand)
{
	struct segment s = { 0 };
	enum mr_why why = read_frame(frame, n, l3, &s);
	struct fate f;

	if (why != MR_WHY_N)
		return fate(why);
	if (s.here < 4)
		return fate(s.first_fragment ? MR_WHY_SHORT_FRAGMENT : MR_WHY_MALFORMED);
	f = fate(MR_WHY_NO_SERVICE);
	f.column = world_column((uint16_t)be16(s.bytes + 2));
	if (f.column < 0)
		return f;
	if (f.column == WORLD_TO && !is_destination(&s.to))
		return fate(MR_WHY_OTHER_DESTINATION);
	f.why = ask_policy(&s, f.column, sessions_stand, &f.outcome);
	if (f.column == WORLD_SHADOW && f.why != MR_WHY_ALLOW && f.why != MR_WHY_ESTABLISHED)
		f.why = MR_WHY_SHADOW;
	f.answered = f.why == MR_WHY_REJECT && gets_reset(frame, l3, &s);
	return f;
}
