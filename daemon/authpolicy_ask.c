// SPDX-License-Identifier: BSD-2-Clause
/*
 * authpolicy_ask.c - asks the policy, the book and the learner on behalf of Dovecot
 * (authpolicy_ask.h).
 *
 * Before a refusal for want of a permit the sources are read: who collected his mail a moment ago
 * is not turned away.  Refusals are logged, at most so many a second: a flood of them must not fill
 * the disk.  Called by authpolicy.c on the main thread; never blocks longer than the sources take.
 */
#include "authpolicy_ask.h"
#include "learn.h"
#include "listeners.h"

#include <string.h>

#define DRAIN_NS     20000000ull /* 20 ms at most for what the sources have ready */
#define LISTENING_NS 5000000000ull /* who listens where is looked up so often */
#define TOLD_NS	     1000000000ull
#define TOLD_MAX     20 /* messages about refusals in that time */

/* Bit by position in the policy's services: has the address such an entry for it? */
static uint64_t covered(const struct mr_manager *m, enum mr_entry_kind kind,
			const struct mr_addr *a)
{
	const struct mr_policy *p = m->active->policy;
	uint64_t services = mr_book_services(m->book, kind, a, mr_boottime_ns()), bits = 0;

	for (size_t i = 0; services && i < p->n_services; i++) {
		uint8_t id = m->active->service_id[i];

		if (id < MR_SERVICES_MAX && services >> id & 1)
			bits |= 1ull << i;
	}
	return bits;
}

static const uint8_t *listening(struct mr_authpolicy_counts *c)
{
	uint64_t now = mr_boottime_ns();

	if (c->listening && now < c->listening_at + LISTENING_NS)
		return c->listening;
	if (!c->listening)
		c->listening = malloc(65536);
	if (c->listening && mr_listeners(c->listening) < 0)
		memset(c->listening, 1, 65536); /* rather let in than lock out */
	c->listening_at = now;
	return c->listening;
}

static void printable(const char *in, char *out, size_t max)
{
	size_t i;

	for (i = 0; in[i] && i + 1 < max; i++)
		out[i] = (unsigned char)in[i] < ' ' || (unsigned char)in[i] > '~' || in[i] == '"'
				 ? '?'
				 : in[i];
	out[i] = '\0';
}

static void tell(struct mr_manager *m, const struct mr_authpolicy *q,
		 const struct mr_authpolicy_answer *a, struct mr_authpolicy_counts *c)
{
	static const char *const family[] = { "a", "an smtp", "a pop3", "an imap", "a sieve" };
	const struct mr_rule *by = mr_login_by(&a->login);
	char address[MR_ADDR_TEXT] = "nowhere", user[64], why[160] = "the account's limits";
	uint64_t now = mr_boottime_ns();

	if (now >= c->told_since + TOLD_NS) {
		c->told_since = now;
		c->told = 0;
	}
	if (c->told++ >= TOLD_MAX)
		return;
	if (q->has_address)
		mr_addr_text(&q->address, address);
	printable(q->login, user, sizeof(user));
	if (!a->account)
		snprintf(why, sizeof(why), "%s: %s%s", a->service->name,
			 by ? by->text : "no rule matches",
			 a->login.unlisted ? ", which does not list this login" : "");
	mr_log_with(&m->log, LOG_INFO,
		    MR_FIELDS({ "MAILREEVE_ADDRESS", address }, { "MAILREEVE_USER", user }),
		    "dovecot: %s login of \"%s\" from %s %s: %s", family[q->family], user, address,
		    a->refuse ? "refused" : "would be refused, but for shadow mode", why);
}

static void judge(struct mr_manager *m, const struct mr_authpolicy *q, bool account_refuses,
		  bool permitted, struct mr_authpolicy_counts *c, struct mr_authpolicy_answer *out)
{
	struct mr_authpolicy_query query = {
		.policy = m->active->policy,
		.host = m->active->host,
		.request = q,
		.permitted = permitted ? UINT64_MAX : covered(m, MR_PERMIT, &q->address),
		.banned = covered(m, MR_BAN, &q->address),
		.listening = listening(c),
		.account_refuses = account_refuses,
	};

	mr_authpolicy_judge(&query, out);
}

bool mr_authpolicy_refuses(struct mr_manager *m, const struct mr_authpolicy *q,
			   bool account_refuses, struct mr_authpolicy_counts *c)
{
	struct mr_authpolicy_answer a, with;

	if (!m->active)
		return false;
	judge(m, q, account_refuses, false, c, &a);
	if (a.refuse && m->learn) {
		judge(m, q, account_refuses, true, c, &with);
		if (!with.refuse) {
			mr_learn_drain(m, DRAIN_NS);
			judge(m, q, account_refuses, false, c, &a);
		}
	}
	if (a.refuse || a.shadow)
		tell(m, q, &a, c);
	c->refused += a.refuse;
	c->shadow += a.shadow;
	c->allowed += !a.refuse;
	return a.refuse;
}

void mr_authpolicy_report(struct mr_manager *m, const struct mr_authpolicy *q, bool proved,
			  struct mr_authpolicy_counts *c)
{
	struct mr_learn_result result;
	struct mr_event e;

	if (!proved) {
		if (c->ignored++ == 0)
			mr_log(&m->log, LOG_WARNING,
			       "dovecot: a report without the secret is ignored; set "
			       "auth_policy_server_api_header (mailreeved(8)); more are only "
			       "counted");
		return;
	}
	c->reports++;
	if (m->active && mr_authpolicy_event(q, &e))
		(void)mr_learn_event(m, &e, 0, "dovecot", &result);
}

void mr_authpolicy_ask_clear(struct mr_authpolicy_counts *c)
{
	free(MR_TAKE_PTR(c->listening));
}
