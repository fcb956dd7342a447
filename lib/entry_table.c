// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry_table.c - one kind of timed entries: by key, by expiry, and permits by the prefix a ban
 * would cover (entry_table.h).
 *
 * A pool of items that never move, a hash with chains through them, a binary heap.  All of it is
 * sized once from the limit (untouched pages cost nothing), and buckets come one at a time, so no
 * insert ever stops to rehash.  The hash is keyed: clients choose their IPv6 addresses.
 *
 * Called by entry.c alone.  Never calls back, never reads a clock.  Only mr_entry_table_init fails.
 */
#include "entry_table.h"

#include <string.h>
#include <sys/random.h>

#define LOAD	2 /* buckets for each item: who is not there mostly has an empty one */
#define BUCKETS 64 /* of an empty table */

/* --- keys and hashes -------------------------------------------------------------------------- */

static struct mr_entry_key key_cut(struct mr_entry_key k, uint8_t plen6)
{
	struct mr_addr a;

	memcpy(a.b, k.addr, sizeof(a.b));
	if (mr_addr_is4(&a))
		return k;
	mr_addr_mask(&a, plen6);
	memcpy(k.addr, a.b, sizeof(k.addr));
	return k;
}

struct mr_entry_key mr_entry_key(const struct mr_addr *a, uint8_t plen6)
{
	struct mr_entry_key k;

