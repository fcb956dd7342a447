// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry.c - the book of timed entries (entry.h): permits and bans, by key and by expiry.
 *
 * Decides what a key is and who makes room for whom; book_parts.c, what becomes of one entry that
 * is given twice; book_rekey.c, what becomes of entries when prefix lengths change; entry_table.c
 * has the data structure.
 *
 * Called by the daemon's main thread and by tests.  Never logs, never reads a clock.  Fails with
 * -errno; what a callback refuses does not happen in the book either.
 */
#include "book_private.h"

#include <string.h>

#define EVICT_TRIES  8 /* bans given up for one new ban when the kernel still says full */
#define SWEEP_CHUNK  64 /* entries in one call of the kernel */
#define PREFIX4_PLEN 32 /* entry.plen of an IPv4 entry: exactly the address */

static int table_drop(struct mr_book *b, enum mr_entry_kind kind, uint32_t n, bool meant)
{
	struct mr_entry_table *t = &b->table[kind];
	int r = b->ops.del ? b->ops.del(kind, &t->item[n].key, b->userdata) : 0;

	if (r < 0 && r != -ENOENT)
		return r;
	mr_book_rekey_dropped(b, kind, &t->item[n], meant);
	mr_entry_table_remove(t, n);
	b->changes++;
	return 0;
}

/* Does any live permit lie in the prefix that a ban on the address would cover? */
static bool holds_permit(const struct mr_book *b, const struct mr_addr *a, uint64_t now)
{
	const struct mr_entry_table *p = &b->table[MR_PERMIT];
	struct mr_entry_key k;

	if (mr_book_find(b, MR_PERMIT, a, now, NULL))
		return true;
	if (p->group_plen6 >= p->plen6)
		return false;
	k = mr_entry_key(a, p->group_plen6);
	for (uint32_t n = mr_entry_table_group(p, &k); n != MR_ENTRY_NONE; n = p->item[n].next)
		if (mr_book_parts_last(p, &p->item[n])->expires > now)
			return true;
	return false;
}

int mr_book_tables(const struct mr_book_limits *l, struct mr_entry_table out[2])
{
	struct mr_entry_table p, q;
	int r = mr_entry_table_init(&p, l->permits_max, l->permit_plen6, l->ban_plen6, true);

	if (r < 0)
		return r;
	r = mr_entry_table_init(&q, l->bans_max, l->ban_plen6, l->ban_plen6, false);
	if (r < 0) {
		mr_entry_table_clear(&p);
		return r;
	}
	out[MR_PERMIT] = p;
	out[MR_BAN] = q;
	return 0;
}

int mr_book_new(const struct mr_book_limits *l, const struct mr_book_ops *ops, void *userdata,
		struct mr_book **out)
{
	_cleanup_(mr_book_freep) struct mr_book *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->ops = *ops;
	b->userdata = userdata;
	r = mr_book_tables(l, b->table);
	if (r < 0)
		return r;
	b->limit[MR_PERMIT] = l->permits_max;
	b->limit[MR_BAN] = l->bans_max;
	b->part = (uint8_t)b->table[MR_PERMIT].seed[0]; /* not those of the run before again */
	*out = MR_TAKE_PTR(b);
	return 0;
}

void mr_book_free(struct mr_book *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < MR_ARRAY_SIZE(b->table); i++) {
		mr_entry_table_clear(&b->table[i]);
		mr_entry_table_clear(&b->rekey.table[i]);
	}
	free(b);
}

static uint8_t entry_plen(const struct mr_addr *a, uint8_t plen6)
{
	return mr_addr_is4(a) ? PREFIX4_PLEN : plen6;
}

static void keyed_prefix(const struct mr_entry_key *k, const struct mr_entry *v,
			 struct mr_prefix *out)
{
	memcpy(out->addr.b, k->addr, sizeof(k->addr));
	out->plen = mr_addr_is4(&out->addr) ? 128 : v->plen;
}

int mr_book_adopt(struct mr_book *b, enum mr_entry_kind kind, const struct mr_entry_key *k,
		  const struct mr_entry *v)
{
	struct mr_entry_table *t = &b->table[kind];
	struct mr_addr a;

	if (mr_entry_table_find(t, k))
		return -EEXIST;
	if (t->used >= t->max)
		return -E2BIG;
	memcpy(a.b, k->addr, sizeof(a.b));
	mr_entry_table_insert(t, k, v, &a);
	b->changes++;
	return 0;
}

