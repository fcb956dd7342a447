// SPDX-License-Identifier: BSD-2-Clause
/*
 * layout.c - the structures that the XDP program reads, against the flattened list they come from:
 * random policies with the index and without, and lists made to fill each odd corner: more classes
 * than the index has codes, full host buckets, trees of every depth.
 *
 * layout [SEED [ROUNDS]]
 */
#include "_lookup.h"
#include "_random_policy.h"

#include <inttypes.h>
#include <mailreeve/match.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t seed;
static unsigned long rounds = 60; /* filling an index takes some milliseconds */

static void check_addr(const struct laid_out *x, const struct mr_addr *a, uint64_t s)
{
	uint32_t got = laid_out_class(x, a), want = mr_image_class(x->image, a);
	char text[MR_ADDR_TEXT];

	if (got != want)
		fail_msg("seed %" PRIu64 ": %s: laid out as class %u, flattened %u", s,
			 mr_addr_text(a, text), got, want);
}

/* The whole way: what is laid out against the rules read one by one. */
static void check_rules(struct random_policy *rp, const struct laid_out *x, const struct mr_addr *a,
			uint64_t s)
{
	uint32_t class = laid_out_class(x, a);

	for (size_t c = 0; c < x->image->columns; c++)
		for (unsigned int answer = 0; answer < 4; answer++) {
			struct mr_match m;

			mr_match(&rp->policy, &rp->host, x->image->service[c], a, answer & 2,
				 answer & 1, &m);
			if (mr_image_outcome(x->image, (uint16_t) class, c, answer & 2,
					     answer & 1) != m.outcome)
				fail_msg("seed %" PRIu64 ": the laid-out image disagrees", s);
		}
}

static void random_policies(void **state)
{
	size_t probes = 0, trie4 = 0, trie6 = 0, hosts = 0, nodes = 0;

	(void)state;
	for (unsigned long r = 0; r < rounds; r++) {
		struct random_policy *rp = random_policy_new(seed + r);
		struct mr_image *i = NULL;
		struct mr_addr *probe;
		size_t n;

		probe = random_policy_probes(rp, &n);
		assert_int_equal(mr_image_compile(&rp->policy, &rp->host, &i, NULL), 0);
		for (int mode = MR_INDEX_AUTO; mode <= MR_INDEX_OFF; mode++) {
			struct laid_out x;

			assert_int_equal(lay_out(i, mode, &x), 0);
			for (size_t k = 0; k < n; k++) {
				check_addr(&x, &probe[k], seed + r);
				check_rules(rp, &x, &probe[k], seed + r);
			}
			if (mode == MR_INDEX_ON) {
				trie4 += x.l.trie4;
				trie6 += x.l.trie6;
				hosts += x.l.host_buckets;
				nodes += x.l.tree6_nodes;
			}
			laid_out_clear(&x);
		}
		probes += n;
		mr_image_free(i);
		free(probe);
		random_policy_free(rp);
	}
	printf("# %zu addresses; with the index: %zu in the IPv4 trie, %zu host buckets, "
	       "%zu tree nodes, %zu in the IPv6 trie\n",
	       probes, trie4, hosts, nodes, trie6);
}

/* --- images made by hand ---------------------------------------------------------------------- */

/* classes are only numbers here: no rows are needed to look an address up */
static struct mr_image *image_new(size_t room4, size_t room6, size_t classes)
{
	struct mr_image *i = calloc(1, sizeof(*i));

	assert_non_null(i);
	i->v4 = calloc(room4 + 1, sizeof(*i->v4));
	i->v6 = calloc(room6 + 1, sizeof(*i->v6));
	i->classes = classes;
	assert_true(i->v4 && i->v6);
	return i;
}

static void add4(struct mr_image *i, uint32_t addr, uint8_t plen, size_t class)
{
	i->v4[i->n4++] = (struct mr_flat4){ .addr = addr, .plen = plen, .class = (uint16_t) class };
}

static void add6(struct mr_image *i, uint64_t hi, uint64_t lo, uint8_t plen, size_t class)
{
	i->v6[i->n6++] =
		(struct mr_flat6){ .hi = hi, .lo = lo, .plen = plen, .class = (uint16_t) class };
}

static void check4(const struct laid_out *x, uint32_t from, uint32_t to)
{
	for (uint32_t a = from; a != to; a++) {
		struct mr_addr addr = mr_addr_from4(a);

		check_addr(x, &addr, 0);
	}
}

