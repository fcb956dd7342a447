// SPDX-License-Identifier: BSD-2-Clause
/*
 * relay.c - relay modes, lists, senders and groups: each answer against the manual.  Needs nothing.
 */
#include "_text_policy.h"

#include <mailreeve/relay.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RULES \
	"service smtp { deny 198.51.100.66; allow 192.0.2.0/24 noauth; allow permitted noauth;\n" \
	"               allow any; }\n" \
	"service submission { allow 192.0.2.0/24; allow 198.51.100.0/24 users { support }; }\n" \
	"service submissions { mode shadow; deny any; }\n"

struct world {
	struct mr_policy *policy;
	struct mr_relay_lists *lists;
};

static void file(struct world *w, enum mr_names_kind kind, const char *text)
{
	struct mr_error e = { "" };

	if (mr_names_parse(text, strlen(text), "list", kind, &w->lists->file[kind], &e) < 0)
		fail_msg("%s", e.text);
}

static void open_world(struct world *w, const char *relay)
{
	_free_ char *text = NULL;

	assert_true(asprintf(&text, "%s%s", RULES, relay) > 0);
	w->policy = text_policy(text);
	assert_int_equal(mr_relay_lists_new(w->policy, &w->lists), 0);
}

static void close_world(struct world *w)
{
	mr_relay_lists_free(w->lists);
	mr_policy_free(w->policy);
}

static struct mr_relay_answer ask(const struct world *w, const char *service, const char *address,
				  bool permitted, const char *user, const char *from,
				  const char *to, bool relay)
{
	struct mr_relay_query q = {
		.lists = w->lists, .sender = from, .recipient = to, .relay = relay, .message = true
	};
	struct mr_relay_answer a;

	q.login = (struct mr_login_query){ .policy = w->policy,
					   .service = mr_policy_service(w->policy, service),
					   .address = text_addr(address),
					   .user = user,
					   .permitted = permitted };
	mr_relay(&q, &a);
	if (a.kind != MR_RELAY_REFUSE && a.kind != MR_RELAY_PREPEND)
		assert_string_equal(a.text, "");
	if (!relay)
		assert_int_not_equal(a.kind, MR_RELAY_OK);
	/* a permit is worth waiting for only if it changes the answer */
	if (mr_relay_wants_permit(&q, &a)) {
		struct mr_relay_answer b;

		assert_false(permitted);
		q.login.permitted = true;
		mr_relay(&q, &b);
		assert_true(b.kind != a.kind || b.shadow != a.shadow);
	}
	return a;
}

#define RELAY(w, address, user, from, to) \
	ask((w), "smtp", (address), false, (user), (from), (to), true).kind
#define HERE   "\tlocal-domains { example.com example.org };\n"
#define AWAY   "v@elsewhere.example"
#define OFFICE "192.0.2.1"
#define WORLD  "203.0.113.1"

static void test_addresses(void **state)
{
	struct world w;
	struct mr_relay_answer a;

	(void)state;
	open_world(&w, "relay { mode addresses;" HERE "}");
	assert_int_equal(RELAY(&w, OFFICE, NULL, "a@b.example", AWAY), MR_RELAY_OK);
	assert_int_equal(RELAY(&w, WORLD, NULL, "a@b.example", AWAY), MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, WORLD, NULL, "a@example.com", AWAY), MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, WORLD, NULL, "", AWAY), MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, WORLD, "fred", "a@b.example", AWAY), MR_RELAY_OK);
	assert_int_equal(RELAY(&w, WORLD, "", "a@b.example", AWAY), MR_RELAY_REFUSE);
	assert_int_equal(ask(&w, "smtp", WORLD, true, NULL, "", AWAY, true).kind, MR_RELAY_OK);
	/* local mail: no matter for relaying, whoever it is from */
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "v@Example.COM"), MR_RELAY_DUNNO);
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "v@example.com."), MR_RELAY_DUNNO);
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "postmaster"), MR_RELAY_DUNNO);
	assert_int_equal(RELAY(&w, OFFICE, NULL, "", "v@example.org"), MR_RELAY_DUNNO);
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "v@sub.example.com"), MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "example.com@elsewhere.example"),
			 MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, OFFICE, NULL, "", ""), MR_RELAY_DUNNO);
	/* a refusal by rules wins over everything */
	assert_int_equal(RELAY(&w, "198.51.100.66", "fred", "", AWAY), MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, "198.51.100.66", NULL, "", "v@example.com"), MR_RELAY_REFUSE);

	a = ask(&w, "smtp", WORLD, false, NULL, "", "v@else\"where\x01.example", true);
	assert_string_equal(a.text,
			    "550 5.7.1 unknown local host elsewhere.example, not a gateway");
	/* users: a login that is not listed */
	assert_int_equal(
		ask(&w, "submission", "198.51.100.1", false, "support", "", AWAY, true).kind,
		MR_RELAY_OK);
	a = ask(&w, "submission", "198.51.100.1", false, "fred", "", AWAY, true);
	assert_int_equal(a.kind, MR_RELAY_REFUSE);
	assert_non_null(strstr(a.reason, "does not list this user"));
	assert_string_equal(a.text, "550 5.7.1 access denied");
	/* allowed to talk, but not to relay: no noauth */
	assert_int_equal(ask(&w, "submission", OFFICE, false, NULL, "", AWAY, true).kind,
			 MR_RELAY_REFUSE);
	assert_int_equal(ask(&w, "submission", OFFICE, false, NULL, "", AWAY, false).kind,
			 MR_RELAY_DUNNO);
	close_world(&w);
}

