// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry_parts.c - permits of two parts, by hand and learned: each service ends at its own time.
 *
 * Needs nothing.  The mirror stands for the kernel: what it holds may say too little for a moment,
 * never too much.  MR_SEED repeats the random run.
 */
#include "_entry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <time.h>

#define SECOND 1000000000ull
#define LEAD   200000000ull /* ns; MR_BOOK_LEAD */
#define IMAP   1u
#define SMTP   2u

static int give(struct mr_book *b, const struct mr_addr *a, uint8_t origin, uint64_t services,
		uint64_t expires, uint64_t now)
{
	struct mr_entry v = { .expires = expires,
			      .granted = now,
			      .services = services,
			      .user = origin,
			      .origin = origin };

	return mr_book_add(b, MR_PERMIT, a, &v, now, NULL);
}

/* What the packet program would let in. */
static uint64_t mirrored(const struct mr_entry_key *k, uint64_t now)
{
	for (int i = 0; i < ENTRY_MIRROR; i++)
		if (entry_mirror.e[MR_PERMIT][i].used &&
		    memcmp(&entry_mirror.e[MR_PERMIT][i].k, k, sizeof(*k)) == 0)
			return entry_mirror.e[MR_PERMIT][i].v.expires > now
				       ? entry_mirror.e[MR_PERMIT][i].v.services
				       : 0;
	return 0;
}

static uint64_t open_at(struct mr_book *b, const struct mr_addr *a, uint64_t now)
{
	return mr_book_services(b, MR_PERMIT, a, now);
}

/* Either order; the login's services end with the login's permit, in the map too. */
static void test_ends(void **state _unused_)
{
	const struct mr_addr a = entry_addr("192.0.2.1");
	const struct mr_entry_key k = mr_entry_key(&a, 128);

	for (int hand_first = 0; hand_first < 2; hand_first++) {
		struct mr_book *b = entry_book(10, 10, 128, 64);
		struct mr_entry part[MR_BOOK_PARTS];
		size_t dropped;
		uint64_t next;

		if (hand_first)
			give(b, &a, MR_ORIGIN_HAND, IMAP, 100 * SECOND, SECOND);
		give(b, &a, MR_ORIGIN_LEARNED, SMTP, 10 * SECOND, SECOND);
		if (!hand_first)
			give(b, &a, MR_ORIGIN_HAND, IMAP, 100 * SECOND, SECOND);
		assert_int_equal(open_at(b, &a, 10 * SECOND - 1), IMAP | SMTP);
		assert_int_equal(open_at(b, &a, 10 * SECOND), IMAP);
		assert_int_equal(mirrored(&k, 10 * SECOND - 1), IMAP | SMTP);
		assert_int_equal(mirrored(&k, 10 * SECOND), 0); /* a dead daemon: too little */
		assert_int_equal(mr_book_parts(b, MR_PERMIT, &k, part), 2);
		assert_int_equal(part[0].origin, MR_ORIGIN_HAND);
		assert_int_equal(part[0].services, IMAP);
		assert_int_equal(part[1].expires, 10 * SECOND);
		assert_int_equal(part[1].user, MR_ORIGIN_LEARNED);
		entry_same(b);
		assert_int_equal(mr_book_sweep(b, 10 * SECOND - LEAD - 1, 9, &dropped, &next), 0);
		assert_int_equal(next, 10 * SECOND - LEAD);
		assert_int_equal(mr_book_parts(b, MR_PERMIT, &k, part), 2);
		assert_int_equal(mr_book_sweep(b, next, 9, &dropped, &next), 0);
		assert_int_equal(next, 100 * SECOND);
		assert_int_equal(mirrored(&k, 10 * SECOND), IMAP);
		assert_int_equal(mr_book_parts(b, MR_PERMIT, &k, part), 1);
		entry_same(b);
		assert_int_equal(mr_book_sweep(b, 100 * SECOND, 9, &dropped, &next), 0);
		assert_int_equal(entry_mirror.n[MR_PERMIT], 0);
		mr_book_free(b);
	}
}

