// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse_relay.c - relay, account, accounts: what the login layer is asked.
 *
 * Parsed and kept; nothing of it reaches the packet filter.  Called by the parser.
 */
#include "parser.h"

#include <search.h>
#include <string.h>

#define RELAY_TEXT_MAX 400 /* bytes: a reply line of SMTP has 512, and Postfix adds its own */

/* --- relay */

static int relay_mode(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	/* in the order of enum mr_relay_mode */
	static const char *const modes[] = { "addresses",   "anyone",	   "none",
					     "local-hosts", "local-users", NULL };
	struct mr_relay_options *o = context;
	int v, r = mr_parse_choice(p, "a relay mode", modes, &v);

	(void)keyword;
	if (r < 0)
		return r;
	o->mode = (enum mr_relay_mode)v;
	return mr_parse_end(p);
}

/* The lists are exact: what looks like a pattern or an address would match nothing, silently. */
static int relay_domain(struct mr_parser *p, const struct mr_token *t)
{
	const char *c = t->text, *end = t->text + t->len, *at = memrchr(c, '@', t->len);
	const char *fault = at ? "the domain behind the @ is enough" : NULL;

	if (!fault && t->len && (*c == '.' || memchr(c, '*', t->len)))
		fault = "names are exact here: name each domain, as example.com";
	for (; c < end && !fault; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f ||
		    (*c == '.' && c + 1 < end && c[1] == '.'))
			fault = "like example.com";
	if (!fault)
		return 0;
	mr_parse_fail(p, t, fault, "a domain was expected, not %s", mr_parse_quote(p, t));
	return -EINVAL;
}

static int relay_domains(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_relay_options *o = context;

	(void)keyword;
	return mr_parse_words(p, "local-domains", relay_domain, &o->local_domains,
			      &o->n_local_domains);
}

static int relay_to(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_relay_options *o = context;

	(void)keyword;
	return mr_parse_words(p, "to", relay_domain, &o->to, &o->n_to);
}

/* kill file "kill.lst"; */
static int relay_file(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_relay_options *o = context;
	const char **to = mr_word_is(keyword, "kill")	  ? &o->kill_file
			  : mr_word_is(keyword, "accept") ? &o->accept_file
							  : &o->groups_file;
	int r;

	if (!mr_word_is(&p->token, "file"))
		return mr_parse_fail(
			p, &p->token,
			mr_parse_hint(p, "%.*s file \"NAME\";", (int)keyword->len, keyword->text),
			"\"file\" was expected, not %s", mr_parse_quote(p, &p->token));
	mr_lexer_next(p);
	r = mr_parse_path(p, to);
	return r < 0 ? r : mr_parse_end(p);
}

