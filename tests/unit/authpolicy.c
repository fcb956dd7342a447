// SPDX-License-Identifier: BSD-2-Clause
/*
 * authpolicy.c - Dovecot's questions: bodies as Dovecot 2.3 and 2.4 send them and as nobody should,
 * answers worked out by hand from the manual, the secret.  Needs nothing.
 */
#include "_text_policy.h"

#include <mailreeve/authpolicy.h>

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WIRE_ALLOW \
	"{\"device_id\":\"\",\"login\":\"alice\",\"protocol\":\"imap\",\"pwhash\":\"09af\"," \
	"\"remote\":\"192.0.2.10\",\"session_id\":\"WaH9gM9gdrfAAAIK\",\"tls\":false}"
#define WIRE_REPORT \
	"{\"device_id\":\"\",\"login\":\"alice\",\"protocol\":\"imap\",\"pwhash\":\"09af\"," \
	"\"remote\":\"192.0.2.10\",\"session_id\":\"WaH9gM9gdrfAAAIK\",\"success\":true," \
	"\"policy_reject\":false,\"tls\":false}"
#define WIRE_ALL \
	"{\"auth_user\":\"alice\",\"cert\":\"\",\"client_id\":\"\",\"d\":\"\"," \
	"\"domain_first\":\"\",\"lip\":\"192.0.2.1\",\"local_name\":\"\",\"login\":\"alice\"," \
	"\"login_user\":\"\",\"lport\":\"143\",\"master_user\":\"\",\"mech\":\"PLAIN\"," \
	"\"n\":\"alice\",\"orig_user\":\"alice\",\"pid\":\"197\",\"protocol\":\"imap\"," \
	"\"pwhash\":\"09af\",\"real_lip\":\"192.0.2.1\",\"real_lport\":\"143\"," \
	"\"real_rip\":\"192.0.2.10\",\"real_rport\":\"52390\",\"remote\":\"192.0.2.10\"," \
	"\"rport\":\"52390\",\"secured\":\"\",\"session\":\"B3b8gs9gpszAAAIK\"," \
	"\"session_pid\":\"\",\"svc\":{\"inner\":\"imap\"},\"u\":\"alice\",\"tls\":false}"
/* as the source of 2.4 writes it */
#define WIRE_24(type) \
	"{\"device_id\":\"\",\"fail_type\":\"" type \
	"\",\"login\":\"alice\",\"protocol\":\"imap\"," \
	"\"pwhash\":\"09af\",\"remote\":\"192.0.2.10\",\"session_id\":\"WaH9gM9gdrfAAAIK\"," \
	"\"success\":false,\"policy_reject\":false,\"tls\":true}"

static struct mr_authpolicy parsed(const char *body)
{
	struct mr_authpolicy q;
	struct mr_error e = { "" };

	if (mr_authpolicy_parse(body, strlen(body), &q, &e) < 0)
		fail_msg("%s: %s", body, e.text);
	return q;
}

static void test_bodies(void **state)
{
	struct mr_addr a = text_addr("192.0.2.10"), six = text_addr("2001:db8::7");
	struct mr_authpolicy q = parsed(WIRE_ALLOW);

	(void)state;
	assert_true(q.has_address && !q.report && !q.login_odd);
	assert_memory_equal(&q.address, &a, sizeof(a));
	assert_string_equal(q.login, "alice");
	assert_int_equal(q.family, MR_FAMILY_IMAP);
	assert_string_equal(q.session, "WaH9gM9gdrfAAAIK");
	assert_int_equal(q.port, 0);
	q = parsed(WIRE_ALL);
	assert_int_equal(q.port, 143);
	assert_string_equal(q.session, "B3b8gs9gpszAAAIK");
	q = parsed(WIRE_REPORT);
	assert_true(q.report && q.success && !q.policy_reject);
	q = parsed("{\"remote\":\"::ffff:192.0.2.10\",\"protocol\":\"sieve\"}");
	assert_memory_equal(&q.address, &a, sizeof(a));
	assert_int_equal(q.family, MR_FAMILY_SIEVE);
	q = parsed("{\"remote\":\"2001:db8::7\",\"protocol\":\"doveadm\",\"lport\":\"0\"}");
	assert_memory_equal(&q.address, &six, sizeof(six));
	assert_int_equal(q.family, MR_FAMILY_NONE);
	q = parsed("{\"remote\":\"\",\"protocol\":\"submission\",\"lport\":\"70000\"}");
	assert_false(q.has_address);
	assert_int_equal(q.family, MR_FAMILY_SMTP);
	assert_int_equal(q.port, 0);
}

