// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse_set.c - sets, proxies, and the literals that rules hold: anonymous sets.
 *
 * A set may be used before it is defined: the first use makes its slot, the definition fills it,
 * mr_parse_sets_check() reports those that stayed empty-handed and seals all.  List files are read
 * where they are named, so that errors come in the order of the file.  Called by the parser.
 */
#include "parser.h"

#include <string.h>

int mr_parse_set_new(struct mr_parser *p, struct mr_place place, size_t *out)
{
	struct mr_policy *y = p->policy;
	int r = mr_arena_grow(p->arena, &y->sets, y->n_sets, sizeof(*y->sets));

	if (r == 0)
		r = mr_arena_grow(p->arena, &p->set_use, p->n_set_use, sizeof(*p->set_use));
	if (r < 0)
		return r;
	y->sets[y->n_sets] = (struct mr_named_set){ .place = place };
	p->set_use[p->n_set_use++] = place;
	*out = y->n_sets++;
	return 0;
}

static size_t find_set(const struct mr_policy *y, const char *name, size_t len)
{
	for (size_t i = 0; i < y->n_sets; i++)
		if (y->sets[i].name && strlen(y->sets[i].name) == len &&
		    memcmp(y->sets[i].name, name, len) == 0)
			return i;
	return SIZE_MAX;
}

static bool is_name(const char *s, size_t len)
{
	if (len == 0 || len > 64)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
		      (s[i] >= '0' && s[i] <= '9') || s[i] == '_' || s[i] == '-' || s[i] == '.'))
			return false;
	return true;
}

int mr_parse_set_named(struct mr_parser *p, const struct mr_token *t, bool sigil, size_t *out)
{
	const char *name = t->text + sigil;
	size_t len = t->len - sigil;
	size_t at;
	int r;

	if (!is_name(name, len))
		return mr_parse_fail(p, t, "letters, digits, \"-\", \"_\" and \".\", at most 64",
				     "%s is no name of a set", mr_parse_quote(p, t));
	at = find_set(p->policy, name, len);
	if (at == SIZE_MAX) {
		r = mr_parse_set_new(p, (struct mr_place){ 0 }, &at);
		if (r < 0)
			return r;
		p->set_use[at] = mr_parse_place(p, t);
		p->policy->sets[at].name = mr_arena_copy(p->arena, name, len);
		if (!p->policy->sets[at].name)
			return -ENOMEM;
	}
	*out = at;
	return 0;
}

/* --- literals */

static int add(struct mr_parser *p, size_t set, const struct mr_prefix *x, const struct mr_token *t)
{
	return mr_set_add(&p->policy->sets[set].set, x, p->lexer.file, t->line);
}

/* Also true for what only looks like one, so that the error can speak of addresses. */
static bool looks_like_literal(const struct mr_token *t)
{
	bool digit = false;

	if (t->kind != MR_TOKEN_WORD)
		return false;
	if (memchr(t->text, ':', t->len))
		return true;
	for (size_t i = 0; i < t->len; i++) {
		char c = t->text[i];

		digit |= c >= '0' && c <= '9';
		if ((c < '0' || c > '9') && c != '.' && c != '/' && c != '-')
			return digit && i > 0 && memchr(t->text, '.', i) && t->text[0] >= '0' &&
			       t->text[0] <= '9';
	}
	return digit;
}

