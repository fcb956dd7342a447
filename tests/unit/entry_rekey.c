// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry_rekey.c - the book of entries under other prefix lengths: who keeps what, who is spared.
 *
 * Needs nothing.  After every change the mirror must hold exactly what the book holds; entry.c has
 * the random runs.
 */
#include "_entry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void rekey(struct mr_book *b, const struct mr_book_limits *l, bool good, size_t *lost)
{
	size_t narrowed;

	assert_int_equal(mr_book_rekey_begin(b, l), 1);
	assert_int_equal(mr_book_rekey_begin(b, l), -EBUSY);
	while (mr_book_rekey_fill(b, 1))
		;
	if (good)
		mr_book_rekey_switch(b, lost, &narrowed);
	else
		mr_book_rekey_give_up(b);
	while (mr_book_rekey_clear(b, 1))
		;
}

static void test_rekey(void **state _unused_)
{
	struct mr_book *b = entry_book(10, 10, 128, 64);
	struct mr_book_limits wide = { 10, 10, 56, 48 }, back = { 10, 10, 128, 64 };
	size_t lost = 9;

	entry_add(b, MR_PERMIT, "2001:db8:0:1::5", 50, 1, NULL);
	entry_add(b, MR_PERMIT, "2001:db8:0:2::6", 60, 1, NULL);
	entry_add(b, MR_PERMIT, "192.0.2.1", 60, 1, NULL);
	entry_add(b, MR_BAN, "2001:db8:1:1::1", 70, 1, NULL);
	entry_same(b);
	rekey(b, &wide, false, &lost);
	assert_true(entry_has(b, MR_PERMIT, "2001:db8:0:1::5", 1));
	assert_false(entry_has(b, MR_PERMIT, "2001:db8:0:1::9", 1));
	entry_same(b);
	rekey(b, &wide, true, &lost);
	assert_int_equal(lost, 0);
	assert_true(entry_has(b, MR_PERMIT, "2001:db8:0:3::1", 59)); /* both under one /56 */
	assert_true(entry_has(b, MR_PERMIT, "192.0.2.1", 59));
	assert_false(entry_has(b, MR_PERMIT, "192.0.2.2", 59));
	assert_true(entry_has(b, MR_BAN, "2001:db8:1:ffff::1", 1));
	entry_same(b);
	/* back to single addresses: those that the entries were made for */
	rekey(b, &back, true, &lost);
	assert_false(entry_has(b, MR_PERMIT, "2001:db8:0:3::1", 1));
	assert_true(entry_has(b, MR_PERMIT, "2001:db8:0:1::5", 1));
	assert_true(entry_has(b, MR_BAN, "2001:db8:1:1::9", 1));
	assert_false(entry_has(b, MR_BAN, "2001:db8:1:ffff::1", 1));
	entry_same(b);
	mr_book_free(b);
}

/* A ban of one address does not come to hit its neighbours, who may hold a permit. */
static void test_rekey_single_ban(void **state _unused_)
{
	struct mr_book *b = entry_book(10, 10, 128, 128);
	struct mr_book_limits wide = { 10, 10, 128, 64 };
	size_t lost = 9;

	entry_add(b, MR_PERMIT, "2001:db8:0:1::5", 50, 1, NULL);
	entry_add(b, MR_BAN, "2001:db8:0:1::6", 50, 1, NULL);
	entry_add(b, MR_BAN, "2001:db8:0:2::", 50, 1, NULL);
	rekey(b, &wide, true, &lost);
	assert_int_equal(lost, 0);
	assert_true(entry_has(b, MR_BAN, "2001:db8:0:1::6", 49));
	assert_false(entry_has(b, MR_BAN, "2001:db8:0:1::5", 1));
	assert_true(entry_has(b, MR_BAN, "2001:db8:0:2::", 49));
	assert_false(entry_has(b, MR_BAN, "2001:db8:0:2::1", 1));
	entry_same(b);
	mr_book_free(b);
}

/* A ban that would come to hit a permit, or who is spared, holds for its address alone. */
static void test_rekey_spares(void **state _unused_)
{
	struct mr_book_limits wide = { 10, 10, 128, 48 };
	struct mr_addr gone = entry_addr("2001:db8:1:3::7");

	for (int i = 0; i < 2; i++, wide.permit_plen6 = 48) {
		struct mr_book *b = entry_book(10, 10, 128, 64);
		size_t lost = 9, narrowed = 9;

		entry_spared = "2001:db8:2:9::1";
		entry_add(b, MR_PERMIT, "2001:db8:1:ff::5", 50, 1, NULL);
		entry_add(b, MR_BAN, "2001:db8:1:2::6", 50, 1, NULL); /* a permit nearby */
		entry_add(b, MR_BAN, "2001:db8:2:2::6", 50, 1, NULL); /* who is spared nearby */
		entry_add(b, MR_BAN, "2001:db8:3:2::6", 50, 1, NULL); /* nobody */
		entry_add(b, MR_BAN, "2001:db8:1:3::7", 50, 1, NULL);
		assert_int_equal(mr_book_rekey_begin(b, &wide), 1);
		/* what comes before the permits are all known waits for them */
		entry_add(b, MR_BAN, "2001:db8:1:4::8", 50, 1, NULL);
		while (mr_book_rekey_fill(b, 1))
			;
		assert_int_equal(mr_book_delete(b, MR_BAN, &gone), 0);
		mr_book_rekey_switch(b, &lost, &narrowed);
		while (mr_book_rekey_clear(b, 1))
			;
		assert_int_equal(lost, 0);
		assert_int_equal(narrowed, 4);
		assert_true(entry_has(b, MR_BAN, "2001:db8:1:2::6", 49));
		assert_false(entry_has(b, MR_BAN, "2001:db8:1:ff::5", 1));
		assert_true(entry_has(b, MR_BAN, "2001:db8:2:2::6", 49));
		assert_false(entry_has(b, MR_BAN, "2001:db8:2:9::1", 1));
		assert_true(entry_has(b, MR_BAN, "2001:db8:3:ffff::1", 49));
		assert_false(entry_has(b, MR_BAN, "2001:db8:1:3::7", 1));
		assert_true(entry_has(b, MR_BAN, "2001:db8:1:4::8", 49));
		entry_same(b);
		mr_book_free(b);
	}
	entry_spared = NULL;
}

