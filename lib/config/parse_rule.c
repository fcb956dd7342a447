// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse_rule.c - one line of a service: allow, deny or reject, a source, options.
 *
 * Rules are numbered as they are read, over the whole policy.  The text of a rule is its normal
 * form, the name of its counters.  Called by the parser for service and global blocks.
 */
#include "parser.h"

#include <string.h>

static const struct {
	const char *word;
	enum mr_source_kind kind;
} words[] = {
	{ "any", MR_SOURCE_ANY },
	{ "local", MR_SOURCE_LOCAL },
	{ "gateways", MR_SOURCE_GATEWAYS },
	{ "loopback", MR_SOURCE_LOOPBACK },
	{ "permitted", MR_SOURCE_PERMITTED },
	{ "banned", MR_SOURCE_BANNED },
	{ "name", MR_SOURCE_NAME },
};

static bool is_domain(const char *s, size_t len)
{
	size_t label = 0;

	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		bool ends = c == '.' || c == '-'; /* no label begins or ends with a hyphen */

		if (ends ? label == 0 || (c == '.' && s[i - 1] == '-')
			 : !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_'))
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return label > 0 && s[len - 1] != '-';
}

static int domain(struct mr_parser *p, struct mr_source *out)
{
	struct mr_token t = p->token;
	char *copy;

	if ((t.kind != MR_TOKEN_WORD && t.kind != MR_TOKEN_STRING) || !is_domain(t.text, t.len))
		return mr_parse_fail(p, &t,
				     "like name example.com, which holds the names below it too",
				     "a domain was expected, not %s", mr_parse_quote(p, &t));
	copy = mr_arena_copy(p->arena, t.text, t.len);
	if (!copy)
		return -ENOMEM;
	for (char *c = copy; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + ('a' - 'A'));
	out->domain = copy;
	mr_lexer_next(p);
	return 0;
}

static int unknown_source(struct mr_parser *p, const struct mr_token *t)
{
	const char *best = NULL;
	unsigned int distance = 0;

	if (t->kind == MR_TOKEN_WORD) {
		size_t n = t->len < 64 ? t->len : 64;

		for (size_t i = 0; i < p->policy->n_sets; i++) {
			const char *name = p->policy->sets[i].name;

			if (name && strlen(name) == n && memcmp(name, t->text, n) == 0)
				return mr_parse_fail(
					p, t, mr_parse_hint(p, "a set is written @%s", name),
					"a source was expected, not %s", mr_parse_quote(p, t));
		}
		for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
			mr_word_closer(t->text, t->len, words[i].word, &best, &distance);
		mr_word_closer(t->text, t->len, "all", &best, &distance);
		if (best && strcmp(best, "all") == 0)
			best = "any";
	}
	return mr_parse_fail(p, t,
			     best ? mr_parse_hint(p, "did you mean \"%s\"?", best)
				  : "an address, a network, @SET, any, local, gateways, loopback, "
				    "permitted, banned or name DOMAIN",
			     "a source was expected, not %s", mr_parse_quote(p, t));
}

static int word_source(struct mr_parser *p, const struct mr_token *t, struct mr_source *out,
		       const char **text)
{
	int r = 0;

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++) {
		if (!mr_word_is(t, words[i].word))
			continue;
		out->kind = words[i].kind;
		*text = words[i].word;
		mr_lexer_next(p);
		if (out->kind == MR_SOURCE_LOCAL && mr_word_is(&p->token, "public")) {
			mr_lexer_next(p);
			out->kind = MR_SOURCE_LOCAL_PUBLIC;
			*text = "local public";
		}
		if (out->kind == MR_SOURCE_NAME) {
			r = domain(p, out);
			if (r == 0)
				*text = mr_arena_printf(p->arena, "name %s", out->domain);
		}
		return r < 0 ? r : *text ? 0 : -ENOMEM;
	}
	return unknown_source(p, t);
}

