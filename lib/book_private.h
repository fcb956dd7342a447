/* SPDX-License-Identifier: BSD-2-Clause */
/* book_private.h - what entry.c (the book) and book_rekey.c (other prefix lengths) share. */
#ifndef MR_BOOK_PRIVATE_H
#define MR_BOOK_PRIVATE_H

#include "entry_table.h"

enum mr_book_phase {
	MR_BOOK_STILL,
	MR_BOOK_FILL, /* the tables to come are filled, beside those in use */
	MR_BOOK_CLEAR, /* what only the tables given up know goes from the callbacks' side */
};
struct mr_book {
	struct mr_entry_table table[2];
	uint32_t limit[2]; /* the tables may have room for more */
	struct mr_book_ops ops;
	void *userdata;
	uint64_t changes;
	uint64_t seen; /* the latest time that the caller told */
	uint8_t part; /* number that the last part got */
	struct mr_book_stats stats;
	struct {
		enum mr_book_phase phase;
		struct mr_entry_table table[2]; /* to come, or given up */
		struct mr_book_limits limits; /* to come */
		enum mr_entry_kind kind; /* how far the walk is */
		uint32_t item;
		size_t lost; /* found no room */
		size_t narrowed; /* bans that would have hit who is spared */
		uint32_t number; /* of the change, from 1 */
	} rekey;
};

int mr_book_tables(const struct mr_book_limits *l, struct mr_entry_table out[2]);
/* A change of the book while the tables to come are filled: it happens in both.  `last_word`:
 * nothing that the other side knows of the key counts any more. */
void mr_book_rekey_added(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i,
			 bool last_word);
/* When the item has gone from the callbacks' side.  `meant`: somebody wanted it gone; else it ran
 * out. */
void mr_book_rekey_dropped(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i,
			   bool meant);
/* One of two parts of the item has ended, by `expires`. */
void mr_book_rekey_ended(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i,
			 size_t part, uint64_t expires);

/* --- the parts of an entry (book_parts.c) ----------------------------------------------------- */

#define MR_BOOK_LEAD 200000000ull /* ns; what goes on is put so long before the other part ends */

enum { MR_PART_HAND, MR_PART_LEARNED };
struct mr_parts {
	bool has[MR_ENTRY_PARTS];
	struct mr_entry part[MR_ENTRY_PARTS];
};
void mr_book_parts_of(const struct mr_entry_table *t, const struct mr_entry_item *i,
		      struct mr_parts *out);
/* What comes, as a part of what stands and has not ended. */
void mr_book_parts_add(const struct mr_entry_table *t, struct mr_parts *p, const struct mr_entry *v,
		       uint64_t now);
/* Two entries become one: each of the parts lasts until the later end, if it has not ended. */
void mr_book_parts_join(struct mr_parts *p, const struct mr_parts *other, uint64_t now);
/* The one value of them all that never says too much.  true: it takes two parts to tell it. */
bool mr_book_parts_value(struct mr_parts *p, struct mr_entry *v);
/* Of two parts, the number of the one that ends last. */
size_t mr_book_parts_last_of(const struct mr_entry part[static MR_ENTRY_PARTS]);
/* The part of an item that ends last. */
const struct mr_entry *mr_book_parts_last(const struct mr_entry_table *t,
					  const struct mr_entry_item *i);
/* Writes value and parts into the item; where there are two, room must have been made. */
void mr_book_parts_set(struct mr_entry_table *t, struct mr_entry_item *i, const struct mr_parts *p,
		       const struct mr_entry *v, bool two);

#endif
