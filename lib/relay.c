// SPDX-License-Identifier: BSD-2-Clause
/*
 * relay.c - what Postfix is answered (relay.h).
 *
 * In this order: the rules (who may talk at all), the account of who has logged in, the sender
 * (kill file, check-sender), closed groups, and in the relay context the relay itself.  A service
 * in shadow mode refuses nothing; of one that is off only the account is asked.  Never allocates
 * but for the lists, never fails, changes nothing. Called by the daemon's policyd, by `why` and the
 * tests.
 *
 * Addresses are what a client typed, and go into a text only after every byte that is no part of a
 * host name has been taken out.
 */
#include <mailreeve/relay.h>

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#define ACCOUNT_REASON "the account's limits refuse the address"
#define HOST_SHOWN     64 /* bytes of a stranger's host name in a reply */
#define LOCAL_MAX      64 /* bytes of a local part, RFC 5321 */
#define DOMAIN_MAX     255

static const struct {
	const char *code, *text;
} refusals[] = {
	{ "550 5.7.1", "access denied" },
	{ "501 5.7.1", "unacceptable mail address" },
	{ "501 5.1.7", "unacceptable mail address" },
	{ "550 5.7.1", "this group takes mail from its own users only" },
	{ "550 5.7.1", NULL }, /* unknown local host …, not a gateway */
};
enum refusal { REFUSE_ACCESS, REFUSE_KILLED, REFUSE_SENDER, REFUSE_GROUP, REFUSE_RELAY };

/* --- lists ------------------------------------------------------------------------------------ */

int mr_relay_lists_new(const struct mr_policy *p, struct mr_relay_lists **out)
{
	_cleanup_(mr_relay_lists_freep) struct mr_relay_lists *l = calloc(1, sizeof(*l));
	int r = l ? mr_names_words(p->relay.local_domains, p->relay.n_local_domains, &l->local)
		  : -ENOMEM;

	if (r == 0)
		r = mr_names_words(p->relay.to, p->relay.n_to, &l->to);
	if (r == 0)
		*out = MR_TAKE_PTR(l);
	return r;
}

void mr_relay_lists_free(struct mr_relay_lists *l)
{
	if (!l)
		return;
	mr_names_free(l->local);
	mr_names_free(l->to);
	for (size_t i = 0; i < MR_ARRAY_SIZE(l->file); i++)
		mr_names_free(l->file[i]);
	free(l);
}

const char *mr_relay_path(const struct mr_policy *p, enum mr_names_kind kind)
{
	switch (kind) {
	case MR_NAMES_KILL:
		return p->relay.kill_file;
	case MR_NAMES_ACCEPT:
		return p->relay.accept_file;
	case MR_NAMES_GROUPS:
		return p->relay.groups_file;
	}
	return NULL;
}

static bool file_has(const struct mr_relay_query *q, enum mr_names_kind kind, const char *text,
		     size_t len)
{
	return mr_names_has(q->lists->file[kind], text, len);
}

/* --- addresses -------------------------------------------------------------------------------- */

struct mailbox {
	const char *text, *host; /* host NULL: a name without one */
	size_t local_len, host_len, len; /* len: without a root's dot */
};

/* Postfix sends the unquoted form: the last @ is the one that counts. */
static struct mailbox mailbox(const char *text)
{
	const char *at = strrchr(text, '@');
	struct mailbox m = { .text = text, .len = strlen(text) };

	m.local_len = m.len;
	if (!at)
		return m;
	m.host = at + 1;
	m.host_len = strlen(m.host);
	if (m.host_len > 1 && m.host[m.host_len - 1] == '.')
		m.host_len--, m.len--;
	m.local_len = (size_t)(at - text);
	return m;
}

/* user@elsewhere@here, user%elsewhere@here, elsewhere!user@here: a local host may send it on. */
static bool routed(const struct mailbox *m)
{
	return memchr(m->text, '@', m->local_len) || memchr(m->text, '%', m->local_len) ||
	       memchr(m->text, '!', m->local_len);
}

/* A name without a host is delivered here, and so is <>. */
static bool is_local(const struct mr_relay_query *q, const struct mailbox *m)
{
	return !m->host || m->host_len == 0 || mr_names_has(q->lists->local, m->host, m->host_len);
}

static bool host_valid(const char *host)
{
	size_t label = 0, dots = 0;
	bool digits = true;

	if (host[0] == '[') {
		size_t n = strlen(host), skip = strncasecmp(host + 1, "IPv6:", 5) == 0 ? 6 : 1;
		struct mr_addr a;

		return host[n - 1] == ']' && n > skip + 1 &&
		       mr_addr_parse(host + skip, n - skip - 1, &a) == 0;
	}
	for (const char *c = host; *c; c++) {
		unsigned char b = (unsigned char)*c;

		if (b == '.') {
			if (label == 0 || c[-1] == '-')
				return false;
			dots++;
			label = 0;
			digits = true;
			continue;
		}
		if (!(b >= 0x80 || b == '-' || (b >= '0' && b <= '9') || (b >= 'a' && b <= 'z') ||
		      (b >= 'A' && b <= 'Z')) ||
		    (b == '-' && label == 0) || ++label > 63)
			return false;
		digits &= b >= '0' && b <= '9';
	}
	return dots > 0 && label > 0 && !digits && host[strlen(host) - 1] != '-';
}

