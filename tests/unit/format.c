// SPDX-License-Identifier: BSD-2-Clause
/*
 * format.c - lines that must, and lines that must not, become events: the traps of each server that
 * the golden logs do not hold, the joins, and the table of formats itself.
 */
#include <mailreeve/reader.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define B "Nov 21 20:43:50 mail "

/* `expect`: "login ADDR USER" and so on; "-" no event; "lost" a verdict that cannot be read. */
static const struct {
	const char *line, *expect;
} lines[] = {
	{ B "nginx: 2026/11/21 21:29:12 [info] 7#7: *1 client logged in, client: 192.0.2.10, "
	    "server: 0.0.0.0:25, upstream: 127.0.0.1:25",
	  "-" },
	{ B "cyrus/imap[7]: login: [192.0.2.10] anonymous secret", "-" },
	{ B "cyrus/imap[7]: login: [192.0.2.10] anonymous ANONYMOUS User logged in", "-" },
	{ B "cyrus/imap[7]: login: host.example.net [192.0.2.10] alice PLAIN+TLS User logged in",
	  "login 192.0.2.10 alice" },
	{ B "imapd[7]: badlogin: host[192.0.2.10] OTP [SASL(-13): authentication failure: x]",
	  "failure 192.0.2.10 " },
	{ B "cyrus/imap[7]: event=login.good r.clienthost=\"h [2001:db8::1]\" u.username=alice",
	  "login 2001:db8::1 alice" },
	{ B "cyrus/imap[7]: event=login.good r.clienthost=\"h [192.0.2.1]\" u.username=alice x",
	  "lost" },
	{ B "cyrus/imap[7]: event=login.good r.clienthost=\"h [192.0.2.1] u.username=alice",
	  "lost" },
	{ B "cyrus/imap[7]: event=login.good r.clienthost=[192.0.2.1] u.username=~null~", "-" },
	{ B "dovecot: imap-login: Login: user=<x>, method=PLAIN, rip=, lip=192.0.2.1", "lost" },
	/* wordings that a later version may have */
	{ B "dovecot: imap-login: Signed in: user=<x>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2",
	  "lost" },
	{ B "dovecot: imap-login: Disconnected (auth failed twice): user=<x>, method=PLAIN, "
	    "rip=192.0.2.1, lip=192.0.2.2",
	  "lost" },
	{ B "dovecot: imap-login: Maximum number of connections from user+IP exceeded "
	    "(mail_max_userip_connections=10): user=<x>, method=PLAIN, rip=192.0.2.1, "
	    "lip=192.0.2.2",
	  "-" },
	{ B "postfix/smtpd[5]: 4D8A98328: client=unknown[192.0.2.1], sasl_mech=PLAIN", "lost" },
	{ B "postfix/smtpd[5]: 4D8A98328: client=unknown[192.0.2.1], sasl_sender=x", "-" },
	{ B "exim[5]: 1xUsCn-00008O-2c <= a@b H=(c) [192.0.2.1] P=esmtpsa AUTH=plain:alice",
	  "lost" },
	{ B "exim[5]: plain authenticator failed for (c) [192.0.2.1]: 535 Wrong (set_id=a)",
	  "lost" },
	{ B "cyrus/imap[7]: login ok: [192.0.2.10] alice plaintext", "lost" },
	{ B "imapd: LOGIN OK, user=alice, ip=[192.0.2.1]", "lost" },
	{ B "imapd: LOGIN: DEBUG: ip=[192.0.2.1], command=AUTHENTICATE", "-" },
	{ B "sendmail[7]: AUTH=server, client=[192.0.2.1], authid=alice", "lost" },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp auth user=alice result=ok", "lost" },
	{ B "vpopmail[7]: vchkpw-pop3: (PLAIN) login succeeded alice:192.0.2.1", "lost" },
	{ B "perdition.pop3[7]: Authenticated: 192.0.2.1 user=\"alice\" status=\"ok\"", "lost" },
	{ B "ipop3d[7]: Login accepted user=alice host=[192.0.2.1]", "lost" },
	{ B "dovecot: imap-login: Login: user=\"a\" method=PLAIN remote=192.0.2.1", "lost" },
	{ B "dovecot: imap-login: Logged in as a from 192.0.2.1", "lost" },
	{ B "dovecot: auth: sql(a,192.0.2.1,<abcd>): Wrong password", "lost" },
	{ B "dovecot: auth(a,192.0.2.1,sasl:plain)<abcd>: sql: Wrong password", "lost" },
	{ B "dovecot: auth: Error: sql(a,192.0.2.1,<abcd>): Password query failed", "-" },
	{ B "dovecot: auth: policy(a,192.0.2.1,<abcd>): Authentication failure due to policy "
	    "server refusal",
	  "-" },
	{ B "postfix/smtpd[5]: 4D8A98328: client=unknown[192.0.2.1], auth_method=PLAIN", "lost" },
	{ B "postfix/smtpd[5]: 4D8A98328: client=unknown[192.0.2.1], orig_client=x[9.9.9.9]", "-" },
	{ B "postfix/smtpd[5]: unknown[192.0.2.1]: SASL PLAIN authentication failed: x", "lost" },
	{ "2026-11-21 20:43:50 plain authentication failed for (x) [192.0.2.1]: 535 Incorrect",
	  "lost" },
	{ B "sm-mta[7]: AUTH failed: relay=x [192.0.2.1]", "lost" },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp authentication user=alice status=ok", "lost" },
	{ B "sogod [7]: SOGoRootPage Login from '192.0.2.1' for user 'a' failed", "lost" },
	{ B "roundcube: <x> Login failure for a from 192.0.2.1", "lost" },
	{ B "popa3d[7]: Authentication ok for a", "lost" },
	{ B "nginx: 2026/11/21 20:43:50 [info] 7#7: *1 client authenticated, client: 192.0.2.1, "
	    "server: 0.0.0.0:110, login: \"alice\", upstream: 127.0.0.1:110",
	  "lost" },
	{ B "dovecot: imap-login: Login: user=<x>, method=PLAIN, rip=192.168.123", "lost" },
	{ B "dovecot: imap-login: Login: user=<x>, method=PLAIN, rip=192.0.2.10", "lost" },
	{ B "dovecot: imap-login: Login: user=<x>, method=PLAIN, rip=::ffff:192.0.2.10, "
	    "lip=192.0.2.1,session=<abcdefgh>",
	  "login 192.0.2.10 x" },
	{ B "dovecot: imap-login: Login: user=<x>, method=ANONYMOUS, rip=192.0.2.10, lip=192.0.2.1",
	  "-" },
	{ B "mydovecot: imap-login: Login: user=<x>, method=PLAIN, rip=192.0.2.10, lip=192.0.2.1",
	  "-" },
	{ B "postfix/smtpd[5]: warning: unknown[unknown]: SASL LOGIN authentication failed: x",
	  "-" },
	{ B "postfix/smtpd[5]: 4D8A98328: client=unknown[2001:db8::], sasl_method=PLAIN, "
	    "sasl_username=alice",
	  "login 2001:db8:: alice" },
	{ B "postfix/smtpd[5]: 4D8A98328: client=unknown[192.0.2.1], sasl_method=XCLIENT, "
	    "sasl_username=alice",
	  "-" },
	{ B "imapd[7]: Authenticated user=alice host=host.example.net", "lost" },
	{ B "imapd[7]: Authenticated user=alice host=127.0.0.1.dsl.example.net [192.0.2.1]",
	  "login 192.0.2.1 alice" },
	{ B "imapd: LOGIN, user=alice, ip=[::1], port=[39454], protocol=IMAP", "login ::1 alice" },
	{ B "imapd: LOGIN, user=alice, ip=[9.9.9.9], x, ip=[192.0.2.1], port=[1], protocol=IMAP",
	  "login 192.0.2.1 alice, ip=[9.9.9.9], x" },
	{ B "sendmail[7]: AUTH=server, relay=host [IPv6:2001:db8:66:0:0:0:0:66] (may be forged), "
	    "authid=alice, mech=PLAIN, bits=256",
	  "login 2001:db8:66::66 alice" },
	{ B "sendmail[7]: AUTH=server, relay=ident@host.example.net [192.0.2.1], authid=a, "
	    "relay=[9.9.9.9], authid=b, mech=PLAIN, bits=0",
	  "-" },
	{ B "sendmail[7]: AUTH=client, relay=[192.0.2.1], mech=PLAIN, bits=0", "-" },
	{ B "sm-mta[7]: x: rejecting commands from host [192.0.2.1] due to pre-greeting traffic "
	    "after 0 seconds",
	  "abuse 192.0.2.1 " },
	{ B "vpopmail[7]: vchkpw-pop3: password fail x:2001:9:2001:db8::66", "-" },
	{ B "vpopmail[7]: vchkpw-pop3: password fail x:64:ff9b::192.0.2.1", "-" },
	{ B "perdition[7]: Auth: 192.0.2.1->192.0.2.2 user=\"alice\" server=\"h\" port=\"110\" "
	    "status=\"ok\"",
	  "login 192.0.2.1 alice" },
	{ B "perdition.pop3[7]: Auth: 192.0.2.1:5->192.0.2.2:110 client-secure=plaintext "
	    "authorisation_id=NONE authentication_id=\"alice\" server=\"h:110\" protocol=POP3 "
	    "server-secure=plaintext status=\"failed: Could not connect to server\"",
	  "-" },
	{ "2026-11-21 20:43:50 plain authenticator failed for (x) [192.0.2.1]: 435 Unable to "
	  "authenticate at present (set_id=alice)",
	  "-" },
	{ "2026-11-21 20:43:50 1xUsCn-00008O-2c <= a@example.org H=(x) [192.0.2.1] P=esmtps "
	  "SNI=x A=plain:alice S=1",
	  "-" },
	{ "2026-11-21 20:43:50 1xUsCn-00008O-2c <= <> H=[192.0.2.1] P=esmtpa A=plain:alice S=1",
	  "login 192.0.2.1 alice" },
	{ "plain authenticator failed for (x) [192.0.2.1]: 535 Incorrect authentication data",
	  "-" },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp authentication user=alice result=ok", "-" },
	{ B "popa3d[7]: Authentication passed for alice", "-" },
	{ B "popa3d[7]: Authentication failed for x -- [9.9.9.9]", "-" },
	{ B "vm-pop3d[7]: User alice logged in", "-" },
	{ B "solid-pop3d[7]: user alice authenticated", "-" },
};

