// SPDX-License-Identifier: BSD-2-Clause
/*
 * image.c - the compiler: ordered first-match lists in, longest-prefix-match tables out.
 *
 * A policy is lists of rules, read from the top, a list for each service and one, `global`, behind
 * all of them.  The packet layer cannot read lists; it looks an address up once.  What makes one
 * from the other, without expanding anything:
 *
 *   Two prefixes nest or are disjoint.  So the longest prefix, among all that occur in any rule,
 *   that holds an address is held by exactly those prefixes that hold the address: every address
 *   with the same longest prefix meets the same rules.
 *
 * It suffices, then, to find for each prefix that occurs anywhere the answer of every list for the
 * addresses that have it as their longest, and to hang that answer on the prefix.  The answer of
 * one service is a cell: four outcomes, because two things are known only when the packet comes,
 * is the address permitted, is it banned; each outcome is an action and the number of the rule that
 * gave it.  The cells of all services side by side are a row; equal rows are one class; what hangs
 * on the prefix is the number of its class.  All services share the lookup: a block list of a
 * million prefixes is in memory once, however many services name it, and no /32 meant for one
 * port hides a /8 meant for another.
 *
 * Of the sources that hold an address a list needs to know only the first position at which a rule
 * names one of them.  The first match for an answer (permitted, banned) is that position or the
 * list's first rule that holds every address given that answer (`any`, `permitted` if it is,
 * `banned` if it is), whichever comes first; if neither, the service's default.  `global` is one
 * more list, folded into the cells of the services that ask it where they allow.  The positions of
 * all lists are a vector of small numbers; the vector of a nested prefix is the minimum, place by
 * place, of its parent's and of its own sources' (image_row.c).  The prefixes are sorted and walked
 * with a stack of those around the current place (image_sweep.c), and one whose class is its
 * parent's is left out: it would decide nothing.  What the walk saw also tells which rules no
 * address can ever meet first (image_reach.c).
 *
 * IPv4 and IPv6 are walked apart and share classes.  An IPv4-mapped address is IPv4.  `any` is
 * both; a prefix of length 0 is its family's root.
 *
 * To the packet layer `allow … users` and `allow name …` allow, and a refusal limited to users or
 * names is not there: it drops only what no login could make acceptable.
 *
 * Invariants of an image: prefixes ascend by (addr, plen), none twice; no prefix has the class of
 * the longest one around it (or of the root); every class in use has a row; a rule number in a row
 * is one of the policy's, or 0.
 *
 * Time is linear in the prefixes but for merging the sources' sorted lists; memory is the result
 * (8 bytes a prefix, IPv6 24) and once more while sorting.  Never touches the kernel.  Called by
 * the daemon's worker, `check`, `why`, tests.  Fails with -ENOMEM, or -E2BIG and a message where
 * the policy exceeds a limit of abi.h.
 */
#include "image_private.h"

void mr_image_free(struct mr_image *i)
{
	if (!i)
		return;
	free(i->cells);
	free(i->v4);
	free(i->v6);
	free(i->reachable);
	free(i);
}

static void build_clear(struct build *b)
{
	free(b->source);
	free(b->set_source);
	free(b->uses);
	free(b->limited);
	mr_image_intern_clear(&b->vectors);
	mr_image_intern_clear(&b->steps);
	mr_image_intern_clear(&b->rows);
	free(b->info);
	free(b->step_to);
	free(b->held);
}

/* Gives back what the sweep did not need. */
static void shrink(struct mr_image *i)
{
	void *p = realloc(i->v4, (i->n4 + 1) * sizeof(*i->v4));

	if (p)
		i->v4 = p;
	p = realloc(i->v6, (i->n6 + 1) * sizeof(*i->v6));
	if (p)
		i->v6 = p;
}

