// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor_parse.c - the output of `postconf -n`, `postconf -M` and `doveconf -n` as lists of names
 * and values.
 *
 * main.cf and master.cf themselves are read too.  Every string is copied into the doctor's arena.
 * Fails with -EINVAL and a line, or -ENOMEM.  Called by doctor.c.
 */
#include "doctor_private.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define EXPAND_DEPTH 10
#define EXPAND_MAX   65536 /* bytes of a value with its variables */
#define NEST_MAX     16 /* blocks within blocks of Dovecot */
#define PATH_MAX_    512 /* bytes of a name with the blocks around it */

/* --- lines ------------------------------------------------------------------------------------ */

struct reader {
	const struct mr_doctor_text *t;
	const char *at;
	unsigned int line;
};

static bool read_line(struct reader *r, const char **p, size_t *n, bool *indented)
{
	const char *end = r->t->data + r->t->len, *eol, *from = r->at;

	if (from >= end)
		return false;
	eol = memchr(from, '\n', (size_t)(end - from));
	eol = eol ? eol : end;
	r->at = eol + 1;
	r->line++;
	*indented = *from == ' ' || *from == '\t';
	while (from < eol && isspace((unsigned char)*from))
		from++;
	while (eol > from && isspace((unsigned char)eol[-1]))
		eol--;
	*p = from;
	*n = (size_t)(eol - from);
	return true;
}

static int check_text(const struct mr_doctor_text *t, struct mr_error *e)
{
	unsigned int line = 1;

	for (size_t i = 0; i < t->len; i++) {
		unsigned char c = (unsigned char)t->data[i];

		line += c == '\n';
		if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f)
			return mr_error(e, -EINVAL, "%s:%u: no text: byte 0x%02x", t->path, line,
					c);
	}
	return 0;
}

/* A line with those that continue it, in the arena; NULL: the end, or no memory. */
static char *logical(struct mr_doctor *d, struct reader *r, unsigned int *line)
{
	_free_ char *text = NULL;
	size_t len = 0, allocated = 0, n;
	char *copy = NULL;
	const char *p;
	bool indented;

	for (;;) {
		struct reader back = *r;

		if (!read_line(r, &p, &n, &indented))
			break;
		if (!n || *p == '#')
			continue;
		if (len && !indented) {
			*r = back;
			break;
		}
		if (mr_grow(&text, &allocated, len + 1 + n, 1) < 0) {
			d->failed = true;
			return NULL;
		}
		if (len)
			text[len++] = ' ';
		else
			*line = r->line;
		memcpy(text + len, p, n);
		len += n;
	}
	if (len) {
		copy = mr_arena_copy(&d->arena, text, len);
		d->failed |= !copy;
	}
	return copy;
}

static int add(struct mr_doctor *d, struct mr_doctor_params *p, const char *name, size_t name_len,
	       const char *value, size_t value_len)
{
	struct mr_doctor_param q;
	int r;

	q.name = mr_arena_copy(&d->arena, name, name_len);
	q.value = mr_arena_copy(&d->arena, value, value_len);
	if (!q.name || !q.value)
		return -ENOMEM;
	r = mr_arena_grow(&d->arena, &p->v, p->n, sizeof(q));
	if (r == 0)
		p->v[p->n++] = q;
	return r;
}

/* "name = value"; -EINVAL: it is not that. */
static int add_pair(struct mr_doctor *d, struct mr_doctor_params *p, const char *text, size_t len)
{
	const char *eq = memchr(text, '=', len), *end = text + len, *name_end, *v;

	if (!eq)
		return -EINVAL;
	for (name_end = eq; name_end > text && isspace((unsigned char)name_end[-1]); name_end--)
		;
	for (v = eq + 1; v < end && isspace((unsigned char)*v); v++)
		;
	for (const char *c = text; c < name_end; c++)
		if (isspace((unsigned char)*c))
			return -EINVAL;
	if (name_end == text)
		return -EINVAL;
	return add(d, p, text, (size_t)(name_end - text), v, (size_t)(end - v));
}

/* --- Postfix ---------------------------------------------------------------------------------- */

int mr_doctor_postconf(struct mr_doctor *d, const struct mr_doctor_text *t, struct mr_error *e)
{
	struct reader r = { .t = t, .at = t->data };
	unsigned int line = 0;
	int rc = check_text(t, e);
	char *text;

	if (rc < 0)
		return rc;
	while ((text = logical(d, &r, &line))) {
		rc = add_pair(d, &d->main, text, strlen(text));
		if (rc == -EINVAL)
			return mr_error(e, rc, "%s:%u: \"name = value\" was expected", t->path,
					line);
		if (rc < 0)
			return rc;
	}
	d->postfix = true;
	return d->failed ? -ENOMEM : 0;
}

