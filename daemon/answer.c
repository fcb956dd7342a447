// SPDX-License-Identifier: BSD-2-Clause
/*
 * answer.c - from a question of Postfix to the bytes that go back (policyd.h).
 *
 * Finds the service by the server's port, asks the account of who has logged in, the book and the
 * relay's logic, lets the sources catch up before it refuses for want of a permit, and says in the
 * log why it refused.  An answer OK leaves here only for the relay context; what cannot be judged
 * (no policy; a port of no service or no address, where no account refuses) is DUNNO.  Never fails,
 * never waits for a store.  Called by asker.c on the main thread.
 */
#include "learn.h"
#include "policyd.h"

#include <inttypes.h>
#include <string.h>

#define SHOWN 96 /* bytes of a stranger's text in a log line */

bool mr_answer_may_log(struct mr_policyd *d, bool trouble)
{
	uint64_t second = mr_boottime_ns() / 1000000000ull;

	if (second != d->log_second) {
		if (d->log_lost)
			mr_log(&d->m->log, LOG_INFO, "%u more lines about answers left out",
			       d->log_lost);
		d->log_second = second;
		d->log_lines[0] = d->log_lines[1] = d->log_lost = 0;
	}
	if (d->log_lines[trouble] < MR_ASK_LOGS) {
		d->log_lines[trouble]++;
		return true;
	}
	d->log_lost++;
	return false;
}

/* What a stranger typed, fit for a line of text. */
static const char *shown(const char *text, char buf[static SHOWN + 1])
{
	size_t n = 0;

	for (; n < SHOWN && text[n]; n++)
		buf[n] = (unsigned char)text[n] < ' ' || text[n] == 0x7f ? '?' : text[n];
	buf[n] = '\0';
	return buf;
}

/* --- what the daemon knows -------------------------------------------------------------------- */

static bool covers(const struct mr_manager *m, enum mr_entry_kind kind,
		   const struct mr_login_query *q, uint64_t now)
{
	uint8_t id = m->active->service_id[q->service - m->active->policy->services];

	return id < MR_SERVICES_MAX && mr_book_services(m->book, kind, &q->address, now) >> id & 1;
}

static void ask_book(const struct mr_manager *m, struct mr_login_query *q)
{
	uint64_t now = mr_boottime_ns();

	q->permitted = covers(m, MR_PERMIT, q, now);
	q->banned = covers(m, MR_BAN, q, now);
}

static void ask(struct mr_policyd *d, struct mr_relay_query *q, struct mr_relay_answer *a)
{
	if (q->login.service)
		ask_book(d->m, &q->login);
	mr_relay(q, a);
}

/* The client that collected its mail a moment ago may stand in a log that nobody has read yet. */
static void catch_up(struct mr_policyd *d, struct mr_relay_query *q, struct mr_relay_answer *a)
{
	if (!q->login.service || !mr_relay_wants_permit(q, a))
		return;
	d->counts.drained++;
	mr_learn_drain(d->m, MR_DRAIN_NS);
	ask(d, q, a);
}

static bool begin(struct mr_policyd *d, struct mr_relay_query *q)
{
	q->lists = mr_relay_files(d);
	if (!q->lists || !d->m->book)
		return false;
	q->login.policy = d->m->active->policy;
	q->login.host = d->m->active->host;
	q->sender = q->recipient = "";
	return true;
}

/* --- policy ----------------------------------------------------------------------------------- */

/* A zone belongs to a link-local address in text, and to no rule. */
static bool read_address(const char *text, struct mr_addr *out)
{
	return mr_addr_parse(text, strcspn(text, "%"), out) == 0;
}

static const struct mr_service *find_service(const struct mr_policy *p,
					     const struct mr_policy_request *r)
{
	const struct mr_service *s;
	struct mr_addr to;
	unsigned long port;
	char *end;

	port = strtoul(r->server_port, &end, 10);
	if (*end || end == r->server_port || port == 0 || port > UINT16_MAX)
		return NULL;
	s = mr_policy_port(p, (uint16_t)port);
	if (!s || !s->n_to || !read_address(r->server_address, &to))
		return s;
	for (size_t i = 0; i < s->n_to; i++)
		if (memcmp(&s->to[i], &to, sizeof(to)) == 0)
			return s;
	return NULL;
}

static void log_refusal(struct mr_policyd *d, const struct mr_policy_request *r,
			const struct mr_relay_query *q, const struct mr_relay_answer *a)
{
	char address[SHOWN + 1], from[SHOWN + 1], to[SHOWN + 1], user[SHOWN + 1];
	const char *service = q->login.service ? q->login.service->name : "a port of no service";

	if (!mr_answer_may_log(d, false))
		return;
	shown(r->client_address, address);
	mr_log_with(&d->m->log, LOG_INFO,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_ANSWER }, { "MAILREEVE_ADDRESS", address },
			      { "MAILREEVE_SERVICE", service }),
		    "%s %s at %s%s%s%s: from <%s> to <%s>: %s",
		    a->shadow ? "would refuse" : "refused", address, service,
		    q->relay ? " to relay" : "", *r->sasl_username ? ", user " : "",
		    shown(r->sasl_username, user), shown(r->sender, from), shown(r->recipient, to),
		    a->reason);
}

static void decide(struct mr_policyd *d, const struct mr_policy_request *r, bool account_refuses,
		   struct mr_relay_answer *a)
{
	bool rcpt = strcmp(r->protocol_state, "RCPT") == 0;
	struct mr_relay_query q = { .account_refuses = account_refuses };