/* 600 classes of whole /24s and of /24s with hosts: more than there are codes of either kind. */
static void many_classes(void **state)
{
	struct mr_image *i = image_new(5000, 0, 700);
	struct laid_out x;

	(void)state;
	i->root4 = 7;
	for (uint32_t c = 0; c < 600; c++) {
		add4(i, 0x0a000000 + (c << 8), 24, 10 + c);
		if (c % 3 == 0)
			add4(i, 0x0a000000 + (c << 8) + c % 256, 32, 8);
		if (c % 3 == 1)
			add4(i, 0x0a000000 + (c << 8) + 128, 26, 9);
	}
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	assert_true(x.l.trie4 > 200 && x.l.trie4 < i->n4);
	check4(&x, 0x0a000000 - 300, 0x0a000000 + (601 << 8));
	laid_out_clear(&x);
	mr_image_free(i);
}

/* One /16 with `hosts` single addresses in it, some of them in a listed /24. */
static void one_line(uint32_t net, unsigned int hosts, bool third, bool far, bool expect)
{
	struct mr_image *i = image_new(hosts + 8, 0, 9);
	struct laid_out x;

	i->root4 = 5;
	add4(i, net - 0x10000, 16, 2); /* listed whole, the one before */
	add4(i, net + 0x100, 24, 2);
	for (unsigned int h = 0; h < hosts; h++)
		add4(i, net + 0x100 + h * 0x51, 32, h * 0x51 < 0x100 ? 5 : 2);
	if (third)
		add4(i, net + 0xff00, 24, 3);
	add4(i, net + 0x10000, 17, 2);
	if (far) /* a third class elsewhere: not all is told by lines */
		add4(i, net + 0x18000, 24, 4);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	assert_int_equal(x.l.line4[1], 2);
	assert_int_equal(x.l.lines4[net >> 19] >> (net >> 16 & 7) & 1, expect);
	assert_int_equal(!(x.l.flags & MR_GEN_HOSTS), expect || !hosts);
	check4(&x, net - 0x10001, net + 0x20001);
	laid_out_clear(&x);
	mr_image_free(i);
}

/* Lines find room in the head up to a number of /16s; whole ones, listed or not, need none. */
static void near_lines(void **state)
{
	(void)state;
	for (uint32_t own = MR_NEAR_LINES - 4; own <= MR_NEAR_LINES; own++) {
		struct mr_image *i = image_new(own + 2, 0, 9);
		bool near = own + 2 <= MR_NEAR_LINES;
		struct laid_out x;

		i->root4 = 5;
		add4(i, 0x08000000, 7, 2);
		for (uint32_t n = 0; n < own; n++)
			add4(i, 0x0a000000 + (n << 16) + (n % 2 ? n : 0), n % 2 ? 32 : 24, 2);
		add4(i, 0xf0000000, 4, 2);
		assert_int_equal(lay_out(i, MR_INDEX_AUTO, &x), 0);
		assert_int_equal(!!(x.l.flags & MR_GEN_NEAR4), near);
		assert_int_equal(!(x.l.flags & MR_GEN_INDEX4), near);
		assert_int_equal(x.l.flags & MR_GEN_TRIE4, 0);
		check4(&x, 0x09fffff0, 0x0a030000);
		check4(&x, 0x0a000000 + ((own - 1) << 16), 0x0a000010 + (own << 16));
		check4(&x, 0xeffffff0, 0xf0000100);
		check4(&x, 0xffffff00, 0x00000100);
		laid_out_clear(&x);
		mr_image_free(i);
	}
}

/* A /16 is told by a line as long as it has two classes and no more hosts than a line has room for,
 * next to nothing at either end of the space too. */
static void lines(void **state)
{
	(void)state;
	for (unsigned int n = 0; n <= 2 * MR_LINE_HOSTS + 3; n++)
		one_line(0x0a010000, n / 2, false, n % 2, n / 2 <= MR_LINE_HOSTS);
	one_line(0x0a010000, 3, true, false, false);
	one_line(0xfffd0000, MR_LINE_HOSTS, false, true, true);
	one_line(0x00010000, MR_LINE_HOSTS + 1, false, true, false);
}

/* Addresses that the hash puts close together: buckets overflow, and then run out. */
static void crowded_hosts(void **state)
{
	enum { HOSTS = 4000 };
	struct mr_image *i = image_new(HOSTS, 0, 5);
	size_t overflowed = 0, before;
	struct laid_out x;
	uint32_t addr = 0;

	(void)state;
	i->root4 = 3;
	while (i->n4 < HOSTS) {
		addr += 977;
		if (MR_HOST_HASH(addr) < 0x20000000)
			add4(i, addr, 32, addr % 3);
	}
	assert_int_equal(mr_layout_plan(i, MR_INDEX_ON, &x.l), 0);
	before = x.l.trie4;
	mr_layout_clear(&x.l);
	assert_int_equal(before, 0);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	for (size_t b = 0; b < x.l.host_buckets; b++)
		overflowed += x.hosts[b].more;
	assert_true(overflowed > 10);
	assert_true(x.l.trie4 > before);
	assert_true(x.l.flags & MR_GEN_TRIE4);
	for (size_t n = 0; n < i->n4; n += 7)
		check4(&x, i->v4[n].addr - 1, i->v4[n].addr + 2);
	laid_out_clear(&x);
	mr_image_free(i);
}

