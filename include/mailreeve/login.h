/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login.h - the rules in full, as the mail servers are answered: users and verified host names too.
 *
 * Pure logic over a policy, the host's facts and what the book says of the address.  What the
 * packet layer refuses, this layer never allows.
 */
#ifndef MAILREEVE_LOGIN_H
#define MAILREEVE_LOGIN_H

#include <mailreeve/host.h>
#include <mailreeve/policy.h>

struct mr_login_query {
	const struct mr_policy *policy;
	const struct mr_host *host;
	const struct mr_service *service;
	struct mr_addr address;
	const char *user; /* NULL or "": nobody has logged in */
	const char *name; /* verified by the mail server; NULL, "" or "unknown": none */
	bool permitted, banned; /* an entry that covers this service */
};

struct mr_login_answer {
	enum mr_action action; /* the policy's, whatever the service's mode */
	bool noauth; /* allowed, and by a rule that says noauth */
	bool unlisted; /* refused by an `allow … users` that does not list this login */
	const struct mr_rule *rule; /* the service's rule that decided, or NULL */
	const struct mr_rule *global_rule; /* the rule of `global` that decided after it, or NULL */
	size_t passed_over; /* rules whose source held, read past for their users or name */
};

void mr_login(const struct mr_login_query *q, struct mr_login_answer *out);
/* The rule that the answer comes from, or NULL: the service's default. */
static inline const struct mr_rule *mr_login_by(const struct mr_login_answer *a)
{
	return a->global_rule && a->action != MR_ALLOW ? a->global_rule : a->rule;
}

/* Logins are compared without regard to ASCII case, as learning does. */
bool mr_login_listed(const struct mr_rule *r, const char *user);
/* `name DOMAIN`: the domain itself and every name below it. */
bool mr_login_name_fits(const char *domain, const char *name);

#endif
