// SPDX-License-Identifier: BSD-2-Clause
/*
 * addr.c - addresses and prefixes: text in, text out, and the arithmetic between (addr.h).
 *
 * Never allocates, never asks a resolver, never guesses: "1.2.3", "010.0.0.1" and "fe80::1%eth0"
 * are no addresses.  The two families stay apart although they share one shape: ::/0 holds no IPv4
 * address.  Called by everybody.  Fails with -EINVAL, -ERANGE or -EDOM as the header says.
 */
#include <mailreeve/addr.h>

#include <arpa/inet.h>

#define V4_BASE 96 /* length of ::ffff:0:0/96, the prefix that all IPv4 addresses share */

struct mr_addr mr_addr_from6(uint64_t hi, uint64_t lo)
{
	struct mr_addr a;

	hi = __builtin_bswap64(hi);
	lo = __builtin_bswap64(lo);
	memcpy(a.b, &hi, 8);
	memcpy(a.b + 8, &lo, 8);
	return a;
}

/* A decimal number without leading zeros, at most `max`; the number of bytes read, 0 = none. */
static size_t decimal(const char *s, size_t len, unsigned int max, unsigned int *out)
{
	unsigned int v = 0;
	size_t n = 0;

	while (n < len && s[n] >= '0' && s[n] <= '9') {
		v = v * 10 + (unsigned int)(s[n] - '0');
		if (v > max || (n > 0 && s[0] == '0'))
			return 0;
		n++;
	}
	if (n)
		*out = v;
	return n;
}

/* Four numbers up to 255 without leading zeros, in one pass: every event of a log has one. */
static int parse4(const char *s, size_t len, struct mr_addr *out)
{
	unsigned int octet = 0, digits = 0, dots = 0;
	uint32_t v = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned int)(unsigned char)s[i] - '0';

		if (digit <= 9) {
			if (digits && octet == 0)
				return -EINVAL;
			octet = octet * 10 + digit;
			if (octet > 255)
				return -EINVAL;
			digits++;
		} else if (s[i] == '.' && digits && dots < 3) {
			v = v << 8 | octet;
			octet = digits = 0;
			dots++;
		} else {
			return -EINVAL;
		}
	}
	if (dots != 3 || !digits)
		return -EINVAL;
	*out = mr_addr_from4(v << 8 | octet);
	return 0;
}

int mr_addr_parse(const char *text, size_t len, struct mr_addr *out)
{
	char buf[INET6_ADDRSTRLEN];
	struct mr_addr a;

	if (len == 0 || len >= sizeof(buf))
		return -EINVAL;
	if (parse4(text, len, out) == 0)
		return 0;
	if (memchr(text, '\0', len) || !memchr(text, ':', len))
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (inet_pton(AF_INET6, buf, a.b) != 1)
		return -EINVAL;
	*out = a;
	return 0;
}

static char *put_octet(char *p, uint8_t v)
{
	if (v >= 100)
		*p++ = (char)('0' + v / 100);
	if (v >= 10)
		*p++ = (char)('0' + v / 10 % 10);
	*p++ = (char)('0' + v % 10);
	return p;
}

const char *mr_addr_text(const struct mr_addr *a, char buf[static MR_ADDR_TEXT])
{
	char *p = buf;

	if (!mr_addr_is4(a)) {
		inet_ntop(AF_INET6, a->b, buf, MR_ADDR_TEXT);
		return buf;
	}
	for (int i = 12; i < 16; i++) {
		p = put_octet(p, a->b[i]);
		*p++ = '.';
	}
	p[-1] = '\0';
	return buf;
}

void mr_addr_mask(struct mr_addr *a, unsigned int plen)
{
	for (unsigned int i = 0; i<16; i++, plen = plen> 8 ? plen - 8 : 0)
		if (plen < 8)
			a->b[i] &= (uint8_t)(0xff00u >> plen);
}

int mr_addr_netmask(const struct mr_addr *mask, unsigned int *plen)
{
	uint32_t v = mr_addr_is4(mask) ? mr_addr_v4(mask) : 0, host = ~v;

	if (!mr_addr_is4(mask))
		return -EINVAL;
	if (host & (host + 1))
		return -EDOM;
	*plen = v ? 32 - (unsigned int)__builtin_ctz(v) : 0;
	return 0;
}

int mr_prefix_parse(const char *text, size_t len, struct mr_prefix *out)
{
	const char *slash = memchr(text, '/', len);
	size_t alen = slash ? (size_t)(slash - text) : len;
	unsigned int plen = 128, base = 0, width = 128;
	struct mr_prefix p;
	int r;

	r = mr_addr_parse(text, alen, &p.addr);
	if (r < 0)
		return r;
	if (slash) {
		size_t rest = len - alen - 1;
		size_t n = decimal(slash + 1, rest, 999, &plen);

		if (n == 0 || n != rest)
			return -EINVAL;
		if (!memchr(text, ':', alen))
			base = V4_BASE, width = 32;
		if (plen > width)
			return -ERANGE;
		plen += base;
		/* a mapped address with a length that reaches beyond the mapped block */
		if (plen < V4_BASE && mr_addr_is4(&p.addr))
			return -ERANGE;
	}
	p.plen = (uint8_t)plen;
	*out = p;
	mr_addr_mask(&out->addr, plen);
	return memcmp(&out->addr, &p.addr, sizeof(p.addr)) ? -EDOM : 0;
}

static bool prefix_is4(const struct mr_prefix *p)
{
	return p->plen >= V4_BASE && mr_addr_is4(&p->addr);
}

const char *mr_prefix_text(const struct mr_prefix *p, char buf[static MR_PREFIX_TEXT])
{
	unsigned int plen = p->plen;
	size_t n;

	mr_addr_text(&p->addr, buf);
	if (plen >= 128)
		return buf;
	if (prefix_is4(p))
		plen -= V4_BASE;
	n = strlen(buf);
	snprintf(buf + n, MR_PREFIX_TEXT - n, "/%u", plen);
	return buf;
}

bool mr_prefix_contains(const struct mr_prefix *p, const struct mr_addr *a)
{
	struct mr_addr m = *a;

	if (prefix_is4(p) != mr_addr_is4(a))
		return false;
	mr_addr_mask(&m, p->plen);
	return memcmp(m.b, p->addr.b, sizeof(m.b)) == 0;
}

typedef unsigned __int128 u128;

static u128 to128(const struct mr_addr *a)
{
	return (u128)mr_addr_hi(a) << 64 | mr_addr_lo(a);
}

int mr_range_prefixes(const struct mr_addr *first, const struct mr_addr *last,
		      struct mr_prefix out[static MR_RANGE_PREFIXES], size_t *n)
{
	u128 lo = to128(first), hi = to128(last);
	size_t count = 0;

	if (mr_addr_is4(first) != mr_addr_is4(last) || lo > hi)
		return -EINVAL;
	for (;;) {
		unsigned int host = 0; /* bits of the block that starts at lo */
		u128 end;

		while (host < 128) {
			u128 mask = host == 127 ? ~(u128)0 : ((u128)1 << (host + 1)) - 1;

			if ((lo & mask) || mask > hi - lo)
				break;
			host++;
		}
		out[count++] = (struct mr_prefix){
			.addr = mr_addr_from6((uint64_t)(lo >> 64), (uint64_t)lo),
			.plen = (uint8_t)(128 - host),
		};
		end = host == 128 ? ~(u128)0 : lo + (((u128)1 << host) - 1);
		if (end == hi)
			break;
		lo = end + 1;
	}
	*n = count;
	return 0;
}
