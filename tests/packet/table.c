// SPDX-License-Identifier: BSD-2-Clause
/*
 * table.c - bytes in, verdict out: each line of the manual's "way of a packet" and each known
 * mistake of other filters, by name.
 *
 * Each row runs through the single-buffer and the multi-buffer program.  Rows say what is odd
 * about the packet (_shape.h) and what becomes of it.  Sessions: none, or with `stands` every one.
 */
#include "_shape.h"
#include "_world.h"

#include <linux/bpf.h>

#define ALLOWED	  "198.51.100.1"
#define DENIED	  "203.0.113.1"
#define REJECTED  "203.0.113.200"
#define UNKNOWN	  "192.0.2.1"
#define ALLOWED6  "2001:db8:1::1"
#define DENIED6	  "2001:db8:2::1"
#define REJECTED6 "2001:db8:3::1"
#define UNKNOWN6  "2001:db8::1"

#define FOUR(from, port) .src = (from), .dst = "192.0.2.26", .sport = 40000, .dport = (port)
#define SIX(from, port) \
	.v6 = true, .src = (from), .dst = "2001:db8::26", .sport = 40000, .dport = (port)

#define EIGHT_TAGS .tags = { 0x8100, 0x8100, 0x8100, 0x8100, 0x8100, 0x8100, 0x8100, 0x88a8 }

#define WHY(reason) .why = MR_WHY_##reason

struct row {
	const char *name;
	struct shape s;
	enum mr_why why;
	bool answered;
	bool stands;
};

