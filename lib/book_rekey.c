// SPDX-License-Identifier: BSD-2-Clause
/*
 * book_rekey.c - the book under other limits: new prefix lengths, so other keys (entry.h).
 *
 * A million entries take seconds, so it goes in steps, and the book is used meanwhile.  First the
 * new tables are filled beside the old ones, and the new keys stand beside the old ones at the
 * callbacks' side; each change of the book happens in both.  Then the caller switches (or gives
 * up), and then the keys go that only the other side had.  Called by the daemon's main thread and
 * by tests.  Never logs; what finds no room is counted.
 */
#include "book_private.h"

#include <string.h>

/* Would the ban of this prefix hit somebody whom it may not hit?  The permits to come are all in
 * their table when bans are looked at. */
static bool spares(const struct mr_book *b, const struct mr_prefix *p)
{
	const struct mr_entry_table *permits = &b->rekey.table[MR_PERMIT];
	struct mr_entry_key ban = mr_entry_key(&p->addr, p->plen);
	struct mr_entry_key permit = mr_entry_key(&p->addr, permits->plen6);

	if (permits->plen6 > p->plen ? mr_entry_table_group(permits, &ban) != MR_ENTRY_NONE
				     : mr_entry_table_find(permits, &permit) != NULL)
		return true;
	return b->ops.spares && b->ops.spares(p, b->userdata);
}

#define CUT_NARROW 1u /* of item.cut; the number of the change stands above */
static uint32_t cut_decided(const struct mr_book *b, bool narrow)
{
	return b->rekey.number << 1 | (narrow ? CUT_NARROW : 0);
}

/* Decided once for each ban: where its copy is must be known when it goes, whoever came since. */
static bool narrow(struct mr_book *b, struct mr_entry_item *i, uint8_t plen6)
{
	struct mr_prefix p = { i->made_for, plen6 };

	if (plen6 >= b->table[MR_BAN].plen6)
		return false;
	if (i->cut >> 1 != b->rekey.number) {
		mr_addr_mask(&p.addr, plen6);
		i->cut = cut_decided(b, spares(b, &p));
		b->rekey.narrowed += i->cut & CUT_NARROW;
	}
	return i->cut & CUT_NARROW;
}

/* A single-address fallback stays one, and so does the ban of a single address: who was not looked
 * at when it was made may be its neighbour. */
static bool keeps_key(const struct mr_book *b, enum mr_entry_kind kind,
		      const struct mr_entry_item *i, uint8_t plen6)
{
	const struct mr_entry_table *old = &b->table[kind];

	return mr_addr_is4(&i->made_for) || old->plen6 == plen6 ||
	       (i->v.plen == 128 && (old->plen6 < 128 || kind == MR_BAN));
}

/* The key an item has under other limits. */
static struct mr_entry_key rekeyed(struct mr_book *b, enum mr_entry_kind kind,
				   struct mr_entry_item *i, uint8_t plen6, struct mr_entry *v)
{
	*v = i->v;
	if (keeps_key(b, kind, i, plen6))
		return i->key;
	v->plen = kind == MR_BAN && narrow(b, i, plen6) ? 128 : plen6;
	return mr_entry_key(&i->made_for, v->plen);
}