/* Two bans that become one under a wider key: what is given up for want of room is one of them. */
static void test_rekey_evict(void **state _unused_)
{
	struct mr_book *b = entry_book(10, 3, 128, 64);
	struct mr_book_limits wide = { 10, 3, 128, 48 };
	size_t lost = 9, narrowed;

	entry_add(b, MR_BAN, "2001:db8:1:1::1", 50, 1, NULL);
	entry_add(b, MR_BAN, "2001:db8:1:2::1", 70, 1, NULL);
	entry_add(b, MR_BAN, "192.0.2.1", 60, 1, NULL);
	assert_int_equal(mr_book_rekey_begin(b, &wide), 1);
	while (mr_book_rekey_fill(b, 1))
		;
	entry_add(b, MR_BAN, "192.0.2.2", 60, 1, NULL);
	assert_false(entry_has(b, MR_BAN, "2001:db8:1:1::1", 1));
	assert_true(entry_has(b, MR_BAN, "2001:db8:1:2::1", 1));
	mr_book_rekey_switch(b, &lost, &narrowed);
	while (mr_book_rekey_clear(b, 1))
		;
	assert_true(entry_has(b, MR_BAN, "2001:db8:1:2::1", 69));
	entry_same(b);
	mr_book_free(b);
}

/* The book is used while its keys change. */
static void test_rekey_meanwhile(void **state _unused_)
{
	struct mr_book *b = entry_book(10, 10, 128, 64);
	struct mr_book_limits wide = { 10, 10, 56, 48 };
	struct mr_addr first = entry_addr("2001:db8:0:100::1"),
		       last = entry_addr("2001:db8:0:300::1");
	size_t lost = 9, narrowed, dropped;

	entry_add(b, MR_PERMIT, "2001:db8:0:100::1", 50, 1, NULL);
	entry_add(b, MR_PERMIT, "2001:db8:0:200::1", 5, 1, NULL);
	entry_add(b, MR_PERMIT, "2001:db8:0:300::1", 50, 1, NULL);
	entry_add(b, MR_PERMIT, "192.0.2.1", 50, 1, NULL);
	entry_add(b, MR_PERMIT, "192.0.2.2", 5, 1, NULL);
	assert_int_equal(mr_book_rekey_begin(b, &wide), 1);
	assert_int_equal(mr_book_rekey_fill(b, 5), 1);
	/* what was copied already: one goes, one lasts longer, two run out; one is new */
	assert_int_equal(mr_book_delete(b, MR_PERMIT, &first), 0);
	entry_add(b, MR_PERMIT, "192.0.2.1", 90, 2, NULL);
	assert_int_equal(mr_book_sweep(b, 6, 10, &dropped, NULL), 0);
	assert_int_equal(dropped, 2);
	entry_add(b, MR_PERMIT, "2001:db8:0:400::1", 60, 6, NULL);
	entry_add(b, MR_BAN, "2001:db8:1:1::1", 70, 6, NULL);
	assert_false(entry_has(b, MR_PERMIT, "2001:db8:0:400::2", 6)); /* not yet */
	while (mr_book_rekey_fill(b, 1))
		;
	mr_book_rekey_switch(b, &lost, &narrowed);
	assert_int_equal(lost, 0);
	assert_true(entry_has(b, MR_PERMIT, "2001:db8:0:4ff::2", 6));
	assert_false(entry_has(b, MR_PERMIT, "2001:db8:0:100::1", 6));
	assert_true(entry_has(b, MR_PERMIT, "2001:db8:0:3ff::1", 6));
	assert_true(entry_has(b, MR_PERMIT, "192.0.2.1", 80));
	assert_false(entry_has(b, MR_PERMIT, "192.0.2.2", 4));
	assert_true(entry_has(b, MR_BAN, "2001:db8:1:ffff::1", 6));
	/* a key that is to go, and one that came since */
	assert_int_equal(mr_book_rekey_clear(b, 1), 1);
	assert_int_equal(mr_book_delete(b, MR_PERMIT, &last), 0);
	entry_add(b, MR_PERMIT, "2001:db8:0:300::1", 60, 6, NULL);
	while (mr_book_rekey_clear(b, 1))
		;
	assert_true(entry_has(b, MR_PERMIT, "2001:db8:0:3ff::1", 6));
	assert_int_equal(mr_book_sweep(b, 7, 10, NULL, NULL), 0);
	entry_same(b);
	mr_book_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rekey),		cmocka_unit_test(test_rekey_single_ban),
		cmocka_unit_test(test_rekey_spares),	cmocka_unit_test(test_rekey_evict),
		cmocka_unit_test(test_rekey_meanwhile),
	};

	return cmocka_run_group_tests_name("entry_rekey", tests, NULL, NULL);
}
