// SPDX-License-Identifier: BSD-2-Clause
/*
 * image_reach.c - which rules can never be the first match of any address.
 *
 * A rule is reached if there is an address and an answer to (permitted?, banned?) for which no
 * earlier rule of its list ends the reading.  What ends it: every rule that holds the address, but
 * those that the login layer may still read past: a refusal limited to users, and every rule with
 * `name`.  So a rule behind `allow … users` is unreached for the addresses of that rule (the login
 * layer reads no further there either), and one behind `deny … users` or `allow name …` is not.
 * A rule of `global` is reached if, besides, some service that asks `global` allows the address.
 *
 * The answer is exact: it comes from the vectors that some address really has (image_sweep.c), not
 * from comparing rules.  Not judged, and called reached: rules of services that are off, and
 * `global` where nobody asks it.  A rule whose source holds no address at present (an empty list, a
 * host without gateways) is told apart, for nothing covers it.
 */
#include "image_private.h"

int mr_image_reach_hold(struct build *b, uint16_t source)
{
	int r = mr_grow(&b->held, &b->held_allocated, b->n_held, sizeof(*b->held));

	if (r < 0)
		return r;
	b->held[b->n_held++] = source;
	return 0;
}

/* The position at which the login layer ends its reading at the latest. */
static uint16_t end_of(const struct build *b, const uint16_t *vector, size_t list, unsigned int a)
{
	return earlier(vector[list], b->list[list].login[a]);
}

static bool allows(const struct list *l, uint16_t pos)
{
	return MR_OUTCOME_ACTION(list_outcome(l, pos)) == MR_ALLOW;
}

/* Is `global` asked of such an address, after some service has allowed it? */
static bool global_asked(const struct build *b, const uint16_t *vector, unsigned int a)
{
	for (size_t c = 0; c < b->columns; c++) {
		const struct list *l = &b->list[c];

		/* the packet layer's rule differs from the login layer's only by `allow name` */
		if (l->asks_global && (allows(l, end_of(b, vector, c, a)) ||
				       allows(l, earlier(vector[c], l->packet[a]))))
			return true;
	}
	return false;
}

static bool list_asked(const struct build *b, const uint16_t *vector, size_t list, unsigned int a)
{
	return list < b->columns || global_asked(b, vector, a);
}

static void reached(struct build *b, size_t list, uint16_t pos)
{
	b->reachable[b->list[list].rules[pos].number] = MR_RULE_MATCHES;
}

/* Limited refusals with an address source: those that hold the place of the sweep. */
void mr_image_reach_held(struct build *b, uint32_t vector)
{
	const uint16_t *v = build_vector(b, vector);

	for (size_t i = 0; i < b->n_held; i++) {
		const struct source *s = &b->source[b->held[i]];

		for (uint32_t k = 0; k < s->n_limited; k++) {
			const struct use *u = &b->limited[s->limited + k];

			for (unsigned int a = 0; a < ANSWERS; a++)
				if (u->pos < end_of(b, v, u->list, a) &&
				    list_asked(b, v, u->list, a))
					reached(b, u->list, u->pos);
		}
	}
}

/* Rules that may be read past and hold any address: `name …`, `deny any users`, … */
static void reach_passing(struct build *b, const uint16_t *v, size_t list, unsigned int a)
{
	const struct list *l = &b->list[list];
	uint16_t end = end_of(b, v, list, a);

	for (uint16_t i = 0; i < end; i++) {
		enum mr_source_kind kind = l->rules[i].source.kind;
		bool holds = kind == MR_SOURCE_ANY || (kind == MR_SOURCE_PERMITTED && a & 2) ||
			     (kind == MR_SOURCE_BANNED && a & 1);

		if (kind == MR_SOURCE_NAME || (holds && rule_passed_over(&l->rules[i])))
			reached(b, list, i);
	}
}

static bool has_passing(const struct list *l)
{
	for (uint16_t i = 0; i < l->n; i++)
		if (l->rules[i].source.kind == MR_SOURCE_NAME || rule_passed_over(&l->rules[i]))
			return true;
	return false;
}

static void reach_live(struct build *b)
{
	for (size_t list = 0; list <= b->columns; list++) {
		const struct list *l = &b->list[list];
		bool passing = has_passing(l);

		for (uint32_t n = 0; n < b->n_info; n++) {
			const uint16_t *v = build_vector(b, n);

			for (unsigned int a = 0; a < ANSWERS && b->info[n].live; a++) {
				uint16_t end = end_of(b, v, list, a);

				if (!list_asked(b, v, list, a))
					continue;
				if (end < l->n)
					reached(b, list, end);
				if (passing)
					reach_passing(b, v, list, a);
			}
		}
	}
}

static bool is_empty(const struct build *b, const struct mr_source *s)
{
	const struct mr_set *set = mr_policy_source_set(b->policy, b->host, s);

	switch (s->kind) {
	case MR_SOURCE_ANY:
	case MR_SOURCE_PERMITTED:
	case MR_SOURCE_BANNED:
	case MR_SOURCE_NAME:
		return false;
	default:
		return !set || (set->n4 == 0 && set->n6 == 0);
	}
}

static void not_judged(struct build *b, const struct mr_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b->reachable[rules[i].number] = MR_RULE_MATCHES;
}

void mr_image_reach_finish(struct build *b)
{
	const struct mr_policy *p = b->policy;
	bool asked = false;

	for (size_t c = 0; c < b->columns; c++)
		asked = asked || b->list[c].asks_global;
	if (!asked)
		not_judged(b, p->global, p->n_global);
	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].mode == MR_MODE_OFF)
			not_judged(b, p->services[i].rules, p->services[i].n_rules);
	reach_live(b);
	for (size_t c = 0; c <= b->columns; c++)
		for (uint16_t i = 0; i < b->list[c].n; i++) {
			const struct mr_rule *r = &b->list[c].rules[i];

			if (!b->reachable[r->number] && is_empty(b, &r->source))
				b->reachable[r->number] = MR_RULE_EMPTY;
		}
}