/* Who has logged in, but whose mailbox is limited to other addresses. */
static void test_account(void **state)
{
	static const struct {
		const char *service; /* NULL: a port of none */
		const char *address;
		bool relay;
		enum mr_relay_answer_kind kind;
		bool shadow;
	} cases[] = {
		{ "smtp", OFFICE, false, MR_RELAY_REFUSE, false },
		{ "smtp", OFFICE, true, MR_RELAY_REFUSE, false },
		{ "submissions", "192.0.2.1", false, MR_RELAY_DUNNO, true },
		{ "pop3", OFFICE, false, MR_RELAY_REFUSE, false }, /* off */
		{ NULL, OFFICE, false, MR_RELAY_REFUSE, false },
		{ NULL, OFFICE, true, MR_RELAY_REFUSE, false },
	};
	struct mr_relay_query q = { .sender = "", .recipient = AWAY, .message = true };
	struct mr_relay_answer a;
	struct world w;

	(void)state;
	open_world(&w, "service pop3 { mode off; deny any; } relay {" HERE "}");
	q.lists = w.lists;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		q.login = (struct mr_login_query){ .policy = w.policy,
						   .address = text_addr(cases[i].address),
						   .user = "fred" };
		if (cases[i].service)
			q.login.service = mr_policy_service(w.policy, cases[i].service);
		q.relay = cases[i].relay;
		q.account_refuses = true;
		mr_relay(&q, &a);
		assert_int_equal(a.kind, cases[i].kind);
		assert_int_equal(a.shadow, cases[i].shadow);
		assert_false(a.may_relay);
		assert_false(q.login.service && mr_relay_wants_permit(&q, &a));
		if (a.kind == MR_RELAY_REFUSE)
			assert_string_equal(a.text, "550 5.7.1 access denied");
		q.account_refuses = false;
		mr_relay(&q, &a);
		if (!cases[i].service)
			assert_int_equal(a.kind, MR_RELAY_DUNNO);
	}
	close_world(&w);
	/* his own text, and no refusal in the relay context without domains */
	open_world(&w, "relay { refuse-access \"550 5.7.0 not from there\"; }");
	q.lists = w.lists;
	q.login = (struct mr_login_query){ .policy = w.policy,
					   .service = mr_policy_service(w.policy, "smtp"),
					   .address = text_addr(OFFICE),
					   .user = "fred" };
	q.account_refuses = true;
	q.relay = false;
	mr_relay(&q, &a);
	assert_string_equal(a.text, "550 5.7.0 not from there");
	assert_non_null(strstr(a.reason, "account"));
	q.relay = true;
	mr_relay(&q, &a);
	assert_int_equal(a.kind, MR_RELAY_DUNNO);
	assert_false(a.may_relay);
	close_world(&w);
}

/* Who does not know his own domains is never told no in the relay context. */
static void test_no_domains(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, "relay { mode addresses; check-sender yes; }");
	file(&w, MR_NAMES_KILL, "@kill.example\n");
	assert_int_equal(RELAY(&w, OFFICE, NULL, "a@b.example", AWAY), MR_RELAY_OK);
	assert_int_equal(RELAY(&w, WORLD, NULL, "a@b.example", AWAY), MR_RELAY_DUNNO);
	assert_int_equal(RELAY(&w, OFFICE, NULL, "a@kill.example", AWAY), MR_RELAY_DUNNO);
	assert_int_equal(RELAY(&w, "198.51.100.66", "fred", "", AWAY), MR_RELAY_DUNNO);
	assert_int_equal(ask(&w, "smtp", WORLD, false, NULL, "a@kill.example", AWAY, false).kind,
			 MR_RELAY_REFUSE);
	close_world(&w);
	open_world(&w, "");
	assert_int_equal(RELAY(&w, WORLD, NULL, "a@b.example", AWAY), MR_RELAY_DUNNO);
	assert_int_equal(RELAY(&w, OFFICE, NULL, "a@b.example", AWAY), MR_RELAY_OK);
	close_world(&w);
}

