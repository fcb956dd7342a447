// SPDX-License-Identifier: BSD-2-Clause
/*
 * _lists.c - lists of prefixes like those that administrators load, the same ones for every seed.
 *
 * The prefixes of a list are disjoint, so that every program under test can take it as it is and
 * none has to merge.  They are data: nothing is ever sent to them, and frames "from" them stay in
 * the benchmark's namespaces.  Called by the measurements and by lists.c; fails with -ENOMEM, or
 * -errno of writing.
 */
#include "_bench.h"

#include <arpa/inet.h>
#include <string.h>

#define NETS24 (1u << 24) /* /24s of IPv4 */

uint64_t bench_random(uint64_t *state) /* splitmix64 */
{
	uint64_t z = *state += 0x9E3779B97F4A7C15ull;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}

static int compare(const void *a, const void *b)
{
	const struct bench_prefix *x = a, *y = b;

	if (x->hi != y->hi)
		return x->hi < y->hi ? -1 : 1;
	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return (int)x->plen - (int)y->plen;
}

static bool taken(const uint8_t *map, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		if (map[i / 8] & (1u << i % 8))
			return true;
	return false;
}

static void take(uint8_t *map, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		map[i / 8] |= (uint8_t)(1u << i % 8);
}

/* What is no unicast address of the Internet, and what the benchmark's own hosts use. */
static void take_reserved(uint8_t *map)
{
	static const struct {
		uint32_t first, n;
	} reserved[] = {
		{ 0x000000, 0x010000 }, { 0x0a0000, 0x010000 }, { 0x7f0000, 0x010000 },
		{ 0xa9fe00, 0x000100 }, { 0xac1000, 0x001000 }, { 0xc00000, 0x000100 },
		{ 0xc0a800, 0x000100 }, { 0xc63300, 0x000100 }, { 0xcb0000, 0x000100 },
		{ 0xe00000, 0x200000 },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(reserved); i++)
		take(map, reserved[i].first, reserved[i].n);
}

static void place4(uint8_t *map, uint64_t *rng, uint8_t plen, struct bench_prefix *out)
{
	uint32_t n = 1u << (24 - plen), first;

	do {
		first = (uint32_t)(bench_random(rng) >> 40) & ~(n - 1);
	} while (taken(map, first, n));
	take(map, first, n);
	*out = (struct bench_prefix){ .lo = (uint64_t)first << 8, .plen = plen };
}

/* /16 to /22 in about the proportions of the Internet's routing table, then the /24s.  The widest
 * first: late, a free /16 may not be found any more. */
static void make_nets4(uint8_t *map, uint64_t *rng, size_t wide, size_t n24, struct bench_prefix *p)
{
	static const uint8_t share[] = { 6, 3, 6, 10, 15, 20 }; /* percent; /22 takes the rest */
	size_t at = 0;

	for (unsigned int i = 0; i < MR_ARRAY_SIZE(share); i++)
		for (size_t k = 0; k < wide * share[i] / 100; k++)
			place4(map, rng, (uint8_t)(16 + i), &p[at++]);
	while (at < wide)
		place4(map, rng, 22, &p[at++]);
	while (at < wide + n24)
		place4(map, rng, 24, &p[at++]);
}

/* Single addresses outside the nets, none twice. */
static void make_hosts4(const uint8_t *map, uint64_t *rng, size_t n, struct bench_prefix *p)
{
	size_t have = 0, kept;

	while (have < n) {
		while (have < n) {
			uint32_t a = (uint32_t)(bench_random(rng) >> 32);

			if (!taken(map, a >> 8, 1))
				p[have++] = (struct bench_prefix){ .lo = a, .plen = 32 };
		}
		qsort(p, have, sizeof(*p), compare);
		kept = have ? 1 : 0;
		for (size_t i = 1; i < have; i++)
			if (p[i].lo != p[kept - 1].lo)
				p[kept++] = p[i];
		have = kept;
	}
}

static int make4(struct bench_list *l, uint64_t *rng)
{
	size_t hosts = l->mix == BENCH_HOSTS ? l->n : l->n * 30 / 100;
	size_t n24 = l->mix == BENCH_HOSTS ? 0 : l->n * 55 / 100;
	_free_ uint8_t *map = calloc(1, NETS24 / 8);

	if (!map)
		return -ENOMEM;
	take_reserved(map);
	make_nets4(map, rng, l->n - hosts - n24, n24, l->p);
	make_hosts4(map, rng, hosts, l->p + l->n - hosts);
	qsort(l->p, l->n, sizeof(*l->p), compare);
	return 0;
}

static uint8_t length6(uint64_t *rng)
{
	unsigned int dice = (unsigned int)(bench_random(rng) % 100);

	if (dice < 20)
		return 128;
	if (dice < 50)
		return 64;
	if (dice < 65)
		return 56;
	if (dice < 90)
		return 48;
	return (uint8_t)(36 + bench_random(rng) % 9);
}

static void mask6(struct bench_prefix *p)
{
	if (p->plen <= 64) {
		p->hi &= p->plen ? ~0ull << (64 - p->plen) : 0;
		p->lo = 0;
	} else if (p->plen < 128) {
		p->lo &= ~0ull << (128 - p->plen);
	}
}

static bool covers(const struct bench_prefix *a, const struct bench_prefix *b)
{
	struct bench_prefix cut = *b;

	cut.plen = a->plen;
	mask6(&cut);
	return a->plen <= b->plen && cut.hi == a->hi && cut.lo == a->lo;
}

