// SPDX-License-Identifier: BSD-2-Clause
/*
 * match.c - the reference matcher (match.h).
 *
 * Reads a service's rules from the top and then `global`, for one address, exactly as the manual
 * tells it, with no table and no shortcut.  It shares nothing with the compiler on purpose: it is
 * the compiler's judge, and what `why` and the login layer say is what it says.
 *
 * Never fails, never allocates, changes nothing; sets must be sealed.
 */
#include <mailreeve/match.h>

bool mr_source_holds(const struct mr_policy *p, const struct mr_host *h,
		     const struct mr_source *src, const struct mr_addr *a, bool permitted,
		     bool banned)
{
	switch (src->kind) {
	case MR_SOURCE_ANY:
		return true;
	case MR_SOURCE_SET:
		return mr_set_find(&p->sets[src->set].set, a, NULL, NULL, NULL);
	case MR_SOURCE_LOCAL:
		return h && mr_set_find(&h->local, a, NULL, NULL, NULL);
	case MR_SOURCE_LOCAL_PUBLIC:
		return h && mr_set_find(&h->local_public, a, NULL, NULL, NULL);
	case MR_SOURCE_GATEWAYS:
		return h && mr_set_find(&h->gateways, a, NULL, NULL, NULL);
	case MR_SOURCE_LOOPBACK:
		return h && mr_set_find(&h->loopback, a, NULL, NULL, NULL);
	case MR_SOURCE_PERMITTED:
		return permitted;
	case MR_SOURCE_BANNED:
		return banned;
	case MR_SOURCE_NAME:
		return false;
	}
	return false;
}

/* The first rule that decides for the packet layer, or NULL. */
static const struct mr_rule *first_rule(const struct mr_policy *p, const struct mr_host *h,
					const struct mr_rule *rules, size_t n,
					const struct mr_addr *a, bool permitted, bool banned,
					size_t *passed_over)
{
	for (size_t i = 0; i < n; i++) {
		const struct mr_rule *r = &rules[i];
		bool named = r->source.kind == MR_SOURCE_NAME;

		if (!named && !mr_source_holds(p, h, &r->source, a, permitted, banned))
			continue;
		/* some login, or some name, could still be let in: the packet must not be dropped
		 */
		if (r->action != MR_ALLOW && (named || r->users)) {
			++*passed_over;
			continue;
		}
		return r;
	}
	return NULL;
}

/* What meets an address that none of the service's rules held. */
static enum mr_action unmatched(const struct mr_service *s)
{
	if (s->has_default)
		return s->default_allow ? MR_ALLOW : MR_UNMATCHED;
	for (size_t i = 0; i < s->n_rules; i++)
		if (!s->rules[i].implied)
			return MR_UNMATCHED;
	return MR_ALLOW; /* a service without rules is open */
}

void mr_match(const struct mr_policy *p, const struct mr_host *h, const struct mr_service *s,
	      const struct mr_addr *a, bool permitted, bool banned, struct mr_match *out)
{
	struct mr_match m = { 0 };
	enum mr_action action;
	uint16_t number = 0;

	m.rule = first_rule(p, h, s->rules, s->n_rules, a, permitted, banned, &m.passed_over);
	if (m.rule) {
		action = m.rule->action;
		number = m.rule->number;
	} else {
		action = unmatched(s);
	}
	if (action == MR_ALLOW && !s->noglobal) {
		m.global_rule = first_rule(p, h, p->global, p->n_global, a, permitted, banned,
					   &m.passed_over);
		/* an `allow` of global lets the service's own rule stand, and its number with it */
		if (m.global_rule && m.global_rule->action != MR_ALLOW) {
			action = m.global_rule->action;
			number = m.global_rule->number;
		}
	}
	m.outcome = MR_OUTCOME(number, action);
	*out = m;
}
