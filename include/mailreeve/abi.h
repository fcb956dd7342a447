/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * abi.h - what the XDP program and user space both see: fixed-width types, limits, numbers.
 *
 * The only header that bpf/ includes.  Whoever changes a layout here raises MR_ABI: the pins of an
 * earlier run carry the number, and the daemon copies entries and counters over instead of
 * misreading them.
 *
 * Byte order: addresses are in network order wherever they are byte arrays; the __u32 of an IPv4
 * address in the host table and in the index is host order, and says so.
 */
#ifndef MAILREEVE_ABI_H
#define MAILREEVE_ABI_H

#include <linux/types.h>

#define MR_ABI 2

/* Limits.  Each is checked where a policy is compiled; none is reached silently. */
#define MR_SERVICES_MAX 64 /* service bits of an entry are one __u64 */
#define MR_RULES_MAX	8191 /* 13 bits of an outcome, 0 means "no rule" */
#define MR_CLASSES_MAX	65536 /* a class is a __u16 in the host table */
#define MR_COUNTERS_MAX 16384 /* rule counters: two generations of 8,191 rules fit */
#define MR_PERMITS_MAX	65536 /* default size of the permit map, entries */
#define MR_BANS_MAX	262144 /* default size of the ban map, entries */
#define MR_TO_MAX	4096 /* destinations that `to` names, both generations together */
#define MR_EVENTS_BYTES (1 << 20) /* ring buffer of sampled decisions, bytes */

#define MR_SLOTS 2 /* generations that stand in the kernel: the active one and the spare */

/*
 * An outcome is what a policy says of one source at one service for one answer to (permitted?,
 * banned?).  16 bits: the rule's number (1..8191, 0 = none) shifted by three, and an action.
 *   UNMATCHED: refused because nothing matched; only new connections are cut.
 *   DENY with rule 0: the implied `deny banned`.   ALLOW with rule 0: no rules, or `default allow`.
 * Bit 2 is reserved, 0.
 */
enum mr_action {
	MR_ALLOW = 0,
	MR_DENY = 1,
	MR_REJECT = 2,
	MR_UNMATCHED = 3,
};
#define MR_OUTCOME(rule, action) ((__u16)(((rule) << 3) | (action)))
#define MR_OUTCOME_ACTION(o)	 ((o)&3)
#define MR_OUTCOME_RULE(o)	 ((__u16)(o) >> 3)

/*
 * A cell holds the four outcomes of one class at one service: outcome (permitted, banned) stands in
 * bits 16 * (2 * permitted + banned).  A class row is `columns` cells; the class table is one array
 * of cells, row after row: cell index = class * columns + column.
 */
#define MR_CELL_SHIFT(permitted, banned) (16 * (2 * (permitted) + (banned)))
#define MR_CELL_ACTIONS			 0x0003000300030003ULL /* the four actions of a cell */
/* cells that find room in the head of a generation, 4 KiB: most policies have a dozen, and one map
 * less is asked a packet */
#define MR_CELLS_NEAR 512
/* the permit map must be asked only if bit p changes an action; likewise the ban map */
#define MR_CELL_ASKS_PERMIT(c) ((((c) ^ ((c) >> 32)) & 0x0000000000030003ULL) != 0)
#define MR_CELL_ASKS_BAN(c)    ((((c) ^ ((c) >> 16)) & 0x0000000300000003ULL) != 0)

/*
 * The IPv4 index: one byte for each /24, 64 to a block (array values are rounded to 8 bytes, so
 * single bytes would cost 128 MiB; blocks cost 16).  Block = addr >> 14, byte = (addr >> 8) & 63.
 *   0..127    the class of the whole /24 is top4[byte]
 *   128..253  only single addresses differ: ask the host table, on a miss top4[byte]
 *   254       only single addresses differ, the cover is not a top class: host table, then trie
 *   255       ask the trie
 */
#define MR_INDEX_BLOCKS	     262144
#define MR_INDEX_BLOCK_BYTES 64
#define MR_INDEX_WHOLE	     0 /* first byte value of the first kind */
#define MR_INDEX_HOSTS	     128 /* first byte value of the second kind */
#define MR_INDEX_HOSTS_TRIE  254
#define MR_INDEX_TRIE	     255
#define MR_INDEX_TOPS	     254
/*
 * A policy with few classes needs few of these codes, and a smaller index misses the caches less
 * often.  So 1, 2 or 4 codes share a byte, MR_INDEX_BITS each, the first /24 lowest; what is stored
 * is then the place of the code in gen.index_code.  Only as many blocks as that takes are used.
 */
