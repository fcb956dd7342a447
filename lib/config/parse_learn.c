// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse_learn.c - learn and format: which logs are read, and formats that the file itself states.
 *
 * One program must not be read from the journal and from a file: the file could be forged, and
 * everything would count twice.  Called by the parser; templates are compiled here only to show
 * their errors in the file, and again by the reader that uses them.
 */
#include "parser.h"

#include <mailreeve/format.h>
#include <mailreeve/template.h>
#include <string.h>

#define POSTFIX_INSTANCE "@-" /* what Debian calls the only one */

#define SINCE_MAX (30ull * 86400 * 1000000) /* microseconds read back at most */

struct source {
	struct mr_learn_source s;
	const char **units;
};

static int check_format(struct mr_parser *p, const struct mr_token *t)
{
	const char *best = NULL;
	unsigned int distance = 0;

	for (size_t i = 0; mr_formats[i]; i++) {
		const char *name = mr_formats[i]->name;

		if (strlen(name) == t->len && memcmp(name, t->text, t->len) == 0)
			return 0;
		mr_word_closer(t->text, t->len, name, &best, &distance);
	}
	for (size_t i = 0; i < p->policy->n_formats; i++) {
		const char *own = p->policy->formats[i].name;

		if (strlen(own) == t->len && memcmp(own, t->text, t->len) == 0)
			return 0;
		mr_word_closer(t->text, t->len, own, &best, &distance);
	}
	return mr_parse_fail(p, t,
			     best ? mr_parse_hint(p, "did you mean \"%s\"?", best)
				  : "an own format is stated before it is used: format NAME { … }",
			     "there is no format %s", mr_parse_quote(p, t));
}

/* A block of words, or one word: format dovecot;  format { dovecot postfix } */
static int words(struct mr_parser *p, const char *what, mr_word_check *check,
		 const char *const **out, size_t *n)
{
	const char **list;
	int r;

	if (p->token.kind == MR_TOKEN_OPEN)
		return mr_parse_words(p, what, check, out, n);
	r = check && p->token.kind == MR_TOKEN_WORD ? check(p, &p->token) : 0;
	if (r < 0)
		return r;
	list = mr_arena_alloc(p->arena, sizeof(*list));
	if (!list)
		return -ENOMEM;
	r = mr_parse_text(p, what, list);
	if (r < 0)
		return r;
	*out = list;
	*n = 1;
	return 0;
}

static int source_words(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_learn_source *s = &((struct source *)context)->s;
	int r;

	if (mr_word_is(keyword, "identifier"))
		r = words(p, "an identifier", NULL, &s->identifiers, &s->n_identifiers);
	else if (mr_word_is(keyword, "facility"))
		r = words(p, "a facility", NULL, &s->facilities, &s->n_facilities);
	else
		r = words(p, "a format", check_format, &s->formats, &s->n_formats);
	return r < 0 || p->token.kind != MR_TOKEN_SEMICOLON ? r : mr_parse_end(p);
}

static int from_start(struct mr_parser *p, bool *out)
{
	if (!mr_word_is(&p->token, "start"))
		return mr_parse_fail(p, &p->token, "from start;", "\"start\" was expected, not %s",
				     mr_parse_quote(p, &p->token));
	mr_lexer_next(p);
	*out = true;
	return mr_parse_end(p);
}

static int since(struct mr_parser *p, uint64_t *out)
{
	struct mr_token t = p->token;
	int r = mr_parse_duration(p, out);

	if (r < 0)
		return r;
	if (*out == 0 || *out > SINCE_MAX)
		return mr_parse_fail(p, &t, "30d are the most", "%s is out of range",
				     mr_parse_quote(p, &t));
	return mr_parse_end(p);
}

static int source_from(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	(void)keyword;
	return from_start(p, &((struct source *)context)->s.from_start);
}

static int source_since(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	(void)keyword;
	return since(p, &((struct source *)context)->s.since_us);
}

static int source_unit(struct mr_parser *p, const struct mr_token *t, void *context)
{
	struct source *c = context;
	bool path = memchr(t->text, '/', t->len);
	int r;

	if (path || !memchr(t->text, '.', t->len)) {
		mr_parse_fail(
			p, t,
			path ? "the name alone, as systemctl shows it"
			     : mr_parse_hint(p, "did you mean %.*s%s.service?", (int)(t->len % 64),
					     t->text,
					     mr_word_is(t, "postfix") ? POSTFIX_INSTANCE : ""),
			"%s is no systemd unit", mr_parse_quote(p, t));
		mr_lexer_next(p);
		return 0;
	}
	r = mr_arena_grow(p->arena, &c->units, c->s.n_units, sizeof(*c->units));
	if (r < 0)
		return r;
	c->units[c->s.n_units] = mr_parse_keep(p, t);
	if (!c->units[c->s.n_units])
		return -ENOMEM;
	c->s.n_units++;
	mr_lexer_next(p);
	return 0;
}

