// SPDX-License-Identifier: BSD-2-Clause
/*
 * image.c - the compiler before its judge: random ordered policies against the reference matcher,
 * at random addresses and at both edges of every prefix, for all four answers to (permitted?,
 * banned?).  Every rule's reachability against a naive search over the same addresses.
 *
 * image [SEED [ROUNDS]]; the seed is printed, and the seed of the round that failed.
 */
#include "_random_policy.h"

#include <inttypes.h>
#include <mailreeve/image.h>
#include <mailreeve/match.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t seed;
static unsigned long rounds = 400;

static void check_outcomes(struct random_policy *rp, const struct mr_image *i,
			   const struct mr_addr *probe, size_t n, uint64_t s)
{
	for (size_t k = 0; k < n; k++) {
		uint16_t class = mr_image_class(i, &probe[k]);

		assert_true(class < i->classes);
		for (size_t c = 0; c < i->columns; c++)
			for (unsigned int a = 0; a < 4; a++) {
				uint16_t o = mr_image_outcome(i, class, c, a & 2, a & 1);
				char text[MR_ADDR_TEXT];
				struct mr_match m;

				mr_match(&rp->policy, &rp->host, i->service[c], &probe[k], a & 2,
					 a & 1, &m);
				if (o != m.outcome)
					fail_msg("seed %" PRIu64 ": %s at %s, answer %u: compiled "
						 "%#x, by the rules %#x",
						 s, mr_addr_text(&probe[k], text),
						 i->service[c]->name, a, o, m.outcome);
			}
	}
}

static unsigned int parent_class(const struct mr_image *i, bool six, size_t n)
{
	struct mr_prefix p;

	if (six)
		p = (struct mr_prefix){ mr_addr_from6(i->v6[n].hi, i->v6[n].lo), i->v6[n].plen };
	else
		p = (struct mr_prefix){ mr_addr_from4(i->v4[n].addr),
					(uint8_t)(i->v4[n].plen + 96) };
	while (n-- > 0) {
		struct mr_prefix q;

		if (six)
			q = (struct mr_prefix){ mr_addr_from6(i->v6[n].hi, i->v6[n].lo),
						i->v6[n].plen };
		else
			q = (struct mr_prefix){ mr_addr_from4(i->v4[n].addr),
						(uint8_t)(i->v4[n].plen + 96) };
		if (mr_prefix_contains(&q, &p.addr))
			return six ? i->v6[n].class : i->v4[n].class;
	}
	return six ? i->root6 : i->root4;
}

/* The invariants that the essay promises. */
static void check_shape(const struct mr_image *i)
{
	for (size_t n = 0; n < i->n4; n++) {
		assert_true(
			n == 0 || i->v4[n - 1].addr < i->v4[n].addr ||
			(i->v4[n - 1].addr == i->v4[n].addr && i->v4[n - 1].plen < i->v4[n].plen));
		assert_int_not_equal(i->v4[n].class, parent_class(i, false, n));
	}
	for (size_t n = 0; n < i->n6; n++)
		assert_int_not_equal(i->v6[n].class, parent_class(i, true, n));
}

/* --- reachability, naively -------------------------------------------------------------------- */

/* Reads one list as a login would, marking every rule it may stop at or try.  True: the reading
 * may end in an allow. */
static bool read_list(struct random_policy *rp, const struct mr_rule *rules, size_t n,
		      bool end_allows, const struct mr_addr *a, unsigned int answer, uint8_t *met)
{
	bool allow = false;

	for (size_t k = 0; k < n; k++) {
		const struct mr_rule *r = &rules[k];
		bool named = r->source.kind == MR_SOURCE_NAME;

		if (!named &&
		    !mr_source_holds(&rp->policy, &rp->host, &r->source, a, answer & 2, answer & 1))
			continue;
		met[r->number] = 1;
		allow = allow || r->action == MR_ALLOW;
		if (!named && (r->action == MR_ALLOW || !r->users))
			return allow;
	}
	return allow || end_allows;
}

static bool end_allows(const struct mr_service *s)
{
	size_t written = s->n_rules;

	if (s->n_rules && s->rules[0].implied)
		written--;
	return s->has_default ? s->default_allow : written == 0;
}