static int range(struct mr_parser *p, size_t set, const struct mr_token *t, const struct mr_addr *a,
		 const struct mr_addr *b, const char **text)
{
	struct mr_prefix out[MR_RANGE_PREFIXES];
	char x[MR_PREFIX_TEXT], y[MR_PREFIX_TEXT];
	size_t n;
	int r;

	if (mr_addr_is4(a) != mr_addr_is4(b)) {
		mr_parse_fail(p, t, NULL, "a range from IPv%d to IPv%d", mr_addr_is4(a) ? 4 : 6,
			      mr_addr_is4(b) ? 4 : 6);
		return 0;
	}
	if (mr_range_prefixes(a, b, out, &n) < 0) {
		mr_parse_fail(p, t,
			      mr_parse_hint(p, "did you mean %s-%s?", mr_addr_text(b, x),
					    mr_addr_text(a, y)),
			      "the range %s ends before it begins", mr_parse_quote(p, t));
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		r = add(p, set, &out[i], t);
		if (r < 0)
			return r;
	}
	if (n == 1)
		*text = mr_arena_printf(p->arena, "%s", mr_prefix_text(&out[0], x));
	else
		*text = mr_arena_printf(p->arena, "%s-%s", mr_addr_text(a, x), mr_addr_text(b, y));
	return *text ? 0 : -ENOMEM;
}

static int netmask(struct mr_parser *p, size_t set, const struct mr_token *t,
		   const struct mr_addr *a, const struct mr_token *m, const struct mr_addr *mask,
		   const char **text)
{
	struct mr_prefix x = { .addr = *a };
	char buf[MR_PREFIX_TEXT];
	unsigned int plen;

	if (mr_addr_netmask(mask, &plen) < 0) {
		mr_parse_fail(p, m, "a netmask is ones, then zeros, like 255.255.255.0",
			      "%s is no netmask", mr_parse_quote(p, m));
		return 0;
	}
	x.plen = (uint8_t)(96 + plen);
	mr_addr_mask(&x.addr, x.plen);
	if (memcmp(&x.addr, a, sizeof(*a)) != 0)
		mr_parse_fail(
			p, t,
			mr_parse_hint(p, "did you mean the network %s?", mr_prefix_text(&x, buf)),
			"host bits are set: %s with netmask %s", mr_parse_quote(p, t),
			mr_parse_quote(p, m));
	else if (plen == 0)
		mr_parse_find(p, MR_NOTE, mr_parse_place(p, t), "\"any\" means both families",
			      "0.0.0.0 0.0.0.0 is every IPv4 address, and no IPv6 address");
	*text = mr_arena_printf(p->arena, "%s", mr_prefix_text(&x, buf));
	return *text ? add(p, set, &x, t) : -ENOMEM;
}

static int prefix(struct mr_parser *p, size_t set, const struct mr_token *t, const char **text)
{
	char buf[MR_PREFIX_TEXT];
	struct mr_prefix x;
	int r = mr_prefix_parse(t->text, t->len, &x);

	if (r == -EINVAL)
		return mr_parse_fail(p, t, "like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32",
				     "%s is no address", mr_parse_quote(p, t));
	if (r == -ERANGE)
		return mr_parse_fail(p, t, "0 to 32 for IPv4, 0 to 128 for IPv6",
				     "the prefix length is out of range: %s", mr_parse_quote(p, t));
	if (r == -EDOM)
		mr_parse_fail(
			p, t,
			mr_parse_hint(p, "did you mean the network %s?", mr_prefix_text(&x, buf)),
			"host bits are set: %s", mr_parse_quote(p, t));
	*text = mr_arena_printf(p->arena, "%s", mr_prefix_text(&x, buf));
	return *text ? add(p, set, &x, t) : -ENOMEM;
}

static bool parse_addr(const struct mr_token *t, struct mr_addr *a)
{
	return t->kind == MR_TOKEN_WORD && mr_addr_parse(t->text, t->len, a) == 0;
}