int mr_image_compile(const struct mr_policy *p, const struct mr_host *host, struct mr_image **out,
		     struct mr_error *e)
{
	_cleanup_(mr_image_freep) struct mr_image *i = calloc(1, sizeof(*i));
	_cleanup_(build_clear) struct build b = { .policy = p, .host = host, .error = e };
	int r;

	if (!i)
		return -ENOMEM;
	i->reachable = calloc(MR_RULES_MAX + 1, sizeof(*i->reachable));
	if (!i->reachable)
		return -ENOMEM;
	b.image = i;
	b.reachable = i->reachable;
	r = mr_image_lists(&b);
	if (r == 0)
		r = mr_image_sweep(&b, false, &i->root4);
	if (r == 0)
		r = mr_image_sweep(&b, true, &i->root6);
	if (r < 0)
		return r;
	mr_image_reach_finish(&b);
	i->classes = b.rows.n;
	i->cells = MR_TAKE_PTR(b.rows.data);
	shrink(i);
	*out = MR_TAKE_PTR(i);
	return 0;
}

/* The last index in [0, n) whose prefix does not stand behind (a, plen), + 1; 0 = none. */
static size_t last4(const struct mr_image *i, uint32_t a, unsigned int plen)
{
	size_t lo = 0, hi = i->n4;

	while (lo < hi) {
		size_t m = lo + (hi - lo) / 2;
		const struct mr_flat4 *f = &i->v4[m];

		if (f->addr < a || (f->addr == a && f->plen <= plen))
			lo = m + 1;
		else
			hi = m;
	}
	return lo;
}

static size_t last6(const struct mr_image *i, uint64_t hi64, uint64_t lo64, unsigned int plen)
{
	size_t lo = 0, hi = i->n6;

	while (lo < hi) {
		size_t m = lo + (hi - lo) / 2;
		const struct mr_flat6 *f = &i->v6[m];
		bool before = f->hi != hi64 ? f->hi < hi64
					    : f->lo < lo64 || (f->lo == lo64 && f->plen <= plen);

		if (before)
			lo = m + 1;
		else
			hi = m;
	}
	return lo;
}

static unsigned int common64(uint64_t a, uint64_t b)
{
	return a == b ? 64 : (unsigned int)__builtin_clzll(a ^ b);
}

/*
 * The longest prefix around an address: the last entry not behind it either holds it, or shares
 * only `common` leading bits with it; then whatever holds the address is no longer than that, and
 * stands at or before the address cut to it.
 */
static uint16_t class4(const struct mr_image *i, uint32_t addr)
{
	unsigned int plen = 32;
	uint32_t a = addr;

	for (;;) {
		size_t n = last4(i, a, plen);
		uint32_t differs;

		if (n == 0)
			return i->root4;
		differs = i->v4[n - 1].addr ^ addr;
		if (differs)
			plen = (unsigned int)__builtin_clz(differs);
		if (differs == 0 || plen >= i->v4[n - 1].plen)
			return i->v4[n - 1].class;
		if (plen == 0)
			return i->root4;
		a = addr & ~(UINT32_MAX >> plen);
	}
}

static uint16_t class6(const struct mr_image *i, const struct mr_addr *addr)
{
	struct mr_addr a = *addr;
	unsigned int plen = 128;

	for (;;) {
		size_t n = last6(i, mr_addr_hi(&a), mr_addr_lo(&a), plen);
		unsigned int common;

		if (n == 0)
			return i->root6;
		common = common64(i->v6[n - 1].hi, mr_addr_hi(addr));
		if (common == 64)
			common += common64(i->v6[n - 1].lo, mr_addr_lo(addr));
		if (common >= i->v6[n - 1].plen)
			return i->v6[n - 1].class;
		if (common == 0)
			return i->root6;
		plen = common;
		a = *addr;
		mr_addr_mask(&a, plen);
	}
}

uint16_t mr_image_class(const struct mr_image *i, const struct mr_addr *a)
{
	return mr_addr_is4(a) ? class4(i, mr_addr_v4(a)) : class6(i, a);
}
