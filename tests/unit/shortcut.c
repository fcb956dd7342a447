// SPDX-License-Identifier: BSD-2-Clause
/*
 * shortcut.c - what is done to read a log fast changes nothing: a reader that remembers programs
 * and stamps says of every line what a thorough one says, which asks every format and has seen no
 * stamp before.
 *
 * The lines are those of tests/golden/logs, as they are, and with the program that wrote them
 * exchanged for every other: names that formats know, names that nearly are such, none, and names
 * too long to be remembered.
 */
#include <mailreeve/reader.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FOLDER "tests/golden/logs"
#define NOW_US 1795298400000000u /* 2026-11-21 22:00:00 UTC */

struct pair {
	struct mr_reader *fast, *thorough;
};

static struct pair readers(void)
{
	struct mr_reader_options o = { .legacy = true, .sessions = 64 };
	struct pair p = { 0 };

	assert_int_equal(mr_reader_new(&o, &p.fast, NULL), 0);
	mr_reader_clock(p.fast, NOW_US, NULL);
	o.thorough = true;
	assert_int_equal(mr_reader_new(&o, &p.thorough, NULL), 0);
	return p;
}

static bool same_text(struct mr_str a, struct mr_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static bool same_event(const struct mr_event *a, const struct mr_event *b)
{
	return a->kind == b->kind && a->family == b->family && a->format == b->format &&
	       a->what == b->what && a->time_us == b->time_us && a->count == b->count &&
	       memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && same_text(a->user, b->user) &&
	       same_text(a->session, b->session);
}

static void check(struct pair r, const char *p, size_t n)
{
	struct mr_event a, b;
	enum mr_parse x, y;

	mr_reader_clock(r.thorough, NOW_US, NULL); /* forgets the last stamp */
	x = mr_reader_line(r.fast, p, n, &a);
	y = mr_reader_line(r.thorough, p, n, &b);
	if (x != y || (x == MR_PARSE_EVENT && !same_event(&a, &b)))
		fail_msg("%d, and %d when every format is asked: %.*s", (int)x, (int)y, (int)n, p);
}

/* The counts are the same, too; then the readers go. */
static void end(struct pair r)
{
	assert_memory_equal(mr_reader_stats(r.fast), mr_reader_stats(r.thorough),
			    sizeof(struct mr_reader_stats));
	mr_reader_free(r.fast);
	mr_reader_free(r.thorough);
}

/* --- the golden logs -------------------------------------------------------------------------- */

static int is_log(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 3 && strcmp(d->d_name + n - 3, ".in") == 0;
}

static void each_line(void (*call)(struct pair r, const char *p, size_t n, const char *program),
		      const char *program)
{
	struct dirent **list;
	int n = scandir(FOLDER, &list, is_log, alphasort);

	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		_free_ char *data = NULL;
		char path[512];
		size_t len;
		struct pair r = readers();
		char *p, *end_of;

		snprintf(path, sizeof(path), FOLDER "/%s", list[i]->d_name);
		assert_int_equal(mr_read_file(path, 1 << 20, &data, &len), 0);
		for (p = data; (end_of = memchr(p, '\n', len - (size_t)(p - data))); p = end_of + 1)
			call(r, p, (size_t)(end_of - p), program);
		end(r);
		free(list[i]);
	}
	free(list);
}

static void as_it_is(struct pair r, const char *p, size_t n, const char *program)
{
	(void)program;
	check(r, p, n);
}

static void test_as_they_are(void **state)
{
	(void)state;
	each_line(as_it_is, NULL);
}

/* The line as another program would have written it, with and without its stamp and host. */
static void as_another(struct pair r, const char *p, size_t n, const char *program)
{
	static const char *const stamps[] = { "Nov 21 20:43:50 mail ", "Nov 21 20:43:51 ",
					      "2026-11-21T20:43:50.1+01:00 mail ", "" };
	struct mr_clock clock = { .now_us = NOW_US };
	struct mr_line l;
	char line[8192];

	if (n > sizeof(line) / 2 || mr_line_parse(p, n, &clock, &l) < 0)
		return;
	for (size_t i = 0; i < MR_ARRAY_SIZE(stamps); i++) {
		int len = snprintf(line, sizeof(line), "%s%s%.*s", stamps[i], program,
				   (int)l.message.n, l.message.p);

		check(r, line, (size_t)len);
	}
}

static void test_other_programs(void **state)
{
	static const char *const near[] = {
		"imap(alice)<7><abcdefgh>: ",
		"pop3(alice@example.com): ",
		"auth(alice,192.0.2.1): ",
		"auth-worker(7): ",
		"xdovecot: ",
		"dovecotx[7]: ",
		"postfix/smtpd-x[7]: ",
		"smtpd/postfix[7]: ",
		"/smtpd[7]: ",
		"perdition.imap4[7]: ",
		"perditionx[7]: ",
		"cyrus/x[7]: ",
		"cyrusx[7]: ",
		"couriertls[7]: ",
		"rspamd[7]: ",
		"a[7]: ",
		"a-program-whose-name-is-longer-than-what-is-kept/smtpd[7]: ",
		""
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(near); i++)
		each_line(as_another, near[i]);
	for (size_t f = 0; mr_formats[f]; f++)
		for (size_t i = 0; mr_formats[f]->programs[i]; i++) {
			const char *pattern = mr_formats[f]->programs[i];
			char program[64];

			snprintf(program, sizeof(program),
				 "%s%.*s[7]: ", *pattern == '*' ? "postfix" : "",
				 (int)strcspn(pattern + (*pattern == '*'), "*"),
				 pattern + (*pattern == '*'));
			each_line(as_another, program);
		}
}

/* Many programs with names of one length, and stamps that differ in one digit. */
static void test_memory(void **state)
{
	static const char message[] = "4D8A98328: client=host.example.net[192.0.2.10], "
				      "sasl_method=PLAIN, sasl_username=alice";
	struct pair r = readers();
	char line[256];

	(void)state;
	for (unsigned int i = 0; i < 5000; i++) {
		int n = snprintf(line, sizeof(line),
				 "2026-11-%02uT20:%02u:%02u.%u+00:00 mail %s%04u%s: %s",
				 i / 200 % 20 + 1, i / 420 % 60, i / 7 % 60, i % 10,
				 i % 3 ? "ab" : "a", i / 3, i % 2 ? "/smtpd" : "/qmgrs", message);

		check(r, line, (size_t)n);
		n = snprintf(line, sizeof(line), "Nov %2u 20:%02u:%02u mail postfix/smtpd[7]: %s",
			     i / 200 % 20 + 1, i / 420 % 60, i / 7 % 60, message);
		check(r, line, (size_t)n);
	}
	end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_they_are),
		cmocka_unit_test(test_other_programs),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
