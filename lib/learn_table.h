/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * learn_table.h - the learner's memory: a bounded hash table of short lists of (time, what).
 *
 * One shape serves all that the learner remembers: the failures of an address, the users of an
 * address, the addresses of a user, the permits of a prefix, the sessions.  A record is kept until
 * the time that its owner gave; when the table is full, one that was not touched for long goes.
 */
#ifndef MR_LEARN_TABLE_H
#define MR_LEARN_TABLE_H

#include <mailreeve/util.h>

struct mr_learn_mark {
	uint64_t at;
	uint64_t what;
};
/* One cache line: most events touch five records, and hardly ever the same as the event before. */
struct mr_learn_item {
	uint64_t key[2];
	struct mr_learn_mark first; /* most lists have one */
	union {
		struct {
			uint64_t a, b; /* numbers for the owner of a record that is no list */
		};
		struct mr_learn_mark *more; /* a list with room for several has all of them here */
	};
	uint32_t marks; /* length of the list, or another number for the owner */
	uint32_t next; /* hash chain or free list; the table's */
	uint32_t keep; /* in ticks of the table: not needed any more from here on */
	uint8_t room; /* binary logarithm of the list's */
	uint8_t tag; /* and another for the owner */
	bool used, touched;
} __attribute__((aligned(64)));
struct mr_learn_table;

int mr_learn_table_new(size_t max, struct mr_learn_table **out);
void mr_learn_table_free(struct mr_learn_table *t);
/* 64 bits of a string, keyed by a secret of the table: nobody outside can make two collide. */
uint64_t mr_learn_table_hash(const struct mr_learn_table *t, const void *p, size_t n);
/* 128 bits of a kind and a string: two names never share a record. */
void mr_learn_table_key(const struct mr_learn_table *t, uint32_t kind, const void *p, size_t n,
			uint64_t key[2]);
/* Finds, or makes if `make`; NULL: not there, and if `make` never.  Touches it.  To make one takes
 * away some that nobody needs at `now`, but none that was made or kept within the last seconds, and
 * none of the few asked for last. */
struct mr_learn_item *mr_learn_table_get(struct mr_learn_table *t, const uint64_t key[2], bool make,
					 uint64_t now);
/* The record is needed until then at least. */
void mr_learn_table_keep(struct mr_learn_item *r, uint64_t until);
void mr_learn_table_drop(struct mr_learn_table *t, struct mr_learn_item *r);
/* What its hashes are keyed by; a table that is empty can be given that of another. */
void mr_learn_table_secret(const struct mr_learn_table *t, uint64_t out[2]);
void mr_learn_table_rekey(struct mr_learn_table *t, const uint64_t secret[2]);
size_t mr_learn_table_count(const struct mr_learn_table *t);
/* Pushed out of the full table before their time. */
uint64_t mr_learn_table_forgotten(const struct mr_learn_table *t);
/* In no order: NULL starts, NULL ends; the one at hand may be dropped. */
struct mr_learn_item *mr_learn_table_walk(const struct mr_learn_table *t, struct mr_learn_item *r);

static inline struct mr_learn_mark *mr_learn_marks(struct mr_learn_item *r)
{
	return r->room ? r->more : &r->first;
}
int mr_learn_marks_add(struct mr_learn_item *r, uint64_t at, uint64_t what);
/* Drops marks with at <= limit. */
void mr_learn_marks_expire(struct mr_learn_item *r, uint64_t limit);
void mr_learn_marks_remove(struct mr_learn_item *r, uint64_t what);
struct mr_learn_mark *mr_learn_marks_find(struct mr_learn_item *r, uint64_t what);

#endif
