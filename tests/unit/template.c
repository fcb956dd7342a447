// SPDX-License-Identifier: BSD-2-Clause
/*
 * template.c - own formats: what a template takes, what two readings are worth, what its errors
 * point at; and the reader that uses them.
 *
 * Needs nothing.
 */
#include <mailreeve/config.h>
#include <mailreeve/reader.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct mr_template *compile(const char *text, enum mr_event_kind kind)
{
	struct mr_template_error e = { 0 };
	struct mr_template *t = NULL;

	if (mr_template_new(text, strlen(text), kind, &t, &e) < 0)
		fail_msg("%s: %s", text, e.message);
	return t;
}

/* "user address session" of the match, or NULL. */
static const char *match(const char *text, const char *message, char out[static 256])
{
	_cleanup_(mr_template_freep) struct mr_template *t = compile(text, MR_EV_FAILURE);
	struct mr_event e = { .kind = MR_EV_ABUSE };
	char addr[MR_ADDR_TEXT];

	if (!mr_template_match(t, (struct mr_str){ message, strlen(message) }, &e))
		return NULL;
	assert_int_equal(e.kind, MR_EV_FAILURE);
	snprintf(out, 256, "%.*s %s %.*s", (int)e.user.n, e.user.p ? e.user.p : "",
		 mr_addr_text(&e.addr, addr), (int)e.session.n, e.session.p ? e.session.p : "");
	return out;
}

static void test_match(void **state)
{
	static const struct {
		const char *text, *message, *want;
	} cases[] = {
		{ "user <user> from <addr>", "user anna from 192.0.2.1", "anna 192.0.2.1 " },
		{ "user <user> from <addr>", "user anna from 2001:db8::1", "anna 2001:db8::1 " },
		{ "user <user> from <addr>", "user anna from ::ffff:192.0.2.1", "anna 192.0.2.1 " },
		{ "user <user> from <addr>", "user a\xc3\xa4 from 192.0.2.1",
		  "a\xc3\xa4 192.0.2.1 " },
		/* the whole message */
		{ "user <user> from <addr>", "user anna from 192.0.2.1 ", NULL },
		{ "user <user> from <addr>", " user anna from 192.0.2.1", NULL },
		{ "user <user> from <addr>", "user anna from 192.0.2.1.", NULL },
		{ "user <user> from <addr>.", "user anna from 192.0.2.1.", "anna 192.0.2.1 " },
		{ "user <user> from <addr>:<any>", "user anna from 192.0.2.1:99",
		  "anna 192.0.2.1 " },
		{ "user <user> from <addr>", "user anna from 192.0.2", NULL },
		{ "user <user> from <addr>", "user anna from 192.0.2.256", NULL },
		{ "user <user> from <addr>", "user anna from host", NULL },
		{ "user <user> from <addr>", "", NULL },
		/* no blank, not empty */
		{ "user <user> from <addr>", "user  from 192.0.2.1", NULL },
		{ "user <user> from <addr>", "user a b from 192.0.2.1", NULL },
		{ "user <user> from <addr>", "user a\tb from 192.0.2.1", NULL },
		{ "user <user> from <addr>", "user x from 9.9.9.9 from 192.0.2.1", NULL },
		/* brackets of the line's own */
		{ "u=<<user>>, ip=[<addr>] s=<session>", "u=<a>b>, ip=[192.0.2.1] s=xy",
		  "a>b 192.0.2.1 xy" },
		{ "<foo> <addr>", "<foo> 192.0.2.1", " 192.0.2.1 " },
		/* any text, read in one way only */
		{ "bad <any> from <addr>", "bad x from 9.9.9.9 from 192.0.2.1", " 192.0.2.1 " },
		{ "bad <any>from <addr>", "bad from 192.0.2.1", " 192.0.2.1 " },
		{ "<addr> bad <any>", "192.0.2.1 bad 9.9.9.9 bad x", " 192.0.2.1 " },
		{ "bad <any> from <addr> <any>", "bad x from 192.0.2.1 y", " 192.0.2.1 " },
		{ "bad <any> from <addr> <any>", "bad x from 9.9.9.9 from 192.0.2.1 y", NULL },
		{ "<user>/<addr>/<any>", "a/9.9.9.9/192.0.2.1/x", NULL },
		{ "<user>-<session> <addr>", "a-b-c 192.0.2.1", NULL },
		/* an address ends where no byte of one follows */
		{ "<addr>0 bad", "192.0.2.10 bad", NULL },
		{ "<addr>", "192.0.2.10", " 192.0.2.10 " },
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		const char *got = match(cases[i].text, cases[i].message, out);

		if (!got != !cases[i].want || (got && strcmp(got, cases[i].want) != 0))
			fail_msg("\"%s\" on \"%s\": %s, not %s", cases[i].text, cases[i].message,
				 got ? got : "none", cases[i].want ? cases[i].want : "none");
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *text;
		enum mr_event_kind kind;
		size_t at, n;
	} cases[] = {
		{ "user <user><any> <addr>", MR_EV_LOGIN, 11, 5 },
		{ "<addr> <addr> <user>", MR_EV_LOGIN, 7, 6 },
		{ "<user> <addr> <user>", MR_EV_LOGIN, 14, 6 },
		{ "from <addr>", MR_EV_LOGIN, 0, 11 },
		{ "bad <user>", MR_EV_FAILURE, 0, 10 },
		{ "", MR_EV_FAILURE, 0, 0 },
		{ "<any> <any> <any> <any> <any> <any> <any> <any> <any> <addr>", MR_EV_FAILURE, 42,
		  1 },
	};
	struct mr_template_error e;
	struct mr_template *t = NULL;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		assert_int_equal(mr_template_new(cases[i].text, strlen(cases[i].text),
						 cases[i].kind, &t, &e),
				 -EINVAL);
		assert_null(t);
		assert_non_null(e.message);
		if (i + 1 < MR_ARRAY_SIZE(cases)) {
			assert_int_equal(e.at, cases[i].at);
			assert_int_equal(e.n, cases[i].n);
		}
	}
}

