// SPDX-License-Identifier: BSD-2-Clause
/*
 * login.c - the login layer: cases worked out by hand from the manual, and its promise to the
 * packet layer over random policies.  Needs nothing.
 */
#include "_random_policy.h"
#include "_text_policy.h"

#include <mailreeve/login.h>
#include <mailreeve/match.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 20261121;
static unsigned long rounds = 150;

static const char text[] = "set office { 192.0.2.0/24; }\n"
			   "global { deny 192.0.2.66; deny name evil.example users { fred }; }\n"
			   "service smtp {\n"
			   "	deny 198.51.100.0/25 users { guest };\n"
			   "	allow name isp.example noauth;\n"
			   "	allow @office noauth;\n"
			   "	allow 198.51.100.0/24 users { support webmaster };\n"
			   "	reject name bad.example;\n"
			   "	allow permitted noauth;\n"
			   "	allow 203.0.113.0/24;\n"
			   "}\n"
			   "service submission { nobans; allow banned users { anna }; }\n"
			   "service pop3 { }\n"
			   "service pop3s { default deny; }\n"
			   "service imap { noglobal; allow any; }\n";

struct given {
	const char *service, *address, *user, *name;
	bool permitted, banned;
	enum mr_action action;
	bool noauth;
	const char *by; /* text of the rule the answer comes from; NULL: none */
};

static const struct given cases[] = {
	/* the address decides, as in VPOP3 */
	{ "smtp", "198.51.100.200", "support", NULL, 0, 0, MR_ALLOW, 0,
	  "allow 198.51.100.0/24 users { support webmaster }" },
	{ "smtp", "198.51.100.200", "SUPPORT", NULL, 0, 0, MR_ALLOW, 0,
	  "allow 198.51.100.0/24 users { support webmaster }" },
	{ "smtp", "198.51.100.200", "fred", NULL, 0, 0, MR_DENY, 0,
	  "allow 198.51.100.0/24 users { support webmaster }" },
	{ "smtp", "198.51.100.200", "support2", NULL, 0, 0, MR_DENY, 0,
	  "allow 198.51.100.0/24 users { support webmaster }" },
	/* … later rules are not read, not even for a permit */
	{ "smtp", "198.51.100.200", "fred", NULL, 1, 0, MR_DENY, 0,
	  "allow 198.51.100.0/24 users { support webmaster }" },
	/* nobody has logged in: the address may talk */
	{ "smtp", "198.51.100.200", NULL, NULL, 0, 0, MR_ALLOW, 0,
	  "allow 198.51.100.0/24 users { support webmaster }" },
	{ "smtp", "198.51.100.200", "", NULL, 0, 0, MR_ALLOW, 0,
	  "allow 198.51.100.0/24 users { support webmaster }" },
	/* deny … users refuses those listed; for others the next rule is read */
	{ "smtp", "198.51.100.1", "guest", NULL, 0, 0, MR_DENY, 0,
	  "deny 198.51.100.0/25 users { guest }" },
	{ "smtp", "198.51.100.1", "Guest", NULL, 0, 0, MR_DENY, 0,
	  "deny 198.51.100.0/25 users { guest }" },
	{ "smtp", "198.51.100.1", "support", NULL, 0, 0, MR_ALLOW, 0,
	  "allow 198.51.100.0/24 users { support webmaster }" },
	{ "smtp", "198.51.100.1", "guest", "a.isp.example", 0, 0, MR_DENY, 0,
	  "deny 198.51.100.0/25 users { guest }" },
	/* a name that does not fit is read past */
	{ "smtp", "203.0.113.9", NULL, "host.isp.example", 0, 0, MR_ALLOW, 1,
	  "allow name isp.example noauth" },
	{ "smtp", "203.0.113.9", NULL, "HOST.ISP.Example.", 0, 0, MR_ALLOW, 1,
	  "allow name isp.example noauth" },
	{ "smtp", "203.0.113.9", NULL, "isp.example", 0, 0, MR_ALLOW, 1,
	  "allow name isp.example noauth" },
	{ "smtp", "203.0.113.9", NULL, "notisp.example", 0, 0, MR_ALLOW, 0,
	  "allow 203.0.113.0/24" },
	{ "smtp", "203.0.113.9", NULL, "isp.example.evil.test", 0, 0, MR_ALLOW, 0,
	  "allow 203.0.113.0/24" },
	{ "smtp", "203.0.113.9", NULL, "unknown", 0, 0, MR_ALLOW, 0, "allow 203.0.113.0/24" },
	{ "smtp", "203.0.113.9", NULL, "x.bad.example", 0, 0, MR_REJECT, 0,
	  "reject name bad.example" },
	/* noauth comes from the rule that decides, and from no other */
	{ "smtp", "192.0.2.1", NULL, NULL, 0, 0, MR_ALLOW, 1, "allow @office noauth" },
	{ "smtp", "203.0.114.9", NULL, NULL, 1, 0, MR_ALLOW, 1, "allow permitted noauth" },
	{ "smtp", "203.0.114.9", NULL, NULL, 0, 0, MR_UNMATCHED, 0, NULL },
	/* bans, and global behind an allow */
	{ "smtp", "192.0.2.1", NULL, NULL, 1, 1, MR_DENY, 0, "deny banned" },
	{ "smtp", "192.0.2.66", NULL, NULL, 0, 0, MR_DENY, 0, "deny 192.0.2.66" },
	{ "imap", "192.0.2.66", NULL, NULL, 0, 0, MR_ALLOW, 0, "allow any" },
	{ "imap", "192.0.2.66", NULL, NULL, 0, 1, MR_DENY, 0, "deny banned" },
	{ "smtp", "192.0.2.1", "fred", "x.evil.example", 0, 0, MR_DENY, 0,
	  "deny name evil.example users { fred }" },
	{ "smtp", "192.0.2.1", "anna", "x.evil.example", 0, 0, MR_ALLOW, 1,
	  "allow @office noauth" },
	/* `permitted` and `banned` as sources like any other */
	{ "submission", "192.0.2.1", "anna", NULL, 0, 1, MR_ALLOW, 0,
	  "allow banned users { anna }" },
	{ "submission", "192.0.2.1", "fred", NULL, 0, 1, MR_DENY, 0,
	  "allow banned users { anna }" },
	{ "submission", "192.0.2.1", "anna", NULL, 0, 0, MR_UNMATCHED, 0, NULL },
	/* no rules: everybody; a default that says no */
	{ "pop3", "192.0.2.1", "fred", NULL, 0, 0, MR_ALLOW, 0, NULL },
	{ "pop3", "192.0.2.66", "fred", NULL, 0, 0, MR_DENY, 0, "deny 192.0.2.66" },
	{ "pop3", "192.0.2.1", "fred", NULL, 0, 1, MR_DENY, 0, "deny banned" },
	{ "pop3s", "192.0.2.1", "fred", NULL, 1, 0, MR_UNMATCHED, 0, NULL },
};

