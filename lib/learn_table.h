/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * learn_table.h - the learner's memory: a bounded hash table of short lists of (time, what).
 *
 * One shape serves all that the learner remembers: the failures of an address, the users of an
 * address, the addresses of a user, the permits of a prefix.  When the table is full the record
 * that was touched longest ago goes.
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
	struct mr_learn_item *next; /* hash chain */
	struct mr_learn_item *older, *newer; /* by last touch */
	struct mr_learn_mark *mark;
	uint32_t marks, room;
	uint64_t a, b; /* two numbers for the owner */
};
struct mr_learn_table;

int mr_learn_table_new(size_t max, struct mr_learn_table **out);
void mr_learn_table_free(struct mr_learn_table *t);
/* 64 bits of a string, keyed by a secret of the table: nobody outside can make two collide. */
uint64_t mr_learn_table_hash(const struct mr_learn_table *t, const void *p, size_t n);
/* Finds, or makes if `make`; NULL: not there, or no memory.  Touches it. */
struct mr_learn_item *mr_learn_table_get(struct mr_learn_table *t, const uint64_t key[2],
					 bool make);
void mr_learn_table_drop(struct mr_learn_table *t, struct mr_learn_item *r);
size_t mr_learn_table_count(const struct mr_learn_table *t);
uint64_t mr_learn_table_forgotten(const struct mr_learn_table *t);
/* From the one touched last: NULL starts, NULL ends. */
struct mr_learn_item *mr_learn_table_walk(const struct mr_learn_table *t, struct mr_learn_item *r);

int mr_learn_marks_add(struct mr_learn_item *r, uint64_t at, uint64_t what);
/* Drops marks with at <= limit. */
void mr_learn_marks_expire(struct mr_learn_item *r, uint64_t limit);
void mr_learn_marks_remove(struct mr_learn_item *r, uint64_t what);
struct mr_learn_mark *mr_learn_marks_find(struct mr_learn_item *r, uint64_t what);

#endif
