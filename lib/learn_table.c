// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_table.c - a bounded hash table that forgets what was not touched for long (learn_table.h).
 *
 * Records and buckets are two arrays as large as the bound from the start: the kernel gives memory
 * to the pages that are used, nothing is ever rehashed, no event waits for it, and records keep
 * their address.  What goes when the table is full is found by second chance (the "clock" of
 * virtual memory): a hand walks the records, takes the mark of those that were touched since it
 * came by, and stops at the first without.  A list by age would touch two more cache lines each
 * time.  Used by learn*.c only.  Never logs; fails with NULL or -ENOMEM and is then as it was.
 */
#include "learn_table.h"

#include <string.h>
#include <sys/random.h>

struct mr_learn_table {
	uint64_t secret[2];
	uint64_t forgotten;
	size_t max, count, mask;
	size_t high; /* records from here on were never used */
	size_t hand;
	uint32_t free; /* index + 1 of the first free record below `high`; 0: none */
	struct mr_learn_item *item;
	uint32_t *bucket; /* index + 1; 0: empty */
};

int mr_learn_table_new(size_t max, struct mr_learn_table **out)
{
	struct mr_learn_table *t = calloc(1, sizeof(*t));
	size_t buckets = 1;

	while (buckets < max)
		buckets *= 2;
	if (t) {
		t->item = calloc(max, sizeof(*t->item));
		t->bucket = calloc(buckets, sizeof(*t->bucket));
	}
	if (!t || !t->item || !t->bucket) {
		mr_learn_table_free(t);
		return -ENOMEM;
	}
	t->max = max;
	t->mask = buckets - 1;
	/* without entropy at early boot the secret is weak, and the table still works */
	if (getrandom(t->secret, sizeof(t->secret), GRND_NONBLOCK) != sizeof(t->secret))
		t->secret[0] = (uint64_t)(uintptr_t)t ^ mr_realtime_us();
	*out = t;
	return 0;
}

static void clear_marks(struct mr_learn_item *r)
{
	if (r->mark != &r->first)
		free(r->mark);
}

void mr_learn_table_free(struct mr_learn_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->high; i++)
		if (t->item[i].used)
			clear_marks(&t->item[i]);
	free(t->item);
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
static uint64_t hash_with(uint64_t k0, uint64_t k1, const void *p, size_t n)
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
	key[0] = hash_with(t->secret[0] ^ kind, t->secret[1], p, n);
	/* a second hash of the whole string, keyed otherwise: 128 bits that do not collide */
	key[1] = hash_with(t->secret[1], t->secret[0] ^ kind, p, n);
}

void mr_learn_table_drop(struct mr_learn_table *t, struct mr_learn_item *r)
{
	uint32_t *p = &t->bucket[r->key[0] & t->mask], index = (uint32_t)(r - t->item) + 1;

	while (*p != index)
		p = &t->item[*p - 1].next;
	*p = r->next;
	clear_marks(r);
	*r = (struct mr_learn_item){ .next = t->free };
	t->free = index;
	t->count--;
}

static void forget_one(struct mr_learn_table *t)
{
	struct mr_learn_item *r;

	for (;;) {
		r = &t->item[t->hand];
		t->hand = t->hand + 1 == t->max ? 0 : t->hand + 1;
		if (!r->used)
			continue;
		if (!r->touched)
			break;
		r->touched = false;
	}
	mr_learn_table_drop(t, r);
	t->forgotten++;
}

struct mr_learn_item *mr_learn_table_get(struct mr_learn_table *t, const uint64_t key[2], bool make)
{
	uint32_t *b = &t->bucket[key[0] & t->mask], i;
	struct mr_learn_item *r;

	for (i = *b; i; i = r->next) {
		r = &t->item[i - 1];
		if (r->key[0] == key[0] && r->key[1] == key[1]) {
			r->touched = true;
			return r;
		}
	}
	if (!make)
		return NULL;
	if (t->count == t->max)
		forget_one(t);
	if (t->free) {
		i = t->free;
		t->free = t->item[i - 1].next;
	} else {
		i = (uint32_t)++t->high;
	}
	r = &t->item[i - 1];
	/* touched: several records are used together, and making one must not take another */
	*r = (struct mr_learn_item){
		.key = { key[0], key[1] }, .room = 1, .next = *b, .used = true, .touched = true
	};
	r->mark = &r->first;
	*b = i;
	t->count++;
	return r;
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
	if (r->marks == r->room) {
		uint32_t room = r->room * 4;
		struct mr_learn_mark *old = r->mark == &r->first ? NULL : r->mark;
		struct mr_learn_mark *m = realloc(old, room * sizeof(*m));

		if (!m)
			return -ENOMEM;
		if (!old)
			m[0] = r->first;
		r->mark = m;
		r->room = room;
	}
	r->mark[r->marks++] = (struct mr_learn_mark){ at, what };
	return 0;
}

void mr_learn_marks_expire(struct mr_learn_item *r, uint64_t limit)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->marks; i++)
		if (r->mark[i].at > limit)
			r->mark[n++] = r->mark[i];
	r->marks = n;
}

void mr_learn_marks_remove(struct mr_learn_item *r, uint64_t what)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->marks; i++)
		if (r->mark[i].what != what)
			r->mark[n++] = r->mark[i];
	r->marks = n;
}

struct mr_learn_mark *mr_learn_marks_find(const struct mr_learn_item *r, uint64_t what)
{
	for (uint32_t i = 0; i < r->marks; i++)
		if (r->mark[i].what == what)
			return &r->mark[i];
	return NULL;
}
