/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry.h - the daemon's book of timed entries: permits and bans.
 *
 * Pure logic with the clock handed in (boot nanoseconds); the daemon mirrors every change into the
 * kernel's maps through the callbacks, and the book into the state directory.  O(log n) a change:
 * a hash by key and a heap by expiry, 262,144 bans without a pause.
 */
#ifndef MAILREEVE_ENTRY_H
#define MAILREEVE_ENTRY_H

#include <mailreeve/kernel.h>

struct mr_book;

/* Called for each change, in order; a negative return refuses the change (the book stays as it
 * was). */
struct mr_book_ops {
	int (*put)(enum mr_entry_kind kind, const struct mr_entry_key *k, const struct mr_entry *v,
		   void *userdata);
	int (*del)(enum mr_entry_kind kind, const struct mr_entry_key *k, void *userdata);
	/* Many that ran out, in one call, so that a million costs less; NULL: `del` for each. */
	int (*del_many)(enum mr_entry_kind kind, const struct mr_entry_key *k, size_t n,
			void *userdata);
	/* Is there somebody under the prefix whom no ban may hit?  Asked when a ban would get a
	 * wider prefix; NULL: nobody.  Live permits the book knows by itself. */
	bool (*spares)(const struct mr_prefix *p, void *userdata);
};
struct mr_book_limits {
	uint32_t permits_max, bans_max;
	uint8_t permit_plen6, ban_plen6;
};
struct mr_book_stats {
	size_t permits, bans;
	uint64_t permits_refused; /* full */
	uint64_t bans_evicted; /* full: the one that ended first went */
	uint64_t expired[2];
};

int mr_book_new(const struct mr_book_limits *l, const struct mr_book_ops *ops, void *userdata,
		struct mr_book **out);
void mr_book_free(struct mr_book *b);
MR_DEFINE_CLEANUP(struct mr_book *, mr_book_free)

/* What the kernel holds from an earlier run: taken into the book without a callback.  -EEXIST:
 * there already; -E2BIG: full. */
int mr_book_adopt(struct mr_book *b, enum mr_entry_kind kind, const struct mr_entry_key *k,
		  const struct mr_entry *v);
/* The part that a value so taken leaves out, as the state directory has it (its number in
 * v->part).  -ENOENT: no value waits for it. */
int mr_book_adopt_rest(struct mr_book *b, const struct mr_addr *a, const struct mr_entry *v,
		       uint64_t now);

/* The key of an address: mapped IPv4 as it is, IPv6 cut to plen6. */
struct mr_entry_key mr_entry_key(const struct mr_addr *a, uint8_t plen6);

/*
 * A permit may be of two parts, one given by hand and one learned, each with services and an end of
 * its own.  The kernel gets one value for both, which ends when the first of them does, and then
 * the other one.  What is said by hand takes its services out of the learned part.
 */
#define MR_BOOK_PARTS 2
/* The parts of the entry with this key, ended ones too.  Returns how many. */
size_t mr_book_parts(const struct mr_book *b, enum mr_entry_kind kind, const struct mr_entry_key *k,
		     struct mr_entry out[static MR_BOOK_PARTS]);

/* Adds or extends.  `v` carries expires, granted, services, user, origin; plen is set here (128 on
 * the way in: a ban of exactly this address, even where bans are wider).
 * -E2BIG: permits full.  A ban whose prefix holds a live permit falls back to the single address.
 */
int mr_book_add(struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a,
		const struct mr_entry *v, uint64_t now, struct mr_prefix *keyed);
/* Every entry that covers the address goes: its own, and that of its prefix.  -ENOENT: none. */
int mr_book_delete(struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a);
/* All entries of a kind, at most `max` in one call (0: no limit); *removed counts this call. */
int mr_book_flush(struct mr_book *b, enum mr_entry_kind kind, size_t max, size_t *removed);
/* The live entry that covers the address (for bans: address or prefix), or NULL.  Of a permit of
 * two parts the learned one, while it lives. */
const struct mr_entry *mr_book_find(const struct mr_book *b, enum mr_entry_kind kind,
				    const struct mr_addr *a, uint64_t now, struct mr_prefix *keyed);
/* All of them, at most MR_BOOK_COVERING: where bans or permits are wider than an address, that of
 * the prefix and one of its own may hold it, for different services, and each of their parts
 * counts.  Returns how many. */
#define MR_BOOK_COVERING (2 * MR_BOOK_PARTS) /* the address's own and its prefix's */
size_t mr_book_covering(const struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a,
			uint64_t now, const struct mr_entry *out[static MR_BOOK_COVERING]);
/* Bits of the services for which the address has a live entry. */
uint64_t mr_book_services(const struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a,
			  uint64_t now);
/* Drops what has run out, at most `max` entries; *next is the next expiry (UINT64_MAX: none). */
int mr_book_sweep(struct mr_book *b, uint64_t now, size_t max, size_t *dropped, uint64_t *next);
/*
 * New limits: entries whose prefix length changed get other keys, in steps of at most `max`, and
 * between steps the book is used as ever.  A ban of a single address stays one; a ban whose wider
 * prefix would hold a permit, or somebody who is spared, falls back to one.
 *   begin   1: go on; 0: no key changes, the limits are in force; -EBUSY: the last time's keys are
 *           not cleared yet
 *   fill    until it returns 0: the new keys stand beside the old ones
 *   switch  together with the program's masks: the new keys count; *lost found no room, *narrowed
 *           bans fell back to single addresses
 *           or give_up: the old ones go on to count
 *   clear   until it returns 0: the keys that do not count go
 */
int mr_book_rekey_begin(struct mr_book *b, const struct mr_book_limits *l);
int mr_book_rekey_fill(struct mr_book *b, size_t max);
void mr_book_rekey_switch(struct mr_book *b, size_t *lost, size_t *narrowed);
void mr_book_rekey_give_up(struct mr_book *b);
int mr_book_rekey_clear(struct mr_book *b, size_t max);
/* In no particular order; *cursor from 0, false at the end.  If the book changes in between, each
 * entry is seen once or not at all, as it was before or after; mr_book_rekey_switch ends the walk.
 * `a` (may be NULL): the address the entry was made for, within its key's prefix.  *v is what the
 * kernel has: where v->part has MR_ENTRY_MORE, mr_book_parts() tells what it consists of. */
bool mr_book_next(const struct mr_book *b, enum mr_entry_kind kind, size_t *cursor,
		  struct mr_entry_key *k, struct mr_entry *v, struct mr_addr *a);
/* Bits of services that single entries name; entries of all services name none. */
uint64_t mr_book_held(const struct mr_book *b);
/* A number that every change moves: for "is the saved copy still true?" */
uint64_t mr_book_changes(const struct mr_book *b);
void mr_book_stats(const struct mr_book *b, struct mr_book_stats *out);

#endif
