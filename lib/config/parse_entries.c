// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse_entries.c - permit and ban: how long timed entries live, who earns them, who is spared.
 *
 * Called by the parser.  Names of services are checked at the end of the load, when all are known.
 */
#include "parser.h"

#include <string.h>

#define ENTRIES_MAX  (16ul << 20) /* of a map: 16 million entries are 2 GiB of kernel memory */
#define COUNT_MAX    1000000ul /* of caps */
#define EVENTS_MAX   10000ul /* of thresholds: the learner remembers each failure by its time */
#define ESCALATE_MAX 1000ul

static int number32(struct mr_parser *p, const char *what, unsigned long max, uint32_t *out)
{
	unsigned long v;
	int r = mr_parse_number(p, what, 1, max, &v);

	if (r < 0)
		return r;
	*out = (uint32_t)v;
	return mr_parse_end(p);
}

static int positive_duration(struct mr_parser *p, uint64_t *us)
{
	struct mr_token t = p->token;
	int r = mr_parse_duration(p, us);

	if (r == 0 && *us == 0)
		return mr_parse_fail(p, &t, NULL, "a duration of nothing: %s",
				     mr_parse_quote(p, &t));
	return r;
}

static int ipv6_prefix(struct mr_parser *p, uint8_t *out)
{
	unsigned long v;
	int r = mr_parse_number(p, "a prefix length", 32, 128, &v);

	if (r < 0)
		return r;
	*out = (uint8_t)v;
	return mr_parse_end(p);
}

/* --- permit */

static int permit_ttl(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_permit_options *o = context;
	int r = positive_duration(p, &o->ttl_us);

	(void)keyword;
	return r < 0 ? r : mr_parse_end(p);
}

static int permit_max_age(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_permit_options *o = context;
	int r = 0;

	(void)keyword;
	if (mr_word_is(&p->token, "none")) {
		o->max_age_us = 0;
		mr_lexer_next(p);
	} else {
		r = positive_duration(p, &o->max_age_us);
	}
	return r < 0 ? r : mr_parse_end(p);
}

static int permit_number(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_permit_options *o = context;

	if (mr_word_is(keyword, "max"))
		return number32(p, "a number of entries", ENTRIES_MAX, &o->max);
	if (mr_word_is(keyword, "addresses-per-user"))
		return number32(p, "a number of addresses", COUNT_MAX, &o->addresses_per_user);
	if (mr_word_is(keyword, "users-per-address"))
		return number32(p, "a number of users", COUNT_MAX, &o->users_per_address);
	return number32(p, "a number of permits", COUNT_MAX, &o->per_prefix);
}

static int permit_ipv6(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_permit_options *o = context;

	(void)keyword;
	return ipv6_prefix(p, &o->ipv6_prefix);
}

static int permit_users(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_permit_options *o = context;

	(void)keyword;
	return mr_parse_words(p, "users", NULL, &o->users, &o->n_users);
}

static int permit_services(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_permit_options *o = context;

	(void)keyword;
	return mr_parse_services(p, &o->services, &o->n_services);
}

int mr_parse_permit(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = {
		{ "ttl", permit_ttl, true },
		{ "max-age", permit_max_age, true },
		{ "max", permit_number, true },
		{ "ipv6-prefix", permit_ipv6, true },
		{ "addresses-per-user", permit_number, true },
		{ "users-per-address", permit_number, true },
		{ "per-prefix", permit_number, true },
		{ "users", permit_users, true },
		{ "services", permit_services, true },
		{ 0 },
	};

	(void)keyword, (void)context;
	return mr_parse_block(p, table, false, &p->policy->permit);
}

/* --- ban */

static int ban_ttl(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_ban_options *o = context;
	int r = positive_duration(p, &o->ttl_us);

	(void)keyword;
	return r < 0 ? r : mr_parse_end(p);
}

static int ban_max(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_ban_options *o = context;

	(void)keyword;
	return number32(p, "a number of entries", ENTRIES_MAX, &o->max);
}