static void test_hostile(void **state)
{
	char body[MR_AUTHPOLICY_LOGIN + 200], *at = body;
	struct mr_authpolicy q;

	(void)state;
	q = parsed("{\"remote\":\"192.0.2.10\",\"login\":\"a\\u0000b\"}");
	assert_true(q.login_odd && !*q.login);
	q = parsed("{\"remote\":\"192.0.2.10\",\"login\":\"\xff\xfe\xc0\x80\xed\xa0\x80\"}");
	assert_string_equal(q.login, "???????");
	q = parsed(
		"{\"remote\":\"192.0.2.10\",\"login\":\"x\\\",\\\"remote\\\":\\\"203.0.113.1\"}");
	assert_string_equal(q.login, "x\",\"remote\":\"203.0.113.1");
	at += sprintf(at, "{\"remote\":\"192.0.2.10\",\"login\":\"");
	memcpy(at, "fred", 4); /* blanks behind it, as many as may be */
	memset(at + 4, ' ', MR_AUTHPOLICY_LOGIN);
	strcpy(at + 4 + MR_AUTHPOLICY_LOGIN, "\"}");
	q = parsed(body);
	assert_true(!q.login_odd && strcmp(q.login, "fred") == 0);
	memset(at, 'a', MR_AUTHPOLICY_LOGIN + 1);
	strcpy(at + MR_AUTHPOLICY_LOGIN + 1, "\"}");
	q = parsed(body);
	assert_true(q.login_odd);
	q = parsed(
		"{\"remote\":\"192.0.2.10\",\"login\":7,\"session_id\":{},\"success\":\"true\"}");
	assert_true(!*q.login && !q.report);
}

static void test_no_requests(void **state)
{
	static const char *const bodies[] = {
		"",
		"[]",
		"7",
		"{",
		"not JSON",
		"{\"login\":\"alice\"}",
		"{\"remote\":1}",
		"{\"remote\":\"192.0.2.300\"}",
		"{\"remote\":\"192.0.2.1 \"}",
		"{\"remote\":\"192.0.2.1\",\"remote\":\"192.0.2.2\"}",
		"{\"remote\":\"192.0.2.1\"} x",
	};
	struct mr_error e;
	struct mr_authpolicy q;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(bodies); i++) {
		e.text[0] = '\0';
		if (mr_authpolicy_parse(bodies[i], strlen(bodies[i]), &q, &e) != -EBADMSG)
			fail_msg("taken: %s", bodies[i]);
		assert_true(*e.text);
	}
}

