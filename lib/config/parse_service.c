// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse_service.c - service and global blocks.
 *
 * Puts the `deny banned` that nobody wrote in front of a service's rules, and gives built-in names
 * their ports.  Called by the parser.
 */
#include "parser.h"

#include <string.h>

static int parse_default(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const choices[] = { "allow", "deny", NULL };
	struct mr_service *s = context;
	int v, r = mr_parse_choice(p, "\"allow\" or \"deny\"", choices, &v);

	(void)keyword;
	if (r < 0)
		return r;
	s->has_default = true;
	s->default_allow = v == 0;
	return mr_parse_end(p);
}

static int parse_mode(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const choices[] = { "enforce", "shadow", "off", NULL };
	struct mr_service *s = context;
	int v, r = mr_parse_choice(p, "a mode", choices, &v);

	(void)keyword;
	if (r < 0)
		return r;
	s->mode = (enum mr_mode)v;
	return mr_parse_end(p);
}

static int parse_noglobal(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_service *s = context;

	(void)keyword;
	s->noglobal = true;
	return mr_parse_end(p);
}

static int parse_nobans(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_service *s = context;

	(void)keyword;
	s->nobans = true;
	return mr_parse_end(p);
}

static int parse_established(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const char *const choices[] = { "socket", "any", NULL };
	struct mr_service *s = context;
	int v, r = mr_parse_choice(p, "\"socket\" or \"any\"", choices, &v);

	(void)keyword;
	if (r < 0)
		return r;
	s->established_any = v == 1;
	return mr_parse_end(p);
}

static int parse_to(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_service *s = context;
	struct mr_addr a;
	int r;

	while (p->token.kind == MR_TOKEN_WORD &&
	       (p->token.line == keyword->line || s->n_to == 0 || p->token.line == p->last_line)) {
		struct mr_token t = p->token;

		if (mr_addr_parse(t.text, t.len, &a) < 0)
			return mr_parse_fail(p, &t, "\"to\" takes this host's own addresses",
					     "an address was expected, not %s",
					     mr_parse_quote(p, &t));
		r = mr_arena_grow(p->arena, &s->to, s->n_to, sizeof(*s->to));
		if (r < 0)
			return r;
		s->to[s->n_to++] = a;
		mr_lexer_next(p);
	}
	if (s->n_to == 0)
		return mr_parse_fail(p, &p->token, NULL, "an address was expected, not %s",
				     mr_parse_quote(p, &p->token));
	return mr_parse_end(p);
}

/* The service that has a port already; its own name if it is this one. */
static int take_port(struct mr_parser *p, struct mr_service *s, const struct mr_token *t,
		     unsigned long port)
{
	unsigned int owner = p->port_owner[port];

	if (owner == p->policy->n_services + 1)
		return mr_parse_fail(p, t, NULL, "port %lu stands twice in this service", port);
	if (owner) {
		const struct mr_service *o = &p->policy->services[owner - 1];

		return mr_parse_fail(p, t,
				     "a port belongs to one service: take it out of one of them",
				     "port %lu belongs to service \"%s\" already (%s)", port,
				     o->name, mr_parse_where(p, o->place));
	}
	if (s->n_ports >= MR_SERVICE_PORTS_MAX)
		return mr_parse_fail(p, t, NULL, "more than %d ports in one service",
				     MR_SERVICE_PORTS_MAX);
	p->port_owner[port] = (uint8_t)(p->policy->n_services + 1);
	s->ports[s->n_ports++] = (uint16_t)port;
	return 0;
}

static int parse_ports(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_service *s = context;
	bool any = false;

	while (p->token.kind == MR_TOKEN_WORD &&
	       (p->token.line == keyword->line || !any || p->token.line == p->last_line)) {
		struct mr_token t = p->token;
		unsigned long port;
		int r = mr_parse_number(p, "a port", 1, 65535, &port);

		if (r < 0)
			return r;
		any = true;
		(void)take_port(p, s, &t, port);
	}
	if (!any)
		return mr_parse_fail(p, &p->token, "ports 443 8443;", "a port was expected, not %s",
				     mr_parse_quote(p, &p->token));
	return mr_parse_end(p);
}