#define MR_INDEX_PACK_MAX	  2 /* log2 of the codes in a byte */
#define MR_INDEX_BITS(pack)	  (8u >> (pack))
#define MR_INDEX_PACKED		  16 /* codes at most where more than one shares a byte */
#define MR_INDEX_BYTE(net, pack)  (((net) >> (pack)) & (MR_INDEX_BLOCK_BYTES - 1))
#define MR_INDEX_BLOCK(net, pack) ((net) >> ((pack) + 6)) /* net: address >> 8 */
#define MR_INDEX_SHIFT(net, pack) (((net) & ((1u << (pack)) - 1)) * MR_INDEX_BITS(pack))
/*
 * Where a /16 holds two classes only, gen.line4[0] and [1], and few single addresses that differ
 * from their /24, one cache line says it all: a bit for each /24, and the lower halves of the
 * addresses that have the other class.  gen.lines4 has a bit for each /16 that is told so.  Its
 * line is in the block of its first /24, and no other of its blocks is used.
 */
#define MR_LINES      65536
#define MR_LINE_HOSTS 15
struct mr_index_line {
	__u8 listed[32]; /* bit set: class line4[1], else line4[0] */
	__u16 host[MR_LINE_HOSTS]; /* host order; where there is one, free places repeat it */
	__u16 hosts; /* how many */
};
/*
 * A policy that lines tell whole, and few of them, has them in its head and no index: most policies
 * without a list.  Line 0 is all line4[0], line 1 all line4[1].
 */
#define MR_NEAR_LINES 128 /* 8 KiB */
struct mr_near4 {
	struct mr_index_line line[MR_NEAR_LINES];
	__u8 of[MR_LINES]; /* by /16: its line */
};
struct mr_index_block {
	union {
		__u8 code[MR_INDEX_BLOCK_BYTES];
		struct mr_index_line line;
	};
};

/*
 * The host table: the single addresses of those /24s.  A bucket is one cache line; an address lives
 * in its own bucket or in one of the MR_HOST_PROBES - 1 that follow (cyclically).  `more` is set
 * where a bucket overflowed, so a miss in a bucket without it is a miss.  A host that finds no room
 * turns its /24 to MR_INDEX_TRIE.
 */
#define MR_HOST_WAYS   10
#define MR_HOST_PROBES 4
struct mr_host_bucket {
	__u32 addr[MR_HOST_WAYS]; /* host order */
	__u16 class[MR_HOST_WAYS];
	__u16 used; /* ways in use, filled from 0 */
	__u16 more;
};
/* bucket of an address among n: multiply-shift (Dietzfelbinger et al. 1997), range by (h * n) >> 32
 */
#define MR_HOST_HASH(addr)	((__u32)((addr)*0x9E3779B1u))
#define MR_HOST_BUCKET(addr, n) ((__u32)(((__u64)MR_HOST_HASH(addr) * (n)) >> 32))

/*
 * The IPv6 tree: the flattened space cut into ranges of the upper 64 bits, starts sorted, in nodes
 * of one cache line.  layout_tree6.c has the essay.  The value of a range is one of
 *   0..65535                the class of all of it
 *   MR_TREE6_HOSTS + class  a /64 in which only single addresses differ: ask the host table, on a
 *                           miss the class
 *   MR_TREE6_TRIE           ask the trie
 */
#define MR_TREE6_KEYS  8
#define MR_TREE6_DEPTH 7 /* levels the program walks at most: 9^7 ranges */
#define MR_TREE6_HOSTS 0x10000u
#define MR_TREE6_TRIE  0xffffffffu
struct mr_tree6_node {
	__u64 start[MR_TREE6_KEYS]; /* host order, unused = all ones */
};
#define MR_TREE6_VALUES 16 /* to a cache line: an array map rounds values up to 8 bytes */
struct mr_tree6_values {
	__u32 value[MR_TREE6_VALUES];
};

/*
 * The host table for them: like the IPv4 one, but the key is the place of the /64's range in the
 * tree (8 * node + key) and the lower 64 bits, host order.
 */
#define MR_HOST6_WAYS	4
#define MR_HOST6_PROBES 4
struct mr_host6_bucket {
	__u64 lo[MR_HOST6_WAYS];
	__u32 range[MR_HOST6_WAYS];
	__u16 class[MR_HOST6_WAYS];
	__u16 used; /* ways in use, filled from 0 */
	__u16 more; /* overflowed: look on in the next one */
	__u32 pad;
};
#define MR_HOST6_HASH(range, lo) \
	((__u32)((((lo) ^ (range)*0xC2B2AE3D27D4EB4FULL) * 0x9E3779B97F4A7C15ULL) >> 32))
