// SPDX-License-Identifier: BSD-2-Clause
/*
 * hostile.c - every hostile text in every field that a client controls, for every format.
 *
 * A template is a line of a server with holes: {A} the client's real address, {U} a name, {H} a
 * HELO, {S} a sender (its local part is quoted as the servers do), {T} any other text.  Into the
 * holes go complete fake lines of every other template, their parts, brackets and separators, line
 * ends, escapes, NUL, look-alike addresses, 64 KB, and random mixtures of all these, the same in
 * all holes of a line or each its own.  Whatever is
 * in them: an event names the real address and has the template's kind, or there is no event.  With
 * a plain text the event must come.  The seed is printed; MR_SEED repeats a run.
 */
#include "_hostile.h"

#include <mailreeve/reader.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* --- texts ------------------------------------------------------------------------------------ */

struct buf {
	char p[256 << 10];
	size_t n;
};

static void put(struct buf *b, const char *p, size_t n)
{
	if (n > sizeof(b->p) - b->n)
		n = sizeof(b->p) - b->n;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void put_text(struct buf *b, const char *text)
{
	put(b, text, strlen(text));
}

#define NEXT '\x1d' /* parts a text: each hole has its own, in turn */

static struct mr_str part_of(const char *text, size_t n, unsigned int hole)
{
	const char *end = memchr(text, NEXT, n);

	if (!end)
		return (struct mr_str){ text, n };
	for (; hole && end; hole--) {
		n -= (size_t)(end - text) + 1;
		text = end + 1;
		end = memchr(text, NEXT, n);
	}
	return (struct mr_str){ text, end ? (size_t)(end - text) : n };
}

static void put_sender(struct buf *b, struct mr_str s)
{
	put_text(b, "\"");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			put_text(b, "\\");
		put(b, s.p + i, 1);
	}
	put_text(b, "\"@example.org");
}

/* The template with its holes filled.  A sender is quoted as the servers do. */
static void fill(struct buf *b, const char *line, const char *addr, const char *text, size_t n)
{
	unsigned int holes = 0;
	struct mr_str s;

	while (*line) {
		if (strncmp(line, "{A}", 3) == 0) {
			put_text(b, addr);
			line += 3;
		} else if (line[0] == '{' && line[1] && strchr("UHTS", line[1]) && line[2] == '}') {
			s = part_of(text, n, holes++);
			if (line[1] == 'S')
				put_sender(b, s);
			else
				put(b, s.p, s.n);
			line += 3;
		} else {
			put(b, line++, 1);
		}
	}
}

static const char *hole(const char *line)
{
	for (const char *p = line; *p; p++)
		if (p[0] == '{' && p[1] && strchr("UHTS", p[1]) && p[2] == '}')
			return p;
	return NULL;
}

/* `{A}` is part of no hole's text: forged addresses */
static const char *const forged[] = { "9.9.9.9", "2001:9::9", "::ffff:9.9.9.9" };

