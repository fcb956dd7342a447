// SPDX-License-Identifier: BSD-2-Clause
/*
 * set.c - named lists of prefixes: filled, sealed, searched (set.h).
 *
 * Sealing is a radix sort (least significant digit first, stable) by address, then one pass that
 * keeps, of prefixes that nest, the widest; of equal ones the first that was given.  Input that is
 * already in order, as published lists are, is not sorted again.  An insertion sort serves the few
 * prefixes of a literal.  Called by the configuration reader, host facts and tests.  Fails with
 * -ENOMEM; a set that could not be sealed stays unsealed and can be cleared.
 */
#include <mailreeve/set.h>

#define V4_BASE	   96
#define DIGIT_BITS 11 /* 2,048 counters: the table of a pass stays in the first-level cache */
#define DIGITS	   (1u << DIGIT_BITS)
#define PASSES4	   3
#define PASSES6	   12
#define SMALL	   48 /* below this an insertion sort is quicker than clearing counters */

int mr_set_add(struct mr_set *s, const struct mr_prefix *p, uint16_t file, uint32_t line)
{
	int r;

	if (p->plen >= V4_BASE && mr_addr_is4(&p->addr)) {
		r = mr_grow(&s->v4, &s->alloc4, s->n4, sizeof(*s->v4));
		if (r < 0)
			return r;
		s->v4[s->n4++] = (struct mr_item4){ .addr = mr_addr_v4(&p->addr),
						    .line = line,
						    .file = file,
						    .plen = (uint8_t)(p->plen - V4_BASE) };
	} else {
		r = mr_grow(&s->v6, &s->alloc6, s->n6, sizeof(*s->v6));
		if (r < 0)
			return r;
		s->v6[s->n6++] = (struct mr_item6){ .hi = mr_addr_hi(&p->addr),
						    .lo = mr_addr_lo(&p->addr),
						    .line = line,
						    .file = file,
						    .plen = p->plen };
	}
	s->given++;
	s->sealed = false;
	return 0;
}

