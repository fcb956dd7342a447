// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_table.c - a bounded hash table with least-recently-touched eviction (learn_table.h).
 *
 * Chained, so that records keep their address; the bucket array is as large as the bound from the
 * start, so nothing is ever rehashed and no event waits for it.  Used by learn*.c only.  Never
 * logs; fails with NULL or -ENOMEM and is then as it was.
 */
#include "learn_table.h"

#include <string.h>
#include <sys/random.h>

struct mr_learn_table {
	size_t max, count, buckets;
	uint64_t forgotten;
	uint64_t secret[2];
	struct mr_learn_item *newest, *oldest;
	struct mr_learn_item *bucket[];
};

int mr_learn_table_new(size_t max, struct mr_learn_table **out)
{
	struct mr_learn_table *t = calloc(1, sizeof(*t) + max * sizeof(t->bucket[0]));

	if (!t)
		return -ENOMEM;
	t->max = max;
	t->buckets = max;
	/* without entropy at early boot the secret is weak, and the table still works */
	if (getrandom(t->secret, sizeof(t->secret), GRND_NONBLOCK) != sizeof(t->secret))
		t->secret[0] = (uint64_t)(uintptr_t)t ^ mr_realtime_us();
	*out = t;
	return 0;
}

void mr_learn_table_free(struct mr_learn_table *t)
{
	if (!t)
		return;
	while (t->newest) {
		struct mr_learn_item *r = t->newest;

		t->newest = r->older;
		free(r->mark);
		free(r);
	}
	free(t);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t p = (__uint128_t)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* Multiply and fold, eight bytes a step, keyed; the constants are odd and have no structure (the
 * first digits of pi and of e as 64-bit fractions). */
uint64_t mr_learn_table_hash(const struct mr_learn_table *t, const void *p, size_t n)
{
	const uint8_t *s = p;
	uint64_t h = t->secret[0] ^ n, v;

	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&v, s, 8);
		h = mix(h ^ v ^ 0x243f6a8885a308d3u, t->secret[1] ^ 0xb7e151628aed2a6bu);
	}
	v = 0;
	if (n)
		memcpy(&v, s, n);
	h = mix(h ^ v ^ 0x243f6a8885a308d3u, t->secret[1] ^ 0xb7e151628aed2a6bu);
	return mix(h ^ 0x9e3779b97f4a7c15u, 0xb7e151628aed2a6bu ^ t->secret[0]);
}

static size_t bucket_of(const struct mr_learn_table *t, const uint64_t key[2])
{
	return mr_learn_table_hash(t, key, 16) % t->buckets;
}

static void unlink_age(struct mr_learn_table *t, struct mr_learn_item *r)
{
	*(r->newer ? &r->newer->older : &t->newest) = r->older;
	*(r->older ? &r->older->newer : &t->oldest) = r->newer;
}

static void link_newest(struct mr_learn_table *t, struct mr_learn_item *r)
{
	r->older = t->newest;
	r->newer = NULL;
	*(t->newest ? &t->newest->newer : &t->oldest) = r;
	t->newest = r;
}

void mr_learn_table_drop(struct mr_learn_table *t, struct mr_learn_item *r)
{
	struct mr_learn_item **p = &t->bucket[bucket_of(t, r->key)];

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	unlink_age(t, r);
	t->count--;
	free(r->mark);
	free(r);
}

struct mr_learn_item *mr_learn_table_get(struct mr_learn_table *t, const uint64_t key[2], bool make)
{
	size_t b = bucket_of(t, key);
	struct mr_learn_item *r;

	for (r = t->bucket[b]; r; r = r->next)
		if (r->key[0] == key[0] && r->key[1] == key[1])
			break;
	if (r) {
		unlink_age(t, r);
		link_newest(t, r);
		return r;
	}
	if (!make)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	if (t->count == t->max) {
		mr_learn_table_drop(t, t->oldest);
		t->forgotten++;
	}
	r->key[0] = key[0];
	r->key[1] = key[1];
	r->next = t->bucket[b];
	t->bucket[b] = r;
	link_newest(t, r);
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
	return r ? r->older : t->newest;
}

int mr_learn_marks_add(struct mr_learn_item *r, uint64_t at, uint64_t what)
{
	if (r->marks == r->room) {
		uint32_t room = r->room ? r->room * 2 : 4;
		struct mr_learn_mark *m = realloc(r->mark, room * sizeof(*m));

		if (!m)
			return -ENOMEM;
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

struct mr_learn_mark *mr_learn_marks_find(struct mr_learn_item *r, uint64_t what)
{
	for (uint32_t i = 0; i < r->marks; i++)
		if (r->mark[i].what == what)
			return &r->mark[i];
	return NULL;
}
