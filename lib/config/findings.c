// SPDX-License-Identifier: BSD-2-Clause
/*
 * findings.c - what a load has to say: kept, counted, printed with the place underlined.
 *
 * Never prints on its own, never stops a load: out of memory a finding is still counted.  Filled by
 * lib/config, read by the command and the daemon.  Errors above MR_ERRORS_SHOWN are counted only.
 */
#include "parser.h"

#include <string.h>

#define REMARKS_SHOWN 200 /* risks, and notes, that are listed */
#define SOURCE_BYTES  200 /* of a line of text; a place behind them is not underlined */

bool mr_findings_wants(const struct mr_findings *f, enum mr_grade grade)
{
	size_t n = grade == MR_ERROR ? f->errors : grade == MR_RISK ? f->risks : f->notes;

	return n < (grade == MR_ERROR ? MR_ERRORS_SHOWN : REMARKS_SHOWN);
}

static void count(struct mr_findings *f, enum mr_grade grade)
{
	if (grade == MR_ERROR)
		f->errors++;
	else if (grade == MR_RISK)
		f->risks++;
	else
		f->notes++;
}

/* The line for the underline: up to its end, NULL if the place lies too far out or it is no text.
 */
static const char *keep_line(struct mr_arena **a, const struct mr_spot *s)
{
	size_t len = 0;

	if (!s->line_text || s->column == 0 || s->column > SOURCE_BYTES / 2)
		return NULL;
	while (len < s->line_len && len < SOURCE_BYTES && s->line_text[len] != '\n' &&
	       s->line_text[len] != '\0')
		len++;
	while (len && (s->line_text[len - 1] == '\r' || s->line_text[len - 1] == ' '))
		len--;
	while (len && len < s->line_len && ((unsigned char)s->line_text[len] & 0xc0) == 0x80)
		len--; /* not through the middle of a character */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s->line_text[i] < ' ' && s->line_text[i] != '\t')
			return NULL;
	if (!mr_word_utf8(s->line_text, len))
		return NULL;
	return mr_arena_copy(a, s->line_text, len);
}

void mr_findings_vadd(struct mr_findings *f, enum mr_grade grade, const struct mr_spot *spot,
		      const char *hint, const char *fmt, va_list ap)
{
	bool wanted = mr_findings_wants(f, grade);
	struct mr_finding x = { .grade = grade };
	struct mr_arena *a = f->arena;

	count(f, grade);
	if (!wanted || mr_grow(&f->list, &f->allocated, f->n, sizeof(*f->list)) < 0)
		return;
	x.file = mr_arena_copy(&a, spot->path, strlen(spot->path));
	x.line = spot->line;
	x.column = spot->column;
	x.length = spot->width;
	x.message = mr_arena_vprintf(&a, fmt, ap);
	x.hint = hint ? mr_arena_copy(&a, hint, strlen(hint)) : NULL;
	x.source = keep_line(&a, spot);
	f->arena = a;
	if (x.file && x.message)
		f->list[f->n++] = x;
}

void mr_findings_add(struct mr_findings *f, enum mr_grade grade, const struct mr_spot *spot,
		     const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	mr_findings_vadd(f, grade, spot, hint, fmt, ap);
	va_end(ap);
}

static size_t file_order(const struct mr_policy *p, const char *path)
{
	for (size_t i = 0; i < p->n_files; i++)
		if (strcmp(p->files[i], path) == 0)
			return i;
	return p->n_files;
}

/* What belongs to no line comes last: it speaks of the whole. */
static bool stands_before(const struct mr_policy *p, const struct mr_finding *a,
			  const struct mr_finding *b)
{
	if (a->grade != b->grade)
		return a->grade < b->grade;
	if (!a->line != !b->line)
		return a->line;
	if (strcmp(a->file, b->file) != 0)
		return file_order(p, a->file) < file_order(p, b->file);
	if (a->line != b->line)
		return a->line < b->line;
	return a->column < b->column;
}

void mr_findings_sort(struct mr_findings *f, size_t from, const struct mr_policy *p)
{
	for (size_t i = from + 1; i < f->n; i++) { /* stable, and a few hundred at most */
		struct mr_finding x = f->list[i];
		size_t j = i;

		for (; j > from && stands_before(p, &x, &f->list[j - 1]); j--)
			f->list[j] = f->list[j - 1];
		f->list[j] = x;
	}
}

void mr_findings_clear(struct mr_findings *f)
{
	free(f->list);
	mr_arena_free(f->arena);
	*f = (struct mr_findings){ 0 };
}

/* Tabs stay tabs, so that the underline stands under its text in every terminal. */
static void underline(const struct mr_finding *f, FILE *out)
{
	unsigned int column = 1, n = 0;
	const char *s = f->source;

	fprintf(out, "    %s\n    ", s);
	for (; *s && column < f->column; s++)
		if (((unsigned char)*s & 0xc0) != 0x80) {
			fputc(*s == '\t' ? '\t' : ' ', out);
			column++;
		}
	while (((unsigned char)*s & 0xc0) == 0x80)
		s++;
	for (; *s && n < f->length; s++)
		if (((unsigned char)*s & 0xc0) != 0x80) {
			fputc('^', out);
			n++;
		}
	fprintf(out, "%s\n", n ? "" : "^");
}

void mr_finding_print(const struct mr_finding *f, FILE *out)
{
	static const char *const grade[] = { "error", "risk", "note" };

	fputs(f->file, out);
	if (f->line && f->column)
		fprintf(out, ":%u:%u", f->line, f->column);
	else if (f->line)
		fprintf(out, ":%u", f->line);
	fprintf(out, ": %s: %s\n", grade[f->grade], f->message);
	if (f->source)
		underline(f, out);
	if (f->hint)
		fprintf(out, "    hint: %s\n", f->hint);
}
