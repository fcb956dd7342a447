// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain.c - `learn --explain`: every line that a parser takes can be read part by part with the
 * same user and address; a line that is damaged is told of at the damage or before it; and what an
 * administrator is told of lines that he may ask about.
 *
 * Reads tests/golden/logs; run from the top of the tree.
 */
#include <mailreeve/reader.h>

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LOGS	  "tests/golden/logs/*.in"
#define LINES_MAX 1024 /* of one log */
#define NEAR	  24 /* bytes between a damage and the place that is told */

struct log {
	const char *path;
	char *data;
	struct mr_str line[LINES_MAX];
	size_t n;
};

static void log_clear(struct log *l)
{
	free(l->data);
}

static void log_read(struct log *l, const char *path)
{
	struct mr_str rest, line;
	size_t len;

	l->path = path;
	l->n = 0;
	assert_int_equal(mr_read_file(path, 1 << 20, &l->data, &len), 0);
	for (rest = (struct mr_str){ l->data, len }; mr_cut_to(&rest, '\n', &line);) {
		assert_true(l->n < LINES_MAX);
		l->line[l->n++] = line;
	}
	if (rest.n)
		l->line[l->n++] = rest;
}

static struct mr_reader *reader_new(void)
{
	struct mr_reader *r = NULL;

	assert_int_equal(
		mr_reader_new(&(struct mr_reader_options){ .legacy = true, .sessions = 1024 }, &r,
			      NULL),
		0);
	mr_reader_clock(r, 1795295900000000ull, NULL);
	return r;
}

/* What was said of a line: the format that takes it, or what `format` says. */
struct heard {
	const char *format; /* that is listened to; NULL: who takes it */
	bool taken, said;
	const char *by;
	struct mr_event event;
	enum mr_parse result;
	struct mr_explanation why;
};

static void listen_to(const struct mr_reader_opinion *o, void *userdata)
{
	struct heard *h = userdata;
	bool takes = o->result == MR_PARSE_EVENT && !o->off && !o->late;

	if (takes) {
		h->taken = true;
		h->by = o->format;
		h->event = *o->event;
	}
	if (h->format ? strcmp(o->format, h->format) == 0 : takes) {
		h->said = true;
		h->result = o->result;
		h->why = *o->why;
	}
}

static struct mr_str explain(struct mr_reader *r, struct mr_str line, struct heard *h)
{
	struct mr_line l;

	h->taken = h->said = false;
	if (mr_reader_frame(r, line.p, line.n, &l) < 0)
		return (struct mr_str){ 0 };
	mr_reader_explain(r, &l, listen_to, h);
	return l.text;
}

/* --- the table */

static void test_table(void **state)
{
	struct mr_wording_reading r;

	(void)state;
	for (const struct mr_wording *w = mr_wordings; w->format; w++) {
		if (!mr_format_find(w->format))
			fail_msg("%s is no format", w->format);
		if (mr_wording_compare(w, (struct mr_str){ "x", 1 }, &r) != 0)
			fail_msg("a fault in \"%s\"", w->text);
	}
	for (size_t i = 0; mr_formats[i]; i++) {
		const struct mr_wording *w = mr_wordings;

		while (w->format && strcmp(w->format, mr_formats[i]->name) != 0)
			w++;
		if (!w->format)
			fail_msg("%s has no wordings", mr_formats[i]->name);
	}
}

/* --- lines that are taken: every byte is in a part, and the parts are what the parser read */

