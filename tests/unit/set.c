// SPDX-License-Identifier: BSD-2-Clause
/* set.c - sealing and finding, judged by a plain walk over what was given. */
#include <mailreeve/set.h>

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static uint64_t seed;

static uint64_t draw(void) /* xorshift64* */
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717ull;
}

/* Addresses crowd together so that prefixes nest, repeat and touch. */
static struct mr_addr draw_addr(bool four)
{
	static const uint64_t low[] = { 0, 0xff, 0xff80000000000000ull };

	if (four)
		return mr_addr_from4(0xc0000000u |
				     (uint32_t)(draw() & (draw() & 1 ? 0xff00ff : 0xffff)));
	return mr_addr_from6(0x20010db800000000ull | (draw() & 0xf000f), draw() & low[draw() % 3]);
}

static struct mr_prefix draw_prefix(void)
{
	bool four = draw() & 1;
	struct mr_prefix p = { .addr = draw_addr(four) };

	/* a few wide ones: many would cover everything else, and prove nothing */
	if (draw() % 500 == 0)
		p.plen = (uint8_t)(four ? 96 + 8 + draw() % 14 : 40 + draw() % 20);
	else
		p.plen = (uint8_t)(four ? 96 + 22 + draw() % 11 : 60 + draw() % 69);
	if (draw() % 4 == 0)
		p.plen = (uint8_t)(126 + draw() % 3);
	mr_addr_mask(&p.addr, p.plen);
	return p;
}

static void check_disjoint(const struct mr_set *s)
{
	for (size_t i = 1; i < s->n4; i++)
		assert_true((uint64_t)s->v4[i].addr >
			    (s->v4[i - 1].addr | (0xffffffffull >> s->v4[i - 1].plen)));
	for (size_t i = 1; i < s->n6; i++)
		assert_true(s->v6[i].hi > s->v6[i - 1].hi ||
			    (s->v6[i].hi == s->v6[i - 1].hi && s->v6[i].lo > s->v6[i - 1].lo));
}

/* The first or the last address of a prefix, or one beyond. */
static struct mr_addr edge(const struct mr_prefix *p)
{
	struct mr_addr a = p->addr;

	if (draw() & 1)
		for (unsigned int bit = p->plen; bit < 128; bit++)
			a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (draw() % 4 == 0)
		a.b[15] = (uint8_t)(a.b[15] + (draw() & 1 ? 1 : -1));
	return a;
}

static void one_round(size_t n)
{
	_free_ struct mr_prefix *given = calloc(n + 1, sizeof(*given));
	struct mr_set s = { 0 };

	assert_non_null(given);
	for (size_t i = 0; i < n; i++) {
		given[i] = draw_prefix();
		assert_int_equal(mr_set_add(&s, &given[i], (uint16_t)(i % 7), (uint32_t)i), 0);
	}
	assert_int_equal(mr_set_seal(&s), 0);
	assert_int_equal(s.given, n);
	check_disjoint(&s);
	for (int k = 0; k < 300; k++) {
		struct mr_addr a = k % 3 && n ? edge(&given[draw() % n]) : draw_addr(draw() & 1);
		struct mr_prefix p = { .plen = 0 };
		uint32_t line = 0;
		uint16_t file = 0;
		size_t want = n;
		bool found;

		for (size_t i = 0; i < n; i++)
			if (mr_prefix_contains(&given[i], &a) &&
			    (want == n || given[i].plen < given[want].plen))
				want = i;
		found = mr_set_find(&s, &a, &p, &file, &line);
		assert_int_equal(found, want < n);
		if (!found)
			continue;
		/* the widest that holds it; of equal ones the first given */
		assert_int_equal(line, want);
		assert_int_equal(file, want % 7);
		assert_memory_equal(&p.addr, &given[want].addr, 16);
		assert_int_equal(p.plen, given[want].plen);
	}
	for (int k = 0; k < 300; k++) {
		struct mr_prefix p = k % 2 && n ? given[draw() % n]
						: (struct mr_prefix){ draw_addr(draw() & 1), 128 };
		unsigned int narrowest = mr_addr_is4(&p.addr) ? 96 : 0;
		bool want = false;

		p.plen = (uint8_t)(narrowest + draw() % (129 - narrowest));
		mr_addr_mask(&p.addr, p.plen);
		for (size_t i = 0; i < n; i++)
			want |= mr_prefix_contains(&given[i], &p.addr) ||
				mr_prefix_contains(&p, &given[i].addr);
		assert_int_equal(mr_set_meets(&s, &p), want);
	}
	mr_set_clear(&s);
	assert_null(s.v4);
}

static void test_random(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++)
		one_round(draw() % (i % 4 ? 60 : 3000));
}

static void test_edges(void **state)
{
	static const char *const text[] = { "0.0.0.0/0",
					    "0.0.0.0/0",
					    "255.255.255.255",
					    "::/0",
					    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
					    "::/128" };
	struct mr_addr top = mr_addr_from4(UINT32_MAX), six = mr_addr_from6(UINT64_MAX, UINT64_MAX);
	struct mr_set s = { 0 }, t = { 0 };
	uint32_t line = 9;

	(void)state;
	assert_int_equal(mr_set_seal(&s), 0);
	assert_false(mr_set_find(&s, &top, NULL, NULL, NULL));
	for (size_t i = MR_ARRAY_SIZE(text); i-- > 0;) {
		struct mr_prefix p;

		assert_int_equal(mr_prefix_parse(text[i], strlen(text[i]), &p), 0);
		assert_int_equal(mr_set_add(&s, &p, 0, (uint32_t)i), 0);
	}
	assert_int_equal(mr_set_seal(&s), 0);
	assert_int_equal(s.n4, 1);
	assert_int_equal(s.n6, 1);
	assert_true(mr_set_find(&s, &top, NULL, NULL, &line));
	assert_int_equal(line, 1);
	assert_true(mr_set_find(&s, &six, NULL, NULL, &line));
	assert_int_equal(line, 3);
	assert_false(mr_set_equal(&s, &t));
	assert_int_equal(mr_set_seal(&t), 0);
	assert_false(mr_set_equal(&s, &t));
	mr_set_clear(&s);
	assert_true(mr_set_equal(&s, &t));
}

int main(void)
{
	const char *given = getenv("MR_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_edges),
	};

	seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
	printf("# MR_SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests_name("set", tests, NULL, NULL);
}
