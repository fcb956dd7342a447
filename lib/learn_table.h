/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * learn_table.h - the learner's memory: a bounded hash table of short lists of (time, what).
 *
 * One shape serves all that the learner remembers: the failures of an address, the users of an
 * address, the addresses of a user, the permits of a prefix, the sessions.  When the table is full
 * a record that was not touched for long goes.
 */
#ifndef MR_LEARN_TABLE_H
#define MR_LEARN_TABLE_H

#include <mailreeve/util.h>

struct mr_learn_mark {
	uint64_t at;
	uint64_t what;
};
struct mr_learn_item {
	uint64_t key[2];
	uint64_t a, b; /* numbers for the owner */
	struct mr_learn_mark *mark; /* &first, or the heap */
	struct mr_learn_mark first; /* most lists have one */
	uint32_t marks, room;
	uint32_t n; /* another number for the owner */
	uint32_t next; /* hash chain or free list; the table's */
	uint8_t tag; /* and another */
	bool used, touched;
};
struct mr_learn_table;

int mr_learn_table_new(size_t max, struct mr_learn_table **out);
void mr_learn_table_free(struct mr_learn_table *t);
/* 64 bits of a string, keyed by a secret of the table: nobody outside can make two collide. */
uint64_t mr_learn_table_hash(const struct mr_learn_table *t, const void *p, size_t n);
/* 128 bits of a kind and a string: two names never share a record. */
void mr_learn_table_key(const struct mr_learn_table *t, uint32_t kind, const void *p, size_t n,
			uint64_t key[2]);
/* Finds, or makes if `make`; NULL: not there, and if `make` never.  Touches it. */
struct mr_learn_item *mr_learn_table_get(struct mr_learn_table *t, const uint64_t key[2],
					 bool make);
void mr_learn_table_drop(struct mr_learn_table *t, struct mr_learn_item *r);
size_t mr_learn_table_count(const struct mr_learn_table *t);
uint64_t mr_learn_table_forgotten(const struct mr_learn_table *t);
/* In no order: NULL starts, NULL ends; the one at hand may be dropped. */
struct mr_learn_item *mr_learn_table_walk(const struct mr_learn_table *t, struct mr_learn_item *r);

int mr_learn_marks_add(struct mr_learn_item *r, uint64_t at, uint64_t what);
/* Drops marks with at <= limit. */
void mr_learn_marks_expire(struct mr_learn_item *r, uint64_t limit);
void mr_learn_marks_remove(struct mr_learn_item *r, uint64_t what);
struct mr_learn_mark *mr_learn_marks_find(const struct mr_learn_item *r, uint64_t what);

#endif