static void test_modes(void **state)
{
	static const struct {
		const char *mode;
		/* OFFICE; strangers with a sender: foreign, local, accepted, of an accepted host,
		 * <> */
		enum mr_relay_answer_kind office, foreign, local, listed, of_host, bounce;
	} cases[] = {
#define OK MR_RELAY_OK
#define NO MR_RELAY_REFUSE
		{ "anyone", OK, OK, OK, OK, OK, OK },
		{ "addresses", OK, NO, NO, NO, NO, NO },
		{ "none", NO, NO, NO, NO, NO, NO },
		{ "local-hosts", OK, NO, OK, OK, OK, NO },
		{ "local-users", OK, NO, NO, OK, OK, NO },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		_free_ char *relay = NULL;
		struct world w;

		assert_true(asprintf(&relay, "relay { mode %s;" HERE "}", cases[i].mode) > 0);
		open_world(&w, relay);
		file(&w, MR_NAMES_ACCEPT,
		     "# ours\nboss@partner.example\nhost.example\nanna\n203.0.113.200\n");
		assert_int_equal(RELAY(&w, OFFICE, NULL, "x@b.example", AWAY), cases[i].office);
		assert_int_equal(RELAY(&w, WORLD, NULL, "x@b.example", AWAY), cases[i].foreign);
		assert_int_equal(RELAY(&w, WORLD, NULL, "x@EXAMPLE.com", AWAY), cases[i].local);
		assert_int_equal(RELAY(&w, WORLD, NULL, "Boss@partner.example", AWAY),
				 cases[i].listed);
		assert_int_equal(RELAY(&w, WORLD, NULL, "anna@example.com", AWAY), cases[i].listed);
		assert_int_equal(RELAY(&w, "203.0.113.200", NULL, "y@b.example", AWAY),
				 cases[i].listed);
		assert_int_equal(RELAY(&w, WORLD, NULL, "x@host.example", AWAY), cases[i].of_host);
		assert_int_equal(RELAY(&w, WORLD, NULL, "", AWAY), cases[i].bounce);
		/* exact: no names below, no users elsewhere */
		assert_int_equal(RELAY(&w, WORLD, NULL, "x@sub.host.example", AWAY),
				 cases[i].foreign);
		assert_int_equal(RELAY(&w, WORLD, NULL, "x@partner.example", AWAY),
				 cases[i].foreign);
		assert_int_equal(RELAY(&w, WORLD, NULL, "anna@b.example", AWAY), cases[i].foreign);
		/* who logged in may in every mode, who is denied in none */
		assert_int_equal(RELAY(&w, WORLD, "fred", "x@b.example", AWAY), OK);
		assert_int_equal(RELAY(&w, "198.51.100.66", NULL, "x@example.com", AWAY), NO);
		close_world(&w);
	}
#undef OK
#undef NO
}

static void test_kill(void **state)
{
	static const char *const killed[] = {
		"spam@bad.example", "SPAM@Bad.Example", "spam@bad.example.",  "x@evil.example",
		"x@widget.com",	    "x@bluewidget.com", "x@nifty.widget.com",
	};
	static const char *const alive[] = {
		"",
		"other@bad.example",
		"x@sub.evil.example",
		"x@widget.com.example",
		"x@idget.com",
		"widget.com",
		"x@notevil.example",
	};
	struct mr_relay_answer a;
	struct world w;

	(void)state;
	open_world(&w, "relay {" HERE "refuse-sender \"go away\"; }");
	file(&w, MR_NAMES_KILL, "spam@bad.example ; who\n\n\t@*Widget.com\r\n@evil.example");
	for (size_t i = 0; i < MR_ARRAY_SIZE(killed); i++) {
		a = ask(&w, "smtp", OFFICE, false, NULL, killed[i], "v@example.com", false);
		if (a.kind != MR_RELAY_REFUSE || a.may_relay)
			fail_msg("%s lives", killed[i]);
		assert_string_equal(a.text, "501 5.7.1 go away");
		a = ask(&w, "smtp", OFFICE, false, "fred", killed[i], AWAY, true);
		assert_int_equal(a.kind, MR_RELAY_REFUSE);
	}
	for (size_t i = 0; i < MR_ARRAY_SIZE(alive); i++)
		if (ask(&w, "smtp", WORLD, false, NULL, alive[i], "v@example.com", false).kind)
			fail_msg("%s is killed", alive[i]);
	close_world(&w);
}