static const struct mr_statement in_service[] = {
	{ "allow", mr_parse_rule, false },
	{ "deny", mr_parse_rule, false },
	{ "reject", mr_parse_rule, false },
	{ "default", parse_default, true },
	{ "mode", parse_mode, true },
	{ "noglobal", parse_noglobal, true },
	{ "nobans", parse_nobans, true },
	{ "to", parse_to, true },
	{ "established", parse_established, true },
	{ "ports", parse_ports, true },
	{ 0 },
};
static const struct mr_statement in_global[] = {
	{ "allow", mr_parse_rule, false },
	{ "deny", mr_parse_rule, false },
	{ "reject", mr_parse_rule, false },
	{ 0 },
};

/* The rule that nobody wrote, in front of the others, unless they speak of bans themselves. */
static int imply_bans(struct mr_parser *p, struct mr_service *s)
{
	struct mr_rule *rules;

	if (s->nobans)
		return 0;
	for (size_t i = 0; i < s->n_rules; i++)
		if (s->rules[i].source.kind == MR_SOURCE_BANNED)
			return 0;
	rules = mr_arena_alloc(p->arena, (s->n_rules + 1) * sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	rules[0] = (struct mr_rule){ .action = MR_DENY,
				     .source.kind = MR_SOURCE_BANNED,
				     .implied = true,
				     .text = "deny banned" };
	if (s->n_rules)
		memcpy(rules + 1, s->rules, s->n_rules * sizeof(*rules));
	s->rules = rules;
	s->n_rules++;
	return 0;
}

static bool is_service_name(const struct mr_token *t)
{
	if (t->kind != MR_TOKEN_WORD || t->len == 0 || t->len > 32)
		return false;
	for (size_t i = 0; i < t->len; i++) {
		char c = t->text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      (i > 0 && (c == '-' || c == '_'))))
			return false;
	}
	return true;
}

static const struct mr_builtin_service *builtin(const char *name)
{
	for (const struct mr_builtin_service *b = mr_builtin_services; b->name; b++)
		if (strcmp(b->name, name) == 0)
			return b;
	return NULL;
}

/* Own names need `ports`; built-in ones have theirs, if the block names no others. */
static void default_port(struct mr_parser *p, struct mr_service *s, const struct mr_token *t,
			 bool faulty)
{
	const struct mr_builtin_service *b = builtin(s->name);
	const char *best = NULL;
	unsigned int distance = 0;

	if (s->n_ports || (faulty && !b))
		return;
	if (b) {
		(void)take_port(p, s, t, b->port);
		return;
	}
	for (b = mr_builtin_services; b->name; b++)
		mr_word_closer(t->text, t->len, b->name, &best, &distance);
	mr_parse_fail(
		p, t,
		best ? mr_parse_hint(p, "did you mean \"%s\"? Own names need: ports 8025;", best)
		     : "add its ports: ports 8025;",
		"service %s has no ports", mr_parse_quote(p, t));
}

static int add_service(struct mr_parser *p, const struct mr_service *s, const struct mr_token *t)
{
	struct mr_policy *y = p->policy;
	int r;

	if (y->n_services >= MR_SERVICES_MAX) {
		mr_parse_fail(p, t, "one service may have many ports", "more than %d services",
			      MR_SERVICES_MAX);
		for (size_t i = 0; i < s->n_ports; i++)
			p->port_owner[s->ports[i]] = 0;
		return 0;
	}
	r = mr_arena_grow(p->arena, &y->services, y->n_services, sizeof(*s));
	if (r == 0)
		y->services[y->n_services++] = *s;
	return r;
}

