// SPDX-License-Identifier: BSD-2-Clause
/*
 * match.c - the judge itself: the reference matcher against verdicts worked out by hand from the
 * manual, sentence by sentence.  Everything else about rules is judged by it.
 */
#include <mailreeve/match.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SET_OFFICE, SET_LIST, SET_EVERY4, SETS };
static const char *const set_text[SETS][3] = {
	[SET_OFFICE] = { "192.0.2.0/24", "2001:db8:1::/48" },
	[SET_LIST] = { "192.0.2.7", "203.0.113.0/24" },
	[SET_EVERY4] = { "0.0.0.0/0" },
};

struct fixture {
	struct mr_named_set sets[SETS];
	struct mr_rule rules[6], global[3];
	struct mr_service service;
	struct mr_policy policy;
	struct mr_host host;
};

static void add(struct mr_set *s, const char *text)
{
	struct mr_prefix p;

	assert_int_equal(mr_prefix_parse(text, strlen(text), &p), 0);
	assert_int_equal(mr_set_add(s, &p, 0, 1), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	for (size_t i = 0; i < SETS; i++) {
		for (size_t k = 0; set_text[i][k]; k++)
			add(&f->sets[i].set, set_text[i][k]);
		assert_int_equal(mr_set_seal(&f->sets[i].set), 0);
	}
	add(&f->host.gateways, "192.0.2.1");
	assert_int_equal(mr_set_seal(&f->host.gateways), 0);
	f->service.rules = f->rules;
	f->policy.sets = f->sets;
	f->policy.n_sets = SETS;
	f->policy.global = f->global;
	f->policy.services = &f->service;
	f->policy.n_services = 1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < SETS; i++)
		mr_set_clear(&f->sets[i].set);
	mr_set_clear(&f->host.gateways);
	free(f);
	return 0;
}

static struct mr_rule *rule(struct fixture *f, enum mr_action action, enum mr_source_kind kind,
			    size_t set)
{
	struct mr_rule *r = &f->rules[f->service.n_rules++];

	*r = (struct mr_rule){ .action = action,
			       .source = { .kind = kind, .set = set },
			       .number = (uint16_t)f->service.n_rules };
	return r;
}

static void global(struct fixture *f, enum mr_action action, size_t set)
{
	f->global[f->policy.n_global] =
		(struct mr_rule){ .action = action,
				  .source = { .kind = MR_SOURCE_SET, .set = set },
				  .number = (uint16_t)(100 + f->policy.n_global) };
	f->policy.n_global++;
}

static void expect_for(struct fixture *f, const char *text, bool permitted, bool banned,
		       unsigned int number, enum mr_action action)
{
	struct mr_addr a;
	struct mr_match m;

	assert_int_equal(mr_addr_parse(text, strlen(text), &a), 0);
	mr_match(&f->policy, &f->host, &f->service, &a, permitted, banned, &m);
	assert_int_equal(MR_OUTCOME_ACTION(m.outcome), action);
	assert_int_equal(MR_OUTCOME_RULE(m.outcome), number);
}

static void expect(struct fixture *f, const char *text, unsigned int number, enum mr_action action)
{
	expect_for(f, text, false, false, number, action);
}

/* 1. The first rule whose source holds the address decides. */
static void first_match(void **state)
{
	struct fixture *f = *state;

	rule(f, MR_DENY, MR_SOURCE_GATEWAYS, 0);
	rule(f, MR_ALLOW, MR_SOURCE_SET, SET_OFFICE);
	rule(f, MR_REJECT, MR_SOURCE_SET, SET_LIST);
	expect(f, "192.0.2.1", 1, MR_DENY);
	expect(f, "192.0.2.7", 2, MR_ALLOW);
	expect(f, "203.0.113.9", 3, MR_REJECT);
	expect(f, "2001:db8:1::5", 2, MR_ALLOW);
	expect(f, "198.51.100.1", 0, MR_UNMATCHED);
}

/* 2. No rules: everybody; `default` says what an unmatched source meets. */
static void defaults(void **state)
{
	struct fixture *f = *state;

	expect(f, "198.51.100.1", 0, MR_ALLOW);
	f->service.has_default = true;
	expect(f, "198.51.100.1", 0, MR_UNMATCHED);
	f->service.default_allow = true;
	rule(f, MR_DENY, MR_SOURCE_SET, SET_LIST);
	expect(f, "198.51.100.1", 0, MR_ALLOW);
	expect(f, "203.0.113.1", 1, MR_DENY);
}