static const char *const pieces[] = {
	"alice",
	" ",
	", ",
	">",
	"<",
	"]",
	"[",
	")",
	"(",
	"\"",
	"'",
	":",
	": ",
	"=",
	"\n",
	"\r\n",
	"#012",
	"\\n",
	"\\\"",
	"\x1b[31m",
	"\t",
	"/",
	"\xff\xfe",
	"rip=9.9.9.9",
	", rip=9.9.9.9, lip=192.0.2.1",
	">, method=PLAIN, rip=9.9.9.9, lip=192.0.2.1, mpid=4, TLS",
	"[9.9.9.9]",
	" [9.9.9.9]",
	"(9.9.9.9)",
	"[IPv6:2001:9::9]",
	"9.9.9.9:25",
	":9.9.9.9",
	":2001:9",
	":2001:9:",
	"x:64:ff9b:",
	"9.9.9.9.example.net",
	"1.9.9.9.9",
	"9.9.9.9 ",
	" - 9.9.9.9",
	" -- [9.9.9.9]",
	" from 9.9.9.9",
	" host=[9.9.9.9]",
	", ip=[9.9.9.9], port=[1]",
	", relay=[9.9.9.9]",
	", sasl_method=PLAIN, sasl_username=alice",
	", sasl_username=x[9.9.9.9]: SASL PLAIN authentication failed: y",
	" P=esmtpa A=plain:alice S=1",
	"x) [9.9.9.9] P=esmtpa A=plain:alice S=1 (y",
	"x) [9.9.9.9] (y",
	" rhost=9.9.9.9  user=alice",
	"\", upstream: 127.0.0.1:110",
	"\" while in http auth state, client: 9.9.9.9, server: 0.0.0.0:110, login: \"x",
	" status=\"ok\"",
	" result=ok",
	" address=9.9.9.9 host=x result=ok",
	" User logged in",
	" authenticated - 9.9.9.9",
	" logged in from 9.9.9.9",
	"' might not have worked",
	"] to Horde",
	": 535 Incorrect authentication data",
	" U=x",
	" I=[9.9.9.9]:25",
	" D=0.2s A=plain:alice",
	" (may be forged)",
	": Password mismatch",
	",9.9.9.9): Password mismatch (given password: x",
	",9.9.9.9,<abcd>): unknown user (SHA1 of given password: 0a1b",
	",9.9.9.9)<7><abcd>: request [1]: sql: Password mismatch (given password: x",
	" while reading line user=x host=[9.9.9.9]",
	"\" H=[9.9.9.9] next input=\"x",
	" input=\"x",
	",9.9.9.9,sasl:plain)<>: sql: Password mismatch",
	"event=login.good r.clienthost=[9.9.9.9] u.username=alice",
};

/* --- the check -------------------------------------------------------------------------------- */

static struct mr_reader *reader(bool thorough)
{
	struct mr_reader_options o = { .legacy = true, .thorough = thorough, .sessions = 16 };
	struct mr_reader *r = NULL;
	struct mr_error e;

	assert_int_equal(mr_reader_new(&o, &r, &e), 0);
	mr_reader_clock(r, 1795298400000000u, NULL);
	return r;
}

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

static bool in_text(struct mr_str s, const struct buf *b)
{
	return s.n == 0 || memmem(b->p, b->n, s.p, s.n);
}

/* A reader that asks every format comes to the same result. */
static void check_thorough(const struct buf *before, const struct buf *b, enum mr_parse result,
			   const struct mr_event *e)
{
	struct mr_reader *r = reader(true);
	struct mr_event x;

	if (before->n)
		mr_reader_line(r, before->p, before->n, &x);
	if (mr_reader_line(r, b->p, b->n, &x) != result)
		fail_msg("not what it is when every format is asked: %.*s", (int)b->n, b->p);
	if (result == MR_PARSE_EVENT &&
	    (x.format != e->format || x.kind != e->kind || x.user.n != e->user.n))
		fail_msg("%s, or %s?  %.*s", e->format, x.format, (int)b->n, b->p);
	mr_reader_free(r);
}

static void check(const struct hostile_template *t, const char *addr, const char *text, size_t n,
		  size_t cut, bool must)
{
	static struct buf b, before;
	struct mr_reader *r = reader(false);
	struct mr_event e = { .kind = MR_EV_LOGIN };
	enum mr_parse result;
	struct mr_addr real;

	assert_int_equal(mr_addr_parse(addr, strlen(addr), &real), 0);
	before.n = 0;
	if (t->before) {
		fill(&before, t->before, addr, "", 0);
		mr_reader_line(r, before.p, before.n, &e);
	}
	b.n = 0;
	fill(&b, t->line, addr, text, n);
	if (cut && cut < b.n)
		b.n = cut;
	result = mr_reader_line(r, b.p, b.n, &e);
	if (result == MR_PARSE_EVENT) {
		char got[MR_ADDR_TEXT];

		if (memcmp(e.addr.b, real.b, 16) != 0 || (int)e.kind != t->kind ||
		    !in_text(e.user, &b) || !in_text(e.session, &b))
			fail_msg("kind %d, %s of %s, from a client at %s:\n%.*s", (int)e.kind,
				 e.format, mr_addr_text(&e.addr, got), addr, (int)b.n, b.p);
	} else if (must) {
		fail_msg("no event: %.*s", (int)b.n, b.p);
	}
	check_thorough(&before, &b, result, &e);
	mr_reader_free(r);
}

