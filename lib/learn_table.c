// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_table.c - a bounded hash table that forgets what is not needed any more (learn_table.h).
 *
 * Records and buckets are two arrays as large as the bound from the start: the kernel gives memory
 * to the pages that are used, records keep their address, and no event ever waits for a rehash.
 *
 *  - Buckets come one at a time, as records do: each new one takes from one that stands what now
 *    belongs to it (linear hashing, Litwin 1980).  So few records need few pages, and few cache
 *    lines.
 *  - Whoever makes a record looks at the next SWEEP of them all, in order, and takes away those
 *    that nobody needs any more.  The array grows to a third above what is needed at a time,
 * however long a log is.
 *  - What goes when the table is full is found by second chance (the "clock" of virtual memory): a
 *    hand walks the records, takes the mark of those that were touched since it came by, and stops
 *    at the first without.  A list by age would touch two more cache lines each time.
 *
 * Used by learn*.c only.  Never logs; fails with NULL or -ENOMEM and is then as it was.
 */
#include "learn_table.h"

#include <string.h>
#include <sys/random.h>

#define SWEEP	   4 /* records looked at for each that is made */
#define TICK_SHIFT 30 /* nanoseconds to ticks of 1.07 s: 32 bits of them are 146 years */
#define FRESH	   2 /* ticks that a record is kept in which nobody says how long */
#define BUCKETS	   64 /* of an empty table */
#define LOAD	   4 /* buckets for each record: who is not there mostly has an empty one */
#define HAND_STEPS 1024 /* records the hand passes before it takes a touched one: about 20 us */
#define RECENT	   8 /* a power of two; records that one event may hold on to at the same time */

struct mr_learn_table {
	uint64_t secret[2];
	uint64_t forgotten;
	size_t max, count;
	size_t high; /* records from here on were never used */
	size_t hand; /* looks for what was not touched for long */
	size_t broom; /* looks for what is not needed any more */
	size_t buckets, mask; /* mask: the least 2^n - 1 that reaches the last bucket */
	uint32_t free; /* index + 1 of the first free record below `high`; 0: none */
	struct mr_learn_item *item;
	void *items; /* the block that `item` is the aligned part of */
	uint32_t *bucket; /* index + 1; 0: empty */
	uint32_t recent[RECENT], turn; /* index + 1 of what was asked for last */
};

int mr_learn_table_new(size_t max, struct mr_learn_table **out)
{
	struct mr_learn_table *t = calloc(1, sizeof(*t));
	const size_t line = _Alignof(struct mr_learn_item);

	if (t) {
		t->items = calloc(max + 1, sizeof(*t->item));
		t->bucket = calloc(max * LOAD + BUCKETS, sizeof(*t->bucket));
	}
	if (!t || !t->items || !t->bucket) {
		mr_learn_table_free(t);
		return -ENOMEM;
	}
	t->item = (void *)(((uintptr_t)t->items + line - 1) & ~(uintptr_t)(line - 1));
	t->max = max;
	t->buckets = BUCKETS;
	t->mask = BUCKETS - 1;
	/* without entropy at early boot the secret is weak, and the table still works */
	if (getrandom(t->secret, sizeof(t->secret), GRND_NONBLOCK) != sizeof(t->secret))
		t->secret[0] = (uint64_t)(uintptr_t)t ^ mr_realtime_us();
	*out = t;
	return 0;
}

static void clear_marks(struct mr_learn_item *r)
{
	if (r->room)
		free(r->more);
}

void mr_learn_table_free(struct mr_learn_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->high; i++)
		clear_marks(&t->item[i]);
	free(t->items);
	free(t->bucket);
	free(t);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t p = (__uint128_t)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* Multiply and fold, eight bytes a step, keyed; the constants are odd and have no structure (the
 * first digits of pi and of e as 64-bit fractions). */
