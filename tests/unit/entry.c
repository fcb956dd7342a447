// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry.c - the book of entries against a naive model, with the clock handed in.
 *
 * Needs nothing.  The callbacks fill a mirror that stands for the kernel's maps; after every phase
 * the mirror must hold exactly what the book holds.  MR_SEED repeats a random run.
 */
#include "_entry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <time.h>

#define SECOND 1000000000ull

static void test_life(void **state _unused_)
{
	struct mr_book *b = entry_book(10, 10, 128, 64);
	struct mr_prefix p;
	size_t dropped;
	uint64_t next;

	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.1", 10 * SECOND, SECOND, &p), 0);
	assert_int_equal(p.plen, 128);
	assert_true(entry_has(b, MR_PERMIT, "192.0.2.1", 10 * SECOND - 1));
	assert_false(entry_has(b, MR_PERMIT, "192.0.2.1", 10 * SECOND));
	assert_false(entry_has(b, MR_BAN, "192.0.2.1", SECOND));
	/* learning never shortens, the last word by hand does */
	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.1", 5 * SECOND, 2 * SECOND, NULL), 0);
	assert_true(entry_has(b, MR_PERMIT, "192.0.2.1", 9 * SECOND));
	struct mr_addr a = entry_addr("192.0.2.1");
	struct mr_entry hand = { .expires = 4 * SECOND, .services = 3, .origin = MR_ORIGIN_HAND };

	assert_int_equal(mr_book_add(b, MR_PERMIT, &a, &hand, 2 * SECOND, NULL), 0);
	assert_false(entry_has(b, MR_PERMIT, "192.0.2.1", 5 * SECOND));
	assert_int_equal(mr_book_find(b, MR_PERMIT, &a, 3 * SECOND, NULL)->services, 3);
	entry_same(b);
	assert_int_equal(mr_book_sweep(b, 3 * SECOND, 100, &dropped, &next), 0);
	assert_int_equal(dropped, 0);
	assert_int_equal(next, 4 * SECOND);
	assert_int_equal(mr_book_sweep(b, 4 * SECOND, 100, &dropped, &next), 0);
	assert_int_equal(dropped, 1);
	assert_true(next == UINT64_MAX);
	assert_int_equal(entry_mirror.n[MR_PERMIT], 0);
	mr_book_free(b);
}

/* More than one call of the kernel takes, live ones among them; what it refuses stays. */
static void test_sweep(void **state _unused_)
{
	struct mr_book *b = entry_book(1000, 10, 128, 64);
	uint64_t next = 0;
	size_t dropped = 0;
	char text[32];

	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "192.0.%u.%u", i / 256, i % 256);
		entry_add(b, MR_PERMIT, text, (i % 10 == 3 ? 9 : 2 + i % 3) * SECOND, SECOND, NULL);
	}
	entry_mirror.refuse_many = -EIO;
	assert_int_equal(mr_book_sweep(b, 5 * SECOND, SIZE_MAX, &dropped, &next), -EIO);
	entry_same(b);
	assert_true(entry_has(b, MR_PERMIT, "192.0.0.2", SECOND));
	entry_mirror.refuse_many = 0;
	assert_int_equal(mr_book_sweep(b, 5 * SECOND, 100, &dropped, &next), 0);
	assert_int_equal(dropped, 100);
	assert_true(next <= 5 * SECOND);
	entry_same(b);
	assert_int_equal(mr_book_sweep(b, 5 * SECOND, SIZE_MAX, &dropped, &next), 0);
	assert_int_equal(dropped, 800);
	assert_int_equal(next, 9 * SECOND);
	assert_int_equal(entry_mirror.n[MR_PERMIT], 100);
	entry_same(b);
	mr_book_free(b);
}

static void test_full(void **state _unused_)
{
	struct mr_book *b = entry_book(2, 2, 128, 64);
	struct mr_book_stats s;

	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.1", 10, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.2", 20, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.3", 30, 1, NULL), -E2BIG);
	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.2", 30, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.3", 30, 10, NULL),
			 0); /* the first ran out */
	assert_int_equal(entry_add(b, MR_BAN, "192.0.2.1", 30, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_BAN, "192.0.2.2", 20, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_BAN, "192.0.2.3", 40, 1, NULL), 0);
	assert_true(entry_has(b, MR_BAN, "192.0.2.1", 1));
	assert_false(entry_has(b, MR_BAN, "192.0.2.2", 1)); /* ended first, given up */
	mr_book_stats(b, &s);
	assert_int_equal(s.permits_refused, 1);
	assert_int_equal(s.bans_evicted, 1);
	/* the kernel's map is smaller than the book */
	entry_mirror.room[MR_BAN] = 2;
	mr_book_free(b);
	b = entry_book(2, 5, 128, 64);
	entry_mirror.room[MR_BAN] = 1;
	assert_int_equal(entry_add(b, MR_BAN, "192.0.2.1", 30, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_BAN, "192.0.2.2", 20, 1, NULL), 0);
	assert_false(entry_has(b, MR_BAN, "192.0.2.1", 1));
	entry_same(b);
	/* what the callback refuses does not happen */
	entry_mirror.refuse = -EIO;
	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.9", 30, 1, NULL), -EIO);
	assert_false(entry_has(b, MR_PERMIT, "192.0.2.9", 1));
	entry_mirror.refuse = 0;
	entry_same(b);
	mr_book_free(b);
}

