// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy.c - the domain model's few questions about itself (policy.h).
 *
 * Reads only; a policy is made by lib/config and changed by nobody.  Called by everybody.  Cannot
 * fail: what is not there is NULL or false.
 */
#include <mailreeve/host.h>
#include <mailreeve/policy.h>

#include "arena.h"

const struct mr_builtin_service mr_builtin_services[] = {
	{ "smtp", MR_FAMILY_SMTP, 25 },
	{ "submission", MR_FAMILY_SMTP, 587 },
	{ "submissions", MR_FAMILY_SMTP, 465 },
	{ "pop3", MR_FAMILY_POP3, 110 },
	{ "pop3s", MR_FAMILY_POP3, 995 },
	{ "imap", MR_FAMILY_IMAP, 143 },
	{ "imaps", MR_FAMILY_IMAP, 993 },
	{ "sieve", MR_FAMILY_SIEVE, 4190 },
	{ NULL, MR_FAMILY_NONE, 0 },
};

void mr_policy_free(struct mr_policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_sets; i++)
		mr_set_clear(&p->sets[i].set);
	mr_arena_free(p->arena);
	free(p);
}

static const struct mr_rule *numbered(const struct mr_rule *r, size_t n, unsigned int number)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].number == number && !r[i].implied)
			return &r[i];
	return NULL;
}

const struct mr_rule *mr_policy_rule(const struct mr_policy *p, unsigned int number,
				     const struct mr_service **service)
{
	const struct mr_rule *r;

	if (number == 0 || number > p->n_numbered)
		return NULL;
	for (size_t i = 0; i < p->n_services; i++) {
		const struct mr_service *s = &p->services[i];

		r = numbered(s->rules, s->n_rules, number);
		if (r) {
			if (service)
				*service = s;
			return r;
		}
	}
	r = numbered(p->global, p->n_global, number);
	if (r && service)
		*service = NULL;
	return r;
}

const struct mr_service *mr_policy_service(const struct mr_policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_services; i++)
		if (strcmp(p->services[i].name, name) == 0)
			return &p->services[i];
	return NULL;
}

const struct mr_service *mr_policy_port(const struct mr_policy *p, uint16_t port)
{
	for (size_t i = 0; i < p->n_services; i++)
		for (size_t j = 0; j < p->services[i].n_ports; j++)
			if (p->services[i].ports[j] == port)
				return &p->services[i];
	return NULL;
}

static bool uses(const struct mr_rule *r, size_t n, enum mr_source_kind kind)
{
	for (size_t i = 0; i < n; i++)
		if (r[i].source.kind == kind)
			return true;
	return false;
}

bool mr_policy_uses(const struct mr_policy *p, enum mr_source_kind kind)
{
	bool global = false;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct mr_service *s = &p->services[i];

		if (s->mode == MR_MODE_OFF)
			continue;
		if (uses(s->rules, s->n_rules, kind))
			return true;
		global |= !s->noglobal;
	}
	return global && uses(p->global, p->n_global, kind);
}

const struct mr_set *mr_policy_source_set(const struct mr_policy *p, const struct mr_host *h,
					  const struct mr_source *s)
{
	switch (s->kind) {
	case MR_SOURCE_SET:
		return &p->sets[s->set].set;
	case MR_SOURCE_LOCAL:
		return h ? &h->local : NULL;
	case MR_SOURCE_LOCAL_PUBLIC:
		return h ? &h->local_public : NULL;
	case MR_SOURCE_GATEWAYS:
		return h ? &h->gateways : NULL;
	case MR_SOURCE_LOOPBACK:
		return h ? &h->loopback : NULL;
	case MR_SOURCE_ANY:
	case MR_SOURCE_PERMITTED:
	case MR_SOURCE_BANNED:
	case MR_SOURCE_NAME:
		break;
	}
	return NULL;
}