/* unit a.service b.service;  unit { a.service b.service } */
static int source_unit_words(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement in_braces[] = { { NULL, source_unit, false }, { 0 } };
	int r = 0;

	(void)keyword;
	if (p->token.kind == MR_TOKEN_OPEN) {
		r = mr_parse_block(p, in_braces, true, context);
		return r < 0 || p->token.kind != MR_TOKEN_SEMICOLON ? r : mr_parse_end(p);
	}
	if (p->token.kind == MR_TOKEN_SEMICOLON)
		return mr_parse_fail(p, &p->token, "unit dovecot.service;",
				     "a unit was expected, not %s", mr_parse_quote(p, &p->token));
	while (r == 0 && (p->token.kind == MR_TOKEN_WORD || p->token.kind == MR_TOKEN_STRING))
		r = source_unit(p, &p->token, context);
	return r < 0 ? r : mr_parse_end(p);
}

static int add_source(struct mr_parser *p, struct source *c)
{
	struct mr_policy *y = p->policy;
	int r = mr_arena_grow(p->arena, &y->learn, y->n_learn, sizeof(*y->learn));

	if (r < 0)
		return r;
	c->s.units = c->units;
	y->learn[y->n_learn++] = c->s;
	return 0;
}

static const struct mr_statement in_journal[] = {
	{ "unit", source_unit_words, false }, { "identifier", source_words, true },
	{ "facility", source_words, true },   { "format", source_words, true },
	{ "from", source_from, true },	      { "since", source_since, true },
	{ NULL, source_unit, false },	      { 0 },
};
static const struct mr_statement in_file[] = {
	{ "format", source_words, true },
	{ "from", source_from, true },
	{ "since", source_since, true },
	{ 0 },
};

static int learn_journal(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct source c = { .s = { .kind = MR_LEARN_JOURNAL,
				   .place = mr_parse_place(p, keyword) } };
	size_t errors = p->findings->errors;
	int r = mr_parse_block(p, in_journal, true, &c);

	(void)context;
	if (r == 0 && !c.s.n_units && p->findings->errors == errors)
		mr_parse_fail(
			p, keyword, "journal { dovecot.service postfix@-.service }",
			"without units any local user could write such lines: name the units");
	return r < 0 ? r : add_source(p, &c);
}

static int learn_file(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct source c = { .s = { .kind = MR_LEARN_FILE, .place = mr_parse_place(p, keyword) } };
	int r = mr_parse_path(p, &c.s.path);

	(void)context;
	if (r < 0)
		return r;
	r = p->token.kind == MR_TOKEN_OPEN ? mr_parse_block(p, in_file, true, &c) : mr_parse_end(p);
	return r < 0 ? r : add_source(p, &c);
}

static int learn_stdin(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct source c = { .s = { .kind = MR_LEARN_STDIN, .place = mr_parse_place(p, keyword) } };
	int r = p->token.kind == MR_TOKEN_OPEN ? mr_parse_block(p, in_file, true, &c)
					       : mr_parse_end(p);

	(void)context;
	return r < 0 ? r : add_source(p, &c);
}

static int learn_from(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	(void)keyword, (void)context;
	return from_start(p, &p->learn_from_start);
}

static int learn_since(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	(void)keyword, (void)context;
	return since(p, &p->learn_since_us);
}

/* learn { … }  and, for the whole:  learn since 30m;  learn from start; */
int mr_parse_learn(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = {
		{ "journal", learn_journal, false }, { "file", learn_file, false },
		{ "stdin", learn_stdin, true },	     { "from", learn_from, true },
		{ "since", learn_since, true },	     { 0 },
	};

	if (mr_word_is(&p->token, "since")) {
		mr_lexer_next(p);
		return learn_since(p, keyword, context);
	}
	if (mr_word_is(&p->token, "from")) {
		mr_lexer_next(p);
		return learn_from(p, keyword, context);
	}
	return mr_parse_block(p, table, false, NULL);
}

/* --- format */

