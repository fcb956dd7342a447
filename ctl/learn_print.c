// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_print.c - prints what `learn --dry-run` finds.
 *
 * JSON is written by hand here: a hundred thousand lines go through, and their strings are hostile
 * text that must come out as valid UTF-8 whatever it was.  Gathers output in a buffer of its own,
 * because the standard library's functions took longer than the parsing.  Never fails; the caller
 * looks at the stream at the end.
 */
#include "learn_print.h"

#include "term.h"

#define PROGRESS_FIRST_NS 1000000000u /* nothing is shown of what is done within a second */
#define PROGRESS_NEXT_NS  250000000u

/* At most eight bytes, so that one is written in one go. */
struct word {
	char text[8];
	size_t n;
};
#define WORD(w) \
	{ \
		w, sizeof(w) - 1 \
	}
static const struct word kinds[] = { WORD("login"), WORD("logout"), WORD("failure"),
				     WORD("abuse") };
static const struct word families[] = { WORD(""), WORD("smtp"), WORD("pop3"), WORD("imap"),
					WORD("sieve") };
static const struct word actions[] = { WORD("none"), WORD("count"), WORD("permit"), WORD("ban") };

/* The line of progress goes before anything else is written to the same terminal. */
static void clear_progress(struct mr_learn_print *p)
{
	if (!p->on_show)
		return;
	fputs("\r\033[K", stderr);
	p->on_show = false;
}

void mr_learn_print_flush(struct mr_learn_print *p)
{
	if (p->n)
		clear_progress(p);
	fwrite(p->buffer, 1, p->n, stdout);
	p->n = 0;
	fflush(stdout);
}

static __attribute__((noinline)) void put_full(struct mr_learn_print *p, const char *s, size_t n)
{
	clear_progress(p);
	fwrite(p->buffer, 1, p->n, stdout);
	fwrite(s, 1, n, stdout);
	p->n = 0;
}

/* In line, so that a literal is two or three moves. */
static inline void put(struct mr_learn_print *p, const char *s, size_t n)
{
	if (n > sizeof(p->buffer) - p->n) {
		put_full(p, s, n);
		return;
	}
	memcpy(p->buffer + p->n, s, n);
	p->n += n;
}
#define PUT(p, literal) put((p), (literal), sizeof(literal) - 1)

static void put_text(struct mr_learn_print *p, const char *s)
{
	put(p, s, strlen(s));
}

static void put_word(struct mr_learn_print *p, const struct word *w)
{
	if (sizeof(p->buffer) - p->n < sizeof(w->text)) {
		put_full(p, w->text, w->n);
		return;
	}
	memcpy(p->buffer + p->n, w->text, sizeof(w->text));
	p->n += w->n;
}

static void put_number(struct mr_learn_print *p, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + v % 10);
	while (v /= 10);
	put(p, digits + i, sizeof(digits) - i);
}

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* How many of the first n bytes are printable ASCII, neither of the two, and so stand for
 * themselves. */
static size_t plain_run(const char *s, size_t n, char not1, char not2)
{
	size_t i = 0;

	for (; n - i >= sizeof(bytes16); i += sizeof(bytes16)) {
		uint64_t odd[2];
		bytes16 v;

		memcpy(&v, s + i, sizeof(v));
		v = (bytes16)((v < 0x20) | (v > 0x7e) | (v == (uint8_t)not1) |
			      (v == (uint8_t)not2));
		memcpy(odd, &v, sizeof(odd));
		if (odd[0] | odd[1])
			break;
	}
	while (i < n && s[i] >= 0x20 && s[i] <= 0x7e && s[i] != not1 && s[i] != not2)
		i++;
	return i;
}

/* One byte, or one character of several, that is not plain; returns its length. */
static size_t put_odd(struct mr_learn_print *p, const char *s, size_t n)
{
	unsigned char c = (unsigned char)*s;
	size_t len = c < 0x80 ? 0 : mr_report_utf8((const unsigned char *)s, n);
	char escape[8];

	if (len) {
		put(p, s, len);
		return len;
	}
	if (c >= 0x80)
		PUT(p, "\\ufffd");
	else if (c == '"' || c == '\\')
		put(p, (char[]){ '\\', (char)c }, 2);
	else
		put(p, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
	return 1;
}

static void put_string(struct mr_learn_print *p, struct mr_str s)
{
	size_t i = 0, run;

	PUT(p, "\"");
	for (;;) {
		run = plain_run(s.p + i, s.n - i, '"', '\\');
		put(p, s.p + i, run);
		i += run;
		if (i == s.n)
			break;
		i += put_odd(p, s.p + i, s.n - i);
	}
	PUT(p, "\"");
}

static void put_or_null(struct mr_learn_print *p, struct mr_str s)
{
	if (s.n)
		put_string(p, s);
	else
		PUT(p, "null");
}

static struct mr_str text(const char *s)
{
	return (struct mr_str){ s, s ? strlen(s) : 0 };
}

static void print_json(struct mr_learn_print *p, const char *file, uint64_t line,
		       const struct mr_event *e, const struct mr_learn_result *r)
{
	char addr[MR_ADDR_TEXT];

	PUT(p, "{\"line\":");
	put_number(p, line);
	PUT(p, ",\"file\":");
	put_string(p, text(file));
	PUT(p, ",\"event\":\"");
	put_word(p, &kinds[e->kind]);
	if (e->family) {
		PUT(p, "\",\"service\":\"");
		put_word(p, &families[e->family]);
		PUT(p, "\",\"address\":\"");
	} else {
		PUT(p, "\",\"service\":null,\"address\":\"");
	}
	put_text(p, mr_addr_text(&e->addr, addr));
	PUT(p, "\",\"user\":");
	put_or_null(p, e->user);
	PUT(p, ",\"format\":");
	put_string(p, text(e->format));
	PUT(p, ",\"session\":");
	put_or_null(p, e->session);
	PUT(p, ",\"action\":\"");
	put_word(p, &actions[r->action]);
	PUT(p, "\",\"why\":");
	put_string(p, text(r->why));
	PUT(p, "}\n");
}

/* What is missing to a width of at most 15. */
static void put_blanks(struct mr_learn_print *p, size_t written, size_t width)
{
	static const char blanks[] = "               ";

	if (written < width)
		put(p, blanks, width - written);
}

/* For people: what a user name holds must not steer the terminal. */
static void put_safe(struct mr_learn_print *p, struct mr_str s)
{
	size_t i = plain_run(s.p, s.n, 0, 0);

	put(p, s.p, i);
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = c < 0x80 ? 1 : mr_report_utf8((const unsigned char *)s.p + i, s.n - i);
		bool c1 = len == 2 && c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0;

		if (!len || c < 0x20 || c == 0x7f || c1)
			PUT(p, "?");
		else
			put(p, s.p + i, len);
		i += len ? len : 1;
	}
}