static inline __attribute__((always_inline)) uint64_t hash_with(uint64_t k0, uint64_t k1,
								const void *p, size_t n)
{
	const uint8_t *s = p;
	uint64_t h = k0 ^ n, v;

	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&v, s, 8);
		h = mix(h ^ v ^ 0x243f6a8885a308d3u, k1 ^ 0xb7e151628aed2a6bu);
	}
	v = 0;
	if (n)
		memcpy(&v, s, n);
	h = mix(h ^ v ^ 0x243f6a8885a308d3u, k1 ^ 0xb7e151628aed2a6bu);
	return mix(h ^ 0x9e3779b97f4a7c15u, 0xb7e151628aed2a6bu ^ k0);
}

uint64_t mr_learn_table_hash(const struct mr_learn_table *t, const void *p, size_t n)
{
	return hash_with(t->secret[0], t->secret[1], p, n);
}

void mr_learn_table_key(const struct mr_learn_table *t, uint32_t kind, const void *p, size_t n,
			uint64_t key[2])
{
	uint64_t k0 = t->secret[0] ^ kind, k1 = t->secret[1];

	/* a second hash of the whole string, keyed otherwise: 128 bits that do not collide */
	if (n == 16) { /* an address: without loops */
		key[0] = hash_with(k0, k1, p, 16);
		key[1] = hash_with(k1, k0, p, 16);
	} else {
		key[0] = hash_with(k0, k1, p, n);
		key[1] = hash_with(k1, k0, p, n);
	}
}

static uint32_t *bucket_of(const struct mr_learn_table *t, const uint64_t key[2])
{
	size_t i = key[0] & t->mask;

	return &t->bucket[i < t->buckets ? i : i & t->mask >> 1];
}

/* One bucket more: takes its records out of the one that had them. */
static void add_bucket(struct mr_learn_table *t)
{
	size_t fresh = t->buckets, mask = fresh > t->mask ? 2 * t->mask + 1 : t->mask;
	uint32_t *from = &t->bucket[fresh & mask >> 1], *to = &t->bucket[fresh], i;

	while ((i = *from)) {
		struct mr_learn_item *r = &t->item[i - 1];

		if ((r->key[0] & mask) == fresh) {
			*from = r->next;
			*to = i;
			to = &r->next;
			*to = 0;
		} else {
			from = &r->next;
		}
	}
	t->buckets++;
	t->mask = mask;
}

void mr_learn_table_drop(struct mr_learn_table *t, struct mr_learn_item *r)
{
	uint32_t *p = bucket_of(t, r->key), index = (uint32_t)(r - t->item) + 1;

	while (*p != index)
		p = &t->item[*p - 1].next;
	*p = r->next;
	clear_marks(r);
	*r = (struct mr_learn_item){ .next = t->free };
	t->free = index;
	t->count--;
}

static uint32_t ticks(uint64_t ns)
{
	return ns >> TICK_SHIFT < UINT32_MAX ? (uint32_t)(ns >> TICK_SHIFT) : UINT32_MAX;
}

void mr_learn_table_keep(struct mr_learn_item *r, uint64_t until)
{
	uint32_t t = ticks(until);

	if (r->keep < t)
		r->keep = t;
}

/* An event holds on to it, perhaps: it was asked for a moment ago. */
static bool in_use(const struct mr_learn_table *t, const struct mr_learn_item *r)
{
	for (size_t i = 0; i < RECENT; i++)
		if (t->recent[i] == (uint32_t)(r - t->item) + 1)
			return true;
	return false;
}

static void sweep(struct mr_learn_table *t, uint32_t now)
{
	size_t at = t->broom;

	for (size_t i = 0; i < SWEEP && i < t->high; i++) {
		struct mr_learn_item *r = &t->item[at];

		if (r->keep < now && r->used && !in_use(t, r))
			mr_learn_table_drop(t, r);
		at = at + 1 >= t->high ? 0 : at + 1;
	}
	t->broom = at;
}

/* A storm of strangers leaves every record touched: the hand does not walk them all for one. */
static void forget_one(struct mr_learn_table *t)
{
	struct mr_learn_item *r;

	for (size_t n = 0;; n++) {
		r = &t->item[t->hand];
		t->hand = t->hand + 1 == t->max ? 0 : t->hand + 1;
		if (!r->used)
			continue;
		if (!r->touched || (n >= HAND_STEPS && !in_use(t, r)))
			break;
		r->touched = false;
	}
	mr_learn_table_drop(t, r);
	t->forgotten++;
}