static struct mr_reader *reader(bool legacy)
{
	struct mr_reader_options o = { .legacy = legacy, .sessions = 64 };
	struct mr_reader *r = NULL;
	struct mr_error e;

	assert_int_equal(mr_reader_new(&o, &r, &e), 0);
	mr_reader_clock(r, 1795298400000000u, NULL);
	return r;
}

static const char *say(struct mr_reader *r, const char *line, char *buf, size_t n)
{
	static const char *const kinds[] = { "login", "logout", "failure", "abuse" };
	char addr[MR_ADDR_TEXT];
	struct mr_event e;

	switch (mr_reader_line(r, line, strlen(line), &e)) {
	case MR_PARSE_EVENT:
		snprintf(buf, n, "%s %s %.*s", kinds[e.kind], mr_addr_text(&e.addr, addr),
			 (int)e.user.n, e.user.n ? e.user.p : "");
		return buf;
	case MR_PARSE_LOST:
		return "lost";
	case MR_PARSE_NOTHING:
	case MR_PARSE_NOT_MINE:
		break;
	}
	return "-";
}

static void test_lines(void **state)
{
	char buf[512];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(lines); i++) {
		struct mr_reader *r = reader(true);
		const char *got = say(r, lines[i].line, buf, sizeof(buf));

		if (strcmp(got, lines[i].expect) != 0)
			fail_msg("%s\n  want %s\n  got  %s", lines[i].line, lines[i].expect, got);
		mr_reader_free(r);
	}
}