int mr_parse_service(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_token t = p->token;
	struct mr_service s = { .place = mr_parse_place(p, &t) };
	const struct mr_service *other;
	const struct mr_builtin_service *b;
	size_t errors;
	int r;

	(void)keyword, (void)context;
	if (!is_service_name(&t))
		return mr_parse_fail(p, &t,
				     "lower-case letters, digits, \"-\" and \"_\", at most 32: "
				     "service smtp { … }",
				     "the name of a service was expected, not %s",
				     mr_parse_quote(p, &t));
	s.name = mr_parse_keep(p, &t);
	if (!s.name)
		return -ENOMEM;
	b = builtin(s.name);
	s.family = b ? b->family : MR_FAMILY_NONE;
	other = mr_policy_service(p->policy, s.name);
	if (other)
		mr_parse_fail(p, &t, "join the two blocks",
			      "service \"%s\" stands twice, first in %s", s.name,
			      mr_parse_where(p, other->place));
	mr_lexer_next(p);
	errors = p->findings->errors;
	r = mr_parse_block(p, in_service, false, &s);
	if (r < 0)
		return r;
	if (other) {
		for (size_t i = 0; i < s.n_ports; i++)
			p->port_owner[s.ports[i]] = 0;
		return 0;
	}
	default_port(p, &s, &t, p->findings->errors > errors);
	if (!s.has_default)
		s.default_allow = s.n_rules == 0;
	r = imply_bans(p, &s);
	return r < 0 ? r : add_service(p, &s, &t);
}

int mr_parse_global(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_service s = { .rules = p->policy->global, .n_rules = p->policy->n_global };
	int r;

	(void)context;
	if (p->has_global)
		mr_parse_fail(p, keyword, "join the two blocks",
			      "\"global\" stands twice, first in %s",
			      mr_parse_where(p, p->global_place));
	else
		p->global_place = mr_parse_place(p, keyword);
	p->has_global = true;
	r = mr_parse_block(p, in_global, false, &s);
	p->policy->global = s.rules;
	p->policy->n_global = s.n_rules;
	return r;
}

/* Services that permit and ban name: they must exist, or at least be built in. */
/* Two generations stand in the kernel's map at a time: what fills more loads once and never again.
 */
static void check_destinations(struct mr_parser *p)
{
	const struct mr_policy *y = p->policy;
	size_t n = 0;

	for (size_t i = 0; i < y->n_services; i++) {
		bool few = n <= MR_TO_MAX / 2;

		n += y->services[i].n_to;
		if (few && n > MR_TO_MAX / 2)
			mr_parse_find(p, MR_ERROR, y->services[i].place,
				      "leave `to` out where the host has no other addresses",
				      "more than %d destinations (`to`) in all services",
				      MR_TO_MAX / 2);
	}
}

int mr_parse_services_check(struct mr_parser *p)
{
	const struct mr_policy *y = p->policy;

	check_destinations(p);
	for (size_t i = 0; i < p->n_service_use; i++) {
		const struct mr_service_use *u = &p->service_use[i];
		const char *best = NULL;
		unsigned int distance = 0;

		if (mr_policy_service(y, u->name))
			continue;
		if (builtin(u->name)) {
			mr_parse_find(
				p, MR_NOTE, u->place, NULL,
				"service \"%s\" is not filtered: no block of this file names it",
				u->name);
			continue;
		}
		for (size_t j = 0; j < y->n_services; j++)
			mr_word_closer(u->name, strlen(u->name), y->services[j].name, &best,
				       &distance);
		for (const struct mr_builtin_service *b = mr_builtin_services; b->name; b++)
			mr_word_closer(u->name, strlen(u->name), b->name, &best, &distance);
		mr_parse_find(p, MR_ERROR, u->place,
			      best ? mr_parse_hint(p, "did you mean \"%s\"?", best) : NULL,
			      "there is no service \"%s\"", u->name);
	}
	return 0;
}
