// SPDX-License-Identifier: BSD-2-Clause
/*
 * line.c - tests of the frame of a log line: every stamp and head that real servers and syslog
 * daemons write, and what is no line.
 */
#include <mailreeve/format.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

/* 2026-11-21 22:00:00 UTC */
#define NOW_US 1795298400000000u

static struct mr_line parse(const char *text)
{
	struct mr_clock c = { .now_us = NOW_US };
	struct mr_line l;

	assert_int_equal(mr_line_parse(text, strlen(text), &c, &l), 0);
	return l;
}

static void expect(const char *text, const char *program, uint32_t pid, const char *message,
		   uint64_t time_us)
{
	struct mr_line l = parse(text);

	if (!mr_str_is(l.program, program) || !mr_str_is(l.message, message) || l.pid != pid ||
	    l.time_us != time_us)
		fail_msg("%s\n  program \"%.*s\" pid %u time %llu message \"%.*s\"", text,
			 (int)l.program.n, l.program.p, l.pid, (unsigned long long)l.time_us,
			 (int)l.message.n, l.message.p);
}

#define AT(h, m, s) ((1795219200u + (h)*3600u + (m)*60u + (s)) * 1000000ull) /* 2026-11-21 */

static void test_stamps(void **state)
{
	(void)state;
	expect("Nov 21 20:43:50 mail postfix/smtpd[155]: connect", "postfix/smtpd", 155, "connect",
	       AT(20, 43, 50));
	expect("Nov  1 00:00:00 mail a: b", "a", 0, "b", 1793491200000000u);
	expect("Nov 21 20:43:50 mail a[1]: message repeated 3 times: [ b]", "a", 1, "b",
	       AT(20, 43, 50));
	assert_int_equal(
		parse("Nov 21 20:43:50 mail a[1]: message repeated 3 times: [ b]").repeated, 3);
	expect("Nov 21 20:43:50 mail a[1]: message repeated 3 times: [ b", "a", 1,
	       "message repeated 3 times: [ b", AT(20, 43, 50));
	expect("Nov 21 20:43:50.123456 mail a[1]: b", "a", 1, "b", AT(20, 43, 50) + 123456);
	expect("Nov 21 20:43:50.5 a: b", "a", 0, "b", AT(20, 43, 50) + 500000);
	expect("Sat 2026-11-21 20:43:50 UTC mail a[1]: b", "a", 1, "b", AT(20, 43, 50));
	expect("1795293830.000001 mail a[1]: b", "a", 1, "b", AT(20, 43, 50) + 1);
	expect("Nov 21 20:43:50 <mail.info> mail a[1]: b", "a", 1, "b", AT(20, 43, 50));
	expect("Nov 21 20:43:50 2001:db8::1 a[1]: b", "a", 1, "b", AT(20, 43, 50));
	expect("Nov 1 00:00:00 mail a: b", "a", 0, "b", 1793491200000000u);
	expect("Nov 21 0:00:00 mail a: b", "", 0, "Nov 21 0:00:00 mail a: b", 0);
	expect("@400000006a20a380077a9e94 imap-login: Info: x", "imap-login", 0, "Info: x",
	       1780523894000000u);
	expect("@400000006a20a38 imap-login: Info: x", "", 0,
	       "@400000006a20a38 imap-login: Info: x", 0);
	expect("Dec 31 23:59:59 mail a: b", "a", 0, "b", 1767225599000000u); /* last year's */
	expect("Nov 21 20:43:50 pop3-login: Info: Login", "pop3-login", 0, "Info: Login",
	       AT(20, 43, 50));
	expect("Nov 21 21:38:01 mail mail.info dovecot: master: up", "dovecot", 0, "master: up",
	       AT(21, 38, 1));
	expect("2026-11-21T21:37:39.538238+00:00 mail dovecot: x", "dovecot", 0, "x",
	       AT(21, 37, 39) + 538238);
	expect("2026-11-21T22:37:39+01:00 mail dovecot: x", "dovecot", 0, "x", AT(21, 37, 39));
	expect("2026-11-21T21:37:39Z mail dovecot: x", "dovecot", 0, "x", AT(21, 37, 39));
	expect("2026-11-21 21:17:05 1xUsCn-00008O-2c <= a@b", "", 0, "1xUsCn-00008O-2c <= a@b",
	       AT(21, 17, 5));
	expect("2026-11-21 21:17:05.145 +0000 [766] x", "", 0, "[766] x", AT(21, 17, 5) + 145000);
	expect("2026/11/21 21:29:11 [info] 218#218: *1 x", "", 0, "[info] 218#218: *1 x",
	       AT(21, 29, 11));
	expect("[21-Nov-2026 20:43:50 +0000]: <s> IMAP Error: x", "", 0, "<s> IMAP Error: x",
	       AT(20, 43, 50));
	expect("[21/Nov/2026 20:43:50] x", "", 0, "x", AT(20, 43, 50));
	expect("<22>Nov 21 20:43:50 dovecot: x", "dovecot", 0, "x", AT(20, 43, 50));
	expect("<22>1 2026-11-21T20:43:50Z mail dovecot 77 - - x: y", "dovecot", 77, "x: y",
	       AT(20, 43, 50));
	expect("<22>1 2026-11-21T20:43:50Z mail dovecot - ID [a b=\"]\\\"\"][c] msg", "dovecot", 0,
	       "msg", AT(20, 43, 50));
	expect("dovecot: imap-login: Login", "dovecot", 0, "imap-login: Login", 0);
	expect("Nov 21 20:43:50 mx popper[9]: [ID 702911 mail.info] hello", "popper", 9, "hello",
	       AT(20, 43, 50));
	expect("Nov 21 20:43:50 mx sogod [123]: x", "sogod", 123, "x", AT(20, 43, 50));
	expect("just words\r\n", "", 0, "just words", 0);
}