/* Short runs of addresses are taken for their addresses, nested ones too; longer runs are not. */
static void short_runs(void **state)
{
	struct mr_image *i = image_new(3000, 0, 20);
	struct laid_out x;

	(void)state;
	i->root4 = 1;
	for (uint32_t n = 0; n < 200; n++) {
		uint32_t net = 0x0a000000 + (n << 8);

		if (n % 4 == 1)
			add4(i, net, 24, 5);
		add4(i, net + 8, 29, 2);
		add4(i, net + 8, 30, 3);
		add4(i, net + 9, 32, 4);
		add4(i, net + 200, 31, 6);
		add4(i, net + 201, 32, n % 4 == 1 ? 5 : 1);
		if (n % 5 == 0)
			add4(i, net + 255, 32, 7);
	}
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	assert_int_equal(x.l.trie4, 0);
	check4(&x, 0x0a000000 - 300, 0x0a000000 + (201 << 8));
	laid_out_clear(&x);
	/* one more, with 64 addresses in a prefix: all of its /24 goes to the trie */
	add4(i, 0x0a00c800, 26, 3);
	add4(i, 0x0a00c8f0, 32, 4);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	assert_int_equal(x.l.trie4, 2);
	check4(&x, 0x0a000000 - 300, 0x0a000000 + (202 << 8));
	laid_out_clear(&x);
	mr_image_free(i);
}

static void edges4(void **state)
{
	struct mr_image *i = image_new(16, 0, 8);
	struct laid_out x;

	(void)state;
	add4(i, 0, 1, 1);
	add4(i, 0, 32, 2);
	add4(i, 0x7fffff00, 24, 3);
	add4(i, 0x7fffffff, 32, 4);
	add4(i, 0x80000000, 25, 5);
	add4(i, 0xffffff00, 24, 6);
	add4(i, 0xffffffff, 32, 7);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	check4(&x, 0, 1000);
	check4(&x, 0x7ffffd00, 0x80000300);
	check4(&x, 0xfffffd00, 0);
	/* an empty way of a bucket is all zeroes, and so is this address */
	assert_int_equal(laid_out_class(&x, &(struct mr_addr){ .b = { [10] = 0xff, 0xff } }), 2);
	laid_out_clear(&x);
	mr_image_free(i);

	i = image_new(2, 0, 2);
	add4(i, 0x00000005, 32, 1);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	check4(&x, 0, 600);
	laid_out_clear(&x);
	mr_image_free(i);
}

static void check6(const struct laid_out *x, uint64_t hi, uint64_t lo)
{
	struct mr_addr a = mr_addr_from6(hi, lo);

	check_addr(x, &a, 0);
}

/* Trees of every size up to four levels, both edges of every range. */
static void trees(void **state)
{
	static const size_t sizes[] = { 4, 5, 7, 8, 9, 39, 40, 41, 363, 364, 365, 3000, 30000 };

	(void)state;
	for (size_t k = 0; k < MR_ARRAY_SIZE(sizes); k++) {
		struct mr_image *i = image_new(0, sizes[k] * 2, 300);
		uint64_t hi = 0x20010db800000000;
		struct laid_out x;

		i->root6 = 1;
		for (size_t n = 0; n < sizes[k]; n++, hi += n % 3 ? 1u << 16 : 1u << 18) {
			add6(i, hi, 0, 48, 2 + n % 200);
			if (n % 50 == 13)
				add6(i, hi + 5, n, 128, 250);
		}
		assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
		assert_true(x.l.flags & MR_GEN_TREE6);
		for (size_t n = 0; n < i->n6; n++)
			for (int d = -1; d < 2; d++) {
				check6(&x, i->v6[n].hi + (uint64_t)(int64_t)d, i->v6[n].lo);
				check6(&x, i->v6[n].hi + 0xffff + (uint64_t)(int64_t)d, UINT64_MAX);
				check6(&x, i->v6[n].hi, i->v6[n].lo + (uint64_t)(int64_t)d);
			}
		laid_out_clear(&x);
		mr_image_free(i);
	}
}