static const char *const real[] = { "192.0.2.10", "2001:db8:66::66" };

/* vpopmail puts U and an IPv6 address together with a colon: an account has none, others have no
 * reading */
static bool fits(const struct hostile_template *t, size_t a)
{
	return a == 0 || (!strstr(t->line, "{U}:{A}") && !strstr(t->line, "::ffff:{A}") &&
			  !strstr(t->line, "{A}:4711->"));
}

static void test_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < hostile_count; i++)
		for (size_t a = 0; a < MR_ARRAY_SIZE(real); a++)
			if (fits(&hostile_templates[i], a))
				check(&hostile_templates[i], real[a], "alice", 5, 0,
				      hostile_templates[i].kind != HOSTILE_NONE);
}

static bool has_template(const struct mr_format *f)
{
	for (size_t i = 0; i < hostile_count; i++) {
		static struct buf b;
		struct mr_reader *r = reader(false);
		struct mr_event e = { .format = NULL };
		enum mr_parse result;

		b.n = 0;
		fill(&b, hostile_templates[i].before ? hostile_templates[i].before : "", real[0],
		     "", 0);
		mr_reader_line(r, b.p, b.n, &e);
		b.n = 0;
		fill(&b, hostile_templates[i].line, real[0], "alice", 5);
		result = mr_reader_line(r, b.p, b.n, &e);
		mr_reader_free(r);
		if (result == MR_PARSE_EVENT && strcmp(e.format, f->name) == 0)
			return true;
	}
	return false;
}

static void test_every_format(void **state)
{
	(void)state;
	for (size_t i = 0; mr_formats[i]; i++)
		if (!has_template(mr_formats[i]))
			fail_msg("no line of %s is in _hostile.c", mr_formats[i]->name);
}

static void all_templates(const char *text, size_t n)
{
	for (size_t i = 0; i < hostile_count; i++)
		for (size_t a = 0; a < MR_ARRAY_SIZE(real); a++)
			if (fits(&hostile_templates[i], a))
				check(&hostile_templates[i], real[a], text, n, 0, false);
}

static void test_pieces(void **state)
{
	static struct buf b;

	(void)state;
	all_templates("", 0);
	all_templates("a\0b", 3);
	for (size_t k = 0; k < MR_ARRAY_SIZE(pieces); k++) {
		all_templates(pieces[k], strlen(pieces[k]));
		b.n = 0;
		put_text(&b, "alice");
		put_text(&b, pieces[k]);
		all_templates(b.p, b.n);
		put_text(&b, "alice");
		all_templates(b.p, b.n);
	}
	b.n = 0;
	while (b.n < 64u << 10)
		put_text(&b, ", rip=9.9.9.9, ip=[9.9.9.9], relay=[9.9.9.9] host=[9.9.9.9]");
	all_templates(b.p, b.n);
	all_templates(b.p, 2000);
}

/* Fake lines of every template, whole, without their frame, and what stands behind their hole: the
 * text that ends a line as if the client's field had ended before. */
static void test_fakes(void **state)
{
	static struct buf b;

	(void)state;
	for (size_t k = 0; k < hostile_count; k++) {
		const char *line = hostile_templates[k].line, *h = hole(line);
		const char *message = strstr(line, ": ");

		for (size_t f = 0; f < MR_ARRAY_SIZE(forged); f++) {
			b.n = 0;
			fill(&b, line, forged[f], "alice", 5);
			all_templates(b.p, b.n);
			b.n = 0;
			put_text(&b, "alice\n");
			fill(&b, line, forged[f], "alice", 5);
			all_templates(b.p, b.n);
			b.n = 0;
			fill(&b, message ? message + 2 : line, forged[f], "alice", 5);
			all_templates(b.p, b.n);
			if (!h)
				continue;
			b.n = 0;
			put_text(&b, "alice");
			fill(&b, h + 3, forged[f], "alice", 5);
			all_templates(b.p, b.n);
			fill(&b, message ? message + 2 : line, forged[f], "alice", 5);
			all_templates(b.p, b.n);
		}
	}
}