/* Room for one more: what has run out goes first, then, for bans, what ends first. */
static int make_room(struct mr_book *b, enum mr_entry_kind kind, uint64_t now)
{
	struct mr_entry_table *t = &b->table[kind];
	size_t dropped;
	int r;

	r = mr_book_sweep(b, now, 1, &dropped, NULL);
	if (r < 0 || dropped)
		return r;
	if (kind == MR_PERMIT || !t->used)
		return -E2BIG;
	/* nobody meant this one: what it had become one with stays */
	r = table_drop(b, kind, t->heap[0].item, false);
	if (r == 0)
		b->stats.bans_evicted++;
	return r;
}

static int put_new(struct mr_book *b, enum mr_entry_kind kind, const struct mr_entry_key *k,
		   const struct mr_entry *v, uint64_t now)
{
	struct mr_entry_table *t = &b->table[kind];
	int r = 0;

	/* a limit that was lowered ends no ban: one goes for one that comes, as ever */
	while (t->used >= b->limit[kind] && r == 0) {
		r = make_room(b, kind, now);
		if (kind == MR_BAN && t->used < t->max)
			break;
	}
	if (r == 0 && b->ops.put)
		r = b->ops.put(kind, k, v, b->userdata);
	for (int i = 0; r == -E2BIG && kind == MR_BAN && i < EVICT_TRIES; i++) {
		/* the kernel's map is smaller than the book, or still busy freeing */
		r = make_room(b, kind, now);
		if (r == 0)
			r = b->ops.put(kind, k, v, b->userdata);
	}
	if (r == -E2BIG && kind == MR_PERMIT)
		b->stats.permits_refused++;
	return r;
}

/* Never 0. */
static uint8_t next_part(struct mr_book *b)
{
	if (!++b->part)
		b->part = 1;
	return b->part;
}

int mr_book_add(struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a,
		const struct mr_entry *v, uint64_t now, struct mr_prefix *keyed)
{
	struct mr_entry_table *t = &b->table[kind];
	uint8_t plen6 = t->plen6;
	struct mr_entry_key k;
	struct mr_entry_item *i;
	struct mr_entry m = *v;
	struct mr_parts p = { 0 };
	bool two;
	int r;

	if (kind == MR_BAN && plen6 < 128 && !mr_addr_is4(a) &&
	    (v->plen == 128 || holds_permit(b, a, now)))
		plen6 = 128;
	k = mr_entry_key(a, plen6);
	m.plen = entry_plen(a, plen6);
	if (b->seen < now)
		b->seen = now;
	m.part = kind == MR_PERMIT ? next_part(b) : 0;
	i = mr_entry_table_find(t, &k);
	if (i)
		mr_book_parts_of(t, i, &p);
	mr_book_parts_add(t, &p, &m, now);
	two = mr_book_parts_value(&p, &m);
	if (i) {
		r = two ? mr_entry_table_split_room(t) : 0;
		if (r == 0 && b->ops.put)
			r = b->ops.put(kind, &k, &m, b->userdata);
		if (r < 0)
			return r;
		i->made_for = *a;
		mr_book_parts_set(t, i, &p, &m, two);
	} else {
		r = put_new(b, kind, &k, &m, now);
		if (r < 0)
			return r;
		i = mr_entry_table_insert(t, &k, &m, a);
	}
	mr_book_rekey_added(b, kind, i, v->origin == MR_ORIGIN_HAND);
	b->changes++;
	if (keyed)
		keyed_prefix(&k, &m, keyed);
	return 0;
}

int mr_book_adopt_rest(struct mr_book *b, const struct mr_addr *a, const struct mr_entry *v,
		       uint64_t now)
{
	const struct mr_entry_table *t = &b->table[MR_PERMIT];
	struct mr_entry_key k = mr_entry_key(a, t->plen6);
	const struct mr_entry_item *i = mr_entry_table_find(t, &k);

	if (!i || !v->part || i->v.part != (v->part | MR_ENTRY_MORE) || mr_entry_table_parts(t, i))
		return -ENOENT;
	return mr_book_add(b, MR_PERMIT, a, v, now, NULL);
}