/* Long and hostile lines: bounded, and no reading where there are many. */
static void test_long(void **state)
{
	_cleanup_(mr_template_freep) struct mr_template *t =
		compile("<any> x <any> x <any> x <any> x <addr>", MR_EV_FAILURE);
	static char line[MR_TEMPLATE_LINE + 2];
	struct mr_event e;

	(void)state;
	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = i % 2 ? 'x' : ' ';
	memcpy(line + MR_TEMPLATE_LINE - 10, " 192.0.2.1", 10);
	assert_false(mr_template_match(t, (struct mr_str){ line, MR_TEMPLATE_LINE }, &e));
	assert_false(mr_template_match(t, (struct mr_str){ line, MR_TEMPLATE_LINE + 1 }, &e));
	memcpy(line, "a x b x c x d x 192.0.2.1", 25);
	assert_true(mr_template_match(t, (struct mr_str){ line, 25 }, &e));
}

/* 257 readings are not one, though they are in eight bits. */
static void test_many_readings(void **state)
{
	_cleanup_(mr_template_freep) struct mr_template *t =
		compile("<addr> <any> <any>", MR_EV_FAILURE);
	static char line[MR_TEMPLATE_LINE + 1];
	struct mr_event e;

	(void)state;
	memset(line, ' ', sizeof(line));
	memcpy(line, "192.0.2.1", 9);
	assert_true(mr_template_match(t, (struct mr_str){ line, 9 + 1 + 1 }, &e));
	for (size_t n = 2; n < 600; n++)
		assert_false(mr_template_match(t, (struct mr_str){ line, 9 + 1 + n }, &e));
	/* the longest message, and one above it */
	memset(line + 9, 'x', sizeof(line) - 9);
	line[9] = line[20] = ' ';
	assert_true(mr_template_match(t, (struct mr_str){ line, MR_TEMPLATE_LINE }, &e));
	assert_false(mr_template_match(t, (struct mr_str){ line, MR_TEMPLATE_LINE + 1 }, &e));
}

static void test_reader(void **state)
{
	static const char text[] =
		"format myd { program \"myd\"; login \"in <user> <addr>\"; failure \"bad <addr>\"; "
		"logout \"out <user> <addr>\"; }\n"
		"format more { program \"dovecot\"; failure \"odd <addr>\"; }\n";
	struct mr_file file = { .path = (char *)"t.conf",
				.data = (char *)text,
				.len = sizeof(text) - 1 };
	struct mr_files files = { .file = &file, .n = 1, .allocated = 1, .frozen = true };
	_cleanup_(mr_findings_clear) struct mr_findings findings = { 0 };
	_cleanup_(mr_policy_freep) struct mr_policy *policy = NULL;
	_cleanup_(mr_reader_freep) struct mr_reader *r = NULL;
	static const struct {
		const char *line;
		enum mr_parse result;
		const char *format;
	} cases[] = {
		{ "myd[1]: in anna 192.0.2.1", MR_PARSE_EVENT, "myd" },
		{ "myd: bad 192.0.2.1", MR_PARSE_EVENT, "myd" },
		{ "myd: something else", MR_PARSE_NOTHING, NULL },
		{ "myd2: bad 192.0.2.1", MR_PARSE_NOT_MINE, NULL },
		{ "my: bad 192.0.2.1", MR_PARSE_NOT_MINE, NULL },
		{ "dovecot: odd 192.0.2.1", MR_PARSE_EVENT, "more" },
		{ "dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.1, "
		  "lip=192.0.2.2, mpid=1",
		  MR_PARSE_EVENT, "dovecot" },
		{ "my-imapd2: hello", MR_PARSE_NOT_MINE, NULL },
		{ "my-imapd2: hello", MR_PARSE_NOT_MINE, NULL },
	};
	const struct mr_reader_stats *s;
	struct mr_event e;

	(void)state;
	assert_int_equal(mr_config_load("t.conf", &files, NULL, &findings, &policy), 0);
	assert_int_equal(mr_reader_new(&(struct mr_reader_options){ .policy = policy }, &r, NULL),
			 0);
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		assert_int_equal(mr_reader_line(r, cases[i].line, strlen(cases[i].line), &e),
				 cases[i].result);
		if (cases[i].format)
			assert_string_equal(e.format, cases[i].format);
	}
	s = mr_reader_stats(r);
	assert_int_equal(s->lines, MR_ARRAY_SIZE(cases));
	assert_int_equal(s->events[MR_EV_LOGIN], 2);
	assert_int_equal(s->events[MR_EV_FAILURE], 2);
	assert_int_equal(s->programs, 1);
	assert_string_equal(s->program[0].program, "my-imapd2");
	assert_int_equal(s->program[0].unknown, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),  cmocka_unit_test(test_errors),
		cmocka_unit_test(test_long),   cmocka_unit_test(test_many_readings),
		cmocka_unit_test(test_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