static bool empty_source(struct random_policy *rp, const struct mr_source *s)
{
	const struct mr_host *h = &rp->host;
	const struct mr_set *set = s->kind == MR_SOURCE_SET	       ? &rp->sets[s->set].set
				   : s->kind == MR_SOURCE_LOCAL	       ? &h->local
				   : s->kind == MR_SOURCE_LOCAL_PUBLIC ? &h->local_public
				   : s->kind == MR_SOURCE_GATEWAYS     ? &h->gateways
				   : s->kind == MR_SOURCE_LOOPBACK     ? &h->loopback
								       : NULL;

	return set && set->given == 0;
}

static void check_reachable(struct random_policy *rp, const struct mr_image *i,
			    const struct mr_addr *probe, size_t n, uint64_t s)
{
	const struct mr_policy *p = &rp->policy;
	uint8_t met[MR_RULES_MAX + 1] = { 0 };
	bool asked = false;

	for (size_t c = 0; c < p->n_services; c++) {
		const struct mr_service *v = &p->services[c];

		for (size_t k = 0; k < v->n_rules && v->mode == MR_MODE_OFF; k++)
			met[v->rules[k].number] = 1;
		asked = asked || (v->mode != MR_MODE_OFF && !v->noglobal);
		for (size_t k = 0; k < n && v->mode != MR_MODE_OFF; k++)
			for (unsigned int a = 0; a < 4; a++)
				if (read_list(rp, v->rules, v->n_rules, end_allows(v), &probe[k], a,
					      met) &&
				    !v->noglobal)
					read_list(rp, p->global, p->n_global, true, &probe[k], a,
						  met);
	}
	for (size_t k = 0; k < p->n_global && !asked; k++)
		met[p->global[k].number] = 1;
	for (unsigned int number = 1; number <= p->n_numbered; number++) {
		const struct mr_rule *r = mr_policy_rule(p, number, NULL);
		unsigned int want = met[number]			   ? MR_RULE_MATCHES
				    : empty_source(rp, &r->source) ? MR_RULE_EMPTY
								   : MR_RULE_NEVER;

		if (i->reachable[number] != want)
			fail_msg("seed %" PRIu64 ": rule %u reachable %u, naively %u", s, number,
				 i->reachable[number], want);
	}
}