static const char *text_of(const struct mr_rule *r)
{
	return !r ? NULL : r->implied ? "deny banned" : r->text;
}

static void test_cases(void **state)
{
	struct mr_policy *p = text_policy(text);

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		const struct given *c = &cases[i];
		struct mr_login_query q = { .policy = p,
					    .service = mr_policy_service(p, c->service),
					    .address = text_addr(c->address),
					    .user = c->user,
					    .name = c->name,
					    .permitted = c->permitted,
					    .banned = c->banned };
		struct mr_login_answer a;
		const char *by;

		mr_login(&q, &a);
		by = text_of(mr_login_by(&a));
		if (a.action != c->action || a.noauth != c->noauth || !by != !c->by ||
		    (by && strcmp(by, c->by) != 0))
			fail_msg("case %zu: action %d noauth %d by %s", i, a.action, a.noauth,
				 by ?: "nothing");
		assert_int_equal(a.unlisted,
				 a.action == MR_DENY && by && strncmp(by, "allow", 5) == 0);
	}
	mr_policy_free(p);
}

/* What the packet layer refuses, no login and no name makes acceptable. */
static void consistent(struct random_policy *rp, const struct mr_service *s,
		       const struct mr_addr *a, bool permitted, bool banned)
{
	static const char *const users[] = { NULL, "support", "nobody" };
	static const char *const names[] = { NULL, "unknown", "example.com", "mail.example.com" };
	struct mr_login_query q = { .policy = &rp->policy,
				    .host = &rp->host,
				    .service = s,
				    .address = *a,
				    .permitted = permitted,
				    .banned = banned };
	struct mr_login_answer out;
	bool any = false;
	struct mr_match m;

	mr_match(&rp->policy, &rp->host, s, a, permitted, banned, &m);
	for (size_t u = 0; u < MR_ARRAY_SIZE(users); u++)
		for (size_t n = 0; n < MR_ARRAY_SIZE(names); n++) {
			q.user = users[u];
			q.name = names[n];
			mr_login(&q, &out);
			any |= out.action == MR_ALLOW;
			if (MR_OUTCOME_ACTION(m.outcome) != MR_ALLOW)
				assert_int_not_equal(out.action, MR_ALLOW);
			assert_true(!out.noauth || out.action == MR_ALLOW);
			assert_true(!out.noauth || (out.rule && out.rule->noauth));
		}
	/* where no rule asks more than the address, both say the same */
	if (!out.passed_over && !(out.rule && (out.rule->users || m.rule != out.rule)) &&
	    !(out.global_rule && (out.global_rule->users || m.global_rule != out.global_rule)) &&
	    !m.passed_over)
		assert_int_equal(any, MR_OUTCOME_ACTION(m.outcome) == MR_ALLOW);
}

static void test_consistent(void **state)
{
	size_t asked = 0;

	(void)state;
	for (unsigned long i = 0; i < rounds; i++) {
		struct random_policy *rp = random_policy_new(seed + i);
		size_t n;
		struct mr_addr *probe = random_policy_probes(rp, &n);

		for (size_t k = 0; k < n; k += 1 + n / 200)
			for (size_t j = 0; j < rp->policy.n_services; j++)
				for (int bits = 0; bits < 4; bits++, asked++)
					consistent(rp, &rp->policy.services[j], &probe[k], bits & 1,
						   bits & 2);
		free(probe);
		random_policy_free(rp);
	}
	print_message("# %zu questions\n", asked);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_consistent),
	};

	random_start(argc, argv, &seed, &rounds);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