static const struct row rows[] = {
	/* the plain cases */
	{ "a SYN from an allowed address", { FOUR(ALLOWED, 25), .flags = TCP_SYN }, WHY(ALLOW) },
	{ "a SYN from a denied address", { FOUR(DENIED, 25), .flags = TCP_SYN }, WHY(DENY) },
	{ "a SYN from an unmatched address",
	  { FOUR(UNKNOWN, 25), .flags = TCP_SYN },
	  WHY(UNMATCHED) },
	{ "a SYN from a rejected address",
	  { FOUR(REJECTED, 25), .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "a SYN from an allowed IPv6 address",
	  { SIX(ALLOWED6, 25), .flags = TCP_SYN },
	  WHY(ALLOW) },
	{ "a SYN from a denied IPv6 address", { SIX(DENIED6, 25), .flags = TCP_SYN }, WHY(DENY) },
	{ "a SYN from an unmatched IPv6 address",
	  { SIX(UNKNOWN6, 25), .flags = TCP_SYN },
	  WHY(UNMATCHED) },
	{ "a SYN from a rejected IPv6 address",
	  { SIX(REJECTED6, 25), .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "the highest port", { FOUR(DENIED, 65535), .flags = TCP_SYN }, WHY(DENY) },
	{ "a port that is no service", { FOUR(DENIED, 22), .flags = TCP_SYN }, WHY(NO_SERVICE) },
	{ "port 0", { FOUR(DENIED, 0), .flags = TCP_SYN }, WHY(NO_SERVICE) },
	{ "UDP to a service's port", { FOUR(DENIED, 25), .proto = 17 }, WHY(NOT_TCP) },
	{ "UDP over IPv6", { SIX(DENIED6, 25), .proto = 17 }, WHY(NOT_TCP) },
	{ "ICMP", { FOUR(DENIED, 25), .proto = 1 }, WHY(NOT_TCP) },
	{ "neighbour discovery", { SIX(DENIED6, 25), .proto = 58 }, WHY(NOT_TCP) },
	{ "ESP", { SIX(DENIED6, 25), .proto = 50 }, WHY(NOT_TCP) },
	{ "ARP", { FOUR(DENIED, 25), .type = 0x0806 }, WHY(NOT_IP) },
	{ "an Ethernet type nobody knows", { FOUR(DENIED, 25), .type = 0x88b5 }, WHY(NOT_IP) },

	/* replies to our own outgoing mail have the mail port as source */
	{ "SYN-ACK from a remote port 25",
	  { .src = DENIED,
	    .dst = "192.0.2.26",
	    .sport = 25,
	    .dport = 40000,
	    .flags = TCP_SYN | TCP_ACK },
	  WHY(NO_SERVICE) },
	{ "data from a remote port 25",
	  { .v6 = true,
	    .src = DENIED6,
	    .dst = "2001:db8::26",
	    .sport = 25,
	    .dport = 40000,
	    .flags = TCP_ACK,
	    .payload = 10 },
	  WHY(NO_SERVICE) },

	/* what a new connection is */
	{ "SYN|PSH is one",
	  { FOUR(UNKNOWN, 25), .flags = TCP_SYN | TCP_PSH },
	  WHY(UNMATCHED),
	  .stands = true },
	{ "SYN|URG is one",
	  { FOUR(UNKNOWN, 25), .flags = TCP_SYN | TCP_URG },
	  WHY(UNMATCHED),
	  .stands = true },
	{ "SYN|ECE|CWR is one",
	  { FOUR(UNKNOWN, 25), .flags = TCP_SYN | TCP_ECE | TCP_CWR },
	  WHY(UNMATCHED),
	  .stands = true },
	{ "SYN|FIN is one",
	  { FOUR(UNKNOWN, 25), .flags = TCP_SYN | TCP_FIN },
	  WHY(UNMATCHED),
	  .stands = true },
	{ "SYN|ACK is none",
	  { FOUR(UNKNOWN, 25), .flags = TCP_SYN | TCP_ACK },
	  WHY(ESTABLISHED),
	  .stands = true },
	{ "a later packet of a session that stands",
	  { FOUR(UNKNOWN, 25), .flags = TCP_ACK },
	  WHY(ESTABLISHED),
	  .stands = true },
	{ "… over IPv6",
	  { SIX(UNKNOWN6, 25), .flags = TCP_ACK },
	  WHY(ESTABLISHED),
	  .stands = true },
	{ "a later packet of no session", { FOUR(UNKNOWN, 25), .flags = TCP_ACK }, WHY(UNMATCHED) },
	{ "a RST of a session that stands",
	  { FOUR(UNKNOWN, 25), .flags = TCP_RST },
	  WHY(ESTABLISHED),
	  .stands = true },
	{ "no flags at all, no session", { FOUR(UNKNOWN, 25), .flags = 0 }, WHY(UNMATCHED) },
	{ "an explicit deny cuts a session",
	  { FOUR(DENIED, 25), .flags = TCP_ACK },
	  WHY(DENY),
	  .stands = true },
	{ "a reject cuts a session, silently",
	  { FOUR(REJECTED, 25), .flags = TCP_ACK },
	  WHY(REJECT),
	  .stands = true },
	{ "`established any`: a later packet",
	  { FOUR(UNKNOWN, 143), .flags = TCP_ACK },
	  WHY(ESTABLISHED) },
	{ "`established any`: a SYN", { FOUR(UNKNOWN, 143), .flags = TCP_SYN }, WHY(UNMATCHED) },
	{ "`established any`: an explicit deny",
	  { FOUR(DENIED, 143), .flags = TCP_ACK },
	  WHY(DENY) },
	{ "`established any`: flags unseen",
	  { FOUR(UNKNOWN, 143), .flags = TCP_ACK, .frag = FRAG_MORE4, .l4 = 8 },
	  WHY(UNMATCHED) },

	/* `to` */
	{ "a destination that `to` names",
	  { .src = DENIED, .dst = "192.0.2.25", .dport = 443, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "a destination that `to` does not name",
	  { FOUR(DENIED, 443), .flags = TCP_SYN },
	  WHY(OTHER_DESTINATION) },
	{ "an IPv6 destination that `to` names",
	  { .v6 = true, .src = DENIED6, .dst = "2001:db8::25", .dport = 443, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "an IPv6 destination that `to` does not name",
	  { SIX(DENIED6, 443), .flags = TCP_SYN },
	  WHY(OTHER_DESTINATION) },

	/* shadow */
	{ "shadow: allowed", { FOUR(ALLOWED, 110), .flags = TCP_SYN }, WHY(ALLOW) },
	{ "shadow: denied", { FOUR(DENIED, 110), .flags = TCP_SYN }, WHY(SHADOW) },
	{ "shadow: rejected", { FOUR(REJECTED, 110), .flags = TCP_SYN }, WHY(SHADOW) },
	{ "shadow: unmatched", { FOUR(UNKNOWN, 110), .flags = TCP_SYN }, WHY(SHADOW) },
	{ "shadow: a session that stands is no refusal",
	  { FOUR(UNKNOWN, 110), .flags = TCP_ACK },
	  WHY(ESTABLISHED),
	  .stands = true },

	/* VLAN */
	{ "802.1Q", { FOUR(DENIED, 25), .tags = { 0x8100 }, .flags = TCP_SYN }, WHY(DENY) },
	{ "802.1ad and 802.1Q",
	  { FOUR(DENIED, 25), .tags = { 0x88a8, 0x8100 }, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "802.1Q twice, IPv6",
	  { SIX(DENIED6, 25), .tags = { 0x8100, 0x8100 }, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "802.1Q around a reject",
	  { FOUR(REJECTED, 25), .tags = { 0x8100 }, .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "three tags",
	  { FOUR(DENIED, 25), .tags = { 0x88a8, 0x8100, 0x8100 }, .flags = TCP_SYN },
	  WHY(DEEP_TAGS) },
	{ "three tags, one for priority alone",
	  { FOUR(DENIED, 25), .tags = { 0x88a8, 0x8100, 0x8100 }, .priority = 4, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "eight priority tags, IPv6",
	  { SIX(DENIED6, 25), EIGHT_TAGS, .priority = 0xff, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "eight priority tags, allowed",
	  { FOUR(ALLOWED, 25), EIGHT_TAGS, .priority = 0xff, .flags = TCP_SYN },
	  WHY(ALLOW) },
	{ "three priority tags around a reject",
	  { FOUR(REJECTED, 25), .tags = { 0x8100, 0x8100, 0x8100 }, .priority = 7,
	    .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "nine priority tags: nobody means that",
	  { FOUR(ALLOWED, 25),
	    .tags = { 0x8100, 0x8100, 0x8100, 0x8100, 0x8100, 0x8100, 0x8100, 0x8100, 0x8100 },
	    .priority = 0x1ff, .flags = TCP_SYN },
	  WHY(MALFORMED) },
	{ "three priority tags around ARP",
	  { FOUR(DENIED, 25), .tags = { 0x8100, 0x8100, 0x8100 }, .priority = 7, .type = 0x0806 },
	  WHY(NOT_IP) },
	{ "802.1Q around ARP",
	  { FOUR(DENIED, 25), .tags = { 0x8100 }, .type = 0x0806 },
	  WHY(NOT_IP) },
	{ "a tag that is cut off",
	  { FOUR(DENIED, 25), .tags = { 0x8100 }, .cut = 42 },
	  WHY(MALFORMED) },

	/* devices without an Ethernet header */
	{ "L3, denied", { FOUR(DENIED, 25), .l3 = true, .flags = TCP_SYN }, WHY(DENY) },
	{ "L3, IPv6, denied", { SIX(DENIED6, 25), .l3 = true, .flags = TCP_SYN }, WHY(DENY) },
	{ "L3, rejected",
	  { FOUR(REJECTED, 25), .l3 = true, .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "L3, no service", { FOUR(DENIED, 22), .l3 = true, .flags = TCP_SYN }, WHY(NO_SERVICE) },
	{ "L3, neither IPv4 nor IPv6",
	  { FOUR(DENIED, 25), .l3 = true, .version = 5 },
	  WHY(NOT_IP) },

	/* the IPv4 header */
	{ "IP options are not ports", { FOUR(DENIED, 25), .ihl = 8, .flags = TCP_SYN }, WHY(DENY) },
	{ "the longest IPv4 header", { FOUR(DENIED, 25), .ihl = 15, .flags = TCP_SYN }, WHY(DENY) },
	{ "… around a reject",
	  { FOUR(REJECTED, 25), .ihl = 15, .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "ihl below 5", { FOUR(ALLOWED, 25), .ihl = 4, .flags = TCP_SYN }, WHY(MALFORMED) },
	{ "ihl below 5 to no service",
	  { FOUR(ALLOWED, 22), .ihl = 1, .flags = TCP_SYN },
	  WHY(MALFORMED) },
	{ "version 6 under type IPv4", { FOUR(ALLOWED, 25), .version = 6 }, WHY(MALFORMED) },
	{ "version 4 under type IPv6", { SIX(ALLOWED6, 25), .version = 4 }, WHY(MALFORMED) },
	{ "a total length of 0", { FOUR(ALLOWED, 25), .length_zero = true }, WHY(MALFORMED) },
	{ "a total length below the header's",
	  { FOUR(ALLOWED, 25), .length = -21 },
	  WHY(MALFORMED) },
	{ "an IPv4 header that is cut off", { FOUR(ALLOWED, 25), .cut = 21 }, WHY(MALFORMED) },
	{ "IP options that are cut off",
	  { FOUR(ALLOWED, 25), .ihl = 8, .cut = 24 },
	  WHY(MALFORMED) },
	{ "an IPv6 header that is cut off", { SIX(ALLOWED6, 25), .cut = 21 }, WHY(MALFORMED) },
	{ "TCP cut off before the ports", { FOUR(ALLOWED, 25), .cut = 17 }, WHY(MALFORMED) },
	{ "TCP cut off behind the ports: may be a SYN",
	  { FOUR(UNKNOWN, 25), .flags = TCP_ACK, .cut = 16 },
	  WHY(UNMATCHED) },
	{ "TCP over IPv6 cut off before the ports",
	  { SIX(ALLOWED6, 25), .cut = 17 },
	  WHY(MALFORMED) },

	/* padding is not packet */
	{ "ports in the padding", { FOUR(ALLOWED, 25), .counted = SHAPE_NONE }, WHY(MALFORMED) },
	{ "ports in the padding of IPv6",
	  { SIX(ALLOWED6, 25), .counted = SHAPE_NONE },
	  WHY(MALFORMED) },
	{ "flags in the padding of a whole packet",
	  { FOUR(UNKNOWN, 143), .flags = TCP_ACK, .counted = 13 },
	  WHY(UNMATCHED) },
	{ "flags in the padding of a first fragment",
	  { FOUR(UNKNOWN, 143), .flags = TCP_ACK, .counted = 8, .frag = FRAG_MORE4 },
	  WHY(UNMATCHED) },
	{ "flags in the padding of an IPv6 first fragment",
	  { SIX(UNKNOWN6, 143), .flags = TCP_ACK, .counted = 8, .ext = "f", .frag = FRAG_MORE6 },
	  WHY(UNMATCHED) },
	{ "a short frame, padded",
	  { FOUR(DENIED, 25), .flags = TCP_SYN, .padding = 6 },
	  WHY(DENY) },
	{ "a padded frame around a reject",
	  { FOUR(REJECTED, 25), .flags = TCP_SYN, .padding = 6 },
	  WHY(REJECT),
	  .answered = true },

	/* IPv4 fragments */
	{ "a first fragment of 8 bytes, denied",
	  { FOUR(DENIED, 25), .frag = FRAG_MORE4, .l4 = 8 },
	  WHY(DENY) },
	{ "a first fragment of 8 bytes, allowed",
	  { FOUR(ALLOWED, 25), .frag = FRAG_MORE4, .l4 = 8 },
	  WHY(ALLOW) },
	{ "a first fragment of 8 bytes to no service",
	  { FOUR(DENIED, 80), .frag = FRAG_MORE4, .l4 = 8 },
	  WHY(NO_SERVICE) },
	{ "a first fragment of 8 bytes, unmatched",
	  { FOUR(UNKNOWN, 25), .frag = FRAG_MORE4, .l4 = 8 },
	  WHY(UNMATCHED) },
	{ "… of a session that stands",
	  { FOUR(UNKNOWN, 25), .frag = FRAG_MORE4, .l4 = 8 },
	  WHY(ESTABLISHED),
	  .stands = true },
	{ "a first fragment of 4 bytes",
	  { FOUR(DENIED, 25), .frag = FRAG_MORE4, .l4 = 4 },
	  WHY(DENY) },
	{ "a first fragment of 3 bytes",
	  { FOUR(ALLOWED, 25), .frag = FRAG_MORE4, .l4 = 3 },
	  WHY(SHORT_FRAGMENT) },
	{ "a first fragment with its flags, ACK",
	  { FOUR(UNKNOWN, 25), .frag = FRAG_MORE4, .l4 = 16, .flags = TCP_ACK },
	  WHY(ESTABLISHED),
	  .stands = true },
	{ "a first fragment with its flags, SYN",
	  { FOUR(UNKNOWN, 25), .frag = FRAG_MORE4, .l4 = 16, .flags = TCP_SYN },
	  WHY(UNMATCHED),
	  .stands = true },
	{ "a first fragment, rejected, gets no reset",
	  { FOUR(REJECTED, 25), .frag = FRAG_MORE4, .flags = TCP_SYN },
	  WHY(REJECT) },
	{ "a later fragment whose payload reads as port 25",
	  { FOUR(DENIED, 25), .frag = 3 },
	  WHY(LATER_FRAGMENT) },
	{ "a middle fragment", { FOUR(DENIED, 25), .frag = FRAG_MORE4 | 3 }, WHY(LATER_FRAGMENT) },
	{ "offset 1 is the kernel's affair", { FOUR(DENIED, 25), .frag = 1 }, WHY(LATER_FRAGMENT) },
	{ "a later fragment of no bytes",
	  { FOUR(DENIED, 25), .frag = 3, .l4 = SHAPE_NONE },
	  WHY(LATER_FRAGMENT) },
	{ "don't-fragment is no fragment",
	  { FOUR(REJECTED, 25), .frag = 0x4000, .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "a fragment of UDP",
	  { FOUR(DENIED, 25), .frag = FRAG_MORE4, .proto = 17, .l4 = 8 },
	  WHY(NOT_TCP) },

	/* IPv6 extension headers */
	{ "hop-by-hop options", { SIX(DENIED6, 25), .ext = "h", .flags = TCP_SYN }, WHY(DENY) },
	{ "destination options", { SIX(DENIED6, 25), .ext = "d", .flags = TCP_SYN }, WHY(DENY) },
	{ "a routing header",
	  { SIX(DENIED6, 25), .ext = "r", .units = 2, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "AH, whose unit is 4 bytes",
	  { SIX(DENIED6, 25), .ext = "a", .units = 4, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "mobility", { SIX(DENIED6, 25), .ext = "m", .flags = TCP_SYN }, WHY(DENY) },
	{ "HIP", { SIX(DENIED6, 25), .ext = "i", .flags = TCP_SYN }, WHY(DENY) },
	{ "shim6", { SIX(DENIED6, 25), .ext = "s", .flags = TCP_SYN }, WHY(DENY) },
	{ "all in a row",
	  { SIX(DENIED6, 25), .ext = "hdrfad", .units = 1, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "the longest header",
	  { SIX(DENIED6, 25), .ext = "d", .units = 255, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "eight headers", { SIX(DENIED6, 25), .ext = "dddddddd", .flags = TCP_SYN }, WHY(DENY) },
	{ "eight headers to no service",
	  { SIX(DENIED6, 80), .ext = "dddddddd", .flags = TCP_SYN },
	  WHY(NO_SERVICE) },
	{ "eight headers before UDP",
	  { SIX(DENIED6, 25), .ext = "dddddddd", .proto = 17 },
	  WHY(NOT_TCP) },
	{ "nine headers",
	  { SIX(ALLOWED6, 25), .ext = "ddddddddd", .flags = TCP_SYN },
	  WHY(DEEP_HEADERS) },
	{ "nine headers to no service",
	  { SIX(ALLOWED6, 80), .ext = "ddddddddd" },
	  WHY(DEEP_HEADERS) },
	{ "a header that is cut off",
	  { SIX(ALLOWED6, 25), .ext = "d", .units = 3, .cut = 50 },
	  WHY(MALFORMED) },
	{ "a header longer than the packet",
	  { SIX(ALLOWED6, 25), .ext = "d", .units = 3, .length = -30 },
	  WHY(MALFORMED) },
	{ "a header around a reject",
	  { SIX(REJECTED6, 25), .ext = "hd", .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "no next header", { SIX(DENIED6, 25), .proto = 59 }, WHY(NOT_TCP) },
	{ "a payload length of 0", { SIX(ALLOWED6, 25), .length_zero = true }, WHY(MALFORMED) },
	{ "… before hop-by-hop options: the buffer counts",
	  { SIX(DENIED6, 25), .ext = "h", .length_zero = true, .flags = TCP_SYN },
	  WHY(DENY) },

	/* IPv6 fragments */
	{ "an IPv6 first fragment, denied",
	  { SIX(DENIED6, 25), .ext = "f", .frag = FRAG_MORE6, .l4 = 8 },
	  WHY(DENY) },
	{ "an IPv6 first fragment, unmatched",
	  { SIX(UNKNOWN6, 25), .ext = "f", .frag = FRAG_MORE6, .l4 = 8 },
	  WHY(UNMATCHED) },
	{ "… of a session that stands",
	  { SIX(UNKNOWN6, 25), .ext = "f", .frag = FRAG_MORE6, .l4 = 8 },
	  WHY(ESTABLISHED),
	  .stands = true },
	{ "an IPv6 first fragment, rejected, gets no reset",
	  { SIX(REJECTED6, 25), .ext = "f", .frag = FRAG_MORE6, .flags = TCP_SYN },
	  WHY(REJECT) },
	{ "the fragment header's reserved byte moves nothing",
	  { SIX(DENIED6, 25), .ext = "f", .frag = FRAG_MORE6, .reserved = 255, .l4 = 8 },
	  WHY(DENY) },
	{ "an IPv6 first fragment without its ports",
	  { SIX(ALLOWED6, 25), .ext = "f", .frag = FRAG_MORE6, .l4 = 3 },
	  WHY(SHORT_FRAGMENT) },
	{ "an IPv6 first fragment that ends in its headers",
	  { SIX(ALLOWED6, 25), .ext = "fd", .frag = FRAG_MORE6, .l4 = SHAPE_NONE, .units = 4,
	    .cut = 36, .length = -36 },
	  WHY(SHORT_FRAGMENT) },
	{ "an IPv6 first fragment of bare header",
	  { SIX(ALLOWED6, 25), .ext = "f", .frag = FRAG_MORE6, .l4 = SHAPE_NONE },
	  WHY(SHORT_FRAGMENT) },
	{ "an IPv6 later fragment whose payload reads as port 25",
	  { SIX(DENIED6, 25), .ext = "f", .frag = 3 << 3 },
	  WHY(LATER_FRAGMENT) },
	{ "an IPv6 later fragment at offset 1",
	  { SIX(DENIED6, 25), .ext = "f", .frag = 1 << 3 | FRAG_MORE6 },
	  WHY(LATER_FRAGMENT) },
	{ "an IPv6 later fragment at the highest offset",
	  { SIX(DENIED6, 25), .ext = "f", .frag = 0xfff8 },
	  WHY(LATER_FRAGMENT) },
	{ "the reserved bits beside the offset",
	  { SIX(DENIED6, 25), .ext = "f", .frag = 6, .flags = TCP_SYN },
	  WHY(DENY) },
	{ "an atomic fragment is a whole packet",
	  { SIX(DENIED6, 25), .ext = "f", .flags = TCP_SYN },
	  WHY(DENY) },
	{ "an atomic fragment, rejected",
	  { SIX(REJECTED6, 25), .ext = "f", .flags = TCP_SYN },
	  WHY(REJECT),
	  .answered = true },
	{ "a fragment in a fragment",
	  { SIX(ALLOWED6, 25), .ext = "ff", .flags = TCP_SYN },
	  WHY(MALFORMED) },

	/* addresses nobody has */
	{ "an IPv4-mapped source",
	  { SIX("::ffff:198.51.100.1", 25), .flags = TCP_SYN },
	  WHY(MAPPED_SOURCE) },
	{ "an IPv4-mapped source of UDP",
	  { SIX("::ffff:198.51.100.1", 53), .proto = 17 },
	  WHY(MAPPED_SOURCE) },
	{ "an IPv4-compatible source is none", { SIX("::198.51.100.1", 22) }, WHY(NO_SERVICE) },
	{ "no reset to 0/8", { FOUR("0.0.0.1", 25), .flags = TCP_SYN }, WHY(REJECT) },
	{ "no reset to 127/8", { FOUR("127.0.0.1", 25), .flags = TCP_SYN }, WHY(REJECT) },
	{ "no reset to multicast", { FOUR("224.0.0.1", 25), .flags = TCP_SYN }, WHY(REJECT) },
	{ "no reset to 240/4", { FOUR("240.0.0.1", 25), .flags = TCP_SYN }, WHY(REJECT) },
	{ "no reset to broadcast", { FOUR("255.255.255.255", 25), .flags = TCP_SYN }, WHY(REJECT) },
	{ "no reset to ff00::/8", { SIX("ff02::1", 25), .flags = TCP_SYN }, WHY(REJECT) },
	{ "no reset to ::", { SIX("::", 25), .flags = TCP_SYN }, WHY(REJECT) },
	{ "no reset to ::1", { SIX("::1", 25), .flags = TCP_SYN }, WHY(REJECT) },
	{ "no reset from multicast",
	  { .src = REJECTED, .dst = "224.0.0.1", .dport = 25, .flags = TCP_SYN },
	  WHY(REJECT) },
	{ "no reset from IPv6 multicast",
	  { .v6 = true, .src = REJECTED6, .dst = "ff02::1", .dport = 25, .flags = TCP_SYN },
	  WHY(REJECT) },
	{ "no reset to a group's frame",
	  { FOUR(REJECTED, 25), .group_to = true, .flags = TCP_SYN },
	  WHY(REJECT) },
	{ "no reset to a group as sender",
	  { FOUR(REJECTED, 25), .group_from = true, .flags = TCP_SYN },
	  WHY(REJECT) },
	{ "no reset to SYN|RST", { FOUR(REJECTED, 25), .flags = TCP_SYN | TCP_RST }, WHY(REJECT) },
	{ "no reset to SYN|ACK", { FOUR(REJECTED, 25), .flags = TCP_SYN | TCP_ACK }, WHY(REJECT) },
	{ "no reset to a RST", { FOUR(REJECTED, 25), .flags = TCP_RST }, WHY(REJECT) },
	{ "no reset to a cut-off SYN",
	  { FOUR(REJECTED, 25), .payload = 10, .flags = TCP_SYN, .cut = 1 },
	  WHY(REJECT) },
	{ "no reset to half a TCP header",
	  { FOUR(REJECTED, 25), .l4 = 16, .flags = TCP_SYN },
	  WHY(REJECT) },
	{ "no reset to a data offset below 5",
	  { FOUR(REJECTED, 25), .doff = 4, .flags = TCP_SYN },
	  WHY(REJECT) },
	{ "no reset to a data offset beyond the packet",
	  { FOUR(REJECTED, 25), .doff = 15, .l4 = 20, .flags = TCP_SYN },
	  WHY(REJECT) },
};

/* Single-buffer, then multi-buffer. */
static bool run(struct world *w, const struct row *row)
{
	uint8_t frame[SHAPE_BYTES];
	size_t n = shape_build(&row->s, frame);
	int want = row->answered ? XDP_TX : row->why >= MR_WHY_DENY ? XDP_DROP : XDP_PASS;

	for (int frags = 0; frags < 2; frags++) {
		int got = world_run(w, row->s.l3, frags, frame, n, NULL, NULL);

		if (got == want && world_decision(w)->why == row->why)
			continue;
		printf("# %s: want verdict %d why %d, got %d why %d\n", frags ? "frags" : "plain",
		       want, row->why, got, world_decision(w)->why);
		return false;
	}
	return true;
}

int main(void)
{
	struct world none, all;
	int failures = 0;

	if (world_skip())
		return 77;
	if (world_open(&none, MR_REPLAY_NONE) < 0 || world_open(&all, MR_REPLAY_ALL) < 0)
		return 1;
	if (!none.frags)
		printf("# this kernel has no multi-buffer XDP: the plain programs only\n");
	printf("1..%zu\n", MR_ARRAY_SIZE(rows));
	for (size_t i = 0; i < MR_ARRAY_SIZE(rows); i++) {
		bool ok = run(rows[i].stands ? &all : &none, &rows[i]);

		printf("%s %zu - %s\n", ok ? "ok" : "not ok", i + 1, rows[i].name);
		failures += !ok;
	}
	world_close(&none);
	world_close(&all);
	return failures != 0;
}
