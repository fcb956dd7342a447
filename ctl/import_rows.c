// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_rows.c - reads the rows of some tables out of an SQL dump, or out of what `mysql --batch`
 * prints.
 *
 * Of SQL it knows CREATE TABLE (for the names of columns) and INSERT … VALUES; all other statements
 * are passed over, with their strings and comments.  Executes nothing.  Called by
 * import_ispconfig.c.
 */
#include "import_rows.h"

#include <ctype.h>

#define TABLES_MAX 4

enum token_kind { END, WORD, NAME, STRING, MARK }; /* NAME: `quoted` */
struct token {
	enum token_kind kind;
	struct mr_text text;
};
struct sql {
	struct mr_import *i;
	char *at, *end;
	struct token t;
	bool broken; /* told */
	const char *const *tables, *const *order;
	struct mr_text names[TABLES_MAX][MR_IMPORT_COLUMNS_MAX];
	size_t n_names[TABLES_MAX];
	mr_import_row_fn each;
	void *userdata;
};

bool mr_import_column(const struct mr_import_row *row, const char *name, struct mr_text *out)
{
	for (size_t k = 0; k < row->n; k++)
		if (mr_text_is(&row->names[k], name)) {
			*out = row->values[k];
			return out->p != NULL;
		}
	return false;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static void fail(struct sql *s, const char *what)
{
	if (!s->broken)
		mr_import_error(s->i, "%s", what);
	s->broken = true;
	s->at = s->end;
	s->t = (struct token){ .kind = END };
}

static void step(struct sql *s)
{
	if (*s->at++ == '\n')
		s->i->line++;
}

static bool ahead(const struct sql *s, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(s->end - s->at) >= n && memcmp(s->at, text, n) == 0;
}

static void skip_blank(struct sql *s)
{
	while (s->at < s->end) {
		if (isspace((unsigned char)*s->at)) {
			step(s);
		} else if (*s->at == '#' || ahead(s, "-- ") || ahead(s, "--\n")) {
			while (s->at < s->end && *s->at != '\n')
				s->at++;
		} else if (ahead(s, "/*")) {
			while (s->at < s->end && !ahead(s, "*/"))
				step(s);
			if (s->at >= s->end)
				fail(s, "a comment without end");
			else
				s->at += 2;
		} else {
			return;
		}
	}
}

/* Decoded in place: what is read is never shorter than what it means. */
static void read_quoted(struct sql *s)
{
	static const char escapes[] = "0\0n\nt\tr\rb\bZ\x1a";
	char quote = *s->at, *to = ++s->at;

	s->t.kind = quote == '`' ? NAME : STRING;
	s->t.text.p = to;
	while (s->at < s->end) {
		if (*s->at == quote) {
			if (s->end - s->at < 2 || s->at[1] != quote)
				break;
			s->at++; /* '' is ' */
		} else if (*s->at == '\\' && quote != '`' && s->end - s->at > 1) {
			char c = s->at[1];

			s->at += 2;
			for (size_t k = 0; k + 1 < sizeof(escapes) - 1; k += 2)
				if (escapes[k] == c) {
					c = escapes[k + 1];
					break;
				}
			s->i->line += s->at[-1] == '\n';
			*to++ = c;
			continue;
		}
		s->i->line += *s->at == '\n';
		*to++ = *s->at++;
	}
	if (s->at >= s->end) {
		fail(s, "a string without end");
		return;
	}
	s->at++;
	s->t.text.n = (size_t)(to - s->t.text.p);
}

static void next(struct sql *s)
{
	skip_blank(s);
	if (s->at >= s->end) {
		s->t = (struct token){ .kind = END };
		return;
	}
	if (*s->at == '\'' || *s->at == '"' || *s->at == '`') {
		read_quoted(s);
		return;
	}
	s->t = (struct token){ .kind = MARK, .text = { s->at, 1 } };
	if (!isalnum((unsigned char)*s->at) && !strchr("_$-+.@", *s->at) &&
	    (unsigned char)*s->at < 0x80) {
		step(s);
		return;
	}
	s->t.kind = WORD;
	for (s->t.text.n = 0; s->at < s->end; s->at++, s->t.text.n++)
		if (!isalnum((unsigned char)*s->at) && !strchr("_$-+@", *s->at) &&
		    (unsigned char)*s->at < 0x80 &&
		    !(*s->at == '.' && s->t.text.n && isdigit((unsigned char)s->at[-1])))
			break;
	if (s->t.text.n == 0) { /* a lone dot: `db`.`table` */
		s->t.kind = MARK;
		s->t.text.n = 1;
		step(s);
	}
}

static bool mark(const struct sql *s, char c)
{
	return s->t.kind == MARK && *s->t.text.p == c;
}

static bool word(const struct sql *s, const char *text)
{
	return s->t.kind == WORD && mr_text_is(&s->t.text, text);
}

static void skip_statement(struct sql *s)
{
	while (s->t.kind != END && !mark(s, ';'))
		next(s);
}

/* --- statements ------------------------------------------------------------------------------- */

/* [`db`.]`table`: its index, or -1 for one that nobody asked for. */
static int read_table(struct sql *s)
{
	struct mr_text name = s->t.text;

	if (s->t.kind != NAME && s->t.kind != WORD && s->t.kind != STRING)
		return -1;
	next(s);
	while (mark(s, '.')) {
		next(s);
		name = s->t.text;
		next(s);
	}
	for (int k = 0; s->tables[k]; k++)
		if (mr_text_is(&name, s->tables[k]))
			return k;
	return -1;
}

static bool is_column(const struct sql *s)
{
	static const char *const other[] = { "PRIMARY",	   "KEY",     "UNIQUE",
					     "CONSTRAINT", "INDEX",   "FOREIGN",
					     "FULLTEXT",   "SPATIAL", "CHECK" };

	for (size_t k = 0; k < MR_ARRAY_SIZE(other); k++)
		if (word(s, other[k]))
			return false;
	return s->t.kind == NAME || s->t.kind == WORD || s->t.kind == STRING;
}

static void read_columns(struct sql *s, int table)
{
	unsigned int depth = 1;
	size_t n = 0;

	for (next(s); s->t.kind != END && depth; next(s)) {
		if (is_column(s)) {
			if (n == MR_IMPORT_COLUMNS_MAX) {
				fail(s, "more than 256 columns");
				return;
			}
			s->names[table][n++] = s->t.text;
		}
		/* to the comma behind it, over types and lists in parentheses */
		while (s->t.kind != END && !(depth == 1 && mark(s, ','))) {
			depth += mark(s, '(');
			depth -= mark(s, ')');
			if (!depth)
				break;
			next(s);
		}
		if (!depth)
			break;
	}
	if (s->t.kind == END)
		fail(s, "a list of columns without end");
	else
		s->n_names[table] = n;
}

static void create(struct sql *s)
{
	int table;

	next(s);
	if (!word(s, "TABLE"))
		return;
	do
		next(s);
	while (word(s, "IF") || word(s, "NOT") || word(s, "EXISTS"));
	table = read_table(s);
	if (table >= 0 && mark(s, '('))
		read_columns(s, table);
}

static int values(struct sql *s, int table)
{
	struct mr_text v[MR_IMPORT_COLUMNS_MAX];
	struct mr_import_row row = { .table = s->tables[table],
				     .names = s->names[table],
				     .values = v };
	unsigned int line = s->i->line, was;
	int r;

	do {
		next(s);
		if (row.n == MR_IMPORT_COLUMNS_MAX || (s->t.kind != WORD && s->t.kind != STRING)) {
			fail(s, "a value was expected");
			return 0;
		}
		v[row.n++] = word(s, "NULL") ? (struct mr_text){ NULL, 0 } : s->t.text;
		next(s);
	} while (mark(s, ','));
	if (!mark(s, ')') || row.n != s->n_names[table]) {
		fail(s, mark(s, ')') ? "as many values as the table has columns were expected"
				     : "a comma or ) was expected behind a value");
		return 0;
	}
	was = s->i->line;
	s->i->line = line;
	r = s->each(s->i, &row, s->userdata);
	s->i->line = was;
	return r;
}

static int insert(struct sql *s)
{
	int table, r = 0;

	do
		next(s);
	while (s->t.kind == WORD && !word(s, "INTO"));
	if (!word(s, "INTO"))
		return 0;
	next(s);
	table = read_table(s);
	if (table < 0)
		return 0;
	if (mark(s, '(')) {
		read_columns(s, table);
		next(s);
	}
	if (!s->n_names[table] && table == 0)
		while (s->order[s->n_names[0]]) {
			s->names[0][s->n_names[0]] = mr_text_of(s->order[s->n_names[0]]);
			s->n_names[0]++;
		}
	if (!s->n_names[table]) {
		fail(s, "the columns of this table are not known: dump it with its definition, "
			"or with --complete-insert");
		return 0;
	}
	if (!word(s, "VALUES") && !word(s, "VALUE")) {
		fail(s, "VALUES was expected");
		return 0;
	}
	do {
		next(s);
		if (!mark(s, '(')) {
			fail(s, "( was expected");
			return 0;
		}
		r = values(s, table);
		if (r < 0 || s->broken)
			return r;
		next(s);
	} while (mark(s, ','));
	return r;
}

static int read_dump(struct sql *s)
{
	bool any = false;
	int r = 0;

	s->i->line = 1;
	for (next(s); r == 0 && s->t.kind != END; next(s)) {
		bool known = word(s, "CREATE") || word(s, "INSERT") || word(s, "REPLACE");

		any |= known;
		if (word(s, "CREATE"))
			create(s);
		else if (known)
			r = insert(s);
		if (!s->broken)
			skip_statement(s);
	}
	if (!any && !s->broken) {
		s->i->line = 1;
		mr_import_error(s->i, "neither a dump with INSERT statements nor rows with the "
				      "names of their columns in the first line");
	}
	return r;
}

/* --- tab-separated ---------------------------------------------------------------------------- */

static size_t split(char *p, const char *end, struct mr_text v[static MR_IMPORT_COLUMNS_MAX])
{
	size_t n = 0;

	while (n < MR_IMPORT_COLUMNS_MAX) {
		char *to = p;

		v[n].p = p;
		while (p < end && *p != '\t') {
			char c = *p++;

			if (c == '\\' && p < end) {
				c = *p++;
				c = c == 't' ? '\t' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
			}
			*to++ = c;
		}
		v[n].n = (size_t)(to - v[n].p);
		if (v[n].n == 4 && memcmp(v[n].p, "NULL", 4) == 0)
			v[n].p = NULL;
		n++;
		if (p >= end)
			break;
		p++;
	}
	return n;
}

static int read_tabs(struct sql *s)
{
	struct mr_text v[MR_IMPORT_COLUMNS_MAX];
	struct mr_import_row row = { .names = s->names[0], .values = v };
	int r = 0;

	s->i->line = 0;
	while (r == 0 && s->at < s->end) {
		char *eol = memchr(s->at, '\n', (size_t)(s->end - s->at)), *last;
		bool head = s->i->line++ == 0;

		eol = eol ? eol : s->end;
		last = eol > s->at && eol[-1] == '\r' ? eol - 1 : eol;
		if (head) {
			s->n_names[0] = split(s->at, last, s->names[0]);
		} else if (last > s->at) {
			row.n = split(s->at, last, v);
			if (row.n != s->n_names[0])
				mr_import_error(s->i, "%zu columns were expected, not %zu",
						s->n_names[0], row.n);
			else
				r = s->each(s->i, &row, s->userdata);
		}
		s->at = eol + 1;
	}
	return r;
}

static bool is_tabs(const char *data, size_t len)
{
	static const char *const columns[] = { "restriction_id", "mailuser_id", "login",
					       "email",		 "ip",		"mode",
					       "service" };
	size_t n = strcspn(data, "\t\r\n");
	struct mr_text first = { data, n < len ? n : len };

	for (size_t k = 0; k < MR_ARRAY_SIZE(columns); k++)
		if (mr_text_is(&first, columns[k]))
			return true;
	return false;
}

int mr_import_rows(struct mr_import *i, char *data, size_t len, const char *const *tables,
		   const char *const *order, mr_import_row_fn each, void *userdata)
{
	_free_ struct sql *s = calloc(1, sizeof(*s)); /* the names of columns are many */

	if (!s)
		return -ENOMEM;
	s->i = i;
	s->at = data;
	s->end = data + len;
	s->tables = tables;
	s->order = order;
	s->each = each;
	s->userdata = userdata;
	return is_tabs(data, len) ? read_tabs(s) : read_dump(s);
}