/* A process id that is used again has the address of its own session. */
static void test_joins(void **state)
{
	struct mr_reader *r = reader(true);
	char buf[512];

	(void)state;
#define SAY(line) say(r, B line, buf, sizeof(buf))
	SAY("popa3d[7]: Session from 192.0.2.1");
	SAY("popa3d[8]: Session from 192.0.2.2");
	assert_string_equal(SAY("popa3d[7]: Authentication passed for a"), "login 192.0.2.1 a");
	assert_string_equal(SAY("popa3d[8]: Authentication passed for b"), "login 192.0.2.2 b");
	SAY("popa3d[7]: Session from 192.0.2.3");
	assert_string_equal(SAY("popa3d[7]: Authentication failed for a"), "failure 192.0.2.3 a");
	SAY("popa3d[7]: Session from nowhere");
	assert_string_equal(SAY("popa3d[7]: Authentication passed for a"), "-");
	SAY("solid-pop3d[8]: connect from 192.0.2.4");
	assert_string_equal(SAY("popa3d[8]: Authentication passed for b"), "login 192.0.2.2 b");
	assert_string_equal(SAY("solid-pop3d[8]: user b authenticated - 9.9.9.9"), "-");
	SAY("smtpd[9]: 0123456789abcdef smtp connected address=192.0.2.5 host=x");
	assert_string_equal(SAY("smtpd[9]: 0123456789abcdef smtp authentication user=a result=ok"),
			    "login 192.0.2.5 a");
	SAY("smtpd[9]: 0123456789abcdef smtp disconnected reason=quit");
	assert_string_equal(SAY("smtpd[9]: 0123456789abcdef smtp authentication user=a result=ok"),
			    "-");
	SAY("smtpd[9]: 0123456789abcdef smtp connected address=192.0.2.5 host=x");
	SAY("smtpd[9]: 0123456789abcdef smtp connected address=local host=localhost");
	assert_string_equal(SAY("smtpd[9]: 0123456789abcdef smtp authentication user=a result=ok"),
			    "-");
	mr_reader_free(r);
}