/* The error points into the template; with escapes in the string, at all of it. */
static int check_template(struct mr_parser *p, const struct mr_token *t, enum mr_event_kind kind)
{
	_cleanup_(mr_template_freep) struct mr_template *compiled = NULL;
	struct mr_template_error e;
	struct mr_token part = *t;
	int r = mr_template_new(t->text, t->len, kind, &compiled, &e);

	if (r != -EINVAL)
		return r;
	if (t->width == t->len + 2 && e.n < t->len) {
		part.column += 1 + (unsigned int)e.at;
		part.width = (unsigned int)e.n;
	}
	return mr_parse_fail(p, &part, e.hint, "%s", e.message);
}

static int format_program(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_format_option *f = context;
	int r = mr_parse_text(p, "the name of a program", &f->program);

	(void)keyword;
	return r < 0 ? r : mr_parse_end(p);
}

static int format_line(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_format_option *f = context;
	const char *const **to = mr_word_is(keyword, "login")	  ? &f->login
				 : mr_word_is(keyword, "failure") ? &f->failure
								  : &f->logout;
	size_t *n = mr_word_is(keyword, "login")     ? &f->n_login
		    : mr_word_is(keyword, "failure") ? &f->n_failure
						     : &f->n_logout;
	enum mr_event_kind kind = mr_word_is(keyword, "login")	   ? MR_EV_LOGIN
				  : mr_word_is(keyword, "failure") ? MR_EV_FAILURE
								   : MR_EV_LOGOUT;
	struct mr_token t = p->token;
	const char *text = NULL, **list;
	int r;

	if (t.kind != MR_TOKEN_STRING)
		return mr_parse_fail(p, &t, "login \"user <user> logged in from <addr>\";",
				     "a template in quotes was expected, not %s",
				     mr_parse_quote(p, &t));
	r = check_template(p, &t, kind);
	if (r == 0)
		r = mr_parse_text(p, "a template", &text);
	if (r < 0)
		return r;
	list = mr_arena_alloc(p->arena, (*n + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (*n)
		memcpy(list, *to, *n * sizeof(*list));
	list[(*n)++] = text;
	*to = list;
	return mr_parse_end(p);
}

int mr_parse_format(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = {
		{ "program", format_program, true },
		{ "login", format_line, false },
		{ "failure", format_line, false },
		{ "logout", format_line, false },
		{ 0 },
	};
	struct mr_format_option f = { .place = mr_parse_place(p, &p->token) };
	struct mr_policy *y = p->policy;
	struct mr_token t = p->token;
	size_t errors = p->findings->errors;
	int r;

	(void)keyword, (void)context;
	r = mr_parse_text(p, "the name of a format", &f.name);
	if (r < 0)
		return r;
	if (mr_format_find(f.name))
		mr_parse_fail(p, &t, "choose another name", "%s is a built-in format",
			      mr_parse_quote(p, &t));
	for (size_t i = 0; i < y->n_formats; i++)
		if (strcmp(y->formats[i].name, f.name) == 0)
			mr_parse_fail(p, &t, "join the two blocks",
				      "format %s stands twice, first in %s", mr_parse_quote(p, &t),
				      mr_parse_where(p, y->formats[i].place));
	r = mr_parse_block(p, table, false, &f);
	if (r < 0)
		return r;
	if (!f.program && p->findings->errors == errors)
		mr_parse_fail(p, &t, "add: program \"myd\";",
			      "format %s names no program whose lines it reads",
			      mr_parse_quote(p, &t));
	if (!f.n_login && !f.n_failure && !f.n_logout && p->findings->errors == errors)
		mr_parse_find(p, MR_RISK, f.place,
			      "add: login \"user <user> logged in from <addr>\";",
			      "format %s has no template: no line of it tells anything",
			      mr_parse_quote(p, &t));
	r = mr_arena_grow(p->arena, &y->formats, y->n_formats, sizeof(f));
	if (r == 0)
		y->formats[y->n_formats++] = f;
	return r;
}

/* --- the whole */

/* Does the source read the lines of this format?  Units tell it where no format is named. */
static bool reads(const struct mr_learn_source *s, const struct mr_format *format)
{
	for (size_t i = 0; i < s->n_formats; i++)
		if (strcmp(s->formats[i], format->name) == 0)
			return true;
	if (s->n_formats || format->legacy)
		return false;
	if (s->kind != MR_LEARN_JOURNAL)
		return true;
	for (size_t i = 0; i < s->n_units && format->unit; i++)
		if (strncmp(s->units[i], format->unit, strlen(format->unit)) == 0)
			return true;
	return false;
}

static bool share(const char *const *a, size_t n, const char *const *b, size_t m)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m; j++)
			if (strcmp(a[i], b[j]) == 0)
				return true;
	return n == 0 || m == 0; /* none named: any */
}

