/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry_table.h - the data structure under the book of entries; private to entry*.c.
 */
#ifndef MAILREEVE_LIB_ENTRY_TABLE_H
#define MAILREEVE_LIB_ENTRY_TABLE_H

#include <mailreeve/entry.h>

#define MR_ENTRY_NONE UINT32_MAX /* no item */
struct mr_entry_item {
	struct mr_entry_key key;
	struct mr_entry v;
	struct mr_addr made_for; /* the address, before it was cut to the key */
	uint32_t heap; /* place in the heap; MR_ENTRY_NONE: free, and `next` chains the free ones */
	uint32_t prev, next; /* permits: those under the same ban prefix */
	union {
		uint32_t cut; /* bans; book_rekey.c: what it decided, in which change of keys */
		uint32_t split; /* permits: number + 1 of its parts; 0: it is of one part */
	};
	uint32_t chain[2]; /* number + 1 of the next in the bucket of either hash */
};

/* The parts of a permit that has two, with services and ends of their own. */
#define MR_ENTRY_PARTS 2
struct mr_entry_split {
	struct mr_entry part[MR_ENTRY_PARTS];
	uint32_t next; /* of those that are free: number + 1 */
};

/* A place in the heap.  The end stands here, too, so that items need not be looked at. */
struct mr_entry_end {
	uint64_t expires;
	uint32_t item;
};

/* Linear hashing (Litwin 1980): buckets come one at a time, each takes what belongs to it out of
 * one that stands; so few entries need few pages, and no insert ever stops to rehash. */
struct mr_entry_hash {
	uint32_t *bucket; /* item + 1; NULL: there is no such hash */
	uint32_t buckets, mask; /* mask: the least 2^n - 1 that reaches the last bucket */
	uint32_t max, used; /* buckets at most; items in them */
	uint8_t plen6; /* to which keys are cut */
};

struct mr_entry_table {
	struct mr_entry_item *item;
	struct mr_entry_end *heap; /* the first to run out on top */
	/* by key; of permits, the first under each ban prefix */
	struct mr_entry_hash hash[2];
	uint64_t *live; /* a bit an item: a walk need not look at those that are free */
	uint32_t holders[MR_SERVICES_MAX]; /* entries that name a service; none of all services */
	uint32_t max, used, touched, free; /* `touched` items were ever in use */
	struct mr_entry_split *split; /* as many as there are permits of two parts */
	uint32_t splits, split_free; /* ever in use; number + 1 of the first free one */
	size_t split_room;
	bool splits_items; /* permits do, bans do not */
	uint8_t plen6, group_plen6;
	uint64_t seed[2];
};

/* groups: keep permits by the prefix that a ban of group_plen6 bits would cover. */
int mr_entry_table_init(struct mr_entry_table *t, uint32_t max, uint8_t plen6, uint8_t group_plen6,
			bool groups);
void mr_entry_table_clear(struct mr_entry_table *t);
struct mr_entry_item *mr_entry_table_find(const struct mr_entry_table *t,
					  const struct mr_entry_key *k);
/* The table must have room and not hold the key. */
struct mr_entry_item *mr_entry_table_insert(struct mr_entry_table *t, const struct mr_entry_key *k,
					    const struct mr_entry *v,
					    const struct mr_addr *made_for);
/* Another value for an item, of one part, and the place in the heap that goes with it. */
void mr_entry_table_set(struct mr_entry_table *t, struct mr_entry_item *i,
			const struct mr_entry *v);
/* The parts of an item that has two; NULL: one, its value. */
const struct mr_entry *mr_entry_table_parts(const struct mr_entry_table *t,
					    const struct mr_entry_item *i);
/* Makes room for one more item of two parts.  -ENOMEM. */
int mr_entry_table_split_room(struct mr_entry_table *t);
/* A value that is of two parts; there must be room.  The item is first in the heap `lead` before
 * the value's end. */
void mr_entry_table_split(struct mr_entry_table *t, struct mr_entry_item *i,
			  const struct mr_entry *v, const struct mr_entry part[MR_ENTRY_PARTS],
			  uint64_t lead);
/* The first item in use from `n` on; MR_ENTRY_NONE: none. */
uint32_t mr_entry_table_next(const struct mr_entry_table *t, uint32_t n);
void mr_entry_table_remove(struct mr_entry_table *t, uint32_t n);
/* The first item under a ban prefix (its key), the others by `next`; MR_ENTRY_NONE: none. */
uint32_t mr_entry_table_group(const struct mr_entry_table *t, const struct mr_entry_key *prefix);

#endif
