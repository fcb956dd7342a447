/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.h - addresses and prefixes, both families in one 128-bit shape.
 *
 * An IPv4 address is held mapped (::ffff:a.b.c.d), its prefix length plus 96: the key of the entry
 * maps, and one order for both families.  Text input accepts IPv4-mapped IPv6 and unmaps it.
 */
#ifndef MAILREEVE_ADDR_H
#define MAILREEVE_ADDR_H

#include <mailreeve/util.h>
#include <string.h>

struct mr_addr {
	uint8_t b[16]; /* network order */
};

struct mr_prefix {
	struct mr_addr addr; /* host bits zero */
	uint8_t plen; /* 0..128; an IPv4 /n is 96 + n */
};

#define MR_ADDR_TEXT   48 /* bytes for mr_addr_text, NUL included */
#define MR_PREFIX_TEXT 52 /* bytes for mr_prefix_text */

static inline bool mr_addr_is4(const struct mr_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, 12) == 0;
}
static inline uint32_t mr_addr_v4(const struct mr_addr *a) /* host order */
{
	return (uint32_t)a->b[12] << 24 | (uint32_t)a->b[13] << 16 | (uint32_t)a->b[14] << 8 |
	       a->b[15];
}
static inline struct mr_addr mr_addr_from4(uint32_t v4) /* host order */
{
	return (struct mr_addr){ .b = { [10] = 0xff,
					0xff,
					(uint8_t)(v4 >> 24),
					(uint8_t)(v4 >> 16),
					(uint8_t)(v4 >> 8),
					(uint8_t)v4 } };
}
static inline uint64_t mr_addr_hi(const struct mr_addr *a) /* upper 64 bits, host order */
{
	uint64_t v;

	memcpy(&v, a->b, 8);
	return __builtin_bswap64(v);
}
static inline uint64_t mr_addr_lo(const struct mr_addr *a)
{
	uint64_t v;

	memcpy(&v, a->b + 8, 8);
	return __builtin_bswap64(v);
}
struct mr_addr mr_addr_from6(uint64_t hi, uint64_t lo); /* host-order halves */

/* One literal address, nothing around it: "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1".
 * -EINVAL otherwise; leading zeros in IPv4 and zone indices are refused. */
int mr_addr_parse(const char *text, size_t len, struct mr_addr *out);
const char *mr_addr_text(const struct mr_addr *a, char buf[static MR_ADDR_TEXT]);

/* "ADDR" or "ADDR/LEN".  -EINVAL: not a prefix; -ERANGE: length out of range;
 * -EDOM: host bits are set (*out then holds the network that was probably meant). */
int mr_prefix_parse(const char *text, size_t len, struct mr_prefix *out);
/* "192.0.2.0/24"; a single address has no length. */
const char *mr_prefix_text(const struct mr_prefix *p, char buf[static MR_PREFIX_TEXT]);
bool mr_prefix_contains(const struct mr_prefix *p, const struct mr_addr *a);
/* Clears the bits behind plen. */
void mr_addr_mask(struct mr_addr *a, unsigned int plen);
/* 255.255.255.0 is 24.  -EINVAL: no IPv4; -EDOM: the ones do not come first. */
int mr_addr_netmask(const struct mr_addr *mask, unsigned int *plen);

/* The fewest prefixes that cover first..last (same family); *n at most 254.  -EINVAL if first >
 * last. */
#define MR_RANGE_PREFIXES 254
int mr_range_prefixes(const struct mr_addr *first, const struct mr_addr *last,
		      struct mr_prefix out[static MR_RANGE_PREFIXES], size_t *n);

#endif