#define MR_HOST6_BUCKET(range, lo, n) ((__u32)(((__u64)MR_HOST6_HASH(range, lo) * (n)) >> 32))

/* Keys of the two tries; the value is the class as __u32. */
struct mr_trie4_key {
	__u32 prefixlen;
	__u8 addr[4];
};
struct mr_trie6_key {
	__u32 prefixlen;
	__u8 addr[16];
};

/* One service of a generation, by column.  `id` is its number in the persistent table. */
#define MR_SERVICE_SHADOW      1 /* refusals are counted and passed */
#define MR_SERVICE_TO	       2 /* only destinations in the `to` map are the service's */
#define MR_SERVICE_ESTABLISHED 4 /* established any: later packets pass unasked */
struct mr_service_conf {
	__u8 id;
	__u8 flags;
};

/* Which structures a generation has; without its flag a structure is not asked. */
#define MR_GEN_INDEX4	  1
#define MR_GEN_TREE6	  2
#define MR_GEN_HOSTS	  4
#define MR_GEN_TRIE4	  8 /* else every IPv4 address the index does not decide is root4 */
#define MR_GEN_TRIE6	  16
#define MR_GEN_HOSTS6	  32
#define MR_GEN_NEAR4	  128 /* the head's lines decide every IPv4 address */
#define MR_GEN_CELLS_NEAR 64 /* the class table is in the head, and has no map */

/* The head of a generation: everything small.  The big parts are inner maps of the same slot. */
struct mr_gen {
	__u64 number; /* counts applies, for events and status */
	__u32 flags; /* MR_GEN_ */
	__u32 columns; /* services in use: cells in a row */
	__u32 root4; /* class of an address under no prefix */
	__u32 root6;
	__u32 host_buckets;
	__u32 tree6_nodes;
	__u32 tree6_depth;
	__u32 host6_buckets;
	__u32 index_pack; /* log2 of the codes in a byte of the index */
	__u32 pad;
	__u8 index_code[MR_INDEX_PACKED]; /* used unless index_pack is 0 */
	__u64 ban_mask6[2]; /* network order halves: the part of an IPv6 address that is a key */
	__u64 permit_mask6[2];
	__u64 cell[MR_CELLS_NEAR]; /* the class table, if MR_GEN_CELLS_NEAR */
	__u16 top4[256];
	__u16 line4[2];
	__u16 pad2[2];
	struct mr_near4 near4; /* if MR_GEN_NEAR4 */
	__u8 lines4[MR_LINES / 8]; /* by /16, the first lowest: told by a line */
	struct mr_service_conf service[MR_SERVICES_MAX];
	__u16 rule_counter[MR_RULES_MAX + 1]; /* rule number -> index in the rule counters */
	__u8 column[65536]; /* destination port (host order) -> column + 1, 0 = no service */
};

/* The one global of the program, in a pinned, mmapable map.  Written by the daemon only. */
struct mr_state {
	__u32 abi;
	__u32 active; /* slot; read once a packet */
	__u32 permits_live; /* 0: the permit map is known to be empty and is not asked */
	__u32 bans_live;
	__u32 sample; /* events a second and CPU that go to the ring buffer, 0 = none */
	__u32 reject_limit; /* resets a second and CPU */
	__u32 pad[2];
	struct mr_gen gen[MR_SLOTS];
};

/* Timed entries.  Key: 16 bytes, IPv4 as ::ffff:a.b.c.d, IPv6 cut to the configured length. */
struct mr_entry_key {
	__u8 addr[16];
};
#define MR_ENTRY_MORE 0x100u /* of entry.part: another part goes on when this ends */
enum mr_origin { MR_ORIGIN_HAND = 1, MR_ORIGIN_LEARNED = 2, MR_ORIGIN_REPORT = 3 };
struct mr_entry {
	__u64 expires; /* CLOCK_BOOTTIME nanoseconds; compared on every hit */
	__u64 granted;
	__u64 services; /* bits by service id */
	__u32 user; /* number in the persistent table, 0 = none */
	__u8 origin;
	__u8 plen; /* 32 or 128: exactly this address; less: every address that the mask cuts to the
		      key */
	__u16 part; /* for the daemon: number of the part, below 256; with MR_ENTRY_MORE: of the
		       one that goes on after this end, which the state directory holds */
};

/* `to`: {slot, service id, destination} -> 1.  Written for the spare slot before the flip. */
struct mr_to_key {
	__u8 addr[16];
	__u8 slot;
	__u8 service;
	__u8 pad[2];
};

