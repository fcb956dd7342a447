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
/* A change of the book while the tables to come are filled: it happens in both. */
void mr_book_rekey_added(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i);
/* When the item has gone from the callbacks' side.  `meant`: somebody wanted it gone; else it ran
 * out. */
void mr_book_rekey_dropped(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i,
			   bool meant);

#endif