/* Behind the real address stands what the client chose, and may be long. */
static bool client_ends(const char *line)
{
	const char *addr = strstr(line, "{A}");

	return !addr || hole(addr);
}

/* The same where what fills the line stands behind the client's fake address, in a field that may
 * be long: `end` is the fake line's last byte. */
static void check_filled(const struct hostile_template *t, const char *h, size_t length)
{
	static const char *const fillers[] = { "x", " ", " a=1", " x" };
	static struct buf b, line;
	size_t head = (size_t)(h - t->line), room;

	if (memmem(t->line, head, "{A}", 3))
		head += strlen(real[0]) - 3;
	line.n = 0;
	fill(&line, h + 3, "9.9.9.9", "x", 1);
	for (size_t k = 0; line.n && k < MR_ARRAY_SIZE(fillers); k++) {
		for (size_t last = 0; last < 2; last++) { /* bytes of the tail behind the filler */
			b.n = 0;
			put_text(&b, "x");
			put(&b, line.p, line.n - last);
			room = length - head - last;
			while (b.n + strlen(fillers[k]) <= room)
				put_text(&b, fillers[k]);
			while (b.n < room)
				put_text(&b, "1");
			put(&b, line.p + line.n - last, last);
			put_text(&b, "yyyyyyyy");
			check(t, real[0], b.p, b.n, length, false);
		}
	}
}

/* A line that syslog cut where the client wanted it to end. */
static void test_cut_lines(void **state)
{
	static const size_t lengths[] = { 900, 980, 1024, 2048, 4096, 8192 };
	static struct buf b, line;

	(void)state;
	for (size_t k = 0; k < hostile_count; k++) {
		const struct hostile_template *t = &hostile_templates[k];
		const char *h = hole(t->line);

		for (size_t i = 0; h && i < MR_ARRAY_SIZE(lengths); i++) {
			size_t head, tail;

			line.n = 0;
			fill(&line, h + 3, "9.9.9.9", "x", 1);
			tail = line.n;
			head = (size_t)(h - t->line);
			if (memmem(t->line, head, "{A}", 3))
				head += strlen(real[0]) - 3;
			if (head + tail > lengths[i])
				continue;
			b.n = 0;
			while (b.n < lengths[i] - head - tail)
				put_text(&b, "x");
			put(&b, line.p, line.n);
			put_text(&b, "yyyyyyyy");
			check(t, real[0], b.p, b.n, lengths[i], false);
			if (!client_ends(t->line))
				check_filled(t, h, lengths[i]);
		}
		/* where the address is the line's last word, half of it cannot be told from a whole
		 */
		h = strstr(t->line, "{A}");
		/* words of the server may tell of a fault of its own, or may be missing */
		if (t->kind == HOSTILE_NONE || strstr(t->line, "rhost={A}") ||
		    strstr(t->line, "from {A}") || strstr(t->line, ") {A} ["))
			continue;
		for (size_t n = 1; h && h[3] && n < strlen(t->line); n++)
			check(t, real[0], "alice", 5, n, false);
	}
}

static void test_random(void **state)
{
	static struct buf b;
	const char *env = getenv("MR_SEED");

	(void)state;
	seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	print_message("MR_SEED=%llu\n", (unsigned long long)seed);
	for (int i = 0; i < 100000; i++) {
		const struct hostile_template *t = &hostile_templates[rnd(hostile_count)];
		size_t a = rnd(MR_ARRAY_SIZE(real)), parts = 1 + rnd(6);
		bool apart = rnd(2);

		b.n = 0;
		while (parts--) {
			const char *line = hostile_templates[rnd(hostile_count)].line,
				   *h = hole(line);

			if (rnd(3) == 0 && h)
				fill(&b, h + 3, forged[rnd(3)], "alice", 5);
			else
				put_text(&b, pieces[rnd(MR_ARRAY_SIZE(pieces))]);
			if (apart && rnd(2))
				put(&b, &(char){ NEXT }, 1);
		}
		if (fits(t, a))
			check(t, real[a], b.p, b.n, 0, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format), cmocka_unit_test(test_plain),
		cmocka_unit_test(test_pieces),	     cmocka_unit_test(test_fakes),
		cmocka_unit_test(test_cut_lines),    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