/* A clock that is ahead, or midnight while lines are read. */
static void test_new_year(void **state)
{
	static const struct {
		uint64_t now_s;
		const char *stamp;
		uint64_t s;
	} at[] = {
		{ 1798761599, "Jan  1 00:00:03", 1798761603 }, /* a second before 2027 */
		{ 1798761599, "Dec 31 23:59:58", 1798761598 },
		{ 1798761599, "Jan  4 00:00:03", 1767484803 },
		{ 1798761601, "Dec 31 23:59:58", 1798761598 }, /* a second into 2027 */
		{ 1798761601, "Jan  1 00:00:03", 1798761603 },
		{ 1798761601, "Jan  4 00:00:03", 1767484803 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(at); i++) {
		struct mr_clock c = { .now_us = at[i].now_s * 1000000 };
		struct mr_line l;
		char text[64];

		snprintf(text, sizeof(text), "%s mail a: b", at[i].stamp);
		assert_int_equal(mr_line_parse(text, strlen(text), &c, &l), 0);
		assert_int_equal(l.time_us, at[i].s * 1000000);
	}
}

static void test_no_line(void **state)
{
	struct mr_clock c = { .now_us = NOW_US };
	struct mr_line l = { .pid = 7 };
	char *big = malloc(MR_LINE_MAX + 2);

	(void)state;
	assert_int_equal(mr_line_parse("", 0, &c, &l), -EINVAL);
	assert_int_equal(mr_line_parse("\r\n", 2, &c, &l), -EINVAL);
	memset(big, 'x', MR_LINE_MAX + 2);
	assert_int_equal(mr_line_parse(big, MR_LINE_MAX + 1, &c, &l), -EINVAL);
	assert_int_equal(l.pid, 7); /* untouched */
	free(big);
}

/* Every prefix of a line is read without looking behind its end (ASan sees it). */
static void test_cut_lines(void **state)
{
	static const char *const lines[] = {
		"<22>1 2026-11-21T20:43:50.1+01:00 mail dovecot 77 - [a b=\"]\\\"\"] x: y",
		"Nov 21 20:43:50 mx popper[9]: [ID 702911 mail.info] hello",
		"[21-Nov-2026 20:43:50 +0000]: <s> IMAP Error: x",
		"2026/11/21 21:29:11 [info] 218#218: *1 x",
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(lines); i++) {
		for (size_t n = 1; n <= strlen(lines[i]); n++) {
			struct mr_clock c = { .now_us = NOW_US };
			char *copy = malloc(n);
			struct mr_line l;

			memcpy(copy, lines[i], n);
			assert_int_equal(mr_line_parse(copy, n, &c, &l), 0);
			assert_true(l.message.n <= n);
			free(copy);
		}
	}
}

static bool same(const struct mr_line *a, const struct mr_line *b)
{
	const struct mr_str *x[] = { &a->program, &a->message, &a->body, &a->text };
	const struct mr_str *y[] = { &b->program, &b->message, &b->body, &b->text };

	for (size_t i = 0; i < MR_ARRAY_SIZE(x); i++)
		if (x[i]->n != y[i]->n || (x[i]->n && x[i]->p != y[i]->p))
			return false;
	return a->pid == b->pid && a->repeated == b->repeated && a->time_us == b->time_us;
}

/* A stamp, mostly a host, and pieces that frames are made of. */
static size_t random_line(unsigned int *seed, char line[static 256])
{
	static const char *const stamps[] = { "Nov 21 20:43:50",       "Nov 21 20:43:51",
					      "Nov 20 20:43:51",       "2026-11-21T20:43:50+01:00",
					      "2026-11-21 20:43:50.5", "2026-11-20 20:43:50.5",
					      "<22>Nov 21 20:43:50" };
	static const char *const hosts[] = { "",
					     " mail ",
					     " mail ",
					     " mail2 ",
					     " 2001:db8::1 ",
					     " mail.of-a-long-name.example.net ",
					     " mail.of-a-long-name.example.org " };
	static const char *const pieces[] = { " ",
					      " ",
					      " ",
					      "mail",
					      "mail.info",
					      "a:b.info",
					      "dovecot",
					      "postfix/submission/smtpd",
					      "[7]",
					      "[",
					      "]",
					      " [7]:",
					      "[4294967296]",
					      "[4294967295]: ",
					      "[0000000000000007]: ",
					      "[12345678]: ",
					      "[x]",
					      ":",
					      ": ",
					      "[7]: ",
					      "[ID 1 x] ",
					      "message repeated 2 times: [ x]",
					      "\xff",
					      "x" };
	int n = snprintf(line, 256, "%s%s", stamps[rand_r(seed) % MR_ARRAY_SIZE(stamps)],
			 hosts[rand_r(seed) % MR_ARRAY_SIZE(hosts)]);

	for (int parts = rand_r(seed) % 6; parts; parts--)
		n += snprintf(line + n, 256 - (size_t)n, "%s",
			      pieces[rand_r(seed) % MR_ARRAY_SIZE(pieces)]);
	return (size_t)n;
}

/* A stamp and a host that were seen on the line before open shorter ways: to the same frame.  The
 * seed is printed; MR_SEED repeats a run. */
static void test_seen_before(void **state)
{
	const char *env = getenv("MR_SEED");
	unsigned int seed = env ? (unsigned int)strtoul(env, NULL, 0) : (unsigned int)time(NULL);
	struct mr_clock seen = { .now_us = NOW_US };

	(void)state;
	print_message("MR_SEED=%u\n", seed);
	for (int i = 0; i < 200000; i++) {
		struct mr_clock fresh = { .now_us = NOW_US };
		char line[256];
		size_t n = random_line(&seed, line);
		struct mr_line a, b;

		assert_int_equal(mr_line_parse(line, n, &fresh, &a), 0);
		assert_int_equal(mr_line_parse(line, n, &seen, &b), 0);
		if (!same(&a, &b))
			fail_msg("%s\n  is \"%.*s\": \"%.*s\", and then \"%.*s\": \"%.*s\"", line,
				 (int)a.program.n, a.program.p, (int)a.message.n, a.message.p,
				 (int)b.program.n, b.program.p, (int)b.message.n, b.message.p);
	}
}

/* Process ids of every length, and what only begins like one; near the line's end, too. */
static void test_pids(void **state)
{
	static const char *const bad[] = { "",	"4294967296", "99999999999", "7x",
					   "x", "7 ",	      "/",	     ":" };
	static const char *const tails[] = { "", " ", " x", " a message that is longer" };
	char line[128];
	uint64_t pid = 0;

	(void)state;
	for (int i = 0; i <= 10; i++, pid = pid * 10 + (uint64_t)i % 10) {
		for (size_t k = 0; k < MR_ARRAY_SIZE(tails); k++) {
			snprintf(line, sizeof(line), "Nov 21 20:43:50 mail a[%llu]:%s",
				 (unsigned long long)pid, tails[k]);
			assert_int_equal(parse(line).pid, pid);
			assert_true(mr_str_is(parse(line).program, "a"));
		}
	}
	for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++) {
		for (size_t k = 0; k < MR_ARRAY_SIZE(tails); k++) {
			snprintf(line, sizeof(line), "Nov 21 20:43:50 mail a[%s]:%s", bad[i],
				 tails[k]);
			assert_int_equal(parse(line).pid, 0);
			assert_int_equal(parse(line).program.n, 0);
		}
	}
}

/* A clock that has seen no stamp takes no line for one that it has. */
static void test_zeroes(void **state)
{
	static const char line[32] = { [15] = ' ', [16] = 'a', ':', ' ', 'b' };
	static const char iso[32] = { [19] = ' ', [20] = 'a', ':', ' ', 'b' };
	struct mr_clock c = { .now_us = NOW_US, .zone.gmtoff = -18000 };
	struct mr_line l;

	(void)state;
	assert_int_equal(mr_line_parse(line, 20, &c, &l), 0);
	assert_int_equal(l.body.n, 20);
	assert_int_equal(mr_line_parse(iso, 24, &c, &l), 0);
	assert_int_equal(l.body.n, 24);
	assert_int_equal(l.time_us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stamps),	    cmocka_unit_test(test_new_year),
		cmocka_unit_test(test_no_line),	    cmocka_unit_test(test_cut_lines),
		cmocka_unit_test(test_seen_before), cmocka_unit_test(test_pids),
		cmocka_unit_test(test_zeroes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