/* "postfix@.service" holds "postfix@-.service". */
static bool unit_holds(const char *a, const char *b)
{
	const char *at = strstr(a, "@."), *end = strrchr(b, '.');

	return strcmp(a, b) == 0 ||
	       (at && end && strncmp(a, b, (size_t)(at - a) + 1) == 0 && strcmp(at + 1, end) == 0);
}

static const char *shared_unit(const struct mr_learn_source *a, const struct mr_learn_source *b)
{
	for (size_t i = 0; i < a->n_units; i++)
		for (size_t j = 0; j < b->n_units; j++)
			if (unit_holds(a->units[i], b->units[j]) ||
			    unit_holds(b->units[j], a->units[i]))
				return b->units[j];
	return NULL;
}

/* Two sources of one kind that would read the same lines. */
static void check_twice(struct mr_parser *p, const struct mr_learn_source *a,
			const struct mr_learn_source *b)
{
	const char *unit;

	if (a->kind != b->kind)
		return;
	if (a->kind == MR_LEARN_FILE && strcmp(a->path, b->path) == 0)
		mr_parse_find(p, MR_ERROR, b->place,
			      "name all its formats in one place: { format { dovecot postfix } }",
			      "%s is read already (%s)", b->path, mr_parse_where(p, a->place));
	if (a->kind != MR_LEARN_JOURNAL ||
	    !share(a->identifiers, a->n_identifiers, b->identifiers, b->n_identifiers) ||
	    !share(a->facilities, a->n_facilities, b->facilities, b->n_facilities) ||
	    !share(a->formats, a->n_formats, b->formats, b->n_formats))
		return;
	unit = shared_unit(a, b);
	if (unit)
		mr_parse_find(p, MR_ERROR, b->place,
			      "join the two, or each failure would count twice",
			      "%s is read from the journal already (%s)", unit,
			      mr_parse_where(p, a->place));
}

static bool names_unit(const struct mr_policy *y, const char *head)
{
	for (size_t i = 0; i < y->n_learn; i++)
		for (size_t k = 0; k < y->learn[i].n_units; k++)
			if (strncmp(y->learn[i].units[k], head, strlen(head)) == 0)
				return true;
	return false;
}

/* Debian's postfix.service starts the instances and says nothing itself. */
static void check_instances(struct mr_parser *p, const struct mr_learn_source *s)
{
	static const char whole[] = "postfix.service", instance[] = "postfix" POSTFIX_INSTANCE;

	for (size_t k = 0; k < s->n_units; k++)
		if (strcmp(s->units[k], whole) == 0 && !names_unit(p->policy, "postfix@"))
			mr_parse_find(
				p, MR_NOTE, s->place,
				mr_parse_hint(p, "name %s.service, beside it or instead", instance),
				"%s logs nothing where Postfix runs in instances, as on "
				"Debian 12",
				whole);
}

int mr_parse_learn_check(struct mr_parser *p)
{
	struct mr_policy *y = p->policy;

	for (size_t i = 0; i < y->n_learn; i++) {
		struct mr_learn_source *s = &y->learn[i];

		if (!s->from_start && !s->since_us) {
			s->from_start = p->learn_from_start;
			s->since_us = p->learn_since_us;
		}
		for (size_t j = 0; j < i; j++)
			check_twice(p, &y->learn[j], s);
		check_instances(p, s);
		if (s->kind != MR_LEARN_FILE)
			continue;
		for (size_t j = 0; j < y->n_learn; j++) {
			if (y->learn[j].kind != MR_LEARN_JOURNAL)
				continue;
			for (size_t k = 0; mr_formats[k]; k++) {
				if (!reads(s, mr_formats[k]) || !reads(&y->learn[j], mr_formats[k]))
					continue;
				mr_parse_find(
					p, MR_ERROR, s->place,
					"read it from one of them; the journal cannot be forged, "
					"and \"format\" says what a file holds",
					"%s is read from the journal (%s) and from this file",
					mr_formats[k]->name, mr_parse_where(p, y->learn[j].place));
				break;
			}
		}
	}
	return 0;
}
