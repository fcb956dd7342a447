// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_maincf.c - parameters of main.cf, or of what `postconf -n` prints, and the words of their
 * values.
 *
 * A value is what Postfix would make of it: the last line counts, variables are put in, and
 * mydomain is what stands behind the first dot of myhostname if nobody says it.  Called by
 * import_postfix.c; mistakes are told as an importer's.
 */
#include "import_postfix.h"

#include <ctype.h>

#define BLANKS	       " \t,"
#define PARAMETERS_MAX 10000 /* of main.cf; Postfix itself knows about a thousand */
#define EXPAND_DEPTH   10
#define EXPAND_MAX     MR_IMPORT_LINE_MAX /* bytes of a value, variables put in */

struct mr_import_parameter {
	char *name, *value;
	const char *path; /* of the file that says it */
	unsigned int line;
};

static struct mr_import_parameter *find(const struct mr_import_maincf *m, const char *name,
					size_t n)
{
	for (size_t k = m->n; k-- > 0;) /* the last one counts */
		if (strlen(m->parameter[k].name) == n && memcmp(m->parameter[k].name, name, n) == 0)
			return &m->parameter[k];
	return NULL;
}

bool mr_import_maincf_is(const struct mr_text *line)
{
	size_t n = 0;

	while (n < line->n && (isalnum((unsigned char)line->p[n]) || line->p[n] == '_'))
		n++;
	if (n == 0)
		return false;
	while (n < line->n && (line->p[n] == ' ' || line->p[n] == '\t'))
		n++;
	return n < line->n && line->p[n] == '=';
}

int mr_import_maincf_add(struct mr_import_maincf *m, struct mr_import *i,
			 const struct mr_text *line)
{
	struct mr_import_parameter q = { .path = i->path, .line = i->line };
	const char *eq = memchr(line->p, '=', line->n), *v;
	size_t n;
	int r;

	if (!mr_import_maincf_is(line)) {
		mr_import_error(i, "\"name = value\" was expected");
		return 0;
	}
	if (m->n >= PARAMETERS_MAX) {
		mr_import_error(i, "more than %d parameters", PARAMETERS_MAX);
		return 0;
	}
	n = (size_t)(eq - line->p);
	while (n && (line->p[n - 1] == ' ' || line->p[n - 1] == '\t'))
		n--;
	for (v = eq + 1; v < line->p + line->n && (*v == ' ' || *v == '\t'); v++)
		;
	r = mr_grow(&m->parameter, &m->allocated, m->n, sizeof(q));
	if (r < 0)
		return r;
	q.name = strndup(line->p, n);
	q.value = strndup(v, (size_t)(line->p + line->n - v));
	m->parameter[m->n++] = q;
	return q.name && q.value ? 0 : -ENOMEM;
}

/* What Postfix takes where the file says nothing: of what is read here, the domains matter. */
static const char *unsaid(const struct mr_import_maincf *m, const char *name, size_t n)
{
	const struct mr_import_parameter *host = find(m, "myhostname", strlen("myhostname"));
	const struct mr_text t = { name, n };
	const char *dot = host ? strchr(host->value, '.') : NULL;

	if (mr_text_is(&t, "mydomain") && dot && dot[1])
		return dot + 1;
	if (mr_text_is(&t, "mydestination"))
		return "$myhostname localhost.$mydomain localhost";
	return NULL;
}

/* $name, ${name}, $(name).  What is not said in the file stays as it is written. */
static int expand(const struct mr_import_maincf *m, const char *value, unsigned int depth,
		  FILE *out, size_t *written)
{
	for (const char *c = value; *c; c++) {
		const struct mr_import_parameter *q;
		const char *name = c + 1, *end, *v;
		char close = 0;

		if (*c != '$' || depth == 0) {
			if (++*written > EXPAND_MAX)
				return -EMSGSIZE;
			fputc(*c, out);
			continue;
		}
		if (*name == '{' || *name == '(')
			close = *name++ == '{' ? '}' : ')';
		for (end = name; isalnum((unsigned char)*end) || *end == '_'; end++)
			;
		q = find(m, name, (size_t)(end - name));
		v = q ? q->value : unsaid(m, name, (size_t)(end - name));
		if (!v || (close && *end != close)) {
			++*written;
			fputc(*c, out);
			continue;
		}
		/* a reference counts, too: values of nothing would be walked for ever */
		if (++*written > EXPAND_MAX || expand(m, v, depth - 1, out, written) < 0)
			return -EMSGSIZE;
		c = close ? end : end - 1;
	}
	return 0;
}

char *mr_import_maincf_value(const struct mr_import_maincf *m, struct mr_import *i,
			     const char *name, const char *instead, int *r)
{
	const struct mr_import_parameter *q = find(m, name, strlen(name));
	size_t len = 0, written = 0;
	char *text = NULL;
	FILE *f;

	*r = 0;
	if (!q && !instead)
		return NULL;
	if (q)
		i->path = q->path;
	i->line = q ? q->line : 0;
	f = open_memstream(&text, &len);
	if (!f) {
		*r = -ENOMEM;
		return NULL;
	}
	if (expand(m, q ? q->value : instead, EXPAND_DEPTH, f, &written) < 0)
		mr_import_error(i, "%s: more than %d bytes with its variables", name, EXPAND_MAX);
	if (fclose(f) != 0) {
		free(text);
		*r = -ENOMEM;
		return NULL;
	}
	return text;
}

bool mr_import_maincf_word(struct mr_text *rest, struct mr_text *word)
{
	unsigned int depth = 0;

	while (rest->n && strchr(BLANKS, *rest->p))
		rest->p++, rest->n--;
	*word = (struct mr_text){ rest->p, 0 };
	while (rest->n && (depth || !strchr(BLANKS, *rest->p))) {
		depth += *rest->p == '{';
		depth -= depth && *rest->p == '}';
		rest->p++, rest->n--, word->n++;
	}
	return word->n > 0;
}

char *mr_import_maincf_table(const struct mr_text *word, char type[static MR_IMPORT_TYPE])
{
	const char *colon = memchr(word->p, ':', word->n);
	size_t n = colon ? (size_t)(colon - word->p) : 0;

	if (!colon || n == 0 || n >= MR_IMPORT_TYPE || n + 1 >= word->n)
		return NULL;
	for (size_t k = 0; k < n; k++)
		if (!islower((unsigned char)word->p[k]))
			return NULL;
	memcpy(type, word->p, n);
	type[n] = '\0';
	return strndup(colon + 1, word->n - n - 1);
}

void mr_import_maincf_clear(struct mr_import_maincf *m)
{
	for (size_t k = 0; k < m->n; k++) {
		free(m->parameter[k].name);
		free(m->parameter[k].value);
	}
	free(m->parameter);
	*m = (struct mr_import_maincf){ 0 };
}
