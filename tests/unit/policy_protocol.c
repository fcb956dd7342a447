// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy_protocol.c - the two protocols that Postfix asks in: what a real Postfix sent, cut at
 * every byte, and everything that is no request.  Reads tests/golden/wire; run from the top of the
 * tree.
 */
#include <mailreeve/policy_protocol.h>
#include <mailreeve/socketmap.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WIRE "tests/golden/wire/"

static char *wire(const char *name, size_t *len)
{
	char *data;

	if (mr_read_file(name, 1 << 20, &data, len) < 0)
		fail_msg("%s: run this from the top of the tree", name);
	return data;
}

/* --- policy ----------------------------------------------------------------------------------- */

/* The value as it stands in the text of one request: another way to read it. */
static void value(const char *at, const char *end, const char *name, char *out, size_t size)
{
	char key[64];
	const char *p, *eol;

	snprintf(key, sizeof(key), "\n%s=", name);
	p = memmem(at - 1, (size_t)(end - at) + 1, key, strlen(key));
	assert_non_null(p);
	p += strlen(key);
	eol = strchr(p, '\n');
	snprintf(out, size, "%.*s", (int)(eol - p), p);
}

static void compare(const struct mr_policy_request *r, const char *at, const char *end)
{
	const struct {
		const char *name, *have;
	} fields[] = {
		{ "protocol_state", r->protocol_state }, { "client_address", r->client_address },
		{ "client_name", r->client_name },	 { "server_address", r->server_address },
		{ "server_port", r->server_port },	 { "sender", r->sender },
		{ "recipient", r->recipient },		 { "sasl_username", r->sasl_username },
		{ "policy_context", r->policy_context }, { "instance", r->instance },
	};
	char want[2048];

	for (size_t i = 0; i < MR_ARRAY_SIZE(fields); i++) {
		value(at, end, fields[i].name, want, sizeof(want));
		assert_string_equal(fields[i].have, want);
	}
}

/* The whole recording in pieces of `step` bytes. */
static size_t replay(const char *data, size_t len, size_t step)
{
	struct mr_policy_parser p = { 0 };
	struct mr_policy_request r;
	const char *begin = data; /* of the request at hand */
	struct mr_error e;
	size_t found = 0;

	for (size_t at = 0, used; at < len; at += used) {
		size_t n = len - at < step ? len - at : step;
		int got = mr_policy_feed(&p, data + at, n, &used, &r, &e);

		assert_true(got >= 0 && used <= n && (got == 1 || used == n));
		if (got != 1)
			continue;
		compare(&r, begin, data + at + used);
		begin = data + at + used;
		found++;
	}
	assert_false(mr_policy_pending(&p));
	mr_policy_parser_clear(&p);
	return found;
}

static void test_wire(void **state)
{
	size_t len;
	_free_ char *data = wire(WIRE "postfix-3.7-policy.bin", &len), *text = malloc(len + 2);

	(void)state;
	assert_non_null(text);
	text[0] = '\n'; /* what `value` searches from */
	memcpy(text + 1, data, len + 1);
	for (size_t step = 1; step < 100; step++)
		assert_int_equal(replay(text + 1, len, step), 40);
	assert_int_equal(replay(text + 1, len, len), 40);
}

static int one(const char *text, size_t len, struct mr_policy_parser *p,
	       struct mr_policy_request *r, struct mr_error *e)
{
	size_t used = 0;

	*e = (struct mr_error){ "" };
	*p = (struct mr_policy_parser){ 0 };
	return mr_policy_feed(p, text, len, &used, r, e);
}

static void expect(const char *text, const char *state, const char *address, const char *sender)
{
	struct mr_policy_request r = { 0 };
	struct mr_policy_parser p;
	struct mr_error e;

	if (one(text, strlen(text), &p, &r, &e) != 1)
		fail_msg("no request: %s (%s)", text, e.text);
	assert_string_equal(r.protocol_state, state);
	assert_string_equal(r.client_address, address);
	assert_string_equal(r.sender, sender);
	assert_string_equal(r.policy_context, "");
	mr_policy_parser_clear(&p);
}

#define HEAD "request=smtpd_access_policy\n"