static void test_events(void **state)
{
	struct mr_authpolicy q = parsed(WIRE_REPORT);
	struct mr_event e;

	(void)state;
	assert_true(mr_authpolicy_event(&q, &e));
	assert_int_equal(e.kind, MR_EV_LOGIN);
	assert_int_equal(e.user.n, 5);
	assert_int_equal(e.session.n, 16);
	q.policy_reject = true;
	assert_false(mr_authpolicy_event(&q, &e)); /* our own refusal is nobody's failure */
	q = parsed(WIRE_ALLOW);
	assert_false(mr_authpolicy_event(&q, &e));
	q = parsed(WIRE_24("credentials"));
	assert_true(mr_authpolicy_event(&q, &e));
	assert_int_equal(e.kind, MR_EV_FAILURE);
	q = parsed(WIRE_24("account"));
	assert_true(mr_authpolicy_event(&q, &e));
	q = parsed(WIRE_24("internal"));
	assert_false(mr_authpolicy_event(&q, &e));
	q = parsed(WIRE_24("policy"));
	assert_false(mr_authpolicy_event(&q, &e));
	q = parsed(WIRE_24("disabled"));
	assert_false(mr_authpolicy_event(&q, &e));
	/* a name with forbidden characters: Dovecot reports it empty */
	q = parsed("{\"remote\":\"192.0.2.10\",\"login\":\"\",\"success\":false,"
		   "\"policy_reject\":false}");
	assert_true(mr_authpolicy_event(&q, &e));
	q.success = true;
	assert_false(mr_authpolicy_event(&q, &e));
	q.success = q.has_address = false;
	assert_false(mr_authpolicy_event(&q, &e));
}

static const char text[] =
	"service smtp { allow any; }\n"
	"service submission { allow 198.51.100.0/24 users { support }; allow permitted; }\n"
	"service submissions { allow 198.51.100.0/24 users { support }; allow permitted; }\n"
	"service imap { deny 203.0.113.66; allow 198.51.100.0/24 users { support };\n"
	"	allow 192.0.2.0/24; }\n"
	"service pop3 { deny 203.0.113.0/24; allow any; }\n"
	"service pop3s { mode shadow; deny any; }\n"
	"service sieve { mode off; deny any; }\n";

struct given {
	const char *protocol, *port, *address, *login;
	bool banned, permitted, listening; /* somebody listens on every port */
	bool refuse, shadow;
};
static const struct given cases[] = {
	{ "imap", "", "192.0.2.1", "fred", .refuse = false },
	{ "imap", "", "203.0.113.66", "fred", .refuse = true },
	{ "imap", "", "203.0.113.67", "fred", .refuse = true }, /* unmatched */
	{ "imap", "", "198.51.100.7", "fred", .refuse = true },
	{ "imap", "", "198.51.100.7", "Support", .refuse = false },
	{ "imap", "", "198.51.100.7", "", .refuse = true }, /* no name is no listed name */
	{ "imap", "", "192.0.2.1", "fred", .banned = true, .refuse = true },
	/* imaps is not filtered: if it has a server, the login may have come that way … */
	{ "imap", "", "203.0.113.66", "fred", .listening = true, .refuse = false },
	{ "imap", "", "203.0.113.67", "fred", .listening = true, .refuse = false },
	/* … but a ban or a list of logins holds for the whole family, … */
	{ "imap", "", "198.51.100.7", "fred", .listening = true, .refuse = true },
	{ "imap", "", "192.0.2.1", "fred", .banned = true, .listening = true, .refuse = true },
	/* … and Dovecot may say through which port it came */
	{ "imap", "143", "203.0.113.66", "fred", .listening = true, .refuse = true },
	{ "imap", "993", "203.0.113.66", "fred", .refuse = false },
	/* smtp lets everybody in */
	{ "smtp", "", "198.51.100.7", "fred", .refuse = false },
	{ "smtp", "587", "198.51.100.7", "fred", .refuse = true },
	{ "smtp", "587", "203.0.113.7", "fred", .refuse = true },
	{ "smtp", "587", "203.0.113.7", "fred", .permitted = true, .refuse = false },
	{ "smtp", "", "203.0.113.7", "fred", .banned = true, .refuse = true },
	{ "pop3", "", "203.0.113.7", "fred", .refuse = false, .shadow = true },
	{ "pop3", "110", "203.0.113.7", "fred", .refuse = true },
	{ "pop3", "995", "203.0.113.7", "fred", .refuse = false, .shadow = true },
	{ "pop3", "", "192.0.2.7", "fred", .refuse = false },
	{ "sieve", "", "192.0.2.7", "fred", .refuse = false },
	{ "other", "", "203.0.113.66", "fred", .banned = true, .refuse = false },
	{ "imap", "", "", "fred", .refuse = false }, /* no client, no address to judge */
};