bool mr_relay_sender_valid(const char *sender)
{
	struct mailbox m = mailbox(sender);

	if (!*sender)
		return true; /* bounces have none */
	if (!m.host || m.local_len == 0 || m.local_len > LOCAL_MAX || strlen(m.host) > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < m.local_len; i++)
		if ((unsigned char)sender[i] < ' ' || sender[i] == 0x7f)
			return false;
	return host_valid(m.host);
}

/* --- who may relay ---------------------------------------------------------------------------- */

/* On the accept file: its address, its host, itself; a bare name stands for a user of ours. */
static bool accepted(const struct mr_relay_query *q, const struct mailbox *m)
{
	char text[MR_ADDR_TEXT];

	mr_addr_text(&q->login.address, text);
	if (file_has(q, MR_NAMES_ACCEPT, text, strlen(text)))
		return true;
	if (!m->host || !m->host_len)
		return false;
	return file_has(q, MR_NAMES_ACCEPT, m->host, m->host_len) ||
	       file_has(q, MR_NAMES_ACCEPT, m->text, m->len) ||
	       (mr_names_has(q->lists->local, m->host, m->host_len) &&
		file_has(q, MR_NAMES_ACCEPT, m->text, m->local_len));
}

static bool by_mode(const struct mr_relay_query *q, const struct mr_relay_answer *a)
{
	struct mailbox m = mailbox(q->sender);

	switch (q->login.policy->relay.mode) {
	case MR_RELAY_ANYONE:
		return true;
	case MR_RELAY_NONE:
		return false;
	case MR_RELAY_ADDRESSES:
		return a->login.noauth;
	case MR_RELAY_LOCAL_HOSTS:
		return a->login.noauth || accepted(q, &m) ||
		       (m.host && mr_names_has(q->lists->local, m.host, m.host_len));
	case MR_RELAY_LOCAL_USERS:
		return a->login.noauth || accepted(q, &m);
	}
	return false;
}

/* … if nothing refuses him (refused). */
static bool may_relay(const struct mr_relay_query *q, const struct mr_relay_answer *a)
{
	return (q->login.user && *q->login.user) || by_mode(q, a);
}

/* --- words ------------------------------------------------------------------------------------ */

static void say(struct mr_relay_answer *a, const char *fmt, ...) _printf_(2, 3);
static void say(struct mr_relay_answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->reason, sizeof(a->reason), fmt, ap);
	va_end(ap);
}