	a->kind = MR_RELAY_DUNNO;
	if (!begin(d, &q))
		return;
	if (read_address(r->client_address, &q.login.address))
		q.login.service = find_service(q.login.policy, r);
	if (!q.login.service && !account_refuses)
		return;
	q.login.user = r->sasl_username;
	q.login.name = r->client_name;
	q.sender = r->sender;
	q.relay = strcmp(r->policy_context, "relay") == 0;
	q.recipient = rcpt || !q.relay ? r->recipient : "";
	q.message = rcpt;
	ask(d, &q, a);
	catch_up(d, &q, a);
	if (a->kind == MR_RELAY_OK && !q.relay)
		a->kind = MR_RELAY_DUNNO;
	if (a->kind == MR_RELAY_REFUSE || a->shadow)
		log_refusal(d, r, &q, a);
}

/* Whatever the port: who sends with a login of Postfix sends mail. */
int mr_answer_policy(struct mr_policyd *d, const struct mr_policy_request *r,
		     char seen[static MR_INSTANCE], struct mr_answer *out, mr_accounts_done done,
		     void *userdata)
{
	struct mr_addr address;
	int refuses = 0;

	if (*r->sasl_username)
		refuses =
			mr_accounts_ask(d->m, r->sasl_username, MR_FAMILY_SMTP,
					read_address(r->client_address, &address) ? &address : NULL,
					done, userdata);
	if (refuses < 0)
		return refuses;
	mr_answer_policy_known(d, r, refuses > 0, seen, out);
	return 0;
}

void mr_answer_policy_known(struct mr_policyd *d, const struct mr_policy_request *r,
			    bool account_refuses, char seen[static MR_INSTANCE],
			    struct mr_answer *out)
{
	struct mr_relay_answer a = { 0 };
	const char *action = "DUNNO";

	d->counts.questions++;
	decide(d, r, account_refuses, &a);
	d->counts.shadow += a.shadow;
	if (a.kind == MR_RELAY_PREPEND && *r->instance &&
	    strncmp(seen, r->instance, MR_INSTANCE - 1) == 0)
		a.kind = MR_RELAY_DUNNO;
	switch (a.kind) {
	case MR_RELAY_OK:
		action = "OK";
		d->counts.ok++;
		break;
	case MR_RELAY_REFUSE:
		action = a.text;
		d->counts.refused++;
		break;
	case MR_RELAY_PREPEND:
		snprintf(seen, MR_INSTANCE, "%s", r->instance);
		d->counts.prepended++;
		break;
	case MR_RELAY_DUNNO:
		d->counts.dunno++;
		break;
	}
	out->len = (size_t)snprintf(out->text, sizeof(out->text), "action=%s%s\n\n",
				    a.kind == MR_RELAY_PREPEND ? "PREPEND " : "",
				    a.kind == MR_RELAY_PREPEND ? a.text : action);
}

/* --- socketmap -------------------------------------------------------------------------------- */

/* A table has no port: `permit` is any mail service's, a refusal must be all of theirs. */
static void ask_services(struct mr_policyd *d, struct mr_relay_query *q, bool *may, bool *refused,
			 char text[static MR_RELAY_TEXT])
{
	const struct mr_policy *p = q->login.policy;
	bool any = false;

	*may = false;
	*refused = true;
	for (size_t i = 0; i < p->n_services; i++) {
		struct mr_relay_answer a;

		q->login.service = &p->services[i];
		if (q->login.service->family != MR_FAMILY_SMTP ||
		    q->login.service->mode == MR_MODE_OFF)
			continue;
		ask(d, q, &a);
		*may |= a.may_relay;
		if (a.kind != MR_RELAY_REFUSE)
			*refused = false;
		else if (!any)
			memcpy(text, a.text, MR_RELAY_TEXT);
		any = true;
	}
	*refused &= any;
}

static bool look_up(struct mr_policyd *d, const struct mr_socketmap_request *r,
		    char text[static MR_RELAY_TEXT])
{
	bool permit = strcmp(r->map, "permit") == 0, may, refused;
	struct mr_relay_query q = { 0 };

	if (!permit && strcmp(r->map, "access") != 0) {
		if (mr_answer_may_log(d, true))
			mr_log(&d->m->log, LOG_WARNING,
			       "socketmap: a question for a map that is none: there are "
			       "\"permit\" and \"access\"");
		return false;
	}
	if (mr_addr_parse(r->key, strlen(r->key), &q.login.address) < 0 || !begin(d, &q))
		return false;
	ask_services(d, &q, &may, &refused, text);
	if ((permit ? !may : refused)) {
		d->counts.drained++;
		mr_learn_drain(d->m, MR_DRAIN_NS);
		ask_services(d, &q, &may, &refused, text);
	}
	if (permit)
		snprintf(text, MR_RELAY_TEXT, "OK");
	return permit ? may : refused;
}

void mr_answer_socketmap(struct mr_policyd *d, const struct mr_socketmap_request *r,
			 struct mr_answer *out)
{
	char text[MR_RELAY_TEXT] = "";
	bool found = look_up(d, r, text);

	d->counts.lookups++;
	d->counts.found += found;
	out->len = mr_socketmap_reply(out->text, found ? "OK" : "NOTFOUND", found ? text : "");
}