static void test_width(void **state _unused_)
{
	struct mr_book *b = entry_book(10, 10, 128, 64);
	struct mr_prefix p;
	struct mr_addr a = entry_addr("2001:db8::7");

	assert_int_equal(entry_add(b, MR_BAN, "2001:db8::1", 100, 1, &p), 0);
	assert_int_equal(p.plen, 64);
	assert_true(entry_has(b, MR_BAN, "2001:db8::ffff", 1));
	assert_false(entry_has(b, MR_BAN, "2001:db8:0:1::1", 1));
	assert_int_equal(mr_book_delete(b, MR_BAN, &a), 0); /* any address of the prefix */
	assert_false(entry_has(b, MR_BAN, "2001:db8::1", 1));
	assert_int_equal(mr_book_delete(b, MR_BAN, &a), -ENOENT);
	/* a live permit under the prefix: the ban falls back to the address */
	assert_int_equal(entry_add(b, MR_PERMIT, "2001:db8::5", 50, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_PERMIT, "2001:db8::6", 60, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_BAN, "2001:db8::1", 100, 1, &p), 0);
	assert_int_equal(p.plen, 128);
	assert_true(entry_has(b, MR_BAN, "2001:db8::1", 1));
	assert_false(entry_has(b, MR_BAN, "2001:db8::2", 1));
	/* the prefix's first address alone must not read as the prefix */
	assert_int_equal(entry_add(b, MR_BAN, "2001:db8::", 100, 1, &p), 0);
	assert_int_equal(p.plen, 128);
	assert_false(entry_has(b, MR_BAN, "2001:db8::2", 1));
	/* permits that ran out do not count, swept or not */
	assert_int_equal(entry_add(b, MR_BAN, "2001:db8::3", 100, 60, &p), 0);
	assert_int_equal(p.plen, 64);
	assert_true(entry_has(b, MR_BAN, "2001:db8::2", 60));
	entry_same(b);
	mr_book_free(b);
	/* IPv4-mapped keys are never cut */
	b = entry_book(10, 10, 128, 64);
	assert_int_equal(entry_add(b, MR_BAN, "192.0.2.1", 100, 1, &p), 0);
	assert_int_equal(p.plen, 128);
	assert_false(entry_has(b, MR_BAN, "192.0.2.2", 1));
	mr_book_free(b);
}

/* All of it, in steps of one entry; *lost found no room.  `good`: the switch succeeds. */
/* A lower limit ends nothing; it counts for those that come. */
static void test_limits(void **state _unused_)
{
	struct mr_book *b = entry_book(4, 4, 128, 64);
	struct mr_book_limits less = { 2, 2, 128, 64 };
	struct mr_book_stats s;

	entry_add(b, MR_PERMIT, "192.0.2.1", 50, 1, NULL);
	entry_add(b, MR_PERMIT, "192.0.2.2", 50, 1, NULL);
	entry_add(b, MR_PERMIT, "192.0.2.3", 50, 1, NULL);
	entry_add(b, MR_BAN, "192.0.2.1", 51, 1, NULL);
	entry_add(b, MR_BAN, "192.0.2.2", 52, 1, NULL);
	entry_add(b, MR_BAN, "192.0.2.3", 53, 1, NULL);
	assert_int_equal(mr_book_rekey_begin(b, &less), 0);
	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.4", 50, 1, NULL), -E2BIG);
	assert_int_equal(entry_add(b, MR_PERMIT, "192.0.2.3", 60, 1, NULL), 0);
	assert_int_equal(entry_add(b, MR_BAN, "192.0.2.4", 54, 1, NULL), 0);
	mr_book_stats(b, &s);
	assert_int_equal(s.permits, 3);
	assert_int_equal(s.bans, 3);
	assert_int_equal(s.bans_evicted, 1);
	assert_false(entry_has(b, MR_BAN, "192.0.2.1", 1));
	entry_same(b);
	mr_book_free(b);
}

static void test_adopt(void **state _unused_)
{
	struct mr_book *b = entry_book(10, 10, 128, 64);
	struct mr_addr a = entry_addr("192.0.2.1");
	struct mr_entry_key k = mr_entry_key(&a, 128);
	struct mr_entry v = { .expires = 10, .plen = 32 };

	assert_int_equal(mr_book_adopt(b, MR_PERMIT, &k, &v), 0);
	assert_int_equal(entry_mirror.n[MR_PERMIT], 0);
	assert_int_equal(mr_book_adopt(b, MR_PERMIT, &k, &v), -EEXIST);
	assert_true(entry_has(b, MR_PERMIT, "192.0.2.1", 9));
	mr_book_free(b);
}

/* --- random operations against arrays --------------------------------------------------------- */