int mr_parse_source(struct mr_parser *p, struct mr_source *out, const char **text)
{
	struct mr_token t = p->token;
	struct mr_source s = { .kind = MR_SOURCE_SET };
	struct mr_policy *y = p->policy;
	const char *written = NULL;
	int r;

	if (t.kind != MR_TOKEN_WORD)
		return unknown_source(p, &t);
	if (t.text[0] == '@') {
		r = mr_parse_set_named(p, &t, true, &s.set);
		if (r < 0)
			return r;
		mr_lexer_next(p);
		written = mr_arena_copy(p->arena, t.text, t.len);
	} else if (t.text[0] == ':' || (t.text[0] >= '0' && t.text[0] <= '9') ||
		   memchr(t.text, ':', t.len)) {
		r = mr_parse_set_new(p, mr_parse_place(p, &t), &s.set);
		if (r == 0)
			r = mr_parse_literal(p, s.set, &written);
		if (r == -ENOENT)
			return unknown_source(p, &t);
		if (r < 0)
			return r;
		if (!written) /* reported; the statement goes on */
			written = "any";
		y->sets[s.set].text = written;
	} else {
		r = word_source(p, &t, &s, &written);
		if (r < 0)
			return r;
	}
	if (!written)
		return -ENOMEM;
	*out = s;
	*text = written;
	return 0;
}

static int options(struct mr_parser *p, struct mr_rule *rule)
{
	static const char *const choices[] = { "noauth", "users", NULL };

	while (p->token.kind == MR_TOKEN_WORD && p->token.line == p->last_line) {
		struct mr_token t = p->token;
		int v, r;

		for (const struct mr_statement *s = p->block->table; s->parse; s++)
			if (s->name && mr_word_is(&t, s->name))
				return 0; /* a forgotten semicolon: mr_parse_end() says so */
		r = mr_parse_choice(p, "an option of the rule, or \";\"", choices, &v);
		if (r < 0)
			return r;
		if (v == 0) {
			if (rule->action != MR_ALLOW)
				mr_parse_fail(p, &t, "noauth belongs to allow",
					      "who is refused cannot relay either");
			rule->noauth = true;
			continue;
		}
		if (rule->n_users)
			mr_parse_fail(p, &t, "join the two lists",
				      "\"users\" stands twice in this rule");
		r = mr_parse_words(p, "users", NULL, &rule->users, &rule->n_users);
		if (r < 0)
			return r;
	}
	return 0;
}

/* allow 198.51.100.0/24 users { support webmaster } noauth */
static const char *rule_text(struct mr_parser *p, const struct mr_rule *rule, const char *source)
{
	static const char *const action[] = { "allow", "deny", "reject" };
	_free_ char *text = NULL;
	_fclose_ FILE *f = NULL;
	size_t len = 0;

	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	fprintf(f, "%s %s", action[rule->action], source);
	if (rule->n_users) {
		fputs(" users {", f);
		for (size_t i = 0; i < rule->n_users; i++) {
			const char *w = mr_word_print(p->arena, rule->users[i]);

			fprintf(f, " %s", w ? w : "\"\"");
		}
		fputs(" }", f);
	}
	if (rule->noauth)
		fputs(" noauth", f);
	if (fflush(f) != 0 || !text)
		return NULL;
	return mr_arena_copy(p->arena, text, len);
}

int mr_parse_rule(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_service *s = context;
	struct mr_rule rule = { .action = mr_word_is(keyword, "allow")	? MR_ALLOW
					  : mr_word_is(keyword, "deny") ? MR_DENY
									: MR_REJECT,
				.place = mr_parse_place(p, keyword) };
	const char *source = NULL;
	int r;

	r = mr_parse_source(p, &rule.source, &source);
	if (r == 0)
		r = options(p, &rule);
	if (r == 0)
		r = mr_parse_end(p);
	if (r < 0)
		return r;
	if (p->policy->n_numbered >= MR_RULES_MAX) {
		if (!p->too_many_rules)
			mr_parse_fail(p, keyword,
				      "put the addresses into a set: one rule holds millions",
				      "more than %d rules", MR_RULES_MAX);
		p->too_many_rules = true;
		return 0;
	}
	rule.number = (uint16_t)++p->policy->n_numbered;
	rule.text = rule_text(p, &rule, source);
	if (!rule.text)
		return -ENOMEM;
	r = mr_arena_grow(p->arena, &s->rules, s->n_rules, sizeof(rule));
	if (r == 0)
		s->rules[s->n_rules++] = rule;
	return r;
}