/* Counters: per CPU, outside the image. */
struct mr_count {
	__u64 packets;
	__u64 bytes;
};
enum mr_counted { /* service counters: index = service id * MR_COUNTED_N + this */
		  MR_COUNTED_ALLOW,
		  MR_COUNTED_DENY,
		  MR_COUNTED_REJECT,
		  MR_COUNTED_UNMATCHED,
		  MR_COUNTED_ESTABLISHED, /* unmatched, but part of a session that stands */
		  MR_COUNTED_BANNED, /* refused by the implied `deny banned` */
		  MR_COUNTED_SHADOW, /* would have been refused, passed */
		  MR_COUNTED_UNANSWERED, /* of the rejects, those that got no reset: not a SYN,
					    limit, fragment, multicast */
		  MR_COUNTED_N,
};

/*
 * Why a packet met its fate: events, replay, and an index into the reason counters.  Those count
 * only what no service counter does, and not NOT_IP, NOT_TCP, NO_SERVICE: that path counts nothing.
 */
enum mr_why {
	MR_WHY_NOT_IP,
	MR_WHY_NOT_TCP,
	MR_WHY_NO_SERVICE,
	MR_WHY_OTHER_DESTINATION, /* `to` does not name it */
	MR_WHY_LATER_FRAGMENT,
	MR_WHY_ALLOW,
	MR_WHY_ESTABLISHED,
	MR_WHY_SHADOW,
	MR_WHY_DEEP_TAGS, /* tags of more than two VLANs: passed, counted */
	MR_WHY_DENY, /* from here on the packet is refused */
	MR_WHY_REJECT,
	MR_WHY_UNMATCHED,
	MR_WHY_BANNED,
	MR_WHY_MALFORMED, /* cut off before the ports, ihl below 5, … */
	MR_WHY_SHORT_FRAGMENT, /* a first fragment without its ports */
	MR_WHY_DEEP_HEADERS, /* more IPv6 extension headers than the walk allows */
	MR_WHY_MAPPED_SOURCE, /* ::ffff:0:0/96 on the wire */
	MR_WHY_EVENT_LOST, /* not a verdict: ring buffer full */
	MR_WHY_NO_GENERATION, /* not a verdict: a map of the active slot was missing; passed */
	MR_WHY_N,
};

/* What the program records of the last packet of a replay. */
struct mr_decision {
	__u8 verdict; /* XDP_ */
	__u8 why;
	__u8 service; /* id, 255 = none */
	__u8 action;
	__u16 rule;
};

/* One sampled decision. */
#define MR_EVENT_SYN	   1
#define MR_EVENT_PERMITTED 2
#define MR_EVENT_BANNED	   4
#define MR_EVENT_SHADOW	   8
struct mr_event_packet {
	__u64 time; /* CLOCK_BOOTTIME ns */
	__u64 generation;
	__u8 source[16]; /* IPv4 mapped */
	__u8 destination[16];
	__u16 sport; /* host order */
	__u16 dport;
	__u32 ifindex;
	__u16 rule;
	__u8 why; /* enum mr_why */
	__u8 verdict; /* XDP_PASS, XDP_DROP, XDP_TX */
	__u8 service; /* id, 255 = none */
	__u8 flags; /* MR_EVENT_ */
	__u16 pad;
};

_Static_assert(sizeof(struct mr_index_block) == 64, "an index block is one cache line");
_Static_assert(sizeof(struct mr_host_bucket) == 64, "a host bucket is one cache line");
_Static_assert(sizeof(struct mr_host6_bucket) == 64, "an IPv6 host bucket is one cache line");
_Static_assert(sizeof(struct mr_tree6_node) == 64, "a tree node is one cache line");
_Static_assert(sizeof(struct mr_tree6_values) == 64, "a block of values is one cache line");
_Static_assert(sizeof(struct mr_entry_key) == 16, "entry key");
_Static_assert(sizeof(struct mr_entry) == 32, "entry value");
_Static_assert(sizeof(struct mr_trie4_key) == 8, "trie key, IPv4");
_Static_assert(sizeof(struct mr_trie6_key) == 20, "trie key, IPv6");
_Static_assert(sizeof(struct mr_to_key) == 20, "destination key");
_Static_assert(sizeof(struct mr_count) == 16, "counter");
_Static_assert(sizeof(struct mr_event_packet) == 64, "event");
_Static_assert(sizeof(struct mr_gen) % 8 == 0 && sizeof(struct mr_state) % 8 == 0,
	       "no tail padding");

#endif