static void print_text(struct mr_learn_print *p, const char *file, uint64_t line,
		       const struct mr_event *e, const struct mr_learn_result *r)
{
	static const struct word kind[] = { WORD("login   "), WORD("logout  "), WORD("failure "),
					    WORD("abuse   ") };
	static const struct word family[] = { WORD("-     "), WORD("smtp  "), WORD("pop3  "),
					      WORD("imap  "), WORD("sieve ") };
	char addr[MR_ADDR_TEXT];
	size_t n;

	put_safe(p, text(file));
	PUT(p, ":");
	put_number(p, line);
	PUT(p, ": ");
	put_word(p, &kind[e->kind]);
	put_word(p, &family[e->family]);
	n = strlen(mr_addr_text(&e->addr, addr));
	put(p, addr, n);
	put_blanks(p, n, 15);
	PUT(p, " ");
	put_safe(p, e->user.n ? e->user : text("-"));
	PUT(p, " ");
	put_text(p, p->bold);
	put_word(p, &actions[r->action]);
	put_text(p, p->plain);
	PUT(p, " (");
	put_text(p, r->why);
	PUT(p, ", ");
	put_text(p, e->format);
	PUT(p, ")\n");
}

void mr_learn_print_event(struct mr_learn_print *p, const char *file, uint64_t line,
			  const struct mr_event *e, const struct mr_learn_result *r)
{
	size_t i;

	for (i = 0; i < p->formats && p->format[i].format != e->format; i++)
		;
	if (i < MR_ARRAY_SIZE(p->format)) {
		if (i == p->formats)
			p->format[p->formats++].format = e->format;
		p->format[i].events[e->kind]++;
	}
	p->actions[r->action]++;
	if (!p->bold) {
		p->bold = mr_term_on(stdout, MR_BOLD);
		p->plain = mr_term_off(stdout);
	}
	if (p->json)
		print_json(p, file, line, e, r);
	else
		print_text(p, file, line, e, r);
}

void mr_learn_print_progress(struct mr_learn_print *p, size_t bytes)
{
	uint64_t now;

	p->bytes += bytes;
	if (!isatty(STDERR_FILENO))
		return;
	now = mr_boottime_ns();
	if (!p->started_ns)
		p->started_ns = now;
	if (now - p->started_ns < PROGRESS_FIRST_NS || now - p->shown_ns < PROGRESS_NEXT_NS)
		return;
	p->shown_ns = now;
	fprintf(stderr, "\r%llu MB", (unsigned long long)(p->bytes >> 20));
	if (p->size)
		fprintf(stderr, ", %llu %%", (unsigned long long)(p->bytes * 100 / p->size));
	fputs(" read ", stderr);
	p->on_show = true;
}

void mr_learn_print_summary(struct mr_learn_print *p, const struct mr_reader_stats *s)
{
	FILE *out = p->json ? stderr : stdout;

	mr_learn_print_flush(p);
	clear_progress(p);
	if (p->json && !isatty(STDERR_FILENO))
		return;
	fprintf(out, "\n%llu lines", (unsigned long long)s->lines);
	if (s->skipped)
		fprintf(out, ", %llu of them empty or too long", (unsigned long long)s->skipped);
	fputc('\n', out);
	if (p->formats)
		fprintf(out, "%-12s %9s %9s %9s %9s\n", "format", "logins", "logouts", "failures",
			"abuse");
	for (size_t i = 0; i < p->formats; i++)
		fprintf(out, "%-12s %9llu %9llu %9llu %9llu\n", p->format[i].format,
			(unsigned long long)p->format[i].events[0],
			(unsigned long long)p->format[i].events[1],
			(unsigned long long)p->format[i].events[2],
			(unsigned long long)p->format[i].events[3]);
	if (p->formats)
		fprintf(out, "%llu permit%s, %llu ban%s\n",
			(unsigned long long)p->actions[MR_LEARN_PERMIT],
			p->actions[MR_LEARN_PERMIT] == 1 ? "" : "s",
			(unsigned long long)p->actions[MR_LEARN_BAN],
			p->actions[MR_LEARN_BAN] == 1 ? "" : "s");
	for (size_t i = 0; i < s->programs; i++) {
		const struct mr_reader_lost *l = &s->program[i];

		if (l->lost)
			fprintf(out, "%s: %llu line%s like a login verdict that is not known: %s\n",
				l->program, (unsigned long long)l->lost,
				l->lost == 1 ? " looks" : "s look", l->example);
		if (l->unknown)
			fprintf(out, "%s: %llu line%s of a mail program that no format knows\n",
				l->program, (unsigned long long)l->unknown,
				l->unknown == 1 ? "" : "s");
	}
}