static void random_policies(void **state)
{
	size_t probes = 0, prefixes = 0, classes = 0;

	(void)state;
	for (unsigned long r = 0; r < rounds; r++) {
		struct random_policy *rp = random_policy_new(seed + r);
		struct mr_image *i = NULL;
		struct mr_addr *probe;
		size_t n;

		probe = random_policy_probes(rp, &n);
		assert_int_equal(mr_image_compile(&rp->policy, &rp->host, &i, NULL), 0);
		check_outcomes(rp, i, probe, n, seed + r);
		check_reachable(rp, i, probe, n, seed + r);
		check_shape(i);
		probes += n;
		prefixes += i->n4 + i->n6;
		classes += i->classes;
		mr_image_free(i);
		free(probe);
		random_policy_free(rp);
	}
	printf("# %zu addresses, %zu flattened prefixes, %zu classes\n", probes, prefixes, classes);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void add4(struct mr_set *s, uint32_t addr, uint8_t plen)
{
	struct mr_prefix p = { mr_addr_from4(addr), (uint8_t)(96 + plen) };

	assert_int_equal(mr_set_add(s, &p, 0, 1), 0);
}

/* `rules` rules with a single address each, in `services` services with all of them: every address
 * is a class of its own. */
static int compile_many(size_t rules, size_t services, size_t *classes, struct mr_error *e)
{
	struct mr_named_set *sets = calloc(rules, sizeof(*sets));
	struct mr_service *s = calloc(services, sizeof(*s));
	struct mr_policy p = {
		.sets = sets, .n_sets = rules, .services = s, .n_services = services
	};
	struct mr_image *i = NULL;
	size_t number = 0;
	int r;

	for (size_t k = 0; k < rules; k++) {
		add4(&sets[k].set, 0x0a000000 + (uint32_t)k, 32);
		assert_int_equal(mr_set_seal(&sets[k].set), 0);
	}
	for (size_t c = 0; c < services; c++) {
		s[c].name = "own";
		s[c].n_rules = rules / services;
		s[c].rules = calloc(rules, sizeof(*s[c].rules));
		for (size_t k = 0; k < s[c].n_rules; k++, number++)
			s[c].rules[k] = (struct mr_rule){ .action = MR_DENY,
							  .source = { .kind = MR_SOURCE_SET,
								      .set = number },
							  .number = (uint16_t)(number + 1) };
	}
	p.n_numbered = number;
	r = mr_image_compile(&p, NULL, &i, e);
	if (r == 0) {
		*classes = i->classes;
		for (size_t k = 1; k <= number; k++)
			assert_int_equal(i->reachable[k], MR_RULE_MATCHES);
	} else {
		assert_null(i);
	}
	mr_image_free(i);
	for (size_t k = 0; k < rules; k++)
		mr_set_clear(&sets[k].set);
	for (size_t c = 0; c < services; c++)
		free(s[c].rules);
	free(sets);
	free(s);
	return r;
}

static void rules_limit(void **state)
{
	struct mr_error e = { "" };
	size_t classes = 0;

	(void)state;
	assert_int_equal(compile_many(MR_RULES_MAX, 1, &classes, &e), 0);
	assert_int_equal(classes, MR_RULES_MAX + 1);
	assert_int_equal(compile_many(MR_RULES_MAX + 1, 1, &classes, &e), -E2BIG);
	assert_non_null(strstr(e.text, "8192 rules"));
}

static void services_limit(void **state)
{
	struct mr_error e = { "" };
	size_t classes = 0;

	(void)state;
	assert_int_equal(compile_many(MR_SERVICES_MAX, MR_SERVICES_MAX, &classes, &e), 0);
	assert_int_equal(classes, MR_SERVICES_MAX + 1);
	assert_int_equal(compile_many(MR_SERVICES_MAX + 1, MR_SERVICES_MAX + 1, &classes, &e),
			 -E2BIG);
	assert_non_null(strstr(e.text, "65 services"));
}

/* 2^17 combinations of 17 sets, each in a service of its own: more classes than there may be. */
static void classes_limit(void **state)
{
	enum { SETS = 17 };
	struct mr_named_set sets[SETS] = { 0 };
	struct mr_service s[SETS] = { 0 };
	struct mr_rule rules[SETS] = { 0 };
	struct mr_policy p = {
		.sets = sets, .n_sets = SETS, .services = s, .n_services = SETS - 1
	};
	struct mr_error e = { "" };
	struct mr_image *i = NULL;

	(void)state;
	for (unsigned int k = 0; k < SETS; k++) {
		for (uint32_t a = 0; a < 1u << SETS; a++)
			if (a >> k & 1)
				add4(&sets[k].set, 0x0a000000 + a, 32);
		assert_int_equal(mr_set_seal(&sets[k].set), 0);
		rules[k] = (struct mr_rule){ .action = MR_DENY,
					     .source = { .kind = MR_SOURCE_SET, .set = k },
					     .number = (uint16_t)(k + 1) };
		s[k] = (struct mr_service){ .name = "own", .rules = &rules[k], .n_rules = 1 };
	}
	assert_int_equal(mr_image_compile(&p, NULL, &i, &e), 0);
	assert_int_equal(i->classes, MR_CLASSES_MAX);
	mr_image_free(i);
	i = NULL;
	p.n_services = SETS;
	assert_int_equal(mr_image_compile(&p, NULL, &i, &e), -E2BIG);
	assert_non_null(strstr(e.text, "65536 classes"));
	assert_null(i);
	for (unsigned int k = 0; k < SETS; k++)
		mr_set_clear(&sets[k].set);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_policies),
		cmocka_unit_test(rules_limit),
		cmocka_unit_test(services_limit),
		cmocka_unit_test(classes_limit),
	};

	seed = mr_realtime_us();
	random_start(argc, argv, &seed, &rounds);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