static int ban_ipv6(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_ban_options *o = context;

	(void)keyword;
	return ipv6_prefix(p, &o->ipv6_prefix);
}

/* on failure 5 in 10m;  on abuse 1;  on failure never; */
static int ban_on(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const kinds[] = { "failure", "abuse", NULL };
	struct mr_ban_options *o = context;
	struct mr_threshold x = { 0 };
	struct mr_token t;
	unsigned long n = 0;
	int kind, r;

	(void)keyword;
	r = mr_parse_choice(p, "\"failure\" or \"abuse\"", kinds, &kind);
	if (r < 0)
		return r;
	t = p->token;
	if (mr_word_is(&p->token, "never"))
		mr_lexer_next(p);
	else
		r = mr_parse_number(p, "a threshold (or \"never\")", 0, EVENTS_MAX, &n);
	if (r < 0)
		return r;
	x.count = (uint32_t)n;
	if (mr_word_is(&p->token, "in")) {
		mr_lexer_next(p);
		r = positive_duration(p, &x.window_us);
		if (r < 0)
			return r;
	}
	if (x.count > 1 && !x.window_us)
		return mr_parse_fail(p, &t, mr_parse_hint(p, "%u in 10m", x.count),
				     "%u events within what time?", x.count);
	if (x.count < 2)
		x.window_us = 0;
	*(kind == 0 ? &o->on_failure : &o->on_abuse) = x;
	return mr_parse_end(p);
}

/* escalate 4 max 7d; */
static int ban_escalate(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_ban_options *o = context;
	unsigned long factor;
	int r;

	(void)keyword;
	r = mr_parse_number(p, "a factor", 2, ESCALATE_MAX, &factor);
	if (r < 0)
		return r;
	if (!mr_word_is(&p->token, "max"))
		return mr_parse_fail(p, &p->token, "escalate 4 max 7d;",
				     "\"max\" was expected, not %s", mr_parse_quote(p, &p->token));
	mr_lexer_next(p);
	r = positive_duration(p, &o->escalate_max_us);
	if (r < 0)
		return r;
	o->escalate = (uint32_t)factor;
	return mr_parse_end(p);
}

static int ban_services(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_ban_options *o = context;

	(void)keyword;
	return mr_parse_services(p, &o->services, &o->n_services);
}

static int except_source(struct mr_parser *p, const struct mr_token *t, void *context)
{
	struct mr_ban_options *o = context;
	struct mr_source s;
	const char *text;
	int r = mr_parse_source(p, &s, &text);

	if (r < 0)
		return r;
	if (s.kind == MR_SOURCE_ANY || s.kind == MR_SOURCE_BANNED ||
	    s.kind == MR_SOURCE_PERMITTED || s.kind == MR_SOURCE_NAME) {
		mr_parse_fail(p, t,
			      s.kind == MR_SOURCE_ANY
				      ? "on failure never; on abuse never;"
				      : "addresses, networks, @SET, local, gateways",
			      "%s cannot be an exception", mr_parse_quote(p, t));
		return mr_parse_end(p);
	}
	r = mr_arena_grow(p->arena, &o->except, o->n_except, sizeof(s));
	if (r < 0)
		return r;
	o->except[o->n_except++] = s;
	return mr_parse_end(p);
}

static int ban_except(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = { { NULL, except_source, false }, { 0 } };

	(void)keyword;
	return mr_parse_block(p, table, true, context);
}

int mr_parse_ban(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = {
		{ "ttl", ban_ttl, true },	    { "max", ban_max, true },
		{ "ipv6-prefix", ban_ipv6, true },  { "on", ban_on, false },
		{ "escalate", ban_escalate, true }, { "services", ban_services, true },
		{ "except", ban_except, false },    { 0 },
	};

	(void)keyword, (void)context;
	return mr_parse_block(p, table, false, &p->policy->ban);
}