static struct mr_learn_item *make_one(struct mr_learn_table *t, const uint64_t key[2], uint32_t now)
{
	struct mr_learn_item *r;
	uint32_t *b, i;

	sweep(t, now);
	if (t->count == t->max)
		forget_one(t);
	for (int n = 0; n < LOAD && t->count * LOAD >= t->buckets && t->buckets < t->max * LOAD;
	     n++)
		add_bucket(t);
	if (t->free) {
		i = t->free;
		t->free = t->item[i - 1].next;
	} else {
		i = (uint32_t)++t->high;
	}
	r = &t->item[i - 1];
	b = bucket_of(t, key);
	/* touched: several records are used together, and making one must not take another */
	*r = (struct mr_learn_item){ .key = { key[0], key[1] },
				     .next = *b,
				     .keep = now + FRESH,
				     .used = true,
				     .touched = true };
	*b = i;
	t->recent[t->turn++ % RECENT] = i;
	t->count++;
	return r;
}

struct mr_learn_item *mr_learn_table_get(struct mr_learn_table *t, const uint64_t key[2], bool make,
					 uint64_t now)
{
	struct mr_learn_item *r;

	for (uint32_t i = *bucket_of(t, key); i; i = r->next) {
		r = &t->item[i - 1];
		if (r->key[0] == key[0] && r->key[1] == key[1]) {
			r->touched = true;
			t->recent[t->turn++ % RECENT] = i;
			return r;
		}
	}
	return make ? make_one(t, key, ticks(now)) : NULL;
}

void mr_learn_table_secret(const struct mr_learn_table *t, uint64_t out[2])
{
	memcpy(out, t->secret, sizeof(t->secret));
}

void mr_learn_table_rekey(struct mr_learn_table *t, const uint64_t secret[2])
{
	memcpy(t->secret, secret, sizeof(t->secret));
}

size_t mr_learn_table_count(const struct mr_learn_table *t)
{
	return t->count;
}

uint64_t mr_learn_table_forgotten(const struct mr_learn_table *t)
{
	return t->forgotten;
}

struct mr_learn_item *mr_learn_table_walk(const struct mr_learn_table *t, struct mr_learn_item *r)
{
	size_t i = r ? (size_t)(r - t->item) + 1 : 0;

	while (i < t->high && !t->item[i].used)
		i++;
	return i < t->high ? &t->item[i] : NULL;
}

int mr_learn_marks_add(struct mr_learn_item *r, uint64_t at, uint64_t what)
{
	if (r->marks == 1u << r->room) {
		uint8_t room = r->room + 2;
		struct mr_learn_mark *m = realloc(r->room ? r->more : NULL, sizeof(*m) << room);

		if (!m)
			return -ENOMEM;
		if (!r->room)
			m[0] = r->first;
		r->more = m;
		r->room = room;
	}
	mr_learn_marks(r)[r->marks++] = (struct mr_learn_mark){ at, what };
	return 0;
}

void mr_learn_marks_expire(struct mr_learn_item *r, uint64_t limit)
{
	struct mr_learn_mark *m = mr_learn_marks(r);
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->marks; i++)
		if (m[i].at > limit)
			m[n++] = m[i];
	r->marks = n;
}

void mr_learn_marks_remove(struct mr_learn_item *r, uint64_t what)
{
	struct mr_learn_mark *m = mr_learn_marks(r);
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->marks; i++)
		if (m[i].what != what)
			m[n++] = m[i];
	r->marks = n;
}

struct mr_learn_mark *mr_learn_marks_find(struct mr_learn_item *r, uint64_t what)
{
	struct mr_learn_mark *m = mr_learn_marks(r);

	for (uint32_t i = 0; i < r->marks; i++)
		if (m[i].what == what)
			return &m[i];
	return NULL;
}