static int compare6(const struct mr_item6 *a, const struct mr_item6 *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

static unsigned int digit4(const struct mr_item4 *i, unsigned int pass)
{
	return i->addr >> (pass * DIGIT_BITS) & (DIGITS - 1);
}

static unsigned int digit6(const struct mr_item6 *i, unsigned int pass)
{
	unsigned int shift = pass * DIGIT_BITS;

	if (shift >= 64)
		return (unsigned int)(i->hi >> (shift - 64)) & (DIGITS - 1);
	return (unsigned int)(i->lo >> shift |
			      (shift > 64 - DIGIT_BITS ? i->hi << (64 - shift) : 0)) &
	       (DIGITS - 1);
}

/* Counts to first positions; false if one digit holds them all, so that the pass can be left out.
 */
static bool positions(uint32_t count[DIGITS], size_t n)
{
	uint32_t at = 0;

	for (unsigned int d = 0; d < DIGITS; d++) {
		uint32_t c = count[d];

		if (c == n)
			return false;
		count[d] = at;
		at += c;
	}
	return true;
}

static int sort4(struct mr_set *s)
{
	_free_ struct mr_item4 *other = NULL;
	_free_ uint32_t(*count)[DIGITS] = NULL;
	size_t n = s->n4, i = 1;

	while (i < n && s->v4[i - 1].addr <= s->v4[i].addr)
		i++;
	if (i >= n)
		return 0;
	if (n < SMALL) {
		for (i = 1; i < n; i++) {
			struct mr_item4 x = s->v4[i];
			size_t j = i;

			for (; j > 0 && s->v4[j - 1].addr > x.addr; j--)
				s->v4[j] = s->v4[j - 1];
			s->v4[j] = x;
		}
		return 0;
	}
	other = malloc(n * sizeof(*other));
	count = calloc(PASSES4, sizeof(*count));
	if (!other || !count)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		for (unsigned int p = 0; p < PASSES4; p++)
			count[p][digit4(&s->v4[i], p)]++;
	for (unsigned int p = 0; p < PASSES4; p++) {
		struct mr_item4 *sorted;

		if (!positions(count[p], n))
			continue;
		for (i = 0; i < n; i++)
			other[count[p][digit4(&s->v4[i], p)]++] = s->v4[i];
		sorted = other;
		other = s->v4;
		s->v4 = sorted;
		s->alloc4 = n;
	}
	return 0;
}

static int sort6(struct mr_set *s)
{
	_free_ struct mr_item6 *other = NULL;
	_free_ uint32_t(*count)[DIGITS] = NULL;
	size_t n = s->n6, i = 1;

	while (i < n && compare6(&s->v6[i - 1], &s->v6[i]) <= 0)
		i++;
	if (i >= n)
		return 0;
	if (n < SMALL) {
		for (i = 1; i < n; i++) {
			struct mr_item6 x = s->v6[i];
			size_t j = i;

			for (; j > 0 && compare6(&s->v6[j - 1], &x) > 0; j--)
				s->v6[j] = s->v6[j - 1];
			s->v6[j] = x;
		}
		return 0;
	}
	other = malloc(n * sizeof(*other));
	count = calloc(PASSES6, sizeof(*count));
	if (!other || !count)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		for (unsigned int p = 0; p < PASSES6; p++)
			count[p][digit6(&s->v6[i], p)]++;
	for (unsigned int p = 0; p < PASSES6; p++) {
		struct mr_item6 *sorted;

		if (!positions(count[p], n))
			continue;
		for (i = 0; i < n; i++)
			other[count[p][digit6(&s->v6[i], p)]++] = s->v6[i];
		sorted = other;
		other = s->v6;
		s->v6 = sorted;
		s->alloc6 = n;
	}
	return 0;
}

static uint32_t last4(const struct mr_item4 *i)
{
	return i->addr | (uint32_t)(0xffffffffull >> i->plen);
}

static struct mr_item6 last6(const struct mr_item6 *i)
{
	return (struct mr_item6){
		.hi = i->hi | (i->plen >= 64 ? 0 : UINT64_MAX >> i->plen),
		.lo = i->lo | (i->plen >= 128 ? 0
			       : i->plen > 64 ? UINT64_MAX >> (i->plen - 64)
					      : UINT64_MAX),
	};
}

/* Sorted by address, prefixes nest or are disjoint: whoever starts within the last one kept is
 * covered by it.  Only equal starts need a look at the lengths. */
static void disjoin4(struct mr_set *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n4; i++) {
		struct mr_item4 *last = kept ? &s->v4[kept - 1] : NULL;

		if (!last || s->v4[i].addr > last4(last))
			s->v4[kept++] = s->v4[i];
		else if (s->v4[i].addr == last->addr && s->v4[i].plen < last->plen)
			*last = s->v4[i];
	}
	s->n4 = kept;
}

static void disjoin6(struct mr_set *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n6; i++) {
		struct mr_item6 *last = kept ? &s->v6[kept - 1] : NULL;
		struct mr_item6 end;

		if (last)
			end = last6(last);
		if (!last || compare6(&s->v6[i], &end) > 0)
			s->v6[kept++] = s->v6[i];
		else if (compare6(&s->v6[i], last) == 0 && s->v6[i].plen < last->plen)
			*last = s->v6[i];
	}
	s->n6 = kept;
}

/* Gives back what doubling reserved; a failure to shrink is none. */
static void shrink(void *array, size_t *allocated, size_t n, size_t size)
{
	void **p = array;
	void *q;

	if (n == 0 || n == *allocated)
		return;
	q = realloc(*p, n * size);
	if (q) {
		*p = q;
		*allocated = n;
	}
}

int mr_set_seal(struct mr_set *s)
{
	int r;

	if (s->sealed)
		return 0;
	r = sort4(s);
	if (r == 0)
		r = sort6(s);
	if (r < 0)
		return r;
	disjoin4(s);
	disjoin6(s);
	shrink(&s->v4, &s->alloc4, s->n4, sizeof(*s->v4));
	shrink(&s->v6, &s->alloc6, s->n6, sizeof(*s->v6));
	s->sealed = true;
	return 0;
}

