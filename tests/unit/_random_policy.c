// SPDX-License-Identifier: BSD-2-Clause
/*
 * _random_policy.c - random policies built straight in memory (_random_policy.h).
 *
 * The world is small on purpose: a few networks, drawn from again and again, so that prefixes nest,
 * meet at their edges and repeat.  Nothing here knows the parser or the compiler.  Out of memory
 * ends the program.
 */
#include "_random_policy.h"

#include <assert.h>
#include <inttypes.h>

#define SETS_MAX     12
#define SERVICES_MAX 6
#define RULES_MAX    14

static const char *const users[] = { "support", NULL };

uint64_t random_next(struct random_policy *rp) /* splitmix64 */
{
	uint64_t z = rp->state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

uint32_t random_below(struct random_policy *rp, uint32_t n)
{
	return (uint32_t)((random_next(rp) >> 32) * n >> 32);
}

static bool one_in(struct random_policy *rp, uint32_t n)
{
	return random_below(rp, n) == 0;
}

static struct mr_addr random_v4(struct random_policy *rp)
{
	static const uint32_t base[] = { 0xc0000200, 0xc6336400, 0xcb007100, 0x0a000000,
					 0x00000000, 0xffffff00, 0xc0000000 };
	static const uint32_t loose[] = { 0x0f, 0xff, 0x3ff, 0xffff };

	return mr_addr_from4((base[random_below(rp, MR_ARRAY_SIZE(base))] ^
			      ((uint32_t)random_next(rp) & loose[random_below(rp, 4)])));
}

static struct mr_addr random_v6(struct random_policy *rp)
{
	static const uint64_t base[] = { 0x20010db800000000, 0x20010db800010000, 0xfe80000000000000,
					 0, UINT64_MAX };
	static const uint64_t loose_hi[] = { 0, 0x0f, 0xff, 0xffffff };
	static const uint64_t loose_lo[] = { 0, 0x0f, 0xffff, UINT64_MAX };
	uint64_t hi = base[random_below(rp, MR_ARRAY_SIZE(base))];
	uint64_t lo = one_in(rp, 4) ? UINT64_MAX : 0;

	hi ^= random_next(rp) & loose_hi[random_below(rp, 4)];
	lo ^= random_next(rp) & loose_lo[random_below(rp, 4)];
	return mr_addr_from6(hi, lo);
}

struct mr_prefix random_prefix(struct random_policy *rp)
{
	struct mr_prefix p;

	if (one_in(rp, 2)) {
		static const uint8_t usual[] = {
			32, 32, 32, 31, 30, 28, 25, 24, 24, 23, 22, 16, 8
		};

		p.addr = random_v4(rp);
		p.plen = one_in(rp, 4) ? (uint8_t)random_below(rp, 33)
				       : usual[random_below(rp, MR_ARRAY_SIZE(usual))];
		p.plen = (uint8_t)(p.plen + 96);
	} else {
		static const uint8_t usual[] = { 128, 128, 127, 96, 65, 64, 64, 63, 56, 48, 32 };

		p.addr = random_v6(rp);
		p.plen = one_in(rp, 4) ? (uint8_t)random_below(rp, 129)
				       : usual[random_below(rp, MR_ARRAY_SIZE(usual))];
		if (p.plen > 96) /* ::ffff:0:0/96 is IPv4's */
			p.addr.b[10] ^= mr_addr_is4(&p.addr);
	}
	mr_addr_mask(&p.addr, p.plen);
	return p;
}

static void add(struct random_policy *rp, struct mr_set *s, const struct mr_prefix *p)
{
	if (mr_set_add(s, p, 0, 1) < 0 ||
	    mr_grow(&rp->prefixes, &rp->allocated, rp->n_prefixes, sizeof(*p)) < 0)
		abort();
	rp->prefixes[rp->n_prefixes++] = *p;
}

static void add_range(struct random_policy *rp, struct mr_set *s)
{
	struct mr_prefix list[MR_RANGE_PREFIXES];
	bool six = one_in(rp, 2);
	struct mr_addr a = six ? random_v6(rp) : random_v4(rp);
	struct mr_addr b = six ? random_v6(rp) : random_v4(rp);
	size_t n;

	if (mr_addr_is4(&a) != mr_addr_is4(&b) || mr_range_prefixes(&a, &b, list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		add(rp, s, &list[i]);
}

static void fill(struct random_policy *rp, struct mr_set *s)
{
	uint32_t n = one_in(rp, 8) ? 0 : one_in(rp, 3) ? 1 : random_below(rp, 30);

	for (uint32_t i = 0; i < n; i++) {
		struct mr_prefix p = random_prefix(rp);

		add(rp, s, &p);
	}
	if (one_in(rp, 6))
		add_range(rp, s);
	if (mr_set_seal(s) < 0)
		abort();
}

static struct mr_rule random_rule(struct random_policy *rp)
{
	static const enum mr_source_kind kinds[] = {
		MR_SOURCE_SET,		MR_SOURCE_SET,	    MR_SOURCE_SET,
		MR_SOURCE_SET,		MR_SOURCE_SET,	    MR_SOURCE_SET,
		MR_SOURCE_SET,		MR_SOURCE_SET,	    MR_SOURCE_PERMITTED,
		MR_SOURCE_PERMITTED,	MR_SOURCE_BANNED,   MR_SOURCE_NAME,
		MR_SOURCE_LOCAL,	MR_SOURCE_GATEWAYS, MR_SOURCE_LOOPBACK,
		MR_SOURCE_LOCAL_PUBLIC,
	};
	struct mr_rule r = { .action = (enum mr_action)random_below(rp, 3) };

	r.source.kind =
		one_in(rp, 20) ? MR_SOURCE_ANY : kinds[random_below(rp, MR_ARRAY_SIZE(kinds))];
	if (r.source.kind == MR_SOURCE_SET)
		r.source.set = random_below(rp, (uint32_t)rp->policy.n_sets);
	if (r.source.kind == MR_SOURCE_NAME)
		r.source.domain = "example.com";
	if (one_in(rp, 6)) {
		r.users = users;
		r.n_users = 1;
	}
	r.noauth = one_in(rp, 4);
	return r;
}

static struct mr_rule *random_rules(struct random_policy *rp, bool implied, size_t *n)
{
	size_t count = one_in(rp, 6) ? 0 : random_below(rp, RULES_MAX + 1);
	struct mr_rule *rules = calloc(count + 1, sizeof(*rules));

	assert(rules);
	*n = 0;
	if (implied)
		rules[(*n)++] = (struct mr_rule){ .action = MR_DENY,
						  .source.kind = MR_SOURCE_BANNED,
						  .implied = true };
	for (size_t i = implied ? 1 : 0; i < count; i++) {
		rules[i] = random_rule(rp);
		rules[i].number = (uint16_t)++rp->policy.n_numbered;
		*n = i + 1;
	}
	return rules;
}

static void random_service(struct random_policy *rp, struct mr_service *s)
{
	static const char *const names[] = { "smtp", "submission", "imap", "pop3", "sieve", "own" };

	s->name = names[s - rp->services];
	s->ports[0] = (uint16_t)(25 + (s - rp->services));
	s->n_ports = 1;
	s->mode = one_in(rp, 6) ? MR_MODE_OFF : one_in(rp, 4) ? MR_MODE_SHADOW : MR_MODE_ENFORCE;
	s->has_default = one_in(rp, 3);
	s->default_allow = one_in(rp, 2);
	s->noglobal = one_in(rp, 4);
	s->nobans = one_in(rp, 4);
	s->rules = random_rules(rp, !s->nobans && one_in(rp, 2), &s->n_rules);
}

struct random_policy *random_policy_new(uint64_t seed)
{
	struct random_policy *rp = calloc(1, sizeof(*rp));
	struct mr_policy *p = &rp->policy;

	assert(rp);
	rp->state = seed;
	p->n_sets = 1 + random_below(rp, SETS_MAX);
	p->sets = rp->sets = calloc(p->n_sets, sizeof(*rp->sets));
	p->n_services = random_below(rp, SERVICES_MAX + 1);
	p->services = rp->services = calloc(SERVICES_MAX, sizeof(*rp->services));
	assert(rp->sets && rp->services);
	for (size_t i = 0; i < p->n_sets; i++)
		fill(rp, &rp->sets[i].set);
	fill(rp, &rp->host.local);
	fill(rp, &rp->host.local_public);
	fill(rp, &rp->host.gateways);
	fill(rp, &rp->host.loopback);
	p->global = random_rules(rp, false, &p->n_global);
	for (size_t i = 0; i < p->n_services; i++)
		random_service(rp, &rp->services[i]);
	return rp;
}

void random_policy_free(struct random_policy *rp)
{
	for (size_t i = 0; i < rp->policy.n_sets; i++)
		mr_set_clear(&rp->sets[i].set);
	mr_set_clear(&rp->host.local);
	mr_set_clear(&rp->host.local_public);
	mr_set_clear(&rp->host.gateways);
	mr_set_clear(&rp->host.loopback);
	for (size_t i = 0; i < rp->policy.n_services; i++)
		free(rp->services[i].rules);
	free(rp->policy.global);
	free(rp->services);
	free(rp->sets);
	free(rp->prefixes);
	free(rp);
}

static struct mr_addr shifted(const struct mr_addr *a, int by)
{
	uint64_t hi = mr_addr_hi(a), lo = mr_addr_lo(a);

	if (mr_addr_is4(a))
		return mr_addr_from4(mr_addr_v4(a) + (uint32_t)by);
	if (by > 0)
		hi += ++lo == 0;
	else
		hi -= lo-- == 0;
	return mr_addr_from6(hi, lo);
}

static struct mr_addr last_of(const struct mr_prefix *p)
{
	struct mr_addr a = p->addr;

	for (unsigned int bit = p->plen; bit < 128; bit++)
		a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return a;
}

struct mr_addr *random_policy_probes(struct random_policy *rp, size_t *n)
{
	size_t extra = 100, k = 0;
	struct mr_addr *a = calloc(rp->n_prefixes * 4 + extra, sizeof(*a));

	assert(a);
	for (size_t i = 0; i < rp->n_prefixes; i++) {
		struct mr_addr last = last_of(&rp->prefixes[i]);

		a[k++] = rp->prefixes[i].addr;
		a[k++] = last;
		a[k++] = shifted(&rp->prefixes[i].addr, -1);
		a[k++] = shifted(&last, 1);
	}
	for (size_t i = 0; i < extra; i++)
		a[k++] = i % 3 == 0   ? random_v4(rp)
			 : i % 3 == 1 ? random_v6(rp)
				      : mr_addr_from4((uint32_t)random_next(rp));
	*n = k;
	return a;
}

void random_start(int argc, char **argv, uint64_t *seed, unsigned long *rounds)
{
	const char *s = argc > 1 ? argv[1] : getenv("MR_SEED");
	const char *r = argc > 2 ? argv[2] : getenv("MR_ROUNDS");

	if (s && *s)
		*seed = strtoull(s, NULL, 0);
	if (r && *r)
		*rounds = strtoul(r, NULL, 0);
	printf("# seed %" PRIu64 ", %lu rounds (MR_SEED, MR_ROUNDS, or arguments)\n", *seed,
	       *rounds);
}