/* Item numbers of the entries that can cover the address: its own, then that of its prefix. */
static size_t covering(const struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a,
		       uint32_t out[static MR_BOOK_COVERING])
{
	const struct mr_entry_table *t = &b->table[kind];
	struct mr_entry_key k = mr_entry_key(a, 128), cut = mr_entry_key(a, t->plen6);
	const struct mr_entry_item *i = mr_entry_table_find(t, &k);
	size_t n = 0;

	if (i)
		out[n++] = (uint32_t)(i - t->item);
	if (memcmp(&k, &cut, sizeof(k)) == 0)
		return n;
	i = mr_entry_table_find(t, &cut);
	if (i && i->v.plen < 128) /* 128: the prefix's first address, and only that */
		out[n++] = (uint32_t)(i - t->item);
	return n;
}

int mr_book_delete(struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a)
{
	uint32_t found[MR_BOOK_COVERING];
	size_t n = covering(b, kind, a, found);
	int r;

	if (!n)
		return -ENOENT;
	for (size_t i = 0; i < n; i++) {
		r = table_drop(b, kind, found[i], true);
		if (r < 0)
			return r;
	}
	return 0;
}

int mr_book_flush(struct mr_book *b, enum mr_entry_kind kind, size_t max, size_t *removed)
{
	struct mr_entry_table *t = &b->table[kind];
	size_t n = 0;
	int r;

	while (t->used && (!max || n < max)) {
		r = table_drop(b, kind, t->heap[t->used - 1].item, true);
		if (r < 0)
			return r;
		n++;
	}
	*removed = n;
	return 0;
}

/* The learned one first.  Returns how many. */
static size_t live_parts(const struct mr_entry_table *t, const struct mr_entry_item *i,
			 uint64_t now, const struct mr_entry *out[static MR_BOOK_PARTS])
{
	const struct mr_entry *part = mr_entry_table_parts(t, i);
	size_t n = 0;

	if (!part && i->v.expires > now)
		out[n++] = &i->v;
	if (part && part[MR_PART_LEARNED].expires > now)
		out[n++] = &part[MR_PART_LEARNED];
	if (part && part[MR_PART_HAND].expires > now)
		out[n++] = &part[MR_PART_HAND];
	return n;
}

const struct mr_entry *mr_book_find(const struct mr_book *b, enum mr_entry_kind kind,
				    const struct mr_addr *a, uint64_t now, struct mr_prefix *keyed)
{
	const struct mr_entry_table *t = &b->table[kind];
	uint32_t found[MR_BOOK_COVERING];
	size_t n = covering(b, kind, a, found);

	for (size_t i = 0; i < n; i++) {
		const struct mr_entry_item *item = &t->item[found[i]];
		const struct mr_entry *v[MR_BOOK_PARTS];

		if (!live_parts(t, item, now, v))
			continue;
		if (keyed)
			keyed_prefix(&item->key, &item->v, keyed);
		return v[0];
	}
	return NULL;
}

size_t mr_book_covering(const struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a,
			uint64_t now, const struct mr_entry *out[static MR_BOOK_COVERING])
{
	uint32_t found[MR_BOOK_COVERING];
	size_t n = covering(b, kind, a, found), live = 0;

	for (size_t i = 0; i < n; i++)
		live += live_parts(&b->table[kind], &b->table[kind].item[found[i]], now,
				   &out[live]);
	return live;
}

uint64_t mr_book_services(const struct mr_book *b, enum mr_entry_kind kind, const struct mr_addr *a,
			  uint64_t now)
{
	const struct mr_entry *v[MR_BOOK_COVERING];
	size_t n = mr_book_covering(b, kind, a, now, v);
	uint64_t bits = 0;

	for (size_t i = 0; i < n; i++)
		bits |= v[i]->services;
	return bits;
}

static int del_many(struct mr_book *b, enum mr_entry_kind kind, const struct mr_entry_key *k,
		    size_t n)
{
	int r = 0;

	if (b->ops.del_many)
		return b->ops.del_many(kind, k, n, b->userdata);
	for (size_t i = 0; i < n && b->ops.del && (r == 0 || r == -ENOENT); i++)
		r = b->ops.del(kind, &k[i], b->userdata);
	return r == -ENOENT ? 0 : r;
}