	memcpy(k.addr, a->b, sizeof(k.addr));
	return key_cut(k, plen6);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint32_t key_hash(const struct mr_entry_table *t, const struct mr_entry_key *k)
{
	uint64_t half[2];

	memcpy(half, k->addr, sizeof(half));
	return (uint32_t)mix(mix(half[0] ^ t->seed[0], half[1] ^ t->seed[1]), t->seed[0] | 1);
}

enum { BY_KEY, BY_GROUP };

static uint32_t *bucket_of(const struct mr_entry_hash *h, uint32_t hash)
{
	uint32_t i = hash & h->mask;

	return &h->bucket[i < h->buckets ? i : i & h->mask >> 1];
}

/* The link that leads to the key's item, or the chain's end, where it is 0. */
static uint32_t *find_link(const struct mr_entry_table *t, int by, const struct mr_entry_key *k)
{
	const struct mr_entry_hash *h = &t->hash[by];
	uint32_t *p = bucket_of(h, key_hash(t, k));

	for (; *p; p = &t->item[*p - 1].chain[by]) {
		struct mr_entry_key other = key_cut(t->item[*p - 1].key, h->plen6);

		if (memcmp(&other, k, sizeof(other)) == 0)
			break;
	}
	return p;
}

/* One bucket more: takes its items out of the one that had them. */
static void add_bucket(struct mr_entry_table *t, int by)
{
	struct mr_entry_hash *h = &t->hash[by];
	uint32_t fresh = h->buckets, mask = fresh > h->mask ? 2 * h->mask + 1 : h->mask, i;
	uint32_t *from = &h->bucket[fresh & mask >> 1], *to = &h->bucket[fresh];

	while ((i = *from)) {
		struct mr_entry_item *item = &t->item[i - 1];
		struct mr_entry_key k = key_cut(item->key, h->plen6);

		if ((key_hash(t, &k) & mask) == fresh) {
			*from = item->chain[by];
			*to = i;
			to = &item->chain[by];
			*to = 0;
		} else {
			from = &item->chain[by];
		}
	}
	h->buckets++;
	h->mask = mask;
}

/* The key is in no item yet. */
static void chain_in(struct mr_entry_table *t, int by, const struct mr_entry_key *k, uint32_t n)
{
	struct mr_entry_hash *h = &t->hash[by];
	uint32_t *p;

	h->used++;
	for (int i = 0; i < LOAD && h->used * LOAD > h->buckets && h->buckets < h->max; i++)
		add_bucket(t, by);
	p = bucket_of(h, key_hash(t, k));
	t->item[n].chain[by] = *p;
	*p = n + 1;
}

/* The link that leads to item n, whose key is k; other items' keys are not looked at. */
static uint32_t *link_of(const struct mr_entry_table *t, int by, const struct mr_entry_key *k,
			 uint32_t n)
{
	uint32_t *p = bucket_of(&t->hash[by], key_hash(t, k));

	while (*p != n + 1)
		p = &t->item[*p - 1].chain[by];
	return p;
}

static void chain_out(struct mr_entry_table *t, int by, uint32_t *link)
{
	*link = t->item[*link - 1].chain[by];
	t->hash[by].used--;
}

struct mr_entry_item *mr_entry_table_find(const struct mr_entry_table *t,
					  const struct mr_entry_key *k)
{
	uint32_t n = *find_link(t, BY_KEY, k);

	return n ? &t->item[n - 1] : NULL;
}

/* --- the heap --------------------------------------------------------------------------------- */

static void heap_set(struct mr_entry_table *t, uint32_t place, struct mr_entry_end end)
{
	t->heap[place] = end;
	t->item[end.item].heap = place;
}

/* `end` belongs at this place, or above, or below. */
static void heap_put(struct mr_entry_table *t, uint32_t place, struct mr_entry_end end)
{
	while (place) {
		uint32_t up = (place - 1) / 2;

		if (t->heap[up].expires <= end.expires)
			break;
		heap_set(t, place, t->heap[up]);
		place = up;
	}
	for (;;) {
		uint32_t down = 2 * place + 1;

		if (down >= t->used)
			break;
		if (down + 1 < t->used) /* no branch: it would be guessed wrong every other time */
			down += t->heap[down + 1].expires < t->heap[down].expires;
		if (t->heap[down].expires >= end.expires)
			break;
		heap_set(t, place, t->heap[down]);
		place = down;
	}
	heap_set(t, place, end);
}

/* --- permits by ban prefix -------------------------------------------------------------------- */

/* Only where a ban prefix is wider than a permit's key can several permits lie under one. */
static bool grouped(const struct mr_entry_table *t, const struct mr_entry_key *k)
{
	struct mr_addr a;

	memcpy(a.b, k->addr, sizeof(a.b));
	return t->hash[BY_GROUP].bucket && t->group_plen6 < t->plen6 && !mr_addr_is4(&a);
}

static void group_add(struct mr_entry_table *t, uint32_t n)
{
	struct mr_entry_item *i = &t->item[n];
	struct mr_entry_key k;
	uint32_t *link;

	i->prev = i->next = MR_ENTRY_NONE;
	if (!grouped(t, &i->key))
		return;
	k = key_cut(i->key, t->group_plen6);
	link = find_link(t, BY_GROUP, &k);
	if (!*link) {
		chain_in(t, BY_GROUP, &k, n);
		return;
	}
	i->next = *link - 1;
	i->chain[BY_GROUP] = t->item[i->next].chain[BY_GROUP];
	t->item[i->next].prev = n;
	*link = n + 1;
}

static void group_remove(struct mr_entry_table *t, uint32_t n)
{
	struct mr_entry_item *i = &t->item[n];
	struct mr_entry_key k;
	uint32_t *link;

	if (!grouped(t, &i->key))
		return;
	if (i->next != MR_ENTRY_NONE)
		t->item[i->next].prev = i->prev;
	if (i->prev != MR_ENTRY_NONE) {
		t->item[i->prev].next = i->next;
		return;
	}
	k = key_cut(i->key, t->group_plen6);
	link = link_of(t, BY_GROUP, &k, n);
	if (i->next == MR_ENTRY_NONE) {
		chain_out(t, BY_GROUP, link);
		return;
	}
	t->item[i->next].chain[BY_GROUP] = i->chain[BY_GROUP];
	*link = i->next + 1;
}

uint32_t mr_entry_table_group(const struct mr_entry_table *t, const struct mr_entry_key *prefix)
{
	return t->hash[BY_GROUP].bucket ? *find_link(t, BY_GROUP, prefix) - 1 : MR_ENTRY_NONE;
}

/* --- tables ----------------------------------------------------------------------------------- */

void mr_entry_table_clear(struct mr_entry_table *t)
{
	free(t->item);
	free(t->heap);
	free(t->hash[BY_KEY].bucket);
	free(t->hash[BY_GROUP].bucket);
	free(t->live);
	free(t->split);
	memset(t, 0, sizeof(*t));
}

static int hash_init(struct mr_entry_hash *h, uint32_t max, uint8_t plen6)
{
	uint32_t buckets = max * LOAD > BUCKETS ? max * LOAD : BUCKETS;

	*h = (struct mr_entry_hash){
		.buckets = BUCKETS, .mask = BUCKETS - 1, .max = buckets, .plen6 = plen6
	};
	h->bucket = calloc(buckets, sizeof(*h->bucket));
	return h->bucket ? 0 : -ENOMEM;
}

int mr_entry_table_init(struct mr_entry_table *t, uint32_t max, uint8_t plen6, uint8_t group_plen6,
			bool groups)
{
	uint64_t seed[2];
	int r;

	if (max == 0 || max > MR_ENTRY_NONE / 4 || plen6 > 128 || group_plen6 > 128)
		return -EINVAL;
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -EIO;
	*t = (struct mr_entry_table){ .seed = { seed[0], seed[1] },
				      .max = max,
				      .free = MR_ENTRY_NONE,
				      .plen6 = plen6,
				      .group_plen6 = group_plen6,
				      .splits_items = groups };
	t->item = calloc(max, sizeof(*t->item));
	t->heap = calloc(max, sizeof(*t->heap));
	t->live = calloc(max / 64 + 1, sizeof(*t->live));
	r = t->live && t->item && t->heap ? hash_init(&t->hash[BY_KEY], max, 128) : -ENOMEM;
	if (r == 0 && groups)
		r = hash_init(&t->hash[BY_GROUP], max, group_plen6);
	if (r < 0)
		mr_entry_table_clear(t);
	return r;
}

static void hold(struct mr_entry_table *t, uint64_t services, bool more)
{
	for (uint64_t left = services == UINT64_MAX ? 0 : services; left; left &= left - 1)
		t->holders[__builtin_ctzll(left)] += more ? 1 : UINT32_MAX;
}

/* --- permits of two parts --------------------------------------------------------------------- */

const struct mr_entry *mr_entry_table_parts(const struct mr_entry_table *t,
					    const struct mr_entry_item *i)
{
	return t->splits_items && i->split ? t->split[i->split - 1].part : NULL;
}

static void unsplit(struct mr_entry_table *t, struct mr_entry_item *i)
{
	if (!mr_entry_table_parts(t, i))
		return;
	t->split[i->split - 1].next = t->split_free;
	t->split_free = i->split;
	i->split = 0;
}

int mr_entry_table_split_room(struct mr_entry_table *t)
{
	return t->split_free ? 0 : mr_grow(&t->split, &t->split_room, t->splits, sizeof(*t->split));
}

static void value_set(struct mr_entry_table *t, struct mr_entry_item *i, const struct mr_entry *v,
		      uint64_t end)
{
	hold(t, i->v.services, false);
	hold(t, v->services, true);
	i->v = *v;
	heap_put(t, i->heap, (struct mr_entry_end){ end, t->heap[i->heap].item });
}

void mr_entry_table_split(struct mr_entry_table *t, struct mr_entry_item *i,
			  const struct mr_entry *v, const struct mr_entry part[MR_ENTRY_PARTS],
			  uint64_t lead)
{
	if (!i->split) {
		i->split = t->split_free ? t->split_free : ++t->splits;
		t->split_free = t->split_free ? t->split[i->split - 1].next : 0;
	}
	memcpy(t->split[i->split - 1].part, part, sizeof(t->split->part));
	value_set(t, i, v, v->expires > lead ? v->expires - lead : 0);
}

void mr_entry_table_set(struct mr_entry_table *t, struct mr_entry_item *i, const struct mr_entry *v)
{
	unsplit(t, i);
	value_set(t, i, v, v->expires);
}

/* --- items ------------------------------------------------------------------------------------ */

uint32_t mr_entry_table_next(const struct mr_entry_table *t, uint32_t n)
{
	for (uint32_t word = n / 64; word * 64ull < t->touched; word++) {
		uint64_t bits = t->live[word];

		if (word == n / 64)
			bits &= ~0ull << n % 64;
		if (bits)
			return word * 64 + (uint32_t)__builtin_ctzll(bits);
	}
	return MR_ENTRY_NONE;
}

struct mr_entry_item *mr_entry_table_insert(struct mr_entry_table *t, const struct mr_entry_key *k,
					    const struct mr_entry *v,
					    const struct mr_addr *made_for)
{
	uint32_t n = t->free;

	if (n != MR_ENTRY_NONE)
		t->free = t->item[n].next;
	else
		n = t->touched++;
	t->item[n].key = *k;
	t->item[n].v = *v;
	t->item[n].made_for = *made_for;
	t->item[n].cut = 0;
	t->live[n / 64] |= 1ull << n % 64;
	hold(t, v->services, true);
	chain_in(t, BY_KEY, k, n);
	group_add(t, n);
	t->used++;
	heap_put(t, t->used - 1, (struct mr_entry_end){ v->expires, n });
	return &t->item[n];
}

void mr_entry_table_remove(struct mr_entry_table *t, uint32_t n)
{
	struct mr_entry_item *i = &t->item[n];
	uint32_t place = i->heap;

	t->live[n / 64] &= ~(1ull << n % 64);
	unsplit(t, i);
	hold(t, i->v.services, false);
	group_remove(t, n);
	chain_out(t, BY_KEY, link_of(t, BY_KEY, &i->key, n));
	t->used--;
	if (place != t->used)
		heap_put(t, place, t->heap[t->used]);
	i->heap = MR_ENTRY_NONE;
	i->next = t->free;
	t->free = n;
}