int mr_parse_literal(struct mr_parser *p, size_t set, const char **text)
{
	struct mr_token t = p->token;
	const char *dash = t.kind == MR_TOKEN_WORD ? memchr(t.text, '-', t.len) : NULL;
	struct mr_addr a, b;

	if (!looks_like_literal(&t))
		return -ENOENT;
	if (dash) {
		size_t left = (size_t)(dash - t.text);

		if (mr_addr_parse(t.text, left, &a) < 0 ||
		    mr_addr_parse(dash + 1, t.len - left - 1, &b) < 0)
			return mr_parse_fail(p, &t, "like 192.0.2.10-192.0.2.20",
					     "%s is no range of addresses", mr_parse_quote(p, &t));
		mr_lexer_next(p);
		return range(p, set, &t, &a, &b, text);
	}
	if (!parse_addr(&t, &a)) {
		int r = prefix(p, set, &t, text);

		if (r == 0)
			mr_lexer_next(p);
		return r;
	}
	mr_lexer_next(p);
	if (mr_word_is(&p->token, "-")) {
		mr_lexer_next(p);
		if (!parse_addr(&p->token, &b))
			return mr_parse_fail(p, &p->token, "like 192.0.2.10-192.0.2.20",
					     "an address was expected, not %s",
					     mr_parse_quote(p, &p->token));
		mr_lexer_next(p);
		return range(p, set, &t, &a, &b, text);
	}
	if (mr_addr_is4(&a) && p->token.line == t.line && parse_addr(&p->token, &b) &&
	    mr_addr_is4(&b)) {
		struct mr_token m = p->token;

		mr_lexer_next(p);
		return netmask(p, set, &t, &a, &m, &b, text);
	}
	return prefix(p, set, &t, text);
}

/* --- the statements of a set */

static int add_part(struct mr_parser *p, size_t set, struct mr_set_part part)
{
	struct mr_named_set *s = &p->policy->sets[set];
	int r = mr_arena_grow(p->arena, &s->parts, s->n_parts, sizeof(part));

	if (r == 0)
		s->parts[s->n_parts++] = part;
	return r;
}

/* Relative to the configuration itself, for the normal form: it is one file. */
static const char *shown_path(const struct mr_parser *p, const char *path)
{
	const char *slash = strrchr(p->policy->files[0], '/');
	size_t n = slash ? (size_t)(slash - p->policy->files[0]) + 1 : 0;

	return strncmp(path, p->policy->files[0], n) == 0 ? path + n : path;
}

static int read_list(struct mr_parser *p, const struct mr_token *t, size_t set,
		     const struct mr_set_part *part, const char *path)
{
	struct mr_list l = { .set = &p->policy->sets[set].set,
			     .findings = p->findings,
			     .path = path,
			     .lenient = part->lenient };
	int r = mr_parse_add_file(p, path, &l.file);

	if (r < 0)
		return r;
	r = mr_list_read(&l, p->files);
	if (r == -ENOENT && part->optional) {
		mr_parse_find(p, MR_NOTE, mr_parse_place(p, t), NULL,
			      "%s is not there; the list is empty", path);
		return 0;
	}
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		mr_parse_fail(p, t,
			      r == -ENOENT   ? "write \"optional\" behind it if it may be missing"
			      : r == -EACCES ? MR_HINT_READABLE
					     : NULL,
			      "cannot read the list %s: %s", path,
			      r == -EINVAL ? "it is no regular file" : strerror(-r));
	if (l.masked && !l.errors)
		mr_parse_find(p, MR_NOTE, mr_parse_place(p, t), NULL,
			      "%s: host bits were set in %zu line%s and masked, first in line %u",
			      path, l.masked, l.masked == 1 ? "" : "s", l.first_masked);
	return 0;
}

static int parse_list_file(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const options[] = { "lenient", "optional", NULL };
	struct mr_set_part part = { .file = true };
	size_t *set = context;
	const char *path;
	struct mr_token t = p->token;
	int v, r;

	(void)keyword;
	if (t.kind != MR_TOKEN_STRING && t.kind != MR_TOKEN_WORD)
		return mr_parse_fail(p, &t, "file \"lists/drop.txt\";",
				     "a file name was expected, not %s", mr_parse_quote(p, &t));
	if (t.len == 0)
		return mr_parse_fail(p, &t, NULL, "an empty file name");
	path = mr_parse_resolve(p, t.text, t.len);
	if (!path)
		return -ENOMEM;
	mr_lexer_next(p);
	while (p->token.kind == MR_TOKEN_WORD && p->token.line == t.line) {
		r = mr_parse_choice(p, "an option of the file", options, &v);
		if (r < 0)
			return r;
		part.lenient |= v == 0;
		part.optional |= v == 1;
	}
	part.text = shown_path(p, path);
	r = mr_parse_end(p);
	if (r == 0)
		r = add_part(p, *set, part);
	return r < 0 ? r : read_list(p, &t, *set, &part, path);
}