static void gateway_text(const struct mr_relay_query *q, char out[static MR_RELAY_TEXT])
{
	struct mailbox m = mailbox(q->recipient);
	char host[HOST_SHOWN + 2] = "";
	size_t n = 0;

	for (size_t i = 0; m.host && i < m.host_len && n < HOST_SHOWN; i++) {
		char c = m.host[i];

		if (c == '.' || c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z'))
			host[n++] = c;
	}
	host[n] = '\0';
	snprintf(out, MR_RELAY_TEXT, "unknown local host%s%s, not a gateway", n ? " " : "", host);
}

/* A text with a reply code of its own stands as it is. */
static void reply(const struct mr_relay_query *q, enum refusal why, struct mr_relay_answer *a)
{
	const struct mr_relay_options *o = &q->login.policy->relay;
	const char *const own[] = { o->refuse_access_text, o->refuse_sender_text,
				    o->refuse_sender_text, o->refuse_group_text,
				    o->refuse_relay_text };
	char gateway[MR_RELAY_TEXT];
	const char *text = own[why] ?: refusals[why].text;

	if (!text) {
		gateway_text(q, gateway);
		text = gateway;
	}
	if (own[why] && text[0] >= '4' && text[0] <= '5' && strlen(text) > 4 && text[3] == ' ')
		snprintf(a->text, sizeof(a->text), "%s", text);
	else
		snprintf(a->text, sizeof(a->text), "%s %.450s", refusals[why].code, text);
}

static void refuse(const struct mr_relay_query *q, enum refusal why, struct mr_relay_answer *a)
{
	/* who does not know his own domains cannot tell relaying from delivery */
	if (q->relay && mr_names_count(q->lists->local) == 0)
		return;
	if (q->login.service && q->login.service->mode == MR_MODE_SHADOW) {
		a->shadow = true;
		return;
	}
	a->kind = MR_RELAY_REFUSE;
	reply(q, why, a);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void say_rules(const struct mr_relay_query *q, struct mr_relay_answer *a)
{
	const struct mr_rule *by = mr_login_by(&a->login);
	const struct mr_policy *p = q->login.policy;
	const char *text = by ? by->text ?: "deny banned" : NULL;

	if (!by)
		say(a, "no rule of %s holds the address", q->login.service->name);
	else if (by->implied)
		say(a, "the address is banned");
	else if (a->login.unlisted)
		say(a, "\"%.120s\" (%s:%u) does not list this user", text, p->files[by->place.file],
		    by->place.line);
	else
		say(a, "\"%.120s\" (%s:%u)", text, p->files[by->place.file], by->place.line);
}

/* user+detail@host is delivered to user@host; a bare name on the list means ours. */
static bool closed_group(const struct mr_relay_query *q)
{
	struct mailbox m = mailbox(q->recipient);
	size_t plus = 0;

	if (!*q->recipient || !q->lists->file[MR_NAMES_GROUPS])
		return false;
	while (plus < m.local_len && m.text[plus] != '+')
		plus++;
	for (int cut = 0; cut < 2; cut++) {
		size_t local = cut ? plus : m.local_len;
		char buf[MR_NAMES_LINE_MAX + 1];
		int n;

		if (is_local(q, &m) && file_has(q, MR_NAMES_GROUPS, m.text, local))
			return true;
		if (!m.host)
			continue;
		n = snprintf(buf, sizeof(buf), "%.*s@%.*s", (int)local, m.text, (int)m.host_len,
			     m.host);
		if (n > 0 && (size_t)n < sizeof(buf) &&
		    file_has(q, MR_NAMES_GROUPS, buf, (size_t)n))
			return true;
	}
	return false;
}

/* What every question is asked.  True: refused (or would be). */
static bool refused(const struct mr_relay_query *q, struct mr_relay_answer *a)
{
	bool refuses = true;
	enum refusal why = REFUSE_ACCESS;

	if (a->login.action != MR_ALLOW) {
		say_rules(q, a);
	} else if (q->account_refuses) {
		say(a, ACCOUNT_REASON);
	} else if (*q->sender && mr_names_kills(q->lists->file[MR_NAMES_KILL], q->sender)) {
		why = REFUSE_KILLED;
		say(a, "the kill file lists the sender");
	} else if (q->login.policy->relay.check_sender && !mr_relay_sender_valid(q->sender)) {
		why = REFUSE_SENDER;
		say(a, "the sender is no valid address");
	} else if (!a->may_relay && closed_group(q)) {
		why = REFUSE_GROUP;
		say(a, "the recipient is a closed group");
	} else {
		refuses = false;
	}
	if (refuses)
		refuse(q, why, a);
	return refuses;
}

static void relay(const struct mr_relay_query *q, struct mr_relay_answer *a)
{
	struct mailbox to = mailbox(q->recipient);

	if (!*q->recipient) {
		say(a, "no recipient, nothing to relay");
	} else if (is_local(q, &to)) {
		say(a, "the recipient is local");
	} else if (a->may_relay) {
		a->kind = MR_RELAY_OK;
		if (q->login.user && *q->login.user)
			say(a, "logged in");
		else if (a->login.noauth && a->login.rule)
			say(a, "\"%.160s\"", a->login.rule->text);
		else
			say(a, "the mode of relay allows it");
	} else if (!routed(&to) && mr_names_has(q->lists->to, to.host, to.host_len)) {
		a->kind = MR_RELAY_OK;
		say(a, "relay { to } lists the recipient's host");
	} else {
		if (q->login.policy->relay.mode == MR_RELAY_NONE)
			say(a, "not logged in, and relay { mode none } lets nobody else");
		else if (a->login.rule)
			say(a, "not logged in, and \"%.160s\" does not say noauth",
			    a->login.rule->text);
		else
			say(a, "not logged in, and no rule says noauth");
		refuse(q, REFUSE_RELAY, a);
	}
}

/* A mailbox keeps its limits where no service is filtered: they are not the service's. */
static void unfiltered(const struct mr_relay_query *q, struct mr_relay_answer *a)
{
	if (q->account_refuses) {
		say(a, ACCOUNT_REASON);
		refuse(q, REFUSE_ACCESS, a);
	} else if (q->login.service) {
		say(a, "service %s is off", q->login.service->name);
	}
}

void mr_relay(const struct mr_relay_query *q, struct mr_relay_answer *out)
{
	const char *header = q->login.policy->relay.header;
	struct mr_relay_answer a = { .kind = MR_RELAY_DUNNO };

	if (!q->login.service || q->login.service->mode == MR_MODE_OFF) {
		unfiltered(q, &a);
		*out = a;
		return;
	}
	mr_login(&q->login, &a.login);
	a.may_relay = may_relay(q, &a);
	if (refused(q, &a))
		a.may_relay = false;
	else if (q->relay)
		relay(q, &a);
	else if (q->message && header && a.login.noauth && !(q->login.user && *q->login.user)) {
		a.kind = MR_RELAY_PREPEND;
		snprintf(a.text, sizeof(a.text), "%s", header);
		say(&a, "from a network that may relay");
	}
	*out = a;
}

bool mr_relay_wants_permit(const struct mr_relay_query *q, const struct mr_relay_answer *a)
{
	struct mr_relay_query with = *q;
	struct mr_relay_answer b;

	if (q->login.permitted || (a->kind != MR_RELAY_REFUSE && !a->shadow && !q->relay) ||
	    a->kind == MR_RELAY_OK)
		return false;
	with.login.permitted = true;
	mr_relay(&with, &b);
	return b.kind != a->kind || b.shadow != a->shadow;
}
