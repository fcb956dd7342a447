// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_cidr.c - Postfix's cidr tables, cidr_table(5) of 3.2 and later.
 *
 * Read from the top, the first match decides, as here.  What stands between if and endif, and a
 * pattern with !, become what is left of the networks: 10.0.0.0/8 but for 10.1.0.0/16 is a list of
 * prefixes.  A pattern with ! fits addresses of its own family only, as Postfix has it.  Called by
 * import_table.c, line by line; mistakes are told, and what can never match is a comment.
 */
#include "import_postfix.h"

#define BLANKS	  " \t"
#define KEY_SHOWN 60

/* --- networks --------------------------------------------------------------------------------- */

static bool family4(const struct mr_prefix *p)
{
	return mr_addr_is4(&p->addr) && p->plen >= 96;
}

/* b lies in a */
static bool within(const struct mr_prefix *a, const struct mr_prefix *b)
{
	return family4(a) == family4(b) && a->plen <= b->plen && mr_prefix_contains(a, &b->addr);
}

static struct mr_prefix everything(bool v4)
{
	struct mr_prefix p = { .plen = 0 };

	if (v4)
		p = (struct mr_prefix){ .addr = mr_addr_from4(0), .plen = 96 };
	return p;
}

/*
 * Adds the rule for what is left of `p` without the networks of `out`: p itself, or its two halves,
 * cut further as long as one of them lies in it.  At most 128 deep, and no wider than that for each
 * of `out`.
 */
static int add_rest(struct mr_import *i, struct mr_import_rules *rules, struct mr_import_rule *rule,
		    struct mr_prefix p, const struct mr_prefix *out, size_t n)
{
	bool cut = false;
	int r;

	for (size_t k = 0; k < n; k++) {
		if (within(&out[k], &p))
			return 0;
		cut |= within(&p, &out[k]);
	}
	if (!cut) {
		rule->prefix = p;
		return mr_import_add(i, rules, rule);
	}
	p.plen++;
	r = add_rest(i, rules, rule, p, out, n);
	p.addr.b[(p.plen - 1) / 8] |= (uint8_t)(0x80 >> (p.plen - 1) % 8);
	return r < 0 ? r : add_rest(i, rules, rule, p, out, n);
}

/* The line's own pattern within all conditions around it. */
static int add_pattern(const struct mr_import_cidr *c, struct mr_import *i,
		       const struct mr_text *line, const struct mr_import_condition *own,
		       struct mr_import_rules *rules, struct mr_import_rule *rule)
{
	bool v4 = family4(&own->prefix);
	struct mr_prefix in = everything(v4), out[MR_IMPORT_NESTED + 1];
	size_t n_out = 0, had = rules->n;
	bool empty = false;
	int r;

	for (unsigned int k = 0; k <= c->nested; k++) {
		const struct mr_import_condition *o = k < c->nested ? &c->condition[k] : own;

		empty |= family4(&o->prefix) != v4;
		if (o->except)
			out[n_out++] = o->prefix;
		else if (within(&in, &o->prefix))
			in = o->prefix;
		else
			empty |= !within(&o->prefix, &in);
	}
	r = empty ? 0 : add_rest(i, rules, rule, in, out, n_out);
	if (r == 0 && rules->n == had)
		mr_import_left(i, line, "can never match here");
	return r;
}

/* --- lines ------------------------------------------------------------------------------------ */

struct mr_text mr_import_unbracket(struct mr_text word, char buf[static MR_IMPORT_BRACKETS])
{
	size_t n = 0;

	if (!word.n || *word.p != '[' || word.n >= MR_IMPORT_BRACKETS)
		return word;
	for (size_t k = 0; k < word.n; k++)
		if (word.p[k] != '[' && word.p[k] != ']')
			buf[n++] = word.p[k];
	buf[n] = '\0';
	return mr_text_of(buf);
}

static void skip_blanks(struct mr_text *t)
{
	while (t->n && strchr(BLANKS, *t->p))
		t->p++, t->n--;
}

/* "!10.0.0.0/8", "! ! 10.0.0.0/8".  False: told. */
static bool take_pattern(struct mr_import *i, const struct mr_text *line, struct mr_text *rest,
			 struct mr_import_condition *out)
{
	struct mr_text key = { rest->p, 0 }, plain, none = { NULL, 0 };
	char buf[MR_IMPORT_BRACKETS];
	bool cut;

	*out = (struct mr_import_condition){ .except = false };
	while (rest->n && *rest->p == '!') {
		out->except = !out->except;
		rest->p++, rest->n--;
		skip_blanks(rest);
	}
	mr_import_word(rest, BLANKS, &key);
	skip_blanks(rest);
	plain = mr_import_unbracket(key, buf);
	if (!plain.n || mr_import_prefix(&plain, &none, &out->prefix, &cut) < 0) {
		mr_import_error(i, "a network was expected, not \"%.*s\"",
				(int)(key.n < KEY_SHOWN ? key.n : KEY_SHOWN), key.p);
		return false;
	}
	if (cut)
		mr_import_left(i, line, "bits behind the prefix: Postfix does not read it either");
	return !cut;
}

/* Postfix passes over an `if` that it cannot read, and not over what stands in it: neither is
 * guessed at. */
static void cidr_if(struct mr_import_cidr *c, struct mr_import *i, const struct mr_text *line,
		    struct mr_text rest)
{
	if (c->nested == MR_IMPORT_NESTED)
		mr_import_error(i, "more than %d times if within if", MR_IMPORT_NESTED);
	else if (!take_pattern(i, line, &rest, &c->condition[c->nested]) || rest.n)
		mr_import_error(i, "this `if` cannot be read");
	c->nested += c->nested < MR_IMPORT_NESTED;
}

int mr_import_cidr_line(struct mr_import_cidr *c, struct mr_import *i, const struct mr_text *line,
			enum mr_import_use use, struct mr_import_rules *rules)
{
	struct mr_text rest = *line, word;
	struct mr_import_condition own;
	struct mr_import_rule rule = { 0 };

	mr_import_word(&rest, BLANKS, &word);
	skip_blanks(&rest);
	if (mr_text_is(&word, "if")) {
		cidr_if(c, i, line, rest);
		return 0;
	}
	if (mr_text_is(&word, "endif")) {
		if (c->nested == 0)
			mr_import_error(i, "endif without if");
		else
			c->nested--;
		return 0;
	}
	rest = *line;
	if (!take_pattern(i, line, &rest, &own))
		return 0;
	if (!rest.n && use != MR_IMPORT_NETWORKS) {
		mr_import_error(i, "no action behind the network");
		return 0;
	}
	return mr_import_action(i, line, &rest, use, &rule)
		       ? add_pattern(c, i, line, &own, rules, &rule)
		       : 0;
}