static void judge(const struct mr_policy *p, const struct mr_host *h, const struct given *g,
		  bool account, struct mr_authpolicy_answer *out)
{
	static uint8_t listening[65536];
	char body[512];
	struct mr_authpolicy q;

	memset(listening, g->listening, sizeof(listening));
	snprintf(body, sizeof(body),
		 "{\"login\":\"%s\",\"protocol\":\"%s\",\"remote\":\"%s\",\"lport\":\"%s\"}",
		 g->login, g->protocol, g->address, g->port);
	q = parsed(body);
	mr_authpolicy_judge(&(struct mr_authpolicy_query){ .policy = p,
							   .host = h,
							   .request = &q,
							   .permitted = g->permitted ? ~0ull : 0,
							   .banned = g->banned ? ~0ull : 0,
							   .listening = listening,
							   .account_refuses = account },
			    out);
}

static void test_judge(void **state)
{
	struct mr_policy *p = text_policy(text);
	struct mr_authpolicy_answer a;
	struct mr_host *h;

	(void)state;
	assert_int_equal(mr_host_empty(&h), 0);
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		judge(p, h, &cases[i], false, &a);
		if (a.refuse != cases[i].refuse || a.shadow != cases[i].shadow)
			fail_msg("case %zu: refuse %d, shadow %d", i, a.refuse, a.shadow);
	}
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) { /* an account that refuses */
		bool shadow =
			strcmp(cases[i].protocol, "pop3") == 0 && strcmp(cases[i].port, "110") != 0;

		judge(p, h, &cases[i], true, &a);
		if (a.refuse == shadow || a.shadow != shadow)
			fail_msg("account, case %zu: refuse %d, shadow %d", i, a.refuse, a.shadow);
	}
	mr_host_free(h);
	mr_policy_free(p);
}

static void test_answers(void **state)
{
	char *body = mr_authpolicy_body(-1, "not \"from\" there\n");
	json_t *o = json_loads(body, 0, NULL);

	(void)state;
	assert_true(json_is_integer(json_object_get(o, "status")));
	assert_int_equal(json_integer_value(json_object_get(o, "status")), -1);
	assert_string_equal(json_string_value(json_object_get(o, "msg")), "not \"from\" there\n");
	json_decref(o);
	free(body);
}

static void test_proof(void **state)
{
	(void)state;
	assert_true(mr_authpolicy_proof("s3cret", "s3cret", NULL));
	assert_true(mr_authpolicy_proof("s3cret", NULL, " Bearer s3cret"));
	assert_true(mr_authpolicy_proof("s3cret", NULL,
					"basic ZG92ZWNvdDpzM2NyZXQ=")); /* dovecot:s3cret */
	assert_true(mr_authpolicy_proof("s3cret", "wrong", "Bearer s3cret"));
	assert_false(mr_authpolicy_proof("s3cret", "s3cre", NULL));
	assert_false(mr_authpolicy_proof("s3cret", "s3creT", NULL));
	assert_false(mr_authpolicy_proof("s3cret", "s3cret ", NULL));
	assert_false(mr_authpolicy_proof("s3cret", "", ""));
	assert_false(mr_authpolicy_proof("s3cret", NULL, NULL));
	assert_false(mr_authpolicy_proof("s3cret", NULL, "s3cret"));
	assert_false(mr_authpolicy_proof("s3cret", NULL, "Basic czNjcmV0")); /* no colon */
	assert_false(mr_authpolicy_proof("s3cret", NULL, "Basic ****"));
	assert_false(mr_authpolicy_proof(NULL, "", NULL));
	assert_false(mr_authpolicy_proof("", "", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),	    cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_no_requests), cmocka_unit_test(test_events),
		cmocka_unit_test(test_judge),	    cmocka_unit_test(test_answers),
		cmocka_unit_test(test_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
