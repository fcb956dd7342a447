/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _shape.h - packets for tests, described by what is odd about them.
 *
 * A zeroed shape but for addresses and ports is a proper TCP segment on Ethernet; every other field
 * bends one thing.
 */
#ifndef MR_TEST_SHAPE_H
#define MR_TEST_SHAPE_H

#include <mailreeve/util.h>

#define SHAPE_BYTES 16384 /* room for any shape, jumbo frames too */
#define SHAPE_NONE  (-1) /* where 0 means "as usual" */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECE 0x40
#define TCP_CWR 0x80

#define FRAG_MORE4 0x2000 /* of the IPv4 field; offsets in units of 8 */
#define FRAG_MORE6 0x0001 /* of the IPv6 field; offsets shifted by 3 */

struct shape {
	uint16_t tags[11]; /* tag protocol ids, the outermost first, 0 ends */
	uint16_t priority; /* bit n: tag n has a priority and no VLAN */
	bool l3; /* no Ethernet header */
	bool v6;
	bool group_to, group_from; /* multicast MAC addresses */
	uint16_t type; /* Ethernet type instead of the right one */
	uint8_t version; /* IP version instead of the right one */
	int ihl; /* words; the header has max(ihl, 5) of them */
	int length; /* added to the IP header's length field */
	bool length_zero; /* … or it is 0 */
	uint16_t frag; /* the fragment field of IPv4, or of every 'f' below */
	const char *ext; /* IPv6: h op-by-hop, d estination, r outing, a h, f ragment, m obility,
			    i dentity (HIP), s him6 */
	uint8_t units; /* length byte of each extension header */
	uint8_t reserved; /* second byte of the fragment header */
	int proto; /* after the IP headers; 0 = TCP, SHAPE_NONE = 0 */
	const char *src, *dst;
	uint16_t sport, dport;
	uint8_t flags;
	int doff; /* words of TCP header, 0 = 5 */
	int payload; /* bytes behind it */
	uint32_t seq;
	int l4; /* bytes of TCP that are there; 0 = all */
	int counted; /* … of which the IP length admits so many; 0 = all, the rest is padding */
	int padding; /* zero bytes behind the packet */
	int cut; /* bytes that the frame lacks at its end */
};

/* Bytes of the frame in buf (SHAPE_BYTES). */
size_t shape_build(const struct shape *s, uint8_t *buf);
/* The ones' complement checksum over bytes, started with `sum`; 0 over data that carries a right
 * one. */
uint16_t shape_sum(uint32_t sum, const void *data, size_t n);

#endif