static int parse_item(struct mr_parser *p, const struct mr_token *t, void *context)
{
	struct mr_set_part part = { 0 };
	size_t *set = context;
	int r = mr_parse_literal(p, *set, &part.text);

	if (r == -ENOENT) {
		const char *best = NULL;
		unsigned int distance = 0;

		if (t->kind == MR_TOKEN_WORD && t->text[0] == '@')
			return mr_parse_fail(p, t, "name both sets in rules of their own",
					     "a set cannot hold another set: %s",
					     mr_parse_quote(p, t));
		mr_word_closer(t->text, t->len, "file", &best, &distance);
		return mr_parse_fail(
			p, t,
			best ? "did you mean \"file\"?" : "like 192.0.2.0/24, or file \"list.txt\"",
			"a prefix or \"file\" was expected, not %s", mr_parse_quote(p, t));
	}
	if (r < 0)
		return r;
	if (part.text) {
		r = add_part(p, *set, part);
		if (r < 0)
			return r;
	}
	return mr_parse_end(p);
}

static const struct mr_statement items[] = {
	{ "file", parse_list_file, false },
	{ NULL, parse_item, false },
	{ 0 },
};

int mr_parse_set(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_token t = p->token, name = t;
	struct mr_named_set *s;
	size_t set = 0;
	int r;

	(void)keyword, (void)context;
	if (t.kind == MR_TOKEN_WORD && t.text[0] == '@') {
		mr_parse_fail(p, &t, "leave the \"@\" out: it stands only where a set is used",
			      "%s is no name of a set", mr_parse_quote(p, &t));
		name.text++, name.len--;
	}
	if (t.kind != MR_TOKEN_WORD || !is_name(name.text, name.len))
		return mr_parse_fail(p, &t, "set NAME { 192.0.2.0/24; }",
				     "the name of a set was expected, not %s",
				     mr_parse_quote(p, &t));
	r = mr_parse_set_named(p, &name, false, &set);
	if (r < 0)
		return r;
	s = &p->policy->sets[set];
	if (s->place.line)
		mr_parse_fail(p, &t, "join the two, or rename one",
			      "the set %s is defined already, in %s", mr_parse_quote(p, &t),
			      mr_parse_where(p, s->place));
	else
		s->place = mr_parse_place(p, &t);
	mr_lexer_next(p);
	return mr_parse_block(p, items, true, &set);
}

int mr_parse_proxies(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	size_t set;
	int r;

	(void)context;
	if (!p->policy->proxies) {
		r = mr_parse_set_new(p, mr_parse_place(p, keyword), &set);
		if (r < 0)
			return r;
		p->policy->proxies = set + 1;
	}
	set = p->policy->proxies - 1;
	return mr_parse_block(p, items, true, &set);
}

int mr_parse_sets_check(struct mr_parser *p)
{
	struct mr_policy *y = p->policy;

	for (size_t i = 0; i < y->n_sets; i++) {
		const char *name = y->sets[i].name, *best = NULL;
		unsigned int distance = 0;
		int r;

		if (!name || y->sets[i].place.line) {
			r = mr_set_seal(&y->sets[i].set);
			if (r < 0)
				return r;
			continue;
		}
		for (size_t j = 0; j < y->n_sets; j++)
			if (y->sets[j].name && y->sets[j].place.line)
				mr_word_closer(name, strlen(name), y->sets[j].name, &best,
					       &distance);
		mr_parse_find(p, MR_ERROR, p->set_use[i],
			      best ? mr_parse_hint(p, "did you mean \"@%s\"?", best)
				   : mr_parse_hint(p, "define it: set %s { … }", name),
			      "there is no set \"%s\"", name);
	}
	return 0;
}