static void test_sender(void **state)
{
	static const char *const valid[] = { "",
					     "a@b.example",
					     "a b=c,d@example.org",
					     "a@b@c.example",
					     "x@[192.0.2.1]",
					     "x@[IPv6:2001:db8::1]",
					     "a@xn--bcher-kva.example",
					     "a@b\xc3\xbc.example",
					     "a@1.b2" };
	static const char *const invalid[] = { "a",	 "@b.example", "a@",	      "a@b",
					       "a@b..c", "a@.b.c",     "a@b.c.",      "a@b_c.d",
					       "a@b.-c", "a@b-.c",     "a@192.0.2.1", "a@[192.0.2]",
					       "a@[]",	 "a@[",	       "a@b c.d",     "a\tb@c.de",
					       "a@b.c-" };
	struct mr_relay_answer a;
	char text[400];
	struct world w;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(valid); i++)
		if (!mr_relay_sender_valid(valid[i]))
			fail_msg("%s is valid", valid[i]);
	for (size_t i = 0; i < MR_ARRAY_SIZE(invalid); i++)
		if (mr_relay_sender_valid(invalid[i]))
			fail_msg("%s is not valid", invalid[i]);
	memset(text, 'x', sizeof(text));
	snprintf(text + 65, sizeof(text) - 65, "@b.example");
	assert_false(mr_relay_sender_valid(text));
	assert_true(mr_relay_sender_valid(text + 1));

	open_world(&w, "relay { check-sender yes;" HERE "}");
	a = ask(&w, "smtp", WORLD, false, NULL, "nonsense", "v@example.com", false);
	assert_int_equal(a.kind, MR_RELAY_REFUSE);
	assert_string_equal(a.text, "501 5.1.7 unacceptable mail address");
	a = ask(&w, "smtp", WORLD, false, NULL, "", "v@example.com", false);
	assert_int_equal(a.kind, MR_RELAY_DUNNO);
	close_world(&w);
	open_world(&w, "relay {" HERE "}");
	a = ask(&w, "smtp", WORLD, false, NULL, "nonsense", "v@example.com", false);
	assert_int_equal(a.kind, MR_RELAY_DUNNO);
	close_world(&w);
}

static void test_to(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, "relay { mode none;" HERE "to { backup.example.net }; }");
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "v@Backup.example.net"), MR_RELAY_OK);
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "v@sub.backup.example.net"), MR_RELAY_REFUSE);
	/* sender-specified routing goes further than the host that is listed */
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "v%evil.example@backup.example.net"),
			 MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "v@evil.example@backup.example.net"),
			 MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, WORLD, NULL, "", "evil!v@backup.example.net"), MR_RELAY_REFUSE);
	assert_int_equal(RELAY(&w, "198.51.100.66", NULL, "", "v@backup.example.net"),
			 MR_RELAY_REFUSE);
	close_world(&w);
}

static void test_groups(void **state)
{
	static const char *const closed[] = {
		"all@example.com",   "ALL@Example.Com", "all+x@example.com",
		"staff@example.org", "staff",		"staff+a+b@example.com",
		"team@other.example"
	};
	static const char *const open[] = { "", "fred@example.com", "all@example.org",
					    "staff@other.example", "all2@example.com" };
	struct mr_relay_answer a;
	struct world w;

	(void)state;
	open_world(&w, "relay {" HERE "refuse-group \"450 4.7.1 not now\"; }");
	file(&w, MR_NAMES_GROUPS, "all@example.com\nstaff\nteam@other.example\n");
	for (size_t i = 0; i < MR_ARRAY_SIZE(closed); i++) {
		a = ask(&w, "smtp", WORLD, false, NULL, "a@b.example", closed[i], false);
		if (a.kind != MR_RELAY_REFUSE)
			fail_msg("%s is open", closed[i]);
		assert_string_equal(a.text, "450 4.7.1 not now");
		assert_int_equal(
			ask(&w, "smtp", OFFICE, false, NULL, "a@b.example", closed[i], false).kind,
			MR_RELAY_DUNNO);
		assert_int_equal(
			ask(&w, "smtp", WORLD, false, "fred", "a@b.example", closed[i], false).kind,
			MR_RELAY_DUNNO);
	}
	for (size_t i = 0; i < MR_ARRAY_SIZE(open); i++)
		if (ask(&w, "smtp", WORLD, false, NULL, "a@b.example", open[i], false).kind)
			fail_msg("%s is closed", open[i]);
	close_world(&w);
}

