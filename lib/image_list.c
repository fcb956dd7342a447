// SPDX-License-Identifier: BSD-2-Clause
/*
 * image_list.c - the compiler's reading of the rules: which lists, which sources, who uses what.
 *
 * Numbers the address sources that live rules name (a set that many rules share is one source),
 * notes for each where it is used, and for each list the first rule that holds every address for
 * each answer to (permitted?, banned?).  Called once by image.c; fails with -ENOMEM or, with a
 * message, where the policy exceeds a limit of abi.h.
 */
#include "image_private.h"

/* Does the rule's source hold every address, given this answer? */
static bool holds_all(const struct mr_rule *r, unsigned int answer)
{
	switch (r->source.kind) {
	case MR_SOURCE_ANY:
	case MR_SOURCE_NAME: /* any address may have the name */
		return true;
	case MR_SOURCE_PERMITTED:
		return answer & 2;
	case MR_SOURCE_BANNED:
		return answer & 1;
	default:
		return false;
	}
}

static int source_number(struct build *b, const struct mr_source *s, uint32_t *number)
{
	uint32_t *at = s->kind == MR_SOURCE_SET ? &b->set_source[s->set] : &b->host_source[s->kind];
	const struct mr_set *set = mr_policy_source_set(b->policy, b->host, s);

	if (*at == 0) {
		if ((set->n4 || set->n6) && !set->sealed)
			return mr_error(b->error, -EINVAL, "a set of the policy is not sealed");
		b->source[b->n_sources++] = (struct source){ .set = set };
		*at = (uint32_t)b->n_sources;
	}
	*number = *at - 1;
	return 0;
}

static void list_init(struct list *l, const struct mr_rule *rules, size_t n)
{
	l->rules = rules;
	l->n = (uint16_t)n;
	for (unsigned int a = 0; a < ANSWERS; a++) {
		l->packet[a] = l->login[a] = l->n;
		for (uint16_t i = l->n; i-- > 0;) {
			const struct mr_rule *r = &rules[i];

			if (!holds_all(r, a) || rule_passed_over(r))
				continue;
			l->packet[a] = i;
			if (r->source.kind != MR_SOURCE_NAME)
				l->login[a] = i;
		}
	}
}

static void service_init(struct list *l, const struct mr_service *s, bool global)
{
	bool written = false;

	for (size_t i = 0; i < s->n_rules; i++)
		written = written || !s->rules[i].implied;
	list_init(l, s->rules, s->n_rules);
	l->asks_global = global && !s->noglobal;
	l->end = MR_OUTCOME(0, (s->has_default ? s->default_allow : !written) ? MR_ALLOW
									      : MR_UNMATCHED);
}

static int check_limits(const struct build *b)
{
	const struct mr_policy *p = b->policy;
	size_t rules = p->n_global;

	for (size_t i = 0; i < p->n_services; i++)
		for (size_t j = 0; j < p->services[i].n_rules; j++)
			rules += !p->services[i].rules[j].implied;
	if (rules > MR_RULES_MAX)
		return mr_error(b->error, -E2BIG,
				"the policy has %zu rules; at most %d fit. Rules that differ only "
				"in their source can be one rule with a set",
				rules, MR_RULES_MAX);
	if (b->columns > MR_SERVICES_MAX)
		return mr_error(b->error, -E2BIG,
				"the policy has %zu services; at most %d fit. Services with the "
				"same rules can be one service with several ports",
				b->columns, MR_SERVICES_MAX);
	return 0;
}

static int find_lists(struct build *b)
{
	const struct mr_policy *p = b->policy;
	int r;

	for (size_t i = 0; i < p->n_services; i++)
		b->columns += p->services[i].mode != MR_MODE_OFF;
	r = check_limits(b);
	if (r < 0)
		return r;
	b->columns = 0;
	for (size_t i = 0; i < p->n_services; i++) {
		const struct mr_service *s = &p->services[i];

		if (s->mode == MR_MODE_OFF)
			continue;
		b->image->service[b->columns] = s;
		service_init(&b->list[b->columns++], s, p->n_global > 0);
	}
	b->image->columns = b->columns;
	list_init(&b->list[b->columns], p->global, p->n_global);
	return 0;
}

/* The last position at which a rule of an address source can matter: behind it every address has
 * met a rule for every answer. */
static uint16_t list_bound(const struct list *l)
{
	uint16_t bound = 0;

	for (unsigned int a = 0; a < ANSWERS; a++)
		if (l->login[a] > bound)
			bound = l->login[a];
	return bound;
}

/* Calls for each rule with an address source: counts first (uses still NULL), notes then. */
static int walk_uses(struct build *b, bool note)
{
	for (size_t c = 0; c <= b->columns; c++) {
		const struct list *l = &b->list[c];
		uint16_t bound = list_bound(l);

		for (uint16_t i = 0; i < bound; i++) {
			struct use u = { .list = (uint16_t)c, .pos = i };
			struct source *s;
			uint32_t number = 0;
			int r;

			if (!mr_policy_source_set(b->policy, b->host, &l->rules[i].source))
				continue;
			r = source_number(b, &l->rules[i].source, &number);
			if (r < 0)
				return r;
			s = &b->source[number];
			if (rule_passed_over(&l->rules[i])) {
				if (note)
					b->limited[s->limited + s->n_limited] = u;
				s->n_limited++;
			} else {
				if (note)
					b->uses[s->use + s->n_uses] = u;
				s->n_uses++;
			}
		}
	}
	return 0;
}

int mr_image_lists(struct build *b)
{
	uint32_t uses = 0, limited = 0;
	size_t rules = 0;
	int r;

	r = find_lists(b);
	if (r < 0)
		return r;
	for (size_t c = 0; c <= b->columns; c++)
		rules += b->list[c].n;
	b->source = calloc(rules + 1, sizeof(*b->source));
	b->set_source = calloc(b->policy->n_sets + 1, sizeof(*b->set_source));
	b->uses = calloc(rules + 1, sizeof(*b->uses));
	b->limited = calloc(rules + 1, sizeof(*b->limited));
	if (!b->source || !b->set_source || !b->uses || !b->limited)
		return -ENOMEM;
	r = walk_uses(b, false);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b->n_sources; i++) {
		struct source *s = &b->source[i];

		s->use = uses;
		s->limited = limited;
		uses += s->n_uses;
		limited += s->n_limited;
		s->n_uses = s->n_limited = 0;
	}
	return walk_uses(b, true);
}