void mr_set_clear(struct mr_set *s)
{
	free(s->v4);
	free(s->v6);
	*s = (struct mr_set){ 0 };
}

static const struct mr_item4 *find4(const struct mr_set *s, uint32_t v4)
{
	size_t lo = 0, hi = s->n4;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v4[mid].addr <= v4)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && v4 <= last4(&s->v4[lo - 1]) ? &s->v4[lo - 1] : NULL;
}

static const struct mr_item6 *find6(const struct mr_set *s, const struct mr_item6 *key)
{
	size_t lo = 0, hi = s->n6;
	struct mr_item6 end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare6(&s->v6[mid], key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return NULL;
	end = last6(&s->v6[lo - 1]);
	return compare6(key, &end) <= 0 ? &s->v6[lo - 1] : NULL;
}

bool mr_set_find(const struct mr_set *s, const struct mr_addr *a, struct mr_prefix *p,
		 uint16_t *file, uint32_t *line)
{
	struct mr_prefix found;
	uint16_t in_file;
	uint32_t at_line;

	if (mr_addr_is4(a)) {
		const struct mr_item4 *i = find4(s, mr_addr_v4(a));

		if (!i)
			return false;
		found.addr = mr_addr_from4(i->addr);
		found.plen = (uint8_t)(i->plen + V4_BASE);
		in_file = i->file;
		at_line = i->line;
	} else {
		struct mr_item6 key = { .hi = mr_addr_hi(a), .lo = mr_addr_lo(a) };
		const struct mr_item6 *i = find6(s, &key);

		if (!i)
			return false;
		found.addr = mr_addr_from6(i->hi, i->lo);
		found.plen = i->plen;
		in_file = i->file;
		at_line = i->line;
	}
	if (p)
		*p = found;
	if (file)
		*file = in_file;
	if (line)
		*line = at_line;
	return true;
}

static bool begins_in4(const struct mr_set *s, uint32_t first, uint32_t last)
{
	for (size_t lo = 0, hi = s->n4; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v4[mid].addr >= first && s->v4[mid].addr <= last)
			return true;
		if (s->v4[mid].addr < first)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static bool begins_in6(const struct mr_set *s, const struct mr_item6 *first,
		       const struct mr_item6 *last)
{
	for (size_t lo = 0, hi = s->n6; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;
		bool before = compare6(&s->v6[mid], first) < 0;

		if (!before && compare6(&s->v6[mid], last) <= 0)
			return true;
		if (before)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

bool mr_set_meets(const struct mr_set *s, const struct mr_prefix *p)
{
	struct mr_item4 four = { .addr = mr_addr_v4(&p->addr) };
	struct mr_item6 six = { .hi = mr_addr_hi(&p->addr), .lo = mr_addr_lo(&p->addr) }, end;

	if (mr_set_find(s, &p->addr, NULL, NULL, NULL))
		return true;
	if (mr_addr_is4(&p->addr) && p->plen >= V4_BASE) {
		four.plen = (uint8_t)(p->plen - V4_BASE);
		return begins_in4(s, four.addr, last4(&four));
	}
	six.plen = p->plen;
	end = last6(&six);
	return begins_in6(s, &six, &end);
}

bool mr_set_equal(const struct mr_set *a, const struct mr_set *b)
{
	if (a->n4 != b->n4 || a->n6 != b->n6)
		return false;
	for (size_t i = 0; i < a->n4; i++)
		if (a->v4[i].addr != b->v4[i].addr || a->v4[i].plen != b->v4[i].plen)
			return false;
	for (size_t i = 0; i < a->n6; i++)
		if (compare6(&a->v6[i], &b->v6[i]) != 0 || a->v6[i].plen != b->v6[i].plen)
			return false;
	return true;
}
