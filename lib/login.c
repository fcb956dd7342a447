// SPDX-License-Identifier: BSD-2-Clause
/*
 * login.c - reads the rules as the login layer does (login.h).
 *
 * The same order as the packet layer's, with two questions more: who logs in, and what the client
 * is called.  `allow … users` ends the reading, listed or not; `deny … users` refuses those listed
 * and is read past by others; a `name` that does not fit is read past.  Without a login the
 * address alone decides: nobody can be unlisted who has not said who he is.
 *
 * Written from the manual, not from match.c; that one refuses only what this one refuses, and a
 * test says so.  Never fails, never allocates.  Called by the relay's logic, `why` and the tests.
 */
#include <mailreeve/login.h>
#include <mailreeve/match.h>

#include <strings.h>

bool mr_login_listed(const struct mr_rule *r, const char *user)
{
	for (size_t i = 0; i < r->n_users; i++)
		if (strcasecmp(r->users[i], user) == 0)
			return true;
	return false;
}

bool mr_login_name_fits(const char *domain, const char *name)
{
	size_t d, n;

	if (!name || strcasecmp(name, "unknown") == 0)
		return false;
	d = strlen(domain);
	n = strlen(name);
	if (n > 0 && name[n - 1] == '.')
		n--;
	return d > 0 && n >= d && strncasecmp(name + n - d, domain, d) == 0 &&
	       (n == d || name[n - d - 1] == '.');
}

static bool login_holds(const struct mr_login_query *q, const struct mr_rule *r)
{
	if (r->source.kind == MR_SOURCE_NAME)
		return mr_login_name_fits(r->source.domain, q->name);
	return mr_source_holds(q->policy, q->host, &r->source, &q->address, q->permitted,
			       q->banned);
}

/* The rule of one list that decides, or NULL; *action is what it says to this login. */
static const struct mr_rule *login_read(const struct mr_login_query *q, const struct mr_rule *rules,
					size_t n, enum mr_action *action, size_t *passed_over)
{
	bool known = q->user && *q->user;

	for (size_t i = 0; i < n; i++) {
		const struct mr_rule *r = &rules[i];

		if (!login_holds(q, r)) {
			*passed_over += r->source.kind == MR_SOURCE_NAME;
			continue;
		}
		if (r->users && r->action != MR_ALLOW && !(known && mr_login_listed(r, q->user))) {
			++*passed_over;
			continue;
		}
		*action = r->action;
		if (r->users && r->action == MR_ALLOW && known && !mr_login_listed(r, q->user))
			*action = MR_DENY;
		return r;
	}
	return NULL;
}

/* Who matched nothing: everybody may, unless somebody wrote a rule or a default that says no. */
static enum mr_action login_default(const struct mr_service *s)
{
	bool written = false;

	for (size_t i = 0; i < s->n_rules; i++)
		written |= !s->rules[i].implied;
	if (s->has_default)
		return s->default_allow ? MR_ALLOW : MR_UNMATCHED;
	return written ? MR_UNMATCHED : MR_ALLOW;
}

void mr_login(const struct mr_login_query *q, struct mr_login_answer *out)
{
	const struct mr_service *s = q->service;
	struct mr_login_answer a = { .action = login_default(s) };
	enum mr_action global = MR_ALLOW;
	const struct mr_rule *by;

	a.rule = login_read(q, s->rules, s->n_rules, &a.action, &a.passed_over);
	if (a.action == MR_ALLOW && !s->noglobal) {
		a.global_rule = login_read(q, q->policy->global, q->policy->n_global, &global,
					   &a.passed_over);
		a.action = global;
	}
	by = mr_login_by(&a);
	a.noauth = a.action == MR_ALLOW && a.rule && a.rule->noauth;
	a.unlisted = a.action != MR_ALLOW && by && by->action == MR_ALLOW;
	*out = a;
}