static void expect_user(const char *sent, const char *read)
{
	struct mr_policy_request r = { 0 };
	struct mr_policy_parser p;
	struct mr_error e;
	char text[256];
	int n = snprintf(text, sizeof(text), HEAD "sasl_username=%s\ninstance=1\n\n", sent);

	assert_int_equal(one(text, (size_t)n, &p, &r, &e), 1);
	assert_string_equal(r.sasl_username, read);
	assert_string_equal(r.instance, "1");
	mr_policy_parser_clear(&p);
}

/* What a database takes for fred is fred, and who is nothing but blanks has not logged in. */
static void test_user(void **state)
{
	(void)state;
	expect_user("fred", "fred");
	expect_user("fred  ", "fred");
	expect_user(" fred b ", " fred b");
	expect_user("   ", "");
	expect_user("", "");
}

static void test_tolerated(void **state)
{
	(void)state;
	expect(HEAD "protocol_state=RCPT\nclient_address=192.0.2.1\nsender=a@b\n\n", "RCPT",
	       "192.0.2.1", "a@b");
	/* any order, what nobody knows, CRLF */
	expect("sender=a=b@c\r\nnew=1\r\nclient_address=::1\r\n"
	       "request=smtpd_access_policy\r\n\r\n",
	       "", "::1", "a=b@c");
	/* twice: the first counts; missing: empty */
	expect(HEAD "sender=a@b\nsender=c@d\nSENDER=x\nsenders=y\n\n", "", "", "a@b");
	/* an empty value is a value */
	expect(HEAD "sender=\nsender=c@d\n\n", "", "", "");
	expect("request=smtpd_access_policy\nrequest=other\n\n", "", "", "");
}

static void bad(const char *text, size_t len, int error)
{
	struct mr_policy_request r;
	struct mr_policy_parser p;
	struct mr_error e;
	int got = one(text, len, &p, &r, &e);

	if (got != error)
		fail_msg("%d instead of %d: %.60s", got, error, text);
	assert_true(*e.text);
	mr_policy_parser_clear(&p);
}
#define BAD(text) bad(text, sizeof(text) - 1, -EBADMSG)

