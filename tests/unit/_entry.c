// SPDX-License-Identifier: BSD-2-Clause
/*
 * _entry.c - a book of entries and its mirror, for tests (_entry.h).
 *
 * Whatever goes wrong here fails the test that called.
 */
#include "_entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct entry_mirror entry_mirror;
const char *entry_spared;

static int find(struct entry_mirror *m, enum mr_entry_kind kind, const struct mr_entry_key *k)
{
	for (int i = 0; i < ENTRY_MIRROR; i++)
		if (m->e[kind][i].used && memcmp(&m->e[kind][i].k, k, sizeof(*k)) == 0)
			return i;
	return -1;
}

static int put(enum mr_entry_kind kind, const struct mr_entry_key *k, const struct mr_entry *v,
	       void *userdata)
{
	struct entry_mirror *m = userdata;
	int i = find(m, kind, k);

	if (m->refuse)
		return m->refuse;
	if (i < 0 && m->n[kind] >= m->room[kind])
		return -E2BIG;
	if (i < 0) {
		for (i = 0; m->e[kind][i].used; i++)
			;
		m->n[kind]++;
	}
	m->e[kind][i].used = true;
	m->e[kind][i].k = *k;
	m->e[kind][i].v = *v;
	return 0;
}

static int del(enum mr_entry_kind kind, const struct mr_entry_key *k, void *userdata)
{
	struct entry_mirror *m = userdata;
	int i = find(m, kind, k);

	if (i < 0)
		return -ENOENT;
	m->e[kind][i].used = false;
	m->n[kind]--;
	return 0;
}

static int del_many(enum mr_entry_kind kind, const struct mr_entry_key *k, size_t n, void *userdata)
{
	struct entry_mirror *m = userdata;

	for (size_t i = 0; i < n && !m->refuse_many; i++)
		assert_int_equal(del(kind, &k[i], m), 0);
	return m->refuse_many;
}

struct mr_addr entry_addr(const char *text)
{
	struct mr_addr a;

	assert_int_equal(mr_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static bool spares(const struct mr_prefix *p, void *userdata _unused_)
{
	struct mr_addr a = entry_addr(entry_spared ? entry_spared : "::");

	return entry_spared && mr_prefix_contains(p, &a);
}

static const struct mr_book_ops ops = {
	.put = put, .del = del, .del_many = del_many, .spares = spares
};

struct mr_book *entry_book(uint32_t permits, uint32_t bans, uint8_t p6, uint8_t b6)
{
	struct mr_book_limits l = { permits, bans, p6, b6 };
	struct mr_book *b = NULL;

	memset(&entry_mirror, 0, sizeof(entry_mirror));
	entry_mirror.room[MR_PERMIT] = entry_mirror.room[MR_BAN] = ENTRY_MIRROR;
	assert_int_equal(mr_book_new(&l, &ops, &entry_mirror, &b), 0);
	return b;
}

void entry_same(struct mr_book *b)
{
	uint64_t held = 0;

	for (enum mr_entry_kind kind = MR_PERMIT; kind <= MR_BAN; kind++) {
		struct mr_entry_key k;
		struct mr_entry v;
		size_t cursor = 0, n = 0;

		while (mr_book_next(b, kind, &cursor, &k, &v, NULL)) {
			int i = find(&entry_mirror, kind, &k);

			assert_true(i >= 0);
			assert_memory_equal(&entry_mirror.e[kind][i].v, &v, sizeof(v));
			held |= v.services == UINT64_MAX ? 0 : v.services;
			n++;
		}
		assert_int_equal(n, entry_mirror.n[kind]);
	}
	assert_int_equal(mr_book_held(b), held);
}

int entry_add(struct mr_book *b, enum mr_entry_kind kind, const char *text, uint64_t expires,
	      uint64_t now, struct mr_prefix *keyed)
{
	struct mr_addr a = entry_addr(text);
	struct mr_entry v = {
		.expires = expires,
		.granted = now,
		.services = expires % 11 == 3 ? 5 : 1,
		.origin = MR_ORIGIN_LEARNED,
	};

	return mr_book_add(b, kind, &a, &v, now, keyed);
}

bool entry_has(struct mr_book *b, enum mr_entry_kind kind, const char *text, uint64_t now)
{
	struct mr_addr a = entry_addr(text);

	return mr_book_find(b, kind, &a, now, NULL) != NULL;
}