/* What the joiner hands out is what was put last under that key, or nothing, however often its
 * rings have gone round; and what was put just now is always there.  MR_SEED repeats a run. */
static void test_join_goes_round(void **state)
{
	enum { KEYS = 300 };
	const char *env = getenv("MR_SEED");
	unsigned int seed = env ? (unsigned int)strtoul(env, NULL, 0) : (unsigned int)time(NULL);
	uint64_t last[2][KEYS] = { 0 }; /* time of what was put; 0: nothing, or it was dropped */
	size_t found = 0;
	struct mr_join *j;

	(void)state;
	print_message("MR_SEED=%u\n", seed);
	assert_int_equal(mr_join_new(64, &j), 0);
	for (uint64_t now = 1; now < 200000; now++) {
		size_t k = (size_t)rand_r(&seed) % KEYS, note = (size_t)rand_r(&seed) % 2;
		const char *scope = note ? "note" : "session";
		char text[MR_JOIN_KEY], user[MR_JOIN_USER];
		struct mr_str key = { text, 1 + k % MR_JOIN_KEY };
		struct mr_joined v = { .family = note ? MR_FAMILY_NONE : MR_FAMILY_IMAP,
				       .time_us = now,
				       .user = { user, (size_t)rand_r(&seed) % MR_JOIN_USER } };

		memset(text, (int)('a' + k / MR_JOIN_KEY), sizeof(text));
		memset(user, (int)now, sizeof(user));
		if (rand_r(&seed) % 3 == 0 && mr_join_get(j, scope, key, &v)) {
			assert_int_equal(v.time_us, last[note][k]);
			for (size_t i = 0; i < v.user.n; i++)
				assert_int_equal((uint8_t)v.user.p[i], (uint8_t)v.time_us);
			found++;
			v.time_us = now;
			v.user.p = user;
		}
		if (rand_r(&seed) % 8 == 0) {
			mr_join_drop(j, scope, key);
			assert_false(mr_join_get(j, scope, key, &v));
			last[note][k] = 0;
			continue;
		}
		assert_int_equal(mr_join_put(j, scope, key, &v), 0);
		last[note][k] = now;
		assert_true(mr_join_get(j, scope, key, &v));
		assert_int_equal(v.time_us, now);
	}
	assert_true(found > 1000);
	mr_join_free(j);
}