static void test_words(void **state _unused_)
{
	struct mr_book *b = entry_book(10, 10, 128, 64);
	const struct mr_addr a = entry_addr("192.0.2.1");
	const struct mr_entry_key k = mr_entry_key(&a, 128);
	struct mr_entry part[MR_BOOK_PARTS];
	size_t dropped;

	/* a later login renews its own part only */
	give(b, &a, MR_ORIGIN_HAND, IMAP, 100, 1);
	give(b, &a, MR_ORIGIN_LEARNED, IMAP | SMTP, 10, 1);
	give(b, &a, MR_ORIGIN_LEARNED, IMAP | SMTP, 20, 5);
	assert_int_equal(open_at(b, &a, 19), IMAP | SMTP);
	assert_int_equal(open_at(b, &a, 20), IMAP);
	/* found for the learner: its own */
	assert_int_equal(mr_book_find(b, MR_PERMIT, &a, 5, NULL)->expires, 20);
	assert_int_equal(mr_book_find(b, MR_PERMIT, &a, 20, NULL)->expires, 100);
	/* by hand the last word counts, for the services that it names */
	give(b, &a, MR_ORIGIN_HAND, IMAP, 8, 6);
	assert_int_equal(open_at(b, &a, 7), IMAP | SMTP);
	assert_int_equal(open_at(b, &a, 8), SMTP);
	/* what the other outlasts for all of its services is no part */
	give(b, &a, MR_ORIGIN_HAND, IMAP | SMTP, 50, 6);
	assert_int_equal(mr_book_parts(b, MR_PERMIT, &k, part), 1);
	give(b, &a, MR_ORIGIN_LEARNED, SMTP, 40, 6);
	assert_int_equal(mr_book_parts(b, MR_PERMIT, &k, part), 1);
	assert_int_equal(part[0].origin, MR_ORIGIN_HAND);
	give(b, &a, MR_ORIGIN_LEARNED, IMAP | SMTP, 60, 6);
	assert_int_equal(mr_book_parts(b, MR_PERMIT, &k, part), 1);
	assert_int_equal(part[0].origin, MR_ORIGIN_LEARNED);
	entry_same(b);
	/* delete takes both */
	give(b, &a, MR_ORIGIN_HAND, 4, 90, 6);
	assert_int_equal(mr_book_parts(b, MR_PERMIT, &k, part), 2);
	assert_int_equal(mr_book_delete(b, MR_PERMIT, &a), 0);
	assert_int_equal(open_at(b, &a, 6), 0);
	entry_same(b);
	/* what the kernel refuses when one ends is tried again, and no service is open meanwhile */
	give(b, &a, MR_ORIGIN_HAND, IMAP, 100 * SECOND, 1);
	give(b, &a, MR_ORIGIN_LEARNED, SMTP, 10 * SECOND, 1);
	entry_mirror.refuse = -ENOMEM;
	assert_int_equal(mr_book_sweep(b, 10 * SECOND, 9, &dropped, NULL), -ENOMEM);
	assert_int_equal(open_at(b, &a, 10 * SECOND), IMAP);
	assert_int_equal(mirrored(&k, 10 * SECOND), 0);
	entry_mirror.refuse = 0;
	assert_int_equal(mr_book_sweep(b, 10 * SECOND, 9, &dropped, NULL), 0);
	assert_int_equal(mirrored(&k, 10 * SECOND), IMAP);
	entry_same(b);
	mr_book_free(b);
}

/* Another run has the kernel's value, and the file's parts: only the one that is waited for. */
static void test_adopt(void **state _unused_)
{
	const struct mr_addr a = entry_addr("192.0.2.1");
	const struct mr_entry_key k = mr_entry_key(&a, 128);

	for (uint64_t now = 5; now <= 15; now += 10) { /* before the first end, and after */
		struct mr_book *was = entry_book(10, 10, 128, 64), *b;
		struct mr_entry part[MR_BOOK_PARTS], old[MR_BOOK_PARTS], kernel;
		size_t cursor = 0;

		give(was, &a, MR_ORIGIN_HAND, IMAP, 200, 1);
		assert_int_equal(mr_book_parts(was, MR_PERMIT, &k, old), 1);
		give(was, &a, MR_ORIGIN_HAND, IMAP, 100, 1);
		assert_int_equal(mr_book_parts(was, MR_PERMIT, &k, part), 1);
		give(was, &a, MR_ORIGIN_LEARNED, IMAP | SMTP, 10, 1);
		assert_true(mr_book_next(was, MR_PERMIT, &cursor, &(struct mr_entry_key){ 0 },
					 &kernel, NULL));
		mr_book_free(was);

		b = entry_book(10, 10, 128, 64);
		assert_int_equal(mr_book_adopt(b, MR_PERMIT, &k, &kernel), 0);
		assert_int_equal(open_at(b, &a, now), now < 10 ? IMAP | SMTP : 0);
		/* a file that is older than the map */
		assert_int_equal(mr_book_adopt_rest(b, &a, &old[0], now), -ENOENT);
		assert_int_equal(mr_book_adopt_rest(b, &a, &part[0], now), 0);
		assert_int_equal(mr_book_adopt_rest(b, &a, &part[0], now), -ENOENT);
		assert_int_equal(open_at(b, &a, now), now < 10 ? IMAP | SMTP : IMAP);
		assert_int_equal(open_at(b, &a, 99), IMAP);
		mr_book_free(b);
	}
}

/* --- random operations, other prefix lengths among them --------------------------------------- */