/* The implied `deny banned` is no rule that anybody wrote: the service is still open. */
static void implied(void **state)
{
	struct fixture *f = *state;
	struct mr_rule *r = rule(f, MR_DENY, MR_SOURCE_BANNED, 0);

	r->implied = true;
	r->number = 0;
	expect_for(f, "198.51.100.1", false, false, 0, MR_ALLOW);
	expect_for(f, "198.51.100.1", true, true, 0, MR_DENY);
}

/* 3. `global` is asked after an allow, of whatever kind; no match there allows. */
static void after_allow(void **state)
{
	struct fixture *f = *state;

	global(f, MR_ALLOW, SET_OFFICE);
	global(f, MR_REJECT, SET_EVERY4);
	expect(f, "198.51.100.1", 101, MR_REJECT);
	expect(f, "192.0.2.7", 0, MR_ALLOW);
	expect(f, "2001:db8:2::1", 0, MR_ALLOW);
	rule(f, MR_DENY, MR_SOURCE_SET, SET_LIST);
	rule(f, MR_ALLOW, MR_SOURCE_ANY, 0);
	expect(f, "203.0.113.1", 1, MR_DENY);
	expect(f, "198.51.100.1", 101, MR_REJECT);
	expect(f, "192.0.2.9", 2, MR_ALLOW);
	f->service.noglobal = true;
	expect(f, "198.51.100.1", 2, MR_ALLOW);
}

/* 4. The packet layer drops only what no login, and no name, could make acceptable. */
static void limited(void **state)
{
	static const char *const users[] = { "support" };
	struct fixture *f = *state;
	struct mr_match m;
	struct mr_addr a;

	rule(f, MR_DENY, MR_SOURCE_SET, SET_LIST)->users = users;
	rule(f, MR_REJECT, MR_SOURCE_NAME, 0);
	rule(f, MR_DENY, MR_SOURCE_SET, SET_LIST);
	rule(f, MR_ALLOW, MR_SOURCE_SET, SET_OFFICE)->users = users;
	expect(f, "203.0.113.1", 3, MR_DENY);
	expect(f, "192.0.2.9", 4, MR_ALLOW);
	expect(f, "198.51.100.1", 0, MR_UNMATCHED);
	assert_int_equal(mr_addr_parse("203.0.113.1", 11, &a), 0);
	mr_match(&f->policy, &f->host, &f->service, &a, false, false, &m);
	assert_int_equal(m.passed_over, 2);
	rule(f, MR_ALLOW, MR_SOURCE_NAME, 0);
	expect(f, "198.51.100.1", 5, MR_ALLOW);
	expect(f, "203.0.113.1", 3, MR_DENY);
}

/* 7. `permitted` and `banned`: their place in the order is theirs. */
static void entries(void **state)
{
	struct fixture *f = *state;

	rule(f, MR_ALLOW, MR_SOURCE_SET, SET_OFFICE);
	rule(f, MR_REJECT, MR_SOURCE_BANNED, 0);
	rule(f, MR_ALLOW, MR_SOURCE_PERMITTED, 0);
	expect_for(f, "192.0.2.9", false, true, 1, MR_ALLOW);
	expect_for(f, "198.51.100.1", true, true, 2, MR_REJECT);
	expect_for(f, "198.51.100.1", true, false, 3, MR_ALLOW);
	expect_for(f, "198.51.100.1", false, false, 0, MR_UNMATCHED);
}

/* `any` is both families, 0.0.0.0/0 only IPv4; a mapped address is IPv4. */
static void families(void **state)
{
	struct fixture *f = *state;

	rule(f, MR_DENY, MR_SOURCE_SET, SET_EVERY4);
	rule(f, MR_ALLOW, MR_SOURCE_ANY, 0);
	expect(f, "198.51.100.1", 1, MR_DENY);
	expect(f, "::ffff:198.51.100.1", 1, MR_DENY);
	expect(f, "2001:db8::1", 2, MR_ALLOW);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(first_match), TEST(defaults), TEST(implied),  TEST(after_allow),
		TEST(limited),	   TEST(entries),  TEST(families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