/* Who tries passwords fills the table with notes: sessions are not pushed out by them. */
static void test_notes_go_first(void **state)
{
	const struct mr_str session = { "session", 7 };
	struct mr_joined v = { .family = MR_FAMILY_IMAP };
	struct mr_join *j;
	char key[16];

	(void)state;
	assert_int_equal(mr_join_new(4, &j), 0);
	assert_int_equal(mr_join_put(j, "dovecot", session, &v), 0);
	v.family = MR_FAMILY_NONE;
	for (int i = 0; i < 100; i++) {
		struct mr_str k = { key, (size_t)snprintf(key, sizeof(key), "note%d", i) };

		assert_int_equal(mr_join_put(j, "note", k, &v), 0);
		assert_true(mr_join_get(j, "note", k, &v));
	}
	assert_true(mr_join_get(j, "dovecot", session, &v));
	assert_int_equal(v.family, MR_FAMILY_IMAP);
	for (int i = 0; i < 4; i++) {
		struct mr_str k = { key, (size_t)snprintf(key, sizeof(key), "other%d", i) };

		assert_int_equal(mr_join_put(j, "dovecot", k, &v), 0);
	}
	assert_false(mr_join_get(j, "dovecot", session, &v));
	mr_join_free(j);
}

/* Keys that differ in their last bytes alone, as process ids do, find room like any others. */
static void test_keys_spread(void **state)
{
	enum { KEYS = 1024 };
	static const char *const forms[] = { "%d", "%x", "0123456789abcd%d", "%dAAAAAAAA" };

	(void)state;
	for (size_t f = 0; f < MR_ARRAY_SIZE(forms); f++) {
		struct mr_joined v = { .family = MR_FAMILY_IMAP };
		size_t found = 0;
		struct mr_join *j;
		char key[32];

		assert_int_equal(mr_join_new(2 * KEYS, &j), 0);
		for (int i = 0; i < 2 * KEYS; i++) {
			struct mr_str k = { key, (size_t)snprintf(key, sizeof(key), forms[f],
								  30000 + i % KEYS) };

			if (i < KEYS)
				assert_int_equal(mr_join_put(j, "smtp", k, &v), 0);
			else
				found += mr_join_get(j, "smtp", k, &v);
		}
		assert_true(found > KEYS * 9 / 10); /* at random 94 of a hundred */
		mr_join_free(j);
	}
}

