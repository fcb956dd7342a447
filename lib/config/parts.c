// SPDX-License-Identifier: BSD-2-Clause
/*
 * parts.c - the small things many statements hold: numbers, durations, choices, paths, word lists.
 *
 * Each reads at the current token, reports what is wrong there, and leaves the token behind it
 * current.  Called by the parse_*.c files.  Fails with -EINVAL (reported) or -ENOMEM.
 */
#include "parser.h"

#include <limits.h>
#include <string.h>

int mr_parse_number(struct mr_parser *p, const char *what, unsigned long min, unsigned long max,
		    unsigned long *out)
{
	struct mr_token t = p->token;
	unsigned long v = 0;
	bool number = t.kind == MR_TOKEN_WORD;

	for (size_t i = 0; i < t.len && number; i++) {
		number = t.text[i] >= '0' && t.text[i] <= '9';
		if (v <= max)
			v = v * 10 + (unsigned long)(t.text[i] - '0');
	}
	if (!number)
		return mr_parse_fail(p, &t, NULL, "%s was expected, a number, not %s", what,
				     mr_parse_quote(p, &t));
	if (v < min || v > max)
		return mr_parse_fail(p, &t, mr_parse_hint(p, "from %lu to %lu", min, max),
				     "%s is out of range: %s", what, mr_parse_quote(p, &t));
	mr_lexer_next(p);
	*out = v;
	return 0;
}

int mr_parse_duration(struct mr_parser *p, uint64_t *us)
{
	struct mr_token t = p->token;
	const char *why = NULL;
	uint64_t v;

	if (t.kind != MR_TOKEN_WORD)
		return mr_parse_fail(p, &t, "a duration is written 30s, 10m, 1h30m or 7d",
				     "a duration was expected, not %s", mr_parse_quote(p, &t));
	if (mr_word_duration(t.text, t.len, &v, &why) < 0)
		return mr_parse_fail(p, &t, why, "%s is no duration", mr_parse_quote(p, &t));
	mr_lexer_next(p);
	*us = v;
	return 0;
}

int mr_parse_choice(struct mr_parser *p, const char *what, const char *const *choices, int *out)
{
	struct mr_token t = p->token;
	unsigned int distance = 0;
	const char *best = NULL;
	char list[256] = "";
	size_t n = 0;

	for (int i = 0; choices[i]; i++) {
		if (mr_word_is(&t, choices[i])) {
			mr_lexer_next(p);
			*out = i;
			return 0;
		}
		if (t.kind == MR_TOKEN_WORD)
			mr_word_closer(t.text, t.len, choices[i], &best, &distance);
		if (n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
					      i == 0	       ? ""
					      : choices[i + 1] ? ", "
							       : " or ",
					      choices[i]);
	}
	return mr_parse_fail(p, &t,
			     best ? mr_parse_hint(p, "did you mean \"%s\"?", best)
				  : mr_parse_hint(p, "one of: %s", list),
			     "%s was expected, not %s", what, mr_parse_quote(p, &t));
}

int mr_parse_text(struct mr_parser *p, const char *what, const char **out)
{
	struct mr_token t = p->token;
	const char *text;

	if (t.kind != MR_TOKEN_WORD && t.kind != MR_TOKEN_STRING)
		return mr_parse_fail(p, &t, NULL, "%s was expected, not %s", what,
				     mr_parse_quote(p, &t));
	if (t.len == 0)
		return mr_parse_fail(p, &t, NULL, "%s is empty", what);
	text = mr_parse_keep(p, &t);
	if (!text)
		return -ENOMEM;
	mr_lexer_next(p);
	*out = text;
	return 0;
}

/* Absolute, whatever the configuration's own path was: the daemon may have another directory. */
int mr_parse_path(struct mr_parser *p, const char **out)
{
	struct mr_token t = p->token;
	char cwd[PATH_MAX];
	const char *path;

	if (t.kind != MR_TOKEN_WORD && t.kind != MR_TOKEN_STRING)
		return mr_parse_fail(p, &t, NULL, "a file name was expected, not %s",
				     mr_parse_quote(p, &t));
	if (t.len == 0)
		return mr_parse_fail(p, &t, NULL, "an empty file name");
	path = mr_parse_resolve(p, t.text, t.len);
	if (path && *path != '/' && getcwd(cwd, sizeof(cwd)))
		path = mr_arena_printf(p->arena, "%s/%s", cwd, path);
	if (!path)
		return -ENOMEM;
	mr_lexer_next(p);
	*out = path;
	return 0;
}

struct words {
	const char **list;
	size_t n;
	mr_word_check *check;
	const char *what;
};

static int one_word(struct mr_parser *p, const struct mr_token *t, void *context)
{
	struct words *w = context;
	int r = w->check ? w->check(p, t) : 0;

	if (r == -EINVAL) { /* the next word may be better */
		mr_lexer_next(p);
		return 0;
	}
	if (r < 0)
		return r;
	if (w->n >= MR_USERS_MAX)
		return mr_parse_fail(p, t, NULL, "more than %d words in one list", MR_USERS_MAX);
	if (t->len == 0)
		return mr_parse_fail(p, t, NULL, "%s is empty", w->what);
	r = mr_arena_grow(p->arena, &w->list, w->n, sizeof(*w->list));
	if (r < 0)
		return r;
	w->list[w->n] = mr_parse_keep(p, t);
	if (!w->list[w->n])
		return -ENOMEM;
	w->n++;
	mr_lexer_next(p);
	return 0;
}

int mr_parse_words(struct mr_parser *p, const char *what, mr_word_check *check,
		   const char *const **out, size_t *n)
{
	static const struct mr_statement table[] = { { NULL, one_word, false }, { 0 } };
	struct words w = { .check = check, .what = what };
	struct mr_token open = p->token;
	size_t errors = p->findings->errors;
	int r = mr_parse_block(p, table, true, &w);

	if (r < 0)
		return r;
	if (w.n == 0 && p->findings->errors == errors)
		mr_parse_fail(p, &open, "name somebody, or leave it out", "%s: the list is empty",
			      what);
	*out = w.list;
	*n = w.n;
	return 0;
}

static int note_service(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_service_use *u;
	int r = mr_arena_grow(p->arena, &p->service_use, p->n_service_use, sizeof(*u));

	if (r < 0)
		return r;
	u = &p->service_use[p->n_service_use];
	u->name = mr_parse_keep(p, t);
	u->place = mr_parse_place(p, t);
	if (!u->name)
		return -ENOMEM;
	p->n_service_use++;
	return 0;
}

int mr_parse_services(struct mr_parser *p, const char *const **out, size_t *n)
{
	return mr_parse_words(p, "services", note_service, out, n);
}
