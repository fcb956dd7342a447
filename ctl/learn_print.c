// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_print.c - prints what `learn --dry-run` finds.
 *
 * JSON is written by hand here: a hundred thousand lines go through, and their strings are hostile
 * text that must come out as valid UTF-8 whatever it was.  Never fails; the caller looks at the
 * stream at the end.
 */
#include "learn_print.h"

#include "term.h"

#define PROGRESS_BYTES (64u << 20) /* between two lines of progress on a terminal */

static const char *const kinds[] = { "login", "logout", "failure", "abuse" };
static const char *const families[] = { NULL, "smtp", "pop3", "imap", "sieve" };
static const char *const actions[] = { "none", "count", "permit", "ban" };

static void put_string(struct mr_str s)
{
	size_t done = 0;

	putchar_unlocked('"');
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = c < 0x80 ? 1 : mr_report_utf8((const unsigned char *)s.p + i, s.n - i);

		if (len && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
			i += len;
			continue;
		}
		fwrite_unlocked(s.p + done, 1, i - done, stdout);
		if (!len)
			fputs_unlocked("\\ufffd", stdout);
		else if (c == '"' || c == '\\')
			printf("\\%c", c);
		else
			printf("\\u%04x", c);
		i += len ? len : 1;
		done = i;
	}
	fwrite_unlocked(s.p + done, 1, s.n - done, stdout);
	putchar_unlocked('"');
}

static void put_field(const char *name, struct mr_str s)
{
	fputs_unlocked(name, stdout);
	if (s.n)
		put_string(s);
	else
		fputs_unlocked("null", stdout);
}

static struct mr_str text(const char *s)
{
	return (struct mr_str){ s, s ? strlen(s) : 0 };
}

static void print_json(const char *file, uint64_t line, const struct mr_event *e,
		       const struct mr_learn_result *r)
{
	char addr[MR_ADDR_TEXT];

	printf("{\"line\":%llu", (unsigned long long)line);
	put_field(",\"file\":", text(file));
	printf(",\"event\":\"%s\"", kinds[e->kind]);
	put_field(",\"service\":", text(families[e->family]));
	printf(",\"address\":\"%s\"", mr_addr_text(&e->addr, addr));
	put_field(",\"user\":", e->user);
	put_field(",\"format\":", text(e->format));
	put_field(",\"session\":", e->session);
	printf(",\"action\":\"%s\"", actions[r->action]);
	put_field(",\"why\":", text(r->why));
	fputs_unlocked("}\n", stdout);
}

static void print_text(const char *file, uint64_t line, const struct mr_event *e,
		       const struct mr_learn_result *r)
{
	char addr[MR_ADDR_TEXT];

	printf("%s:%llu: %-7s %-4s %-15s ", file, (unsigned long long)line, kinds[e->kind],
	       families[e->family] ? families[e->family] : "-", mr_addr_text(&e->addr, addr));
	for (size_t i = 0; i < e->user.n; i++)
		putchar((unsigned char)e->user.p[i] < 0x20 || e->user.p[i] == 0x7f ? '?'
										   : e->user.p[i]);
	printf("%s %s%s%s (%s, %s)\n", e->user.n ? "" : "-", mr_term_on(stdout, MR_BOLD),
	       actions[r->action], mr_term_off(stdout), r->why, e->format);
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
	if (p->json)
		print_json(file, line, e, r);
	else
		print_text(file, line, e, r);
}

void mr_learn_print_progress(struct mr_learn_print *p, size_t bytes)
{
	p->bytes += bytes;
	if (p->bytes - p->shown < PROGRESS_BYTES || !isatty(STDERR_FILENO) || isatty(STDOUT_FILENO))
		return;
	p->shown = p->bytes;
	fprintf(stderr, "\r%llu MB read", (unsigned long long)(p->bytes >> 20));
}

void mr_learn_print_summary(const struct mr_learn_print *p, const struct mr_reader_stats *s)
{
	FILE *out = p->json ? stderr : stdout;

	if (p->shown)
		fputc('\n', stderr);
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
	for (size_t i = 0; i < s->programs; i++) {
		const struct mr_reader_lost *l = &s->program[i];

		if (l->lost)
			fprintf(out,
				"%s: %llu lines look like login verdicts and are none that is "
				"known, "
				"such as: %s\n",
				l->program, (unsigned long long)l->lost, l->example);
		if (l->unknown)
			fprintf(out, "%s: %llu lines of a mail program that no format knows\n",
				l->program, (unsigned long long)l->unknown);
	}
}