#define ADDRESSES 40
#define TICK	  (SECOND / 10)

struct model {
	uint64_t services[2], expires[2];
};

static uint64_t model_open(const struct model *m, uint64_t now)
{
	return (m->expires[0] > now ? m->services[0] : 0) |
	       (m->expires[1] > now ? m->services[1] : 0);
}

static void model_give(struct model *m, int to, uint64_t services, uint64_t expires, uint64_t now)
{
	int last;

	for (int i = 0; i < 2; i++)
		if (m->expires[i] <= now)
			m->services[i] = m->expires[i] = 0;
	m->services[to] |= services;
	if (!to || expires > m->expires[to])
		m->expires[to] = expires;
	if (!to)
		m->services[1] &= ~services;
	if (!m->services[1])
		m->expires[1] = 0;
	last = m->expires[1] > m->expires[0];
	if (!(m->services[!last] & ~m->services[last]))
		m->services[!last] = m->expires[!last] = 0;
}

/* What goes on is put a little before the other part ends. */
static void model_sweep(struct model m[static ADDRESSES], uint64_t now)
{
	for (size_t n = 0; n < ADDRESSES; n++) {
		int last = m[n].expires[1] > m[n].expires[0];

		if (m[n].expires[!last] && m[n].expires[!last] <= now + LEAD)
			m[n].services[!last] = m[n].expires[!last] = 0;
	}
}

static void sweep(struct mr_book *b, struct model m[static ADDRESSES], uint64_t now)
{
	assert_int_equal(mr_book_sweep(b, now, SIZE_MAX, NULL, NULL), 0);
	model_sweep(m, now);
}

static void rekey_some(struct mr_book *b, int *phase, uint8_t *plen6)
{
	struct mr_book_limits l = { ADDRESSES, 10, *plen6 == 64 ? 128 : 64, 64 };
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
		if (random() % 3 == 0) {
			mr_book_rekey_give_up(b);
			break;
		}
		mr_book_rekey_switch(b, &lost, &narrowed);
		assert_int_equal(lost, 0);
		*plen6 = l.permit_plen6;
		break;
	default:
		*phase += !mr_book_rekey_clear(b, (size_t)(1 + random() % 8));
	}
}

static void test_random(void **state _unused_)
{
	const char *env = getenv("MR_SEED");
	unsigned int seed = env ? (unsigned int)atoi(env) : (unsigned int)time(NULL);
	struct mr_book *b = entry_book(ADDRESSES, 10, 128, 64);
	struct model m[ADDRESSES] = { 0 };
	uint64_t now = SECOND;
	uint8_t plen6 = 128;
	int phase = 0;

	print_message("# MR_SEED=%u\n", seed);
	srandom(seed);
	for (int step = 0; step < 60000; step++) {
		size_t n = (size_t)random() % ADDRESSES;
		struct mr_addr a = mr_addr_from6(0x20010db800000000ull + n, 1);
		uint64_t services = 1 + (uint64_t)random() % 7;
		uint64_t expires = now + (uint64_t)(1 + random() % 300) * TICK;
		struct mr_entry_key k = mr_entry_key(&a, plen6);
		int to = random() % 2;

		if (random() % 4 == 0)
			rekey_some(b, &phase, &plen6);
		k = mr_entry_key(&a, plen6);
		switch (random() % 10) {
		case 0 ... 2:
			assert_int_equal(give(b, &a, to ? MR_ORIGIN_LEARNED : MR_ORIGIN_HAND,
					      services, expires, now),
					 0);
			model_give(&m[n], to, services, expires, now);
			break;
		case 3:
			mr_book_delete(b, MR_PERMIT, &a);
			m[n] = (struct model){ 0 };
			break;
		default:
			now += (uint64_t)(random() % 3) * TICK;
			/* as the timer does: before the end by so much, or late */
			if (random() % 3)
				sweep(b, m, now);
		}
		assert_int_equal(open_at(b, &a, now), model_open(&m[n], now));
		/* never too much in the map, whenever the daemon dies */
		for (uint64_t t = now; t < now + 400 * TICK;
		     t += TICK * (uint64_t)(1 + random() % 99))
			assert_int_equal(mirrored(&k, t) & ~model_open(&m[n], t), 0);
		/* and none missing, once swept under keys that stand still */
		if (phase % 3 == 0) {
			sweep(b, m, now);
			assert_int_equal(mirrored(&k, now), model_open(&m[n], now));
		}
	}
	while (phase % 3)
		rekey_some(b, &phase, &plen6);
	entry_same(b);
	mr_book_sweep(b, now + 1000 * SECOND, SIZE_MAX, NULL, NULL);
	assert_int_equal(entry_mirror.n[MR_PERMIT], 0);
	entry_same(b);
	mr_book_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
