// SPDX-License-Identifier: BSD-2-Clause
/*
 * table.c - columns that line up; the heading is bold on a terminal.
 *
 * Cells are kept until the whole table is known: for tables of a screen or two.  Called by the
 * subcommands that print for people.
 */
#include "term.h"

#include <stdarg.h>

int mr_table_row(struct mr_table *t, ...)
{
	va_list ap;
	int r;

	r = mr_grow(&t->cells, &t->allocated, t->n + t->columns, sizeof(*t->cells));
	if (r < 0)
		return r;
	va_start(ap, t);
	for (size_t c = 0; c < t->columns; c++) {
		t->cells[t->n] = strdup(va_arg(ap, const char *));
		if (!t->cells[t->n]) {
			r = -ENOMEM;
			break;
		}
		t->n++;
	}
	va_end(ap);
	return r;
}

/* Characters, not bytes: names may be UTF-8. */
static size_t table_width(const char *cell)
{
	size_t n = 0;

	for (; *cell; cell++)
		n += ((unsigned char)*cell & 0xc0) != 0x80;
	return n;
}

static void table_cell(const struct mr_table *t, size_t c, const char *cell, size_t width,
		       FILE *out)
{
	int pad = (int)(width - table_width(cell));
	bool last = c + 1 == t->columns;

	if (c)
		fputs("  ", out);
	if (t->right & 1u << c)
		fprintf(out, "%*s", pad, "");
	mr_term_text(cell, out);
	if (!(t->right & 1u << c) && !last)
		fprintf(out, "%*s", pad, "");
}

void mr_table_print(const struct mr_table *t, FILE *out)
{
	size_t width[MR_TABLE_COLUMNS] = { 0 }, w;

	for (size_t i = 0; i < t->n; i++) {
		w = table_width(t->cells[i]);
		if (w > width[i % t->columns])
			width[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->n; i++) {
		if (i == 0)
			fputs(mr_term_on(out, MR_BOLD), out);
		table_cell(t, i % t->columns, t->cells[i], width[i % t->columns], out);
		if (i % t->columns + 1 == t->columns) {
			if (i < t->columns)
				fputs(mr_term_off(out), out);
			fputc('\n', out);
		}
	}
}

void mr_table_clear(struct mr_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->n = t->allocated = 0;
}