bool mr_doctor_next(const char **at, struct mr_doctor_word *w)
{
	const char *p = *at + strspn(*at, " \t,\r\n");
	unsigned int depth = 0;

	w->p = p;
	if (*p == '{') {
		do {
			depth += *p == '{';
			depth -= *p == '}';
		} while (*++p && depth);
	} else {
		p += strcspn(p, " \t,\r\n");
	}
	w->n = (size_t)(p - w->p);
	*at = p;
	return w->n > 0;
}

bool mr_doctor_is(const struct mr_doctor_word *w, const char *text)
{
	return strlen(text) == w->n && strncasecmp(w->p, text, w->n) == 0;
}

/* -o name=value, -oname=value, -o { name = value } */
static int smtpd_options(struct mr_doctor *d, struct mr_doctor_smtpd *s, const char *at)
{
	struct mr_doctor_word w;

	while (*at) {
		at += strspn(at, " \t");
		w.p = at;
		w.n = strcspn(at, " \t");
		at += w.n;
		if (w.n < 2 || memcmp(w.p, "-o", 2) != 0)
			continue;
		w.p += 2, w.n -= 2;
		if (w.n == 0) {
			at += strspn(at, " \t");
			w.p = at;
			w.n = *at == '{' ? 0 : strcspn(at, " \t");
			at += w.n;
			if (*w.p == '{') {
				mr_doctor_next(&at, &w);
				w.p++, w.n--;
				if (w.n && w.p[w.n - 1] == '}')
					w.n--;
				while (w.n && isspace((unsigned char)*w.p))
					w.p++, w.n--;
				while (w.n && isspace((unsigned char)w.p[w.n - 1]))
					w.n--;
			}
		}
		if (add_pair(d, &s->options, w.p, w.n) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

static bool is_loopback(const char *name)
{
	return strncmp(name, "127.", 4) == 0 || strncmp(name, "localhost:", 10) == 0 ||
	       strncmp(name, "[::1]:", 6) == 0 || strncmp(name, "::1:", 4) == 0;
}

#define MASTER_FIELDS 8
static int master_line(struct mr_doctor *d, const char *text)
{
	struct mr_doctor_word f[MASTER_FIELDS];
	struct mr_doctor_smtpd s = { 0 };
	const char *at = text, *slash;
	int r;

	for (size_t k = 0; k < MASTER_FIELDS; k++) {
		at += strspn(at, " \t");
		f[k].p = at;
		f[k].n = strcspn(at, " \t");
		at += f[k].n;
		if (!f[k].n)
			return -EINVAL;
	}
	if (!mr_doctor_is(&f[1], "inet") && !mr_doctor_is(&f[1], "unix") &&
	    !mr_doctor_is(&f[1], "unix-dgram") && !mr_doctor_is(&f[1], "fifo") &&
	    !mr_doctor_is(&f[1], "pass"))
		return -EINVAL;
	slash = memrchr(f[7].p, '/', f[7].n);
	if (slash)
		f[7].n -= (size_t)(slash + 1 - f[7].p), f[7].p = slash + 1;
	if (!mr_doctor_is(&f[7], "smtpd"))
		return 0;
	s.name = mr_arena_copy(&d->arena, f[0].p, f[0].n);
	if (!s.name)
		return -ENOMEM;
	s.loopback = is_loopback(s.name);
	r = smtpd_options(d, &s, at);
	if (r == 0)
		r = mr_arena_grow(&d->arena, &d->smtpd, d->n_smtpd, sizeof(s));
	if (r == 0)
		d->smtpd[d->n_smtpd++] = s;
	return r;
}

int mr_doctor_master(struct mr_doctor *d, const struct mr_doctor_text *t, struct mr_error *e)
{
	struct reader r = { .t = t, .at = t->data };
	unsigned int line = 0;
	int rc = check_text(t, e);
	char *text;

	if (rc < 0)
		return rc;
	while ((text = logical(d, &r, &line))) {
		rc = master_line(d, text);
		if (rc == -EINVAL)
			return mr_error(e, rc, "%s:%u: a service of master.cf was expected",
					t->path, line);
		if (rc < 0)
			return rc;
	}
	return d->failed ? -ENOMEM : 0;
}

/* --- values ----------------------------------------------------------------------------------- */

const char *mr_doctor_value(const struct mr_doctor_params *p, const char *name,
			    const char *otherwise)
{
	for (size_t k = p->n; k-- > 0;)
		if (strcmp(p->v[k].name, name) == 0)
			return p->v[k].value;
	return otherwise;
}

bool mr_doctor_overrides(const struct mr_doctor_smtpd *s, const char *name)
{
	return mr_doctor_value(&s->options, name, NULL) != NULL;
}

bool mr_doctor_yes(const char *value)
{
	return strcasecmp(value, "yes") == 0;
}

/* $name, ${name}, $(name); what is not set stays as it is written. */
static void expand(const struct mr_doctor *d, const struct mr_doctor_smtpd *s, const char *value,
		   unsigned int depth, FILE *out, size_t *room)
{
	for (const char *c = value; *c && *room; c++) {
		const char *name = c + 1, *end, *v = NULL;
		char key[128], close = 0;

		if (*c == '$' && depth) {
			if (*name == '{' || *name == '(')
				close = *name++ == '{' ? '}' : ')';
			for (end = name; isalnum((unsigned char)*end) || *end == '_'; end++)
				;
			snprintf(key, sizeof(key), "%.*s", (int)(end - name), name);
			if (!close || *end == close)
				v = mr_doctor_value(&s->options, key,
						    mr_doctor_value(&d->main, key, NULL));
			if (v) {
				--*room; /* values of nothing end, too */
				expand(d, s, v, depth - 1, out, room);
				c = close ? end : end - 1;
				continue;
			}
		}
		fputc(*c, out);
		--*room;
	}
}

const char *mr_doctor_smtpd_value(struct mr_doctor *d, const struct mr_doctor_smtpd *s,
				  const char *name, const char *otherwise)
{
	const char *value =
		mr_doctor_value(&s->options, name, mr_doctor_value(&d->main, name, otherwise));
	size_t len = 0, room = EXPAND_MAX;
	_free_ char *text = NULL;
	char *copy = NULL;
	FILE *f;

	if (!strchr(value, '$'))
		return value;
	f = open_memstream(&text, &len);
	if (f) {
		expand(d, s, value, EXPAND_DEPTH, f, &room);
		if (fclose(f) == 0)
			copy = mr_arena_copy(&d->arena, text, len);
	}
	d->failed |= !copy;
	return copy ? copy : "";
}

/* --- Dovecot ---------------------------------------------------------------------------------- */

struct nest {
	char path[PATH_MAX_];
	size_t len[NEST_MAX], depth;
};

static bool nest_open(struct nest *n, const char *name, size_t len)
{
	size_t at = n->depth ? n->len[n->depth - 1] : 0;

	while (len && isspace((unsigned char)name[len - 1]))
		len--;
	if (n->depth == NEST_MAX || at + len + 2 > sizeof(n->path))
		return false;
	memcpy(n->path + at, name, len);
	n->path[at + len] = '/';
	n->len[n->depth++] = at + len + 1;
	return true;
}

static int dove_line(struct mr_doctor *d, struct nest *n, const char *p, size_t len)
{
	const char *eq = memchr(p, '=', len);
	char name[PATH_MAX_];
	size_t at = n->depth ? n->len[n->depth - 1] : 0, name_len;

	if (len == 1 && *p == '}') {
		if (!n->depth)
			return -EINVAL;
		n->depth--;
		return 0;
	}
	if (p[len - 1] == '{' && (!eq || (eq > p && eq[-1] != ' ')))
		return nest_open(n, p, len - 1) ? 0 : -EINVAL;
	if (!eq)
		return *p == '!' ? 0 : -EINVAL; /* !include of a configuration file itself */
	name_len = (size_t)(eq - p);
	while (name_len && isspace((unsigned char)p[name_len - 1]))
		name_len--;
	if (!name_len || at + name_len >= sizeof(name))
		return -EINVAL;
	memcpy(name, n->path, at);
	memcpy(name + at, p, name_len);
	for (eq++; eq < p + len && isspace((unsigned char)*eq); eq++)
		;
	return add(d, &d->dove, name, at + name_len, eq, (size_t)(p + len - eq));
}

static bool is_version24(const char *p, size_t n)
{
	unsigned long major = 0, minor = 0;
	char text[16];

	snprintf(text, sizeof(text), "%.*s", (int)(n < 15 ? n : 15), p);
	if (sscanf(text, "%lu.%lu", &major, &minor) != 2)
		return false;
	return major > 2 || (major == 2 && minor >= 4);
}

int mr_doctor_doveconf(struct mr_doctor *d, const struct mr_doctor_text *t, struct mr_error *e)
{
	struct reader r = { .t = t, .at = t->data };
	_free_ struct nest *n = calloc(1, sizeof(*n));
	int rc = check_text(t, e);
	const char *p, *version;
	bool indented;
	size_t len;

	if (!n)
		return -ENOMEM;
	while (rc == 0 && read_line(&r, &p, &len, &indented)) {
		if (len > 2 && r.line == 1 && *p == '#')
			d->dovecot24 = is_version24(p + 2, len - 2);
		if (!len || *p == '#')
			continue;
		rc = dove_line(d, n, p, len);
		if (rc == -EINVAL)
			return mr_error(e, rc,
					"%s:%u: a setting or a block of Dovecot was expected",
					t->path, r.line);
	}
	if (rc == 0 && n->depth)
		return mr_error(e, -EINVAL, "%s:%u: a block without end", t->path, r.line);
	version = mr_doctor_value(&d->dove, "dovecot_config_version", NULL);
	if (version)
		d->dovecot24 = is_version24(version, strlen(version));
	d->dovecot = true;
	return rc;
}
