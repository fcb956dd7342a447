/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _entry.h - the words that entry.c and entry_rekey.c are written in: a book whose callbacks fill a
 * mirror that stands for the kernel's maps.
 */
#ifndef MR_TEST_ENTRY_H
#define MR_TEST_ENTRY_H

#include <mailreeve/entry.h>

#define ENTRY_MIRROR 4096

struct entry_mirror {
	struct {
		struct mr_entry_key k;
		struct mr_entry v;
		bool used;
	} e[2][ENTRY_MIRROR];
	size_t n[2];
	size_t room[2]; /* the kernel's map size */
	int refuse; /* what the next put answers */
	int refuse_many; /* the same of the deletion of many */
};
extern struct entry_mirror entry_mirror;
extern const char *entry_spared; /* an address that no ban may hit; NULL: none */

struct mr_addr entry_addr(const char *text);
struct mr_book *entry_book(uint32_t permits, uint32_t bans, uint8_t p6, uint8_t b6);
/* The mirror holds what the book holds, no more, no less, no other values. */
void entry_same(struct mr_book *b);
int entry_add(struct mr_book *b, enum mr_entry_kind kind, const char *text, uint64_t expires,
	      uint64_t now, struct mr_prefix *keyed);
bool entry_has(struct mr_book *b, enum mr_entry_kind kind, const char *text, uint64_t now);

#endif