static int relay_check_sender(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const choices[] = { "no", "yes", NULL };
	struct mr_relay_options *o = context;
	int v, r = mr_parse_choice(p, "\"yes\" or \"no\"", choices, &v);

	(void)keyword;
	if (r < 0)
		return r;
	o->check_sender = v;
	return mr_parse_end(p);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A reply is one line; what begins like a number is a reply code, and one that refuses. */
static const char *text_fault(const char *text)
{
	if (strlen(text) > RELAY_TEXT_MAX)
		return "a reply has at most 400 bytes";
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return "a reply is one line of plain text";
	if (is_digit(text[0]) && !((text[0] == '4' || text[0] == '5') && is_digit(text[1]) &&
				   is_digit(text[2]) && text[3] == ' ' && text[4]))
		return "a reply code that refuses is written 550 5.7.1 TEXT, or left out";
	return NULL;
}

static int relay_text(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_relay_options *o = context;
	const char **to = mr_word_is(keyword, "refuse-relay")	 ? &o->refuse_relay_text
			  : mr_word_is(keyword, "refuse-sender") ? &o->refuse_sender_text
			  : mr_word_is(keyword, "refuse-access") ? &o->refuse_access_text
								 : &o->refuse_group_text;
	struct mr_token t = p->token;
	const char *fault;
	int r = mr_parse_text(p, "a text", to);

	if (r < 0)
		return r;
	fault = text_fault(*to);
	if (fault)
		mr_parse_fail(p, &t, fault, "%s cannot be a reply", mr_parse_quote(p, &t));
	return mr_parse_end(p);
}

/* "X-Name: value" */
static bool is_header(const char *text)
{
	const char *c = text;

	while (*c > ' ' && *c != ':' && *c < 0x7f)
		c++;
	if (c == text || c[0] != ':' || c[1] != ' ' || !c[2] || strlen(text) > RELAY_TEXT_MAX)
		return false;
	for (; *c; c++)
		if (*c < ' ' || *c == 0x7f)
			return false;
	return true;
}

static int relay_header(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_relay_options *o = context;
	struct mr_token t = p->token;
	int r = mr_parse_text(p, "a header", &o->header);

	(void)keyword;
	if (r < 0)
		return r;
	if (!is_header(o->header))
		mr_parse_fail(p, &t, "header \"X-Own-Network: a-word-that-only-you-know\";",
			      "%s is no header line", mr_parse_quote(p, &t));
	return mr_parse_end(p);
}

int mr_parse_relay(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = {
		{ "mode", relay_mode, true },
		{ "local-domains", relay_domains, true },
		{ "to", relay_to, true },
		{ "kill", relay_file, true },
		{ "accept", relay_file, true },
		{ "groups", relay_file, true },
		{ "check-sender", relay_check_sender, true },
		{ "refuse-relay", relay_text, true },
		{ "refuse-sender", relay_text, true },
		{ "refuse-access", relay_text, true },
		{ "refuse-group", relay_text, true },
		{ "header", relay_header, true },
		{ 0 },
	};
	struct mr_relay_options *o = &p->policy->relay;

	(void)context;
	o->given = true;
	o->place = mr_parse_place(p, keyword);
	return mr_parse_block(p, table, false, o);
}

/* --- account "fred@example.com" { imap allow any; pop3 deny any; smtp allow 192.0.2.1; } */

static int account_rule(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const actions[] = { "allow", "deny", NULL };
	static const struct {
		const char *name;
		enum mr_family family;
	} families[] = {
		{ "smtp", MR_FAMILY_SMTP }, { "pop3", MR_FAMILY_POP3 },
		{ "imap", MR_FAMILY_IMAP }, { "sieve", MR_FAMILY_SIEVE },
		{ "any", MR_FAMILY_NONE },
	};
	struct mr_account *a = context;
	struct mr_account_rule rule = { .family = MR_FAMILY_NONE,
					.place = mr_parse_place(p, keyword) };
	struct mr_token t;
	const char *text;
	int v, r;

	for (size_t i = 0; i < MR_ARRAY_SIZE(families); i++)
		if (mr_word_is(keyword, families[i].name))
			rule.family = families[i].family;
	if (mr_word_is(keyword, "allow") || mr_word_is(keyword, "deny")) {
		v = mr_word_is(keyword, "deny");
	} else {
		r = mr_parse_choice(p, "\"allow\" or \"deny\"", actions, &v);
		if (r < 0)
			return r;
	}
	rule.action = v ? MR_DENY : MR_ALLOW;
	t = p->token;
	if (mr_word_is(&t, "none")) {
		rule.none = true;
		mr_lexer_next(p);
	} else {
		r = mr_parse_source(p, &rule.source, &text);
		if (r < 0)
			return r;
		if (rule.source.kind != MR_SOURCE_ANY && rule.source.kind != MR_SOURCE_SET)
			mr_parse_fail(p, &t, "any, none, an address, a network or @SET",
				      "an account cannot be limited to %s", mr_parse_quote(p, &t));
	}
	r = mr_arena_grow(p->arena, &a->rules, a->n_rules, sizeof(rule));
	if (r < 0)
		return r;
	a->rules[a->n_rules++] = rule;
	return mr_parse_end(p);
}

struct account_name {
	const char *name;
	struct mr_place place;
};

static int by_account_name(const void *a, const void *b)
{
	return strcmp(((const struct account_name *)a)->name,
		      ((const struct account_name *)b)->name);
}

/* Remembers an account; says so if it stood there before.  A tree: there may be 100,000. */
static int account_known(struct mr_parser *p, const struct mr_account *a, const struct mr_token *t)
{
	struct account_name *n = mr_arena_alloc(p->arena, sizeof(*n)), **found;

	if (!n)
		return -ENOMEM;
	*n = (struct account_name){ a->name, a->place };
	found = tsearch(n, &p->account_names, by_account_name);
	if (!found)
		return -ENOMEM;
	if (*found != n)
		mr_parse_fail(p, t, "join the two blocks", "account %s stands twice, first in %s",
			      mr_parse_quote(p, t), mr_parse_where(p, (*found)->place));
	return 0;
}

int mr_parse_account(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = {
		{ "smtp", account_rule, false }, { "pop3", account_rule, false },
		{ "imap", account_rule, false }, { "sieve", account_rule, false },
		{ "any", account_rule, false },	 { "allow", account_rule, false },
		{ "deny", account_rule, false }, { 0 },
	};
	struct mr_account a = { .place = mr_parse_place(p, &p->token) };
	struct mr_policy *y = p->policy;
	struct mr_token t = p->token;
	int r;

	(void)keyword, (void)context;
	r = mr_parse_text(p, "the name of a mailbox", &a.name);
	if (r < 0)
		return r;
	r = account_known(p, &a, &t);
	if (r < 0)
		return r;
	r = mr_parse_block(p, table, false, &a);
	if (r == 0)
		r = mr_arena_grow(p->arena, &y->account, y->n_account, sizeof(a));
	if (r == 0)
		y->account[y->n_account++] = a;
	return r;
}

/* --- accounts sqlite "accounts.db";  accounts mariadb { database "mail"; … }  accounts none; */

static int accounts_text(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_accounts_options *o = context;
	const char **to = mr_word_is(keyword, "host")	    ? &o->host
			  : mr_word_is(keyword, "database") ? &o->database
							    : &o->user;
	int r = mr_parse_text(p, "a name", to);

	return r < 0 ? r : mr_parse_end(p);
}

static int accounts_path(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_accounts_options *o = context;
	const char **to = mr_word_is(keyword, "socket") ? &o->socket
			  : mr_word_is(keyword, "path") ? &o->path
							: &o->password_file;
	int r = mr_parse_path(p, to);

	return r < 0 ? r : mr_parse_end(p);
}

static int accounts_port(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_accounts_options *o = context;
	unsigned long v;
	int r = mr_parse_number(p, "a port", 1, 65535, &v);

	(void)keyword;
	if (r < 0)
		return r;
	o->port = (uint16_t)v;
	return mr_parse_end(p);
}

static int accounts_ttl(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_accounts_options *o = context;
	int r = mr_parse_duration(p, &o->ttl_us);

	(void)keyword;
	return r < 0 ? r : mr_parse_end(p);
}

static int accounts_on_failure(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const choices[] = { "last", "allow", "deny", NULL };
	struct mr_accounts_options *o = context;
	int v, r = mr_parse_choice(p, "\"last\", \"allow\" or \"deny\"", choices, &v);

	(void)keyword;
	if (r < 0)
		return r;
	o->on_failure = v == 0	 ? MR_ON_FAILURE_LAST
			: v == 1 ? MR_ON_FAILURE_ALLOW
				 : MR_ON_FAILURE_DENY;
	return mr_parse_end(p);
}

int mr_parse_accounts(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const kinds[] = { "none", "sqlite", "mariadb", NULL };
	static const struct mr_statement sqlite[] = {
		{ "path", accounts_path, true },
		{ "ttl", accounts_ttl, true },
		{ "on-failure", accounts_on_failure, true },
		{ 0 },
	};
	static const struct mr_statement mariadb[] = {
		{ "host", accounts_text, true },
		{ "port", accounts_port, true },
		{ "socket", accounts_path, true },
		{ "database", accounts_text, true },
		{ "user", accounts_text, true },
		{ "password-file", accounts_path, true },
		{ "ttl", accounts_ttl, true },
		{ "on-failure", accounts_on_failure, true },
		{ 0 },
	};
	struct mr_accounts_options *o = &p->policy->accounts;
	int kind, r;

	(void)context;
	o->place = mr_parse_place(p, keyword);
	r = mr_parse_choice(p, "a kind of store", kinds, &kind);
	if (r < 0)
		return r;
	o->kind = (enum mr_accounts_kind)kind;
	if (p->token.kind == MR_TOKEN_OPEN && kind == MR_ACCOUNTS_SQLITE)
		return mr_parse_block(p, sqlite, false, o);
	if (kind == MR_ACCOUNTS_MARIADB) {
		size_t errors = p->findings->errors;

		r = mr_parse_block(p, mariadb, false, o);
		if (r == 0 && !o->database && p->findings->errors == errors)
			mr_parse_fail(p, keyword, "add: database \"NAME\";",
				      "the MariaDB accounts name no database");
		return r;
	}
	if (kind == MR_ACCOUNTS_SQLITE && p->token.kind == MR_TOKEN_STRING)
		r = mr_parse_path(p, &o->path);
	return r < 0 ? r : mr_parse_end(p);
}