static bool same_key(const struct mr_entry_key *a, const struct mr_entry_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Has the item no copy yet, because it was not decided what that would be? */
static bool waits(const struct mr_book *b, enum mr_entry_kind kind, const struct mr_entry_item *i)
{
	uint8_t plen6 = b->rekey.table[kind].plen6;

	return kind == MR_BAN && (b->rekey.kind == MR_PERMIT ||
				  (plen6 < b->table[kind].plen6 && !keeps_key(b, kind, i, plen6) &&
				   i->cut >> 1 != b->rekey.number));
}

/* Copies one item to its new table; two that meet under one key become one, unless what comes last
 * is the `last_word`. */
static int copy_item(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i,
		     bool last_word)
{
	struct mr_entry_table *to = &b->rekey.table[kind];
	struct mr_parts p, there;
	struct mr_entry v;
	struct mr_entry_key k = rekeyed(b, kind, i, to->plen6, &v);
	struct mr_entry_item *met = mr_entry_table_find(to, &k);
	bool moves = !same_key(&k, &i->key) || v.plen != i->v.plen, two;
	int r;

	mr_book_parts_of(&b->table[kind], i, &p);
	for (size_t n = 0; n < MR_ENTRY_PARTS; n++)
		p.part[n].plen = v.plen;
	if (met && !last_word) {
		mr_book_parts_of(to, met, &there);
		mr_book_parts_join(&p, &there, b->seen);
	}
	two = mr_book_parts_value(&p, &v);
	if (!met && to->used >= to->max)
		return -E2BIG;
	r = two ? mr_entry_table_split_room(to) : 0;
	if (r == 0 && (met || moves) && b->ops.put)
		r = b->ops.put(kind, &k, &v, b->userdata);
	if (r < 0)
		return r;
	if (!met)
		met = mr_entry_table_insert(to, &k, &v, &i->made_for);
	mr_book_parts_set(to, met, &p, &v, two);
	return 0;
}

void mr_book_rekey_added(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i,
			 bool last_word)
{
	/* bans wait for the permits that they must not hit: the walk comes to them yet */
	if (kind == MR_BAN && b->rekey.kind == MR_PERMIT)
		return;
	if (b->rekey.phase == MR_BOOK_FILL && copy_item(b, kind, i, last_word) < 0)
		b->rekey.lost++;
}

void mr_book_rekey_dropped(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i,
			   bool meant)
{
	struct mr_entry_table *to = &b->rekey.table[kind];
	struct mr_entry_item *copy, *other;
	struct mr_entry_key k;
	struct mr_entry v;

	if (b->rekey.phase != MR_BOOK_FILL || waits(b, kind, i))
		return;
	k = rekeyed(b, kind, i, to->plen6, &v);
	copy = mr_entry_table_find(to, &k);
	if (!copy)
		return;
	if (meant || mr_book_parts_last(to, copy)->expires <= i->v.expires) {
		mr_entry_table_remove(to, (uint32_t)(copy - to->item));
		other = mr_entry_table_find(&b->table[kind], &k);
		if (other && other != i) { /* it had become one with this */
			mr_book_rekey_added(b, kind, other, false);
			if (b->ops.put)
				b->ops.put(kind, &k, &other->v, b->userdata);
		} else if (!other && b->ops.del) {
			b->ops.del(kind, &k, b->userdata);
		}
	} else if (same_key(&k, &i->key) && b->ops.put) {
		/* it stands for another entry too, and its key went with this one */
		b->ops.put(kind, &k, &copy->v, b->userdata);
	}
}

void mr_book_rekey_ended(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i,
			 size_t part, uint64_t expires)
{
	struct mr_entry_table *to = &b->rekey.table[kind];
	struct mr_entry_item *copy;
	struct mr_entry_key k;
	struct mr_parts p;
	struct mr_entry v;

	if (b->rekey.phase != MR_BOOK_FILL)
		return;
	k = rekeyed(b, kind, i, to->plen6, &v);
	copy = mr_entry_table_find(to, &k);
	if (!copy || !mr_entry_table_parts(to, copy))
		return;
	mr_book_parts_of(to, copy, &p);
	if (p.part[part].expires > expires)
		return; /* it has become one with another's */
	p.has[part] = false;
	mr_book_parts_value(&p, &v);
	/* if it is refused, so much the less is open until the sweep comes by */
	if (b->ops.put)
		b->ops.put(kind, &k, &v, b->userdata);
	mr_entry_table_set(to, copy, &v);
}

/* --- the steps -------------------------------------------------------------------------------- */

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

int mr_book_rekey_begin(struct mr_book *b, const struct mr_book_limits *l)
{
	const struct mr_entry_table *p = &b->table[MR_PERMIT], *q = &b->table[MR_BAN];
	struct mr_book_limits room = *l;
	int r;

	if (b->rekey.phase != MR_BOOK_STILL)
		return -EBUSY;
	if (p->plen6 == l->permit_plen6 && q->plen6 == l->ban_plen6 && p->max >= l->permits_max &&
	    q->max >= l->bans_max) {
		b->limit[MR_PERMIT] = l->permits_max;
		b->limit[MR_BAN] = l->bans_max;
		return 0;
	}
	/* what lives shall fit, whatever the limits: they count for those that come */
	room.permits_max = larger(l->permits_max, p->max);
	room.bans_max = larger(l->bans_max, q->max);
	r = mr_book_tables(&room, b->rekey.table);
	if (r < 0)
		return r;
	b->rekey.phase = MR_BOOK_FILL;
	b->rekey.limits = *l;
	b->rekey.kind = MR_PERMIT;
	b->rekey.item = 0;
	b->rekey.lost = b->rekey.narrowed = 0;
	b->rekey.number++;
	return 1;
}

/* The next item of these tables; NULL: that was the last. */
static struct mr_entry_item *next_item(struct mr_book *b, const struct mr_entry_table t[2])
{
	for (; b->rekey.kind <= MR_BAN; b->rekey.kind++, b->rekey.item = 0) {
		uint32_t n = mr_entry_table_next(&t[b->rekey.kind], b->rekey.item);

		if (n == MR_ENTRY_NONE)
			continue;
		b->rekey.item = n + 1;
		return &t[b->rekey.kind].item[n];
	}
	return NULL;
}

int mr_book_rekey_fill(struct mr_book *b, size_t max)
{
	struct mr_entry_item *i;

	for (; max; max--) {
		i = next_item(b, b->table);
		if (!i)
			return 0;
		if (copy_item(b, b->rekey.kind, i, false) < 0)
			b->rekey.lost++;
	}
	return 1;
}

static void clear_from_now(struct mr_book *b)
{
	b->rekey.phase = MR_BOOK_CLEAR;
	b->rekey.kind = MR_PERMIT;
	b->rekey.item = 0;
	b->changes++;
}

void mr_book_rekey_switch(struct mr_book *b, size_t *lost, size_t *narrowed)
{
	b->limit[MR_PERMIT] = b->rekey.limits.permits_max;
	b->limit[MR_BAN] = b->rekey.limits.bans_max;
	for (enum mr_entry_kind kind = MR_PERMIT; kind <= MR_BAN; kind++) {
		struct mr_entry_table t = b->table[kind];

		b->table[kind] = b->rekey.table[kind];
		b->rekey.table[kind] = t;
	}
	*lost = b->rekey.lost;
	*narrowed = b->rekey.narrowed;
	clear_from_now(b);
}

void mr_book_rekey_give_up(struct mr_book *b)
{
	clear_from_now(b);
}

/* A key that only the other side had goes; one that both have gets the value that counts. */
static void settle(struct mr_book *b, enum mr_entry_kind kind, const struct mr_entry_item *gone)
{
	const struct mr_entry_item *now = mr_entry_table_find(&b->table[kind], &gone->key);

	if (!now && b->ops.del)
		b->ops.del(kind, &gone->key, b->userdata);
	else if (now && b->ops.put && memcmp(&now->v, &gone->v, sizeof(now->v)) != 0)
		b->ops.put(kind, &now->key, &now->v, b->userdata);
}

int mr_book_rekey_clear(struct mr_book *b, size_t max)
{
	const struct mr_entry_item *i;

	for (; max && b->rekey.phase == MR_BOOK_CLEAR; max--) {
		i = next_item(b, b->rekey.table);
		if (i) {
			settle(b, b->rekey.kind, i);
			continue;
		}
		mr_entry_table_clear(&b->rekey.table[MR_PERMIT]);
		mr_entry_table_clear(&b->rekey.table[MR_BAN]);
		b->rekey.phase = MR_BOOK_STILL;
	}
	return b->rekey.phase == MR_BOOK_CLEAR;
}