struct model {
	struct mr_addr a[2][512];
	uint64_t expires[2][512];
	size_t n[2];
};

static void model_put(struct model *m, enum mr_entry_kind kind, const struct mr_addr *a,
		      uint64_t expires)
{
	size_t i;

	for (i = 0; i < m->n[kind]; i++)
		if (memcmp(&m->a[kind][i], a, sizeof(*a)) == 0)
			break;
	if (i == m->n[kind]) {
		m->n[kind]++;
		m->expires[kind][i] = 0;
	}
	m->a[kind][i] = *a;
	if (expires > m->expires[kind][i])
		m->expires[kind][i] = expires;
}

static uint64_t model_find(const struct model *m, enum mr_entry_kind kind, const struct mr_addr *a)
{
	for (size_t i = 0; i < m->n[kind]; i++)
		if (memcmp(&m->a[kind][i], a, sizeof(*a)) == 0)
			return m->expires[kind][i];
	return 0;
}

static void model_delete(struct model *m, enum mr_entry_kind kind, const struct mr_addr *a)
{
	for (size_t i = 0; i < m->n[kind]; i++)
		if (memcmp(&m->a[kind][i], a, sizeof(*a)) == 0)
			m->expires[kind][i] = 0;
}

/* A step of other prefix lengths; the addresses differ in either. */
static void rekey_some(struct mr_book *b, int *phase)
{
	uint8_t plen6 = *phase / 3 % 2 ? 128 : 64;
	struct mr_book_limits l = { 512, 512, plen6, plen6 };
	size_t lost, narrowed;

	switch (*phase % 3) {
	case 0:
		assert_int_equal(mr_book_rekey_begin(b, &l), 1);
		++*phase;
		break;
	case 1:
		if (mr_book_rekey_fill(b, (size_t)(random() % 8)))
			break;
		++*phase;
		if (random() % 4 == 0) {
			mr_book_rekey_give_up(b);
			*phase += 3;
			break;
		}
		mr_book_rekey_switch(b, &lost, &narrowed);
		assert_int_equal(lost, 0);
		break;
	default:
		*phase += !mr_book_rekey_clear(b, (size_t)(1 + random() % 8));
	}
}

/* To the end of it, and single addresses again: under a prefix an address may have two bans. */
static void rekey_end(struct mr_book *b, int *phase)
{
	struct mr_book_limits single = { 512, 512, 128, 128 };
	size_t lost, narrowed;

	while (*phase % 3)
		rekey_some(b, phase);
	if (mr_book_rekey_begin(b, &single) != 1)
		return;
	while (mr_book_rekey_fill(b, 100))
		;
	mr_book_rekey_switch(b, &lost, &narrowed);
	while (mr_book_rekey_clear(b, 100))
		;
}

static void test_random(void **state _unused_)
{
	const char *given = getenv("MR_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);
	struct mr_book *b = entry_book(512, 512, 128, 128);
	struct model *m = calloc(1, sizeof(*m));
	uint64_t now = 1;
	int phase = 0;

	print_message("# MR_SEED=%u\n", seed);
	srandom(seed);
	for (int step = 0; step < 40000; step++) {
		enum mr_entry_kind kind = random() % 2;
		struct mr_addr a =
			random() % 2
				? mr_addr_from4(0xc0000200u + random() % 200)
				: mr_addr_from6(0x20010db800000000ull + (uint64_t)(random() % 200),
						1);
		struct mr_entry v = { .expires = now + 1 + (uint64_t)(random() % 500),
				      .origin = MR_ORIGIN_LEARNED };

		if (random() % 4 == 0)
			rekey_some(b, &phase);
		switch (random() % 8) {
		case 0 ... 4:
			assert_int_equal(mr_book_add(b, kind, &a, &v, now, NULL), 0);
			if (model_find(m, kind, &a) <= now)
				model_delete(m, kind, &a);
			model_put(m, kind, &a, v.expires);
			break;
		case 5:
			mr_book_delete(b, kind, &a);
			model_delete(m, kind, &a);
			break;
		case 6:
			assert_int_equal(mr_book_sweep(b, now, 20, NULL, NULL), 0);
			break;
		default:
			now += (uint64_t)(random() % 5);
		}
		assert_int_equal(mr_book_find(b, kind, &a, now, NULL) != NULL,
				 model_find(m, kind, &a) > now);
	}
	rekey_end(b, &phase);
	entry_same(b);
	for (enum mr_entry_kind kind = MR_PERMIT; kind <= MR_BAN; kind++) {
		size_t removed = 1, live = 0;

		mr_book_sweep(b, now, SIZE_MAX, NULL, NULL);
		for (size_t i = 0; i < m->n[kind]; i++)
			live += m->expires[kind][i] > now;
		assert_int_equal(entry_mirror.n[kind], live);
		assert_int_equal(mr_book_flush(b, kind, 0, &removed), 0);
		assert_int_equal(removed, live);
	}
	entry_same(b);
	free(m);
	mr_book_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),   cmocka_unit_test(test_full),
		cmocka_unit_test(test_width),  cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_random), cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