static bool parts_are_whole(const struct heard *h, struct mr_str text)
{
	const char *at = NULL;
	bool repeated = false;

	for (size_t i = 0; i < h->why.parts; i++) {
		const struct mr_explained_part *p = &h->why.part[i];
		struct mr_addr a;

		if (strcmp(p->what, "user") == 0 && h->event.user.n &&
		    (p->text.n != h->event.user.n ||
		     memcmp(p->text.p, h->event.user.p, p->text.n) != 0))
			return false;
		if (strcmp(p->what, "address") == 0 &&
		    (!mr_str_addr(p->text, &a) || memcmp(a.b, h->event.addr.b, sizeof(a.b)) != 0))
			return false;
		/* behind the frame nothing is left out */
		if (at && strcmp(p->what, "words") == 0 && p->text.p != at)
			return false;
		repeated |= strcmp(p->what, "repeated") == 0; /* and a bracket at the end */
		at = strcmp(p->what, "time") == 0 || strcmp(p->what, "repeated") == 0 ||
				     strcmp(p->what, "host") == 0 || strcmp(p->what, "program") == 0
			     ? NULL
			     : p->text.p + p->text.n;
	}
	return at == text.p + text.n - repeated;
}

static void check_taken(const char *path, unsigned int *lines)
{
	_cleanup_(mr_reader_freep) struct mr_reader *r = reader_new();
	_cleanup_(log_clear) struct log l = { 0 };

	log_read(&l, path);
	for (size_t i = 0; i < l.n; i++) {
		struct heard h = { 0 };
		struct mr_str text = explain(r, l.line[i], &h);

		if (!h.taken)
			continue;
		++*lines;
		if (!h.why.wording[0] || h.why.gave_up || !parts_are_whole(&h, text))
			fail_msg("%s:%zu: %s takes it, and no wording reads it so: \"%s\"", path,
				 i + 1, h.by, h.why.wording);
	}
}