/* One part of the item has run out, and one goes on: that is its value now.  0: there is none. */
static int go_on(struct mr_book *b, enum mr_entry_kind kind, struct mr_entry_item *i, uint64_t now)
{
	struct mr_entry_table *t = &b->table[kind];
	const struct mr_entry *part = mr_entry_table_parts(t, i);
	struct mr_entry v;
	uint64_t ended;
	size_t last;
	int r = 0;

	if (!part)
		return 0;
	last = mr_book_parts_last_of(part);
	ended = part[!last].expires;
	v = part[last];
	if (v.expires > now && b->ops.put)
		r = b->ops.put(kind, &i->key, &v, b->userdata);
	if (r < 0)
		return r;
	mr_entry_table_set(t, i, &v);
	mr_book_rekey_ended(b, kind, i, !last, ended);
	return v.expires > now;
}

/*
 * At most a chunk of what has run out.  The heap's last place is looked at first: it costs nothing
 * to take, where the top has the whole depth to fill; when all run out together, none is filled.
 */
static int sweep_some(struct mr_book *b, enum mr_entry_kind kind, uint64_t now, size_t max,
		      size_t *out)
{
	struct mr_entry_table *t = &b->table[kind];
	struct mr_entry_item gone[SWEEP_CHUNK];
	struct mr_entry_key key[SWEEP_CHUNK];
	size_t n = 0, changed = 0;
	int r, went_on = 0;

	while (n + changed < SWEEP_CHUNK && n + changed < max && t->used &&
	       t->heap[0].expires <= now) {
		const struct mr_entry_end *end = &t->heap[t->used - 1];
		uint32_t last = end->expires > now ? t->heap[0].item : end->item;

		went_on = go_on(b, kind, &t->item[last], now);
		if (went_on < 0)
			break;
		changed += (size_t)went_on;
		if (went_on)
			continue;
		gone[n] = t->item[last];
		key[n] = gone[n].key;
		n++;
		mr_entry_table_remove(t, last);
	}
	r = n ? del_many(b, kind, key, n) : 0;
	for (size_t i = 0; i < n && r < 0; i++)
		mr_entry_table_insert(t, &gone[i].key, &gone[i].v, &gone[i].made_for);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		mr_book_rekey_dropped(b, kind, &gone[i], false);
	b->stats.expired[kind] += n;
	b->changes += n + changed;
	*out = n + changed;
	return went_on < 0 ? went_on : 0;
}

int mr_book_sweep(struct mr_book *b, uint64_t now, size_t max, size_t *dropped, uint64_t *next)
{
	uint64_t soonest = UINT64_MAX;
	size_t n = 0, some;
	int r;

	for (enum mr_entry_kind kind = MR_PERMIT; kind <= MR_BAN; kind++) {
		const struct mr_entry_table *t = &b->table[kind];

		do {
			r = sweep_some(b, kind, now, max - n, &some);
			if (r < 0)
				return r;
			n += some;
		} while (some);
		if (t->used && t->heap[0].expires < soonest)
			soonest = t->heap[0].expires;
	}
	if (dropped)
		*dropped = n;
	if (next)
		*next = soonest;
	return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

bool mr_book_next(const struct mr_book *b, enum mr_entry_kind kind, size_t *cursor,
		  struct mr_entry_key *k, struct mr_entry *v, struct mr_addr *a)
{
	const struct mr_entry_table *t = &b->table[kind];
	uint32_t n =
		*cursor < t->touched ? mr_entry_table_next(t, (uint32_t)*cursor) : MR_ENTRY_NONE;

	if (n == MR_ENTRY_NONE)
		return false;
	*k = t->item[n].key;
	*v = t->item[n].v;
	if (a)
		*a = t->item[n].made_for;
	*cursor = (size_t)n + 1;
	return true;
}

uint64_t mr_book_held(const struct mr_book *b)
{
	uint64_t held = 0;

	for (unsigned int i = 0; i < MR_SERVICES_MAX; i++)
		if (b->table[MR_PERMIT].holders[i] || b->table[MR_BAN].holders[i])
			held |= 1ull << i;
	return held;
}

uint64_t mr_book_changes(const struct mr_book *b)
{
	return b->changes;
}

void mr_book_stats(const struct mr_book *b, struct mr_book_stats *out)
{
	*out = b->stats;
	out->permits = b->table[MR_PERMIT].used;
	out->bans = b->table[MR_BAN].used;
}