static void test_bad(void **state)
{
	_free_ char *big = malloc(MR_POLICY_REQUEST_MAX + 100);

	(void)state;
	BAD("\n");
	BAD("\r\n");
	BAD("sender=a@b\n\n");
	BAD("request=smtpd_access_policy2\n\n");
	BAD("request=junk\nrequest=smtpd_access_policy\n\n");
	BAD(HEAD "no equals sign\n\n");
	BAD(HEAD "=value\n\n");
	BAD(HEAD "sender=a\0b\n\n");
	BAD("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
	BAD("\x16\x03\x01\x02\n\n");

	/* one line, the whole, and the number of lines have an end: without it, nobody waits */
	assert_non_null(big);
	memset(big, 'x', MR_POLICY_REQUEST_MAX + 100);
	bad(big, MR_POLICY_LINE_MAX + 1, -EMSGSIZE);
	for (size_t i = 0; i < MR_POLICY_REQUEST_MAX + 100; i += 1000)
		memcpy(big + i, "\nn=", i + 3 < MR_POLICY_REQUEST_MAX + 100 ? 3 : 0);
	big[0] = 'x';
	bad(big, MR_POLICY_REQUEST_MAX + 1, -EMSGSIZE);
	for (size_t i = 0; i < 2 * (MR_POLICY_LINES_MAX + 2); i += 2)
		memcpy(big + i, "=\n", 2);
	bad(big, 2 * (MR_POLICY_LINES_MAX + 2), -EMSGSIZE);
}

/* Behind a good request the parser is as new, and the bytes behind it are left. */
static void test_pipeline(void **state)
{
	static const char text[] = HEAD "sender=1\n\n" HEAD "recipient=2\n\nrequ";
	struct mr_policy_parser p = { 0 };
	struct mr_policy_request r;
	size_t used, at;

	(void)state;
	assert_int_equal(mr_policy_feed(&p, text, sizeof(text) - 1, &used, &r, NULL), 1);
	assert_string_equal(r.sender, "1");
	at = used;
	assert_int_equal(mr_policy_feed(&p, text + at, sizeof(text) - 1 - at, &used, &r, NULL), 1);
	assert_string_equal(r.sender, "");
	assert_string_equal(r.recipient, "2");
	at += used;
	assert_int_equal(mr_policy_feed(&p, text + at, sizeof(text) - 1 - at, &used, &r, NULL), 0);
	assert_int_equal(at + used, sizeof(text) - 1);
	assert_true(mr_policy_pending(&p));
	mr_policy_parser_clear(&p);
}

/* --- socketmap -------------------------------------------------------------------------------- */

static void test_socketmap_wire(void **state)
{
	static const char *const keys[] = { "unknown", "192.0.2.10", "unknown",
					    "2001:db8:0:2::10" };
	size_t len;
	_free_ char *data = wire(WIRE "postfix-3.7-socketmap.bin", &len);

	(void)state;
	for (size_t step = 1; step <= len; step++) {
		struct mr_socketmap_parser p = { 0 };
		struct mr_socketmap_request r;
		size_t found = 0;

		for (size_t at = 0, used; at < len; at += used) {
			size_t n = len - at < step ? len - at : step;
			int got = mr_socketmap_feed(&p, data + at, n, &used, &r, NULL);

			assert_true(got >= 0 && used <= n && (got == 1 || used == n));
			if (got != 1)
				continue;
			assert_true(strcmp(r.map, "popsmtp") == 0 ||
				    strcmp(r.map, "mynetworks") == 0);
			if (found < MR_ARRAY_SIZE(keys))
				assert_string_equal(r.key, keys[found]);
			found++;
		}
		assert_int_equal(found, 14);
		assert_false(mr_socketmap_pending(&p));
		mr_socketmap_parser_clear(&p);
	}
}

static int lookup(const char *text, size_t len)
{
	struct mr_socketmap_parser p = { 0 };
	struct mr_socketmap_request r;
	size_t used;
	int got = mr_socketmap_feed(&p, text, len, &used, &r, NULL);

	mr_socketmap_parser_clear(&p);
	return got;
}
#define LOOKUP(text) lookup(text, sizeof(text) - 1)

static void test_socketmap_bad(void **state)
{
	char buf[MR_SOCKETMAP_NETSTRING], text[2000];

	(void)state;
	assert_int_equal(LOOKUP("3:a b,"), 1);
	assert_int_equal(LOOKUP("2:a ,"), 1);
	assert_int_equal(LOOKUP("5:a b c,"), 1);
	assert_int_equal(LOOKUP("3:a b"), 0);
	assert_int_equal(LOOKUP("3"), 0);
	assert_int_equal(LOOKUP("3:a b;"), -EBADMSG);
	assert_int_equal(LOOKUP("2:ab,"), -EBADMSG);
	assert_int_equal(LOOKUP("2: b,"), -EBADMSG);
	assert_int_equal(LOOKUP("0:,"), -EBADMSG);
	assert_int_equal(LOOKUP(":a b,"), -EBADMSG);
	assert_int_equal(LOOKUP("03:a b,"), -EBADMSG);
	assert_int_equal(LOOKUP("-3:a b,"), -EBADMSG);
	assert_int_equal(LOOKUP(" 3:a b,"), -EBADMSG);
	assert_int_equal(LOOKUP("4:a\0 b,"), -EBADMSG);
	assert_int_equal(LOOKUP("10001:"), -EMSGSIZE);
	assert_int_equal(LOOKUP("99999999999999999999:"), -EMSGSIZE);
	assert_int_equal(LOOKUP("get permit x\n"), -EBADMSG);

	assert_int_equal(mr_socketmap_reply(buf, "NOTFOUND", ""), 12);
	assert_string_equal(buf, "9:NOTFOUND ,");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(mr_socketmap_reply(buf, "OK", text), MR_SOCKETMAP_REPLY_MAX + 5);
	assert_int_equal(strlen(buf), MR_SOCKETMAP_REPLY_MAX + 5);
	assert_memory_equal(buf, "600:OK xx", 9);
	assert_int_equal(buf[strlen(buf) - 1], ',');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire),	      cmocka_unit_test(test_tolerated),
		cmocka_unit_test(test_user),	      cmocka_unit_test(test_bad),
		cmocka_unit_test(test_pipeline),      cmocka_unit_test(test_socketmap_wire),
		cmocka_unit_test(test_socketmap_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
