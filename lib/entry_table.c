// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry_table.c - one kind of timed entries: by key, by expiry, and permits by the prefix a ban
 * would cover (entry_table.h).
 *
 * A pool of items that never move, an open-addressing hash with backward-shift deletion, a binary
 * heap.  All of it is sized once from the limit (untouched pages cost nothing), so no insert ever
 * stops to rehash.  The hash is keyed: clients choose their IPv6 addresses.
 *
 * Called by entry.c alone.  Never calls back, never reads a clock.  Only mr_entry_table_init fails.
 */
#include "entry_table.h"

#include <string.h>
#include <sys/random.h>

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

/* One of the two hashes of a table; `plen6` says how its keys are cut. */
struct book_hash {
	uint32_t *slot;
	uint8_t plen6;
};

static struct book_hash by_key(const struct mr_entry_table *t)
{
	return (struct book_hash){ t->slot, 128 };
}
static struct book_hash by_group(const struct mr_entry_table *t)
{
	return (struct book_hash){ t->group, t->group_plen6 };
}

/* The slot that holds the key, or the empty one where it would go. */
static uint32_t hash_slot(const struct mr_entry_table *t, struct book_hash h,
			  const struct mr_entry_key *k)
{
	uint32_t s = key_hash(t, k) & t->mask;

	for (; h.slot[s]; s = (s + 1) & t->mask) {
		struct mr_entry_key other = key_cut(t->item[h.slot[s] - 1].key, h.plen6);

		if (memcmp(&other, k, sizeof(other)) == 0)
			break;
	}
	return s;
}

/* Empties a slot and moves up what a search would no longer reach. */
static void hash_clear(const struct mr_entry_table *t, struct book_hash h, uint32_t s)
{
	uint32_t hole = s;

	for (;;) {
		struct mr_entry_key k;
		uint32_t home;

		s = (s + 1) & t->mask;
		if (!h.slot[s])
			break;
		k = key_cut(t->item[h.slot[s] - 1].key, h.plen6);
		home = key_hash(t, &k) & t->mask;
		if (((s - home) & t->mask) >= ((s - hole) & t->mask)) {
			h.slot[hole] = h.slot[s];
			hole = s;
		}
	}
	h.slot[hole] = 0;
}

struct mr_entry_item *mr_entry_table_find(const struct mr_entry_table *t,
					  const struct mr_entry_key *k)
{
	uint32_t s = hash_slot(t, by_key(t), k);

	return t->slot[s] ? &t->item[t->slot[s] - 1] : NULL;
}

void mr_entry_table_expect(const struct mr_entry_table *t, const struct mr_entry_key *k)
{
	__builtin_prefetch(&t->slot[key_hash(t, k) & t->mask]);
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
		if (down + 1 < t->used && t->heap[down + 1].expires < t->heap[down].expires)
			down++;
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
	return t->group && t->group_plen6 < t->plen6 && !mr_addr_is4(&a);
}

static void group_add(struct mr_entry_table *t, uint32_t n)
{
	struct mr_entry_item *i = &t->item[n];
	struct mr_entry_key k;
	uint32_t s, first;

	i->prev = i->next = MR_ENTRY_NONE;
	if (!grouped(t, &i->key))
		return;
	k = key_cut(i->key, t->group_plen6);
	s = hash_slot(t, by_group(t), &k);
	first = t->group[s] - 1; /* an empty slot is 0: MR_ENTRY_NONE */
	i->next = first;
	if (first != MR_ENTRY_NONE)
		t->item[first].prev = n;
	t->group[s] = n + 1;
}

static void group_remove(struct mr_entry_table *t, uint32_t n)
{
	struct mr_entry_item *i = &t->item[n];
	struct mr_entry_key k;
	uint32_t s;

	if (!grouped(t, &i->key))
		return;
	if (i->next != MR_ENTRY_NONE)
		t->item[i->next].prev = i->prev;
	if (i->prev != MR_ENTRY_NONE) {
		t->item[i->prev].next = i->next;
		return;
	}
	k = key_cut(i->key, t->group_plen6);
	s = hash_slot(t, by_group(t), &k);
	if (i->next != MR_ENTRY_NONE)
		t->group[s] = i->next + 1;
	else
		hash_clear(t, by_group(t), s);
}

uint32_t mr_entry_table_group(const struct mr_entry_table *t, const struct mr_entry_key *prefix)
{
	return t->group ? t->group[hash_slot(t, by_group(t), prefix)] - 1 : MR_ENTRY_NONE;
}

/* --- tables ----------------------------------------------------------------------------------- */

void mr_entry_table_clear(struct mr_entry_table *t)
{
	free(t->item);
	free(t->heap);
	free(t->slot);
	free(t->group);
	free(t->live);
	memset(t, 0, sizeof(*t));
}

int mr_entry_table_init(struct mr_entry_table *t, uint32_t max, uint8_t plen6, uint8_t group_plen6,
			bool groups)
{
	size_t slots = 16;
	uint64_t seed[2];

	if (max == 0 || max > MR_ENTRY_NONE / 4 || plen6 > 128 || group_plen6 > 128)
		return -EINVAL;
	while (slots < (size_t)max * 2)
		slots *= 2;
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -EIO;
	*t = (struct mr_entry_table){ .seed = { seed[0], seed[1] },
				      .mask = (uint32_t)slots - 1,
				      .max = max,
				      .free = MR_ENTRY_NONE,
				      .plen6 = plen6,
				      .group_plen6 = group_plen6 };
	t->item = calloc(max, sizeof(*t->item));
	t->heap = calloc(max, sizeof(*t->heap));
	t->slot = calloc(slots, sizeof(*t->slot));
	t->group = groups ? calloc(slots, sizeof(*t->group)) : NULL;
	t->live = calloc(max / 64 + 1, sizeof(*t->live));
	if (!t->live || !t->item || !t->heap || !t->slot || (groups && !t->group)) {
		mr_entry_table_clear(t);
		return -ENOMEM;
	}
	return 0;
}

static void hold(struct mr_entry_table *t, uint64_t services, bool more)
{
	for (uint64_t left = services == UINT64_MAX ? 0 : services; left; left &= left - 1)
		t->holders[__builtin_ctzll(left)] += more ? 1 : UINT32_MAX;
}

void mr_entry_table_set(struct mr_entry_table *t, struct mr_entry_item *i, const struct mr_entry *v)
{
	hold(t, i->v.services, false);
	hold(t, v->services, true);
	i->v = *v;
	heap_put(t, i->heap, (struct mr_entry_end){ v->expires, t->heap[i->heap].item });
}

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
	t->slot[hash_slot(t, by_key(t), k)] = n + 1;
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
	hold(t, i->v.services, false);
	group_remove(t, n);
	hash_clear(t, by_key(t), hash_slot(t, by_key(t), &i->key));
	t->used--;
	if (place != t->used)
		heap_put(t, place, t->heap[t->used]);
	i->heap = MR_ENTRY_NONE;
	i->next = t->free;
	t->free = n;
}