/* Within some ten thousand /32s, as providers hold them; what a wider prefix covers is redrawn. */
static void make6(struct bench_list *l, uint64_t *rng)
{
	uint64_t base = bench_random(rng);
	size_t have = 0, kept;

	while (have < l->n) {
		while (have < l->n) {
			uint64_t pick = base + bench_random(rng) % 10007;
			uint64_t net = 0x2000000000000000ull |
				       (bench_random(&pick) & 0x1fffffff00000000ull);
			struct bench_prefix *p = &l->p[have++];

			p->hi = net | bench_random(rng) >> 32;
			p->lo = bench_random(rng);
			p->plen = length6(rng);
			mask6(p);
		}
		qsort(l->p, have, sizeof(*l->p), compare);
		kept = 1;
		for (size_t i = 1; i < have; i++)
			if (!covers(&l->p[kept - 1], &l->p[i]))
				l->p[kept++] = l->p[i];
		have = kept;
	}
}

int bench_list_make(enum bench_mix mix, size_t n, uint64_t seed, struct bench_list *out)
{
	struct bench_list l = { .mix = mix, .n = n };
	uint64_t rng = seed;
	int r = 0;

	l.p = calloc(n, sizeof(*l.p));
	if (!l.p)
		return -ENOMEM;
	if (mix == BENCH_MIXED6)
		make6(&l, &rng);
	else
		r = make4(&l, &rng);
	if (r < 0) {
		free(l.p);
		return r;
	}
	*out = l;
	return 0;
}

void bench_list_clear(struct bench_list *l)
{
	free(l->p);
	*l = (struct bench_list){ 0 };
}

size_t bench_list_hosts(const struct bench_list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		n += l->p[i].plen == (bench_list_is6(l) ? 128 : 32);
	return n;
}

void bench_list_draw(const struct bench_list *l, uint64_t *rng, struct bench_prefix *out)
{
	struct bench_prefix p = l->p[bench_random(rng) % l->n];

	if (!bench_list_is6(l)) {
		if (p.plen < 32)
			p.lo |= bench_random(rng) >> (32 + p.plen);
	} else {
		if (p.plen < 64)
			p.hi |= bench_random(rng) >> p.plen;
		if (p.plen <= 64)
			p.lo |= bench_random(rng);
		else if (p.plen < 128)
			p.lo |= bench_random(rng) >> (p.plen - 64);
	}
	*out = p;
}

static void print_prefix(const struct bench_list *l, const struct bench_prefix *p, FILE *f)
{
	unsigned int whole = bench_list_is6(l) ? 128 : 32;

	if (whole == 128) {
		uint64_t words[2] = { __builtin_bswap64(p->hi), __builtin_bswap64(p->lo) };
		char text[INET6_ADDRSTRLEN];

		fputs(inet_ntop(AF_INET6, words, text, sizeof(text)), f);
	} else {
		fprintf(f, "%u.%u.%u.%u", (unsigned int)(p->lo >> 24),
			(unsigned int)(p->lo >> 16 & 255), (unsigned int)(p->lo >> 8 & 255),
			(unsigned int)(p->lo & 255));
	}
	if (p->plen != whole)
		fprintf(f, "/%u", p->plen);
}

/* netdev ingress; the set comes first, so that the rule finds it. */
static void write_nft(const struct bench_list *l, FILE *f)
{
	const char *ip = bench_list_is6(l) ? "ip6" : "ip";

	fprintf(f, "table netdev bench {\n\tset sources {\n\t\ttype %s;\n\t\tflags interval;\n",
		bench_list_is6(l) ? "ipv6_addr" : "ipv4_addr");
	fprintf(f, "\t\telements = {\n");
	for (size_t i = 0; i < l->n; i++) {
		print_prefix(l, &l->p[i], f);
		fputs(",\n", f);
	}
	fprintf(f, "\t\t}\n\t}\n\tcounter dropped {\n\t}\n\tchain in {\n");
	fprintf(f, "\t\ttype filter hook ingress device \"r0\" priority 0; policy accept;\n");
	fprintf(f, "\t\ttcp dport %d %s saddr @sources counter name \"dropped\" drop\n\t}\n}\n",
		BENCH_PORT, ip);
}

/* Buckets for every entry from the start: ipset then neither grows nor crowds. */
static void write_ipset(const struct bench_list *l, bool split, FILE *f)
{
	const char *family = bench_list_is6(l) ? "inet6" : "inet";
	unsigned int whole = bench_list_is6(l) ? 128 : 32;
	size_t size = 1024;

	while (size < l->n)
		size *= 2;
	fprintf(f, "create nets hash:net family %s hashsize %zu maxelem %zu\n", family, size, size);
	if (split)
		fprintf(f, "create hosts hash:ip family %s hashsize %zu maxelem %zu\n", family,
			size, size);
	for (size_t i = 0; i < l->n; i++) {
		fputs(split && l->p[i].plen == whole ? "add hosts " : "add nets ", f);
		print_prefix(l, &l->p[i], f);
		putc('\n', f);
	}
}

int bench_list_write(const struct bench_list *l, enum bench_format format, const char *path)
{
	_fclose_ FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	switch (format) {
	case BENCH_PLAIN:
		for (size_t i = 0; i < l->n; i++) {
			print_prefix(l, &l->p[i], f);
			putc('\n', f);
		}
		break;
	case BENCH_NFT:
		write_nft(l, f);
		break;
	case BENCH_IPSET:
	case BENCH_IPSET_SPLIT:
		write_ipset(l, format == BENCH_IPSET_SPLIT, f);
		break;
	}
	return fflush(f) || ferror(f) ? -EIO : 0;
}