static void test_shadow_and_header(void **state)
{
	struct mr_relay_answer a;
	struct world w;

	(void)state;
	open_world(&w, "relay {" HERE "header \"X-Own: 8bdc\"; }\nservice imap { mode off; }");
	for (int relay = 0; relay < 2; relay++) {
		a = ask(&w, "submissions", WORLD, false, NULL, "", AWAY, relay);
		assert_int_equal(a.kind, MR_RELAY_DUNNO);
		assert_true(a.shadow);
		a = ask(&w, "imap", WORLD, false, NULL, "", AWAY, relay);
		assert_int_equal(a.kind, MR_RELAY_DUNNO);
		assert_false(a.shadow);
	}
	a = ask(&w, "smtp", OFFICE, false, NULL, "", AWAY, false);
	assert_int_equal(a.kind, MR_RELAY_PREPEND);
	assert_string_equal(a.text, "X-Own: 8bdc");
	assert_int_equal(ask(&w, "smtp", WORLD, true, NULL, "", AWAY, false).kind,
			 MR_RELAY_PREPEND);
	assert_int_equal(ask(&w, "smtp", WORLD, false, NULL, "", AWAY, false).kind, MR_RELAY_DUNNO);
	assert_int_equal(ask(&w, "smtp", OFFICE, false, "fred", "", AWAY, false).kind,
			 MR_RELAY_DUNNO);
	close_world(&w);
}

static void test_files(void **state)
{
	static const struct {
		enum mr_names_kind kind;
		const char *text, *fault;
	} bad[] = {
		{ MR_NAMES_KILL, "@ok.example\nevil.example\n", "list:2: a sender is written" },
		{ MR_NAMES_KILL, "@*", "list:1: a * stands only" },
		{ MR_NAMES_KILL, "a@*x", "list:1: a * stands only" },
		{ MR_NAMES_KILL, "@*a*", "list:1: a * stands only" },
		{ MR_NAMES_KILL, "a@", "list:1: no host" },
		{ MR_NAMES_KILL, "\n\na b@c", "list:3: a blank" },
		{ MR_NAMES_ACCEPT, "*.example.com", "list:1: a * is for the kill file" },
		{ MR_NAMES_ACCEPT, "@example.com", "list:1: no user" },
		{ MR_NAMES_GROUPS, "a@\x01", "list:1: a blank or control" },
	};
	_free_ char *text = NULL;
	static const char windows[] =
		"\xef\xbb\xbf@bad.example\r\n@worse.example.\r\n@*widget.com.\r\n";
	struct mr_names *n = NULL;
	struct mr_error e;
	size_t len;
	FILE *f;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++) {
		assert_int_equal(mr_names_parse(bad[i].text, strlen(bad[i].text), "list",
						bad[i].kind, &n, &e),
				 -EINVAL);
		if (strncmp(e.text, bad[i].fault, strlen(bad[i].fault)) != 0)
			fail_msg("%s", e.text);
	}
	assert_null(n);
	assert_int_equal(mr_names_read("/nonexistent/list", MR_NAMES_KILL, &n, &e), -ENOENT);
	assert_int_equal(mr_names_parse("", 0, "list", MR_NAMES_KILL, &n, &e), 0);
	assert_int_equal(mr_names_count(n), 0);
	assert_false(mr_names_has(n, "", 0));
	mr_names_free(n);
	/* from Windows, and with the dot of the root */
	assert_int_equal(
		mr_names_parse(windows, sizeof(windows) - 1, "list", MR_NAMES_KILL, &n, &e), 0);
	assert_true(mr_names_kills(n, "x@bad.example"));
	assert_true(mr_names_kills(n, "x@worse.example."));
	assert_true(mr_names_kills(n, "x@nifty.widget.com"));
	assert_false(mr_names_kills(n, "x@good.example"));
	mr_names_free(n);

	f = open_memstream(&text, &len);
	assert_non_null(f);
	for (unsigned int i = 0; i < 20000; i++)
		fprintf(f, "user%u@example.com\nUSER%u@example.com\n", i, i);
	fclose(f);
	assert_int_equal(mr_names_parse(text, len, "list", MR_NAMES_GROUPS, &n, &e), 0);
	assert_int_equal(mr_names_count(n), 20000);
	assert_true(mr_names_has(n, "User19999@example.com", 21));
	assert_false(mr_names_has(n, "user20000@example.com", 21));
	assert_false(mr_names_has(n, "user19999@example.com", 20));
	mr_names_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_no_domains),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_to),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_shadow_and_header),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
