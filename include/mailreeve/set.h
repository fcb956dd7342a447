/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * set.h - a named list of prefixes, each with the place it came from.
 *
 * Filled, then sealed: sealing sorts it and drops what a wider prefix of the same set covers, so
 * the prefixes left are disjoint and a binary search is exact.  A million entries take 12 MB
 * (IPv4). `file` indexes the policy's table of files.
 */
#ifndef MAILREEVE_SET_H
#define MAILREEVE_SET_H

#include <mailreeve/addr.h>

struct mr_item4 {
	uint32_t addr; /* host order */
	uint32_t line;
	uint16_t file;
	uint8_t plen; /* 0..32 */
	uint8_t pad;
};
struct mr_item6 {
	uint64_t hi, lo; /* host order */
	uint32_t line;
	uint16_t file;
	uint8_t plen; /* 0..128 */
	uint8_t pad;
};
struct mr_set {
	struct mr_item4 *v4;
	struct mr_item6 *v6;
	size_t n4, n6; /* after sealing: disjoint, ascending */
	size_t alloc4, alloc6;
	size_t given; /* prefixes added, before sealing */
	bool sealed;
};

int mr_set_add(struct mr_set *s, const struct mr_prefix *p, uint16_t file, uint32_t line);
int mr_set_seal(struct mr_set *s);
void mr_set_clear(struct mr_set *s); /* frees the arrays, not *s */
/* The prefix that holds the address; false if none.  The set must be sealed. out-params may be
 * NULL. */
bool mr_set_find(const struct mr_set *s, const struct mr_addr *a, struct mr_prefix *p,
		 uint16_t *file, uint32_t *line);
/* Is an address of this prefix in the set?  Host bits of p must be 0; the set must be sealed. */
bool mr_set_meets(const struct mr_set *s, const struct mr_prefix *p);
bool mr_set_equal(const struct mr_set *a, const struct mr_set *b); /* same prefixes, places aside */

#endif