static void test_taken(void **state)
{
	unsigned int lines = 0;
	glob_t g;

	(void)state;
	assert_int_equal(glob(LOGS, 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		check_taken(g.gl_pathv[i], &lines);
	globfree(&g);
	print_message("# %u lines read part by part\n", lines);
	assert_true(lines > 300);
}

/* --- lines that are damaged */

enum damage { CUT_SHORT, OTHER_BYTE, MORE_TEXT, DAMAGES };

static size_t damage(char *to, struct mr_str line, size_t at, enum damage how)
{
	memcpy(to, line.p, at);
	switch (how) {
	case CUT_SHORT:
		return at;
	case OTHER_BYTE:
		to[at] = '~';
		memcpy(to + at + 1, line.p + at + 1, line.n - at - 1);
		return line.n;
	default:
		memcpy(to + at, "~ ~", 3);
		memcpy(to + at + 3, line.p + at, line.n - at);
		return line.n + 3;
	}
}

struct tally {
	unsigned int told, near, refused, nothing;
};

/* The log up to line i, and that one damaged. */
static void check_damage(const struct log *l, size_t i, const char *format, size_t at,
			 enum damage how, struct tally *t)
{
	_cleanup_(mr_reader_freep) struct mr_reader *r = reader_new();
	struct heard h = { .format = format };
	char bad[8192];
	struct mr_str line = { bad, damage(bad, l->line[i], at, how) }, text;
	struct mr_event e;
	size_t end, place;

	for (size_t k = 0; k < i; k++)
		mr_reader_line(r, l->line[k].p, l->line[k].n, &e);
	text = explain(r, line, &h);
	if (h.taken)
		return; /* it did no harm */
	if (!h.said) {
		t->nothing++; /* no more a line of this program */
		return;
	}
	if (!h.why.gave_up) {
		t->refused++;
		if (!h.why.why)
			fail_msg("%s:%zu: no reason: %.*s", l->path, i + 1, (int)line.n, bad);
		return;
	}
	place = (size_t)(h.why.place.p - text.p);
	for (end = at + 1; end < line.n && line.p[end] != ' ' && line.p[end] != ',';)
		end++;
	t->told++;
	t->near += place <= end && place + NEAR >= at;
	if (place > end + 4 || !h.why.expected[0])
		fail_msg("%s:%zu: damaged at column %zu, told at %zu (expected \"%s\"): %.*s",
			 l->path, i + 1, at + 1, place + 1, h.why.expected, (int)line.n, bad);
}

/* Lines of one log, each shape (its first words) a few times, damaged at some places each. */
static void check_log(const char *path, struct tally *t)
{
	_cleanup_(mr_reader_freep) struct mr_reader *r = reader_new();
	_cleanup_(log_clear) struct log l = { 0 };
	size_t taken = 0;

	log_read(&l, path);
	for (size_t i = 0; i < l.n; i++) {
		struct heard h = { 0 };
		struct mr_line f;

		explain(r, l.line[i], &h);
		if (!h.taken || taken++ % 6 != 0 || l.line[i].n > 4096 ||
		    mr_reader_frame(r, l.line[i].p, l.line[i].n, &f) < 0)
			continue;
		for (size_t k = 0; k < 7; k++) {
			size_t from = (size_t)(f.message.p - l.line[i].p);
			size_t at = from + (f.text.n - from - 1) * (2 * k + 1) / 14;

			check_damage(&l, i, h.by, at, (enum damage)((i + k) % DAMAGES), t);
		}
	}
}

static void test_damaged(void **state)
{
	struct tally t = { 0 };
	glob_t g;

	(void)state;
	assert_int_equal(glob(LOGS, 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		check_log(g.gl_pathv[i], &t);
	globfree(&g);
	print_message(
		"# %u places told, %u of them near the damage, %u refused, %u of no program\n",
		t.told, t.near, t.refused, t.nothing);
	assert_true(t.told > 200);
	assert_true(t.near * 10 >= t.told * 8);
}

/* --- what is said */

static const struct {
	const char *format, *line;
	size_t column; /* 0: refused, and `expected` begins the reason */
	const char *expected, *found;
} cases[] = {
	{ "dovecot",
	  "dovecot: imap-login: Login: user=<a>, method=PLAIN, rhost=192.0.2.1, lip=192.0.2.2", 53,
	  "rip=", "rhost=192.0.2.1" },
	{ "dovecot",
	  "dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.300, lip=192.0.2.2", 57,
	  "an address", "192.0.2.300" },
	{ "dovecot", "dovecot: imap-login: Login: user=<a>, rip=192.0.2.1, lip=192.0.2.2, TLS, x=y",
	  75, "the end of the line", "=y" },
	{ "dovecot", "dovecot: imap-login: Welcome: user=<a>, rip=192.0.2.1, lip=192.0.2.2", 22,
	  "Login", "Welcome:" },
	{ "dovecot", "dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.1", 0,
	  "it ends with the address", NULL },
	{ "dovecot",
	  "dovecot: imap-login: Login: user=<a>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, "
	  "session=<AAAAAAAA>",
	  0, "its session id", NULL },
	{ "dovecot", "dovecot: imap-login: Login: user=<>, rip=192.0.2.1, lip=192.0.2.2", 0,
	  "it names no user", NULL },
	{ "dovecot", "dovecot: auth: passwd-file(anna): Password mismatch", 0,
	  "it names no address", NULL },
	{ "dovecot",
	  "dovecot: imap-login: Disconnected (no auth attempts in 0 secs): user=<>, "
	  "rip=192.0.2.1, lip=192.0.2.2",
	  0, "nobody has logged in", NULL },
	{ "dovecot", "dovecot: master: Dovecot v2.3.19 starting up", 10,
	  "a login, logout, failure or abuse", "master" },
	{ "postfix",
	  "postfix/smtpd[7]: AB12: client=h[192.0.2.1], sasl_mathod=PLAIN, sasl_username=a", 46,
	  "sasl_method=", "sasl_mathod=PLAIN" },
	{ "postfix",
	  "postfix/smtpd[7]: AB12: client=h[192.0.2.1], sasl_method=XCLIENT, sasl_username=a", 0,
	  "another host says so", NULL },
	{ "postfix",
	  "postfix/smtpd[7]: warning: h[192.0.2.1]: SASL PLAIN authentication failed: Connection "
	  "lost to authentication server",
	  0, "a fault of our own", NULL },
	{ "postfix", "postfix/smtpd[7]: too many errors after AUTH from h[192.0.2.1], and more", 63,
	  "the end of the line", ", and" },
	{ "vpopmail", "vpopmail: vchkpw-pop3: password fail x:2001:9:2001:db8::66", 0,
	  "it can be read in two ways", NULL },
	{ "roundcube",
	  "roundcube: Failed login for a from 192.0.2.1(X-Forwarded-For: 9.9.9.9) in session x", 0,
	  "the address is a web proxy's", NULL },
	{ "opensmtpd", "smtpd[9]: 0123456789abcdef smtp authentication user=a result=ok", 0,
	  "no line before it told the address", NULL },
	{ "dovecot",
	  "Nov 21 20:44:30 mx dovecot: imap-login: Login: user=<aNov 21 20:44:31 mx dovecot: "
	  "imap-login: Login: user=<b>, rip=192.0.2.1, lip=192.0.2.2",
	  0, "two lines have run together", NULL },
	{ "courier", "imapd: LOGIN, user=a, ip=[192.0.2.1], port=[x], protocol=IMAP", 45, "a port",
	  "x" },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		_cleanup_(mr_reader_freep) struct mr_reader *r = reader_new();
		struct heard h = { .format = cases[i].format };
		struct mr_str line = { cases[i].line, strlen(cases[i].line) };
		struct mr_str text = explain(r, line, &h), place = h.why.place;

		if (!h.said || h.taken)
			fail_msg("%s: %s", line.p, h.taken ? "taken" : "nothing said");
		if (!cases[i].column) {
			if (!h.why.why ||
			    strncmp(h.why.why, cases[i].expected, strlen(cases[i].expected)) != 0)
				fail_msg("%s: %s%s", line.p, h.why.why ? h.why.why : "expected ",
					 h.why.expected);
			continue;
		}
		if (!h.why.gave_up || (size_t)(place.p - text.p) + 1 != cases[i].column ||
		    strcmp(h.why.expected, cases[i].expected) != 0 ||
		    !mr_str_is(place, cases[i].found))
			fail_msg("%s: column %zu, expected \"%s\", found \"%.*s\"%s", line.p,
				 (size_t)(place.p - text.p) + 1, h.why.expected, (int)place.n,
				 place.p, h.why.why ? h.why.why : "");
	}
}

/* Own formats. */
static void test_stated(void **state)
{
	static const struct {
		const char *message;
		size_t at;
		const char *expected;
	} stated[] = {
		{ "usar anna in from 192.0.2.1, ok", 0, "user" },
		{ "user anna on from 192.0.2.1, ok", 10, "in" },
		{ "user anna in from host, ok", 18, "an address" },
		{ "user anna in from 192.0.2.1, no", 29, "ok" },
		{ "user anna in from 192.0.2.1, ok.", 31, "the end of the line" },
		{ "user anna in from", 13, "from" },
		{ "user anna in from [192.0.2.1], ok", 18, "an address" },
		{ "user anna in from (192.0.2.1), ok", 18, "an address" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(stated); i++) {
		struct mr_str m = { stated[i].message, strlen(stated[i].message) };
		struct mr_line l = { .message = m, .body = m, .text = m };
		struct mr_explanation x;

		mr_explain_stated("user <user> in from <addr>, ok", &l, NULL, &x);
		if (!x.gave_up || (size_t)(x.place.p - m.p) != stated[i].at ||
		    strcmp(x.expected, stated[i].expected) != 0)
			fail_msg("%s: at %zu, expected \"%s\"", m.p, (size_t)(x.place.p - m.p),
				 x.expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	cmocka_unit_test(test_taken),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_cases),
		cmocka_unit_test(test_stated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