static void check_hosts6(const struct laid_out *x)
{
	const struct mr_image *i = x->image;

	for (size_t n = 0; n < i->n6; n++)
		for (int d = -1; d < 2; d++) {
			check6(x, i->v6[n].hi, i->v6[n].lo + (uint64_t)(int64_t)d);
			check6(x, i->v6[n].hi + (uint64_t)(int64_t)d, i->v6[n].lo);
		}
}

/* Hosts in many /64s beside /64s with other long prefixes. */
static void hosts6(void **state)
{
	struct mr_image *i = image_new(0, 3000, 9);
	size_t overflowed = 0;
	struct laid_out x;

	(void)state;
	i->root6 = 3;
	for (uint64_t n = 0; n < 1000; n++)
		for (uint64_t k = 0; k <= n % 3; k++)
			add6(i, 0x20010db800000000 + n, k << 60 | (n * n * n & 0xfffffffe),
			     n % 50 == 7 ? 127 : 128, k);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	assert_true(x.l.flags & MR_GEN_HOSTS6 && x.l.flags & MR_GEN_TRIE6);
	for (size_t b = 0; b < x.l.host6_buckets; b++)
		overflowed += x.hosts6[b].more;
	assert_true(overflowed > 10);
	check_hosts6(&x);
	laid_out_clear(&x);
	mr_image_free(i);
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* One /64 whose hosts all have one hash: four buckets fill, and the rest goes to the trie. */
static void crowded_hosts6(void **state)
{
	enum { HOSTS = 100 };
	const uint64_t odd = 0x9E3779B97F4A7C15; /* the multiplier of MR_HOST6_HASH */
	const uint64_t range = 1; /* the /64 lies between two ranges of the root, in one node */
	struct mr_image *i = image_new(0, HOSTS, 9);
	uint64_t inverse = odd, lo[HOSTS];
	struct laid_out x;

	(void)state;
	for (int n = 0; n < 6; n++) /* Newton: each step doubles the bits that are right */
		inverse *= 2 - odd * inverse;
	for (uint64_t n = 0; n < HOSTS; n++) {
		lo[n] = (n * inverse) ^ (range * 0xC2B2AE3D27D4EB4F);
		assert_true(MR_HOST6_HASH(range, lo[n]) == 0);
	}
	qsort(lo, HOSTS, sizeof(lo[0]), ascending);
	for (size_t n = 0; n < HOSTS; n++)
		add6(i, 0x20010db800000000, lo[n], 128, 1 + n % 7);
	assert_int_equal(mr_layout_plan(i, MR_INDEX_ON, &x.l), 0);
	assert_int_equal(x.l.trie6, 0);
	mr_layout_clear(&x.l);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	assert_int_equal(x.l.trie6, HOSTS);
	assert_true(x.l.flags & MR_GEN_TRIE6);
	check_hosts6(&x);
	laid_out_clear(&x);
	mr_image_free(i);
}

static void edges6(void **state)
{
	struct mr_image *i = image_new(0, 16, 8);
	struct laid_out x;

	(void)state;
	add6(i, 0, 0, 1, 1);
	add6(i, 0, 0, 128, 2);
	add6(i, 0x7fffffffffffffff, 0, 64, 3);
	add6(i, UINT64_MAX - 1, 0, 64, 4);
	add6(i, UINT64_MAX, 0, 65, 5);
	add6(i, UINT64_MAX, UINT64_MAX, 128, 6);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	for (uint64_t d = 0; d < 4; d++)
		for (uint64_t e = 0; e < 2; e++) {
			check6(&x, d, e);
			check6(&x, 0x7ffffffffffffffe + d, e - 1);
			check6(&x, UINT64_MAX - d, e - 1);
			check6(&x, UINT64_MAX - d, e + 0x7fffffffffffffff);
		}
	laid_out_clear(&x);
	mr_image_free(i);

	/* hosts in the very last /64, where unused places of the tree are found */
	i = image_new(0, 4, 8);
	add6(i, 0x20010db800000000, 7, 128, 2);
	add6(i, UINT64_MAX, 5, 128, 3);
	add6(i, UINT64_MAX, UINT64_MAX, 128, 4);
	assert_int_equal(lay_out(i, MR_INDEX_ON, &x), 0);
	check_hosts6(&x);
	laid_out_clear(&x);
	mr_image_free(i);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies), cmocka_unit_test(many_classes),
		cmocka_unit_test(crowded_hosts),   cmocka_unit_test(edges4),
		cmocka_unit_test(lines),	   cmocka_unit_test(near_lines),
		cmocka_unit_test(short_runs),	   cmocka_unit_test(trees),
		cmocka_unit_test(edges6),	   cmocka_unit_test(hosts6),
		cmocka_unit_test(crowded_hosts6),
	};

	seed = mr_realtime_us();
	random_start(argc, argv, &seed, &rounds);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