/* Sessions that come and go, however many, push out none that stands. */
static void test_short_sessions(void **state)
{
	enum { STAND = 20, COME = 50000 };
	struct mr_joined v = { .family = MR_FAMILY_IMAP };
	struct mr_join *j;
	char key[24], user[24];

	(void)state;
	assert_int_equal(mr_join_new(1024, &j), 0);
	for (int i = 0; i < STAND + COME; i++) {
		struct mr_str k = { key, (size_t)snprintf(key, sizeof(key), "%d", i) };

		v.user = (struct mr_str){ user, (size_t)snprintf(user, sizeof(user), "u%d", i) };
		assert_int_equal(mr_join_put(j, "smtp", k, &v), 0);
		if (i < STAND)
			continue;
		assert_int_equal(mr_join_put(j, "smtp", k, &v), 0); /* told twice */
		mr_join_drop(j, "smtp", k);
	}
	for (int i = 0; i < STAND; i++) {
		struct mr_str k = { key, (size_t)snprintf(key, sizeof(key), "%d", i) };

		snprintf(user, sizeof(user), "u%d", i);
		assert_true(mr_join_get(j, "smtp", k, &v));
		assert_true(mr_str_is(v.user, user));
	}
	mr_join_free(j);
}

/* Formats of old servers are asked only where they are wanted, and no name comes twice. */
static void test_table(void **state)
{
	struct mr_reader *r = reader(false);
	char buf[512];
	size_t legacy = 0;

	(void)state;
	assert_string_equal(SAY("cucipop[7]: alice 192.0.2.1 0, 0 (0), 0 (0)"), "-");
	mr_reader_free(r);
	for (size_t i = 0; mr_formats[i]; i++) {
		assert_ptr_equal(mr_format_find(mr_formats[i]->name), mr_formats[i]);
		legacy += mr_formats[i]->legacy;
	}
	assert_true(legacy >= 10);
	assert_null(mr_format_find("nosuch"));
}

#define D B "dovecot: "
/* A reader that goes on where another was: a session's end names no address. */
static void test_restart(void **state)
{
	struct mr_reader *r = reader(true), *next = reader(true);
	char line[256], want[64], buf[512], *data = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&data, &n);

	(void)state;
	/* as many as there is room for, of which the first go */
	for (int i = 0; i < 200; i++) {
		snprintf(line, sizeof(line),
			 D "imap-login: Login: user=<u%d>, method=PLAIN, rip=192.0.2.%d, "
			   "lip=192.0.2.1, mpid=1, TLS, session=<s%d>",
			 i, i, i);
		say(r, line, buf, sizeof(buf));
	}
	assert_non_null(f);
	assert_int_equal(mr_reader_save(r, f), 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(mr_reader_restore(next, (struct mr_str){ data, n - 1 }), -EBADMSG);
	mr_reader_free(next);
	next = reader(true);
	assert_int_equal(mr_reader_restore(next, (struct mr_str){ data, n }), 0);
	for (int i = 0; i < 200; i++) {
		snprintf(line, sizeof(line), D "imap(u%d)<1><s%d>: Disconnected: Logged out", i, i);
		snprintf(want, sizeof(want), "%s", say(r, line, buf, sizeof(buf)));
		assert_string_equal(say(next, line, buf, sizeof(buf)), want);
		if (i == 199)
			assert_string_equal(want, "logout 192.0.2.199 u199");
	}
	mr_reader_free(r);
	mr_reader_free(next);
	free(data);
}

/* A record of the journal: what lies between its program and its message is no text of its own. */
static void test_record(void **state)
{
	static const char room[] = "auth: ldap(u,9.9.9.9): unknown user";
	const char *message = strstr(room, "unknown user");
	struct mr_line l = { .program = { room, 4 }, .message = { message, strlen(message) } };
	struct mr_reader *r = reader(true);
	struct mr_event e;

	(void)state;
	l.text = l.body = l.message;
	assert_int_equal(mr_reader_record(r, &l, &e), MR_PARSE_NOTHING);
	l.text = l.body = (struct mr_str){ room, strlen(room) };
	assert_int_equal(mr_reader_record(r, &l, &e), MR_PARSE_EVENT);
	mr_reader_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),		cmocka_unit_test(test_joins),
		cmocka_unit_test(test_join_goes_round), cmocka_unit_test(test_notes_go_first),
		cmocka_unit_test(test_table),		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_record),		cmocka_unit_test(test_short_sessions),
		cmocka_unit_test(test_keys_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
