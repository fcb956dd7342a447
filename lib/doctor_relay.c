// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor_relay.c - is Postfix asking whether a client may relay, at the right place, and can
 * anything else there open the relay?
 *
 * The lists of restrictions are walked as smtpd does.  smtpd_relay_restrictions decides about
 * relaying, and smtpd_recipient_restrictions too if it says reject_unauth_destination, or alone if
 * the first is empty.  Called by doctor.c for each smtpd of master.cf.
 */
#include "doctor_private.h"

#include <string.h>
#include <strings.h>

#define RELAY_DEFAULT "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
#define QUEUE_DEFAULT "/var/spool/postfix"
#define CLASS_DEPTH   4 /* smtpd_restriction_classes within each other */

struct question {
	char endpoint[256];
	bool ours, named; /* named: somebody meant us, at a socket where we are not */
	bool relay, dunno, quick, once; /* policy_context, default_action, timeout, try_limit */
};
struct walk {
	struct mr_doctor *d;
	const struct mr_doctor_smtpd *s;
	const char *list, *file; /* being walked */
	bool decides; /* an OK here relays */
	bool decided, sasl, ended; /* so far: reject_unauth_destination, permit_sasl_… */
	bool warned; /* warn_if_reject stands in front */
	bool relay, relay_late, relay_after_sasl, access; /* questions found */
};

/* --- places ----------------------------------------------------------------------------------- */

static const char *file_of(struct mr_doctor *d, const struct mr_doctor_smtpd *s, const char *list)
{
	return mr_doctor_overrides(s, list) ? mr_doctor_text(d, "master.cf, service %s", s->name)
					    : "main.cf";
}

/* The first socket of a kind as Postfix names it: "unix:mailreeve/policy". */
static const char *endpoint_of(struct mr_doctor *d, enum mr_listen_kind kind)
{
	static const char *const names[] = { "policy", "socketmap" };
	const char *queue = mr_doctor_value(&d->main, "queue_directory", QUEUE_DEFAULT);
	const struct mr_policy *p = d->policy;
	char addr[MR_ADDR_TEXT];
	size_t n = strlen(queue);

	for (size_t k = 0; p && k < p->n_listen; k++) {
		const struct mr_listen *l = &p->listen[k];

		if (l->kind != kind)
			continue;
		if (!l->path)
			return mr_doctor_text(d, "inet:%s:%u", mr_addr_text(&l->address, addr),
					      l->port);
		if (strncmp(l->path, queue, n) == 0 && l->path[n] == '/')
			return mr_doctor_text(d, "unix:%s", l->path + n + 1);
		return mr_doctor_text(d, "unix:%s", l->path);
	}
	return mr_doctor_text(d, "unix:mailreeve/%s", names[kind]);
}

static bool same_path(const char *queue, const char *written, const char *path)
{
	size_t n = strlen(queue);

	if (*written == '/')
		return strcmp(written, path) == 0;
	return strncmp(path, queue, n) == 0 && path[n] == '/' && strcmp(path + n + 1, written) == 0;
}

static bool listens_at(const struct mr_doctor *d, enum mr_listen_kind kind, const char *endpoint)
{
	const char *queue = mr_doctor_value(&d->main, "queue_directory", QUEUE_DEFAULT);
	const struct mr_policy *p = d->policy;
	char own[sizeof(MR_LISTEN_DIR) + 16];

	snprintf(own, sizeof(own), "%s/%s", MR_LISTEN_DIR,
		 kind == MR_LISTEN_POLICY ? "policy" : "socketmap");
	if (!p || !p->listen_given[kind])
		return strncmp(endpoint, "unix:", 5) == 0 && same_path(queue, endpoint + 5, own);
	for (size_t k = 0; k < p->n_listen; k++) {
		const struct mr_listen *l = &p->listen[k];
		char port[8];
		const char *colon = strrchr(endpoint, ':');

		if (l->kind != kind)
			continue;
		snprintf(port, sizeof(port), "%u", l->port);
		if (l->path ? strncmp(endpoint, "unix:", 5) == 0 &&
				      same_path(queue, endpoint + 5, l->path)
			    : strncmp(endpoint, "inet:", 5) == 0 && colon &&
				      strcmp(colon + 1, port) == 0)
			return true;
	}
	return false;
}

/* "socketmap:unix:mailreeve/socketmap:permit": the name of the map; NULL: not one of ours. */
static const char *socketmap_name(struct mr_doctor *d, const char *file, const char *table)
{
	const char *name = strrchr(table, ':'), *endpoint;

	if (strncmp(table, "socketmap:", 10) != 0 || name == table + 9)
		return NULL;
	endpoint = mr_doctor_text(d, "%.*s", (int)(name - table - 10), table + 10);
	if (listens_at(d, MR_LISTEN_SOCKETMAP, endpoint))
		return name + 1;
	if (strstr(endpoint, "mailreeve"))
		mr_doctor_say(d, MR_ADVICE_ADD, "wrong-socket", file, NULL,
			      "%s: mailreeve does not listen there, but at %s", table,
			      endpoint_of(d, MR_LISTEN_SOCKETMAP));
	return NULL;
}

/* --- questions -------------------------------------------------------------------------------- */

#define QUESTION_TAIL "timeout=2s, default_action=DUNNO }"

static const char *question_text(struct mr_doctor *d, bool relay)
{
	return mr_doctor_text(d, "check_policy_service { %s, %s" QUESTION_TAIL,
			      endpoint_of(d, MR_LISTEN_POLICY),
			      relay ? "policy_context=relay, " : "");
}

static bool is_dunno(const char *p, size_t n)
{
	return n >= 5 && strncasecmp(p, "DUNNO", 5) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* name=value, or { name = value } */
static void read_option(const struct mr_doctor_word *word, struct question *q)
{
	const char *p = word->p, *end = p + word->n, *eq, *name_end;
	struct mr_doctor_word name;
	size_t n;

	if (end - p >= 2 && *p == '{')
		p++, end--;
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	eq = memchr(p, '=', (size_t)(end - p));
	if (!eq)
		return;
	for (name_end = eq; name_end > p && is_blank(name_end[-1]);)
		name_end--;
	name = (struct mr_doctor_word){ p, (size_t)(name_end - p) };
	for (eq++; eq < end && is_blank(*eq);)
		eq++;
	n = (size_t)(end - eq);
	if (mr_doctor_is(&name, "policy_context"))
		q->relay = n == 5 && memcmp(eq, "relay", n) == 0;
	else if (mr_doctor_is(&name, "default_action"))
		q->dunno = is_dunno(eq, n);
	else if (mr_doctor_is(&name, "timeout"))
		q->quick = true;
	else if (mr_doctor_is(&name, "try_limit"))
		q->once = n == 1 && *eq == '1';
}

static void read_question(const struct walk *w, const struct mr_doctor_word *word,
			  struct question *q)
{
	struct mr_doctor *d = w->d;
	const char *action =
		mr_doctor_smtpd_value(d, w->s, "smtpd_policy_service_default_action", "451");
	bool braces = *word->p == '{';
	const char *inner = mr_doctor_text(d, "%.*s", braces ? (int)word->n - 2 : (int)word->n,
					   word->p + braces);
	struct mr_doctor_word part;

	*q = (struct question){ .dunno = is_dunno(action, strlen(action)) };
	q->once = strcmp(mr_doctor_smtpd_value(d, w->s, "smtpd_policy_service_try_limit", "2"),
			 "1") == 0;
	q->quick = mr_doctor_value(&d->main, "smtpd_policy_service_timeout", NULL) != NULL;
	q->relay = strcmp(mr_doctor_smtpd_value(d, w->s, "smtpd_policy_service_policy_context", ""),
			  "relay") == 0;
	if (mr_doctor_next(&inner, &part))
		snprintf(q->endpoint, sizeof(q->endpoint), "%.*s", (int)part.n, part.p);
	while (mr_doctor_next(&inner, &part))
		read_option(&part, q);
	q->ours = listens_at(d, MR_LISTEN_POLICY, q->endpoint);
	q->named = !q->ours && strstr(q->endpoint, "mailreeve");
}

static void on_question(struct walk *w, const struct mr_doctor_word *word)
{
	struct mr_doctor *d = w->d;
	struct question q;

	read_question(w, word, &q);
	if (q.named)
		mr_doctor_say(d, MR_ADVICE_ADD, "wrong-socket", w->file, NULL,
			      "%s asks %s, where mailreeve does not listen: it is %s", w->list,
			      q.endpoint, endpoint_of(d, MR_LISTEN_POLICY));
	if (!q.ours && w->decides && !w->decided && !q.named) {
		mr_doctor_say(
			d, MR_ADVICE_DANGER, "policy-ok", w->file,
			mr_doctor_text(d, "reject_unauth_destination,\ncheck_policy_service %.*s",
				       (int)word->n, word->p),
			"%s asks %s before reject_unauth_destination: if that ever answers OK, "
			"anybody may relay; ask it behind",
			w->list, q.endpoint);
	}
	if (!q.ours)
		return;
	if (!q.dunno)
		mr_doctor_say(d, MR_ADVICE_ADD, "default-action", w->file,
			      question_text(d, q.relay),
			      "%s: without default_action=DUNNO no mail comes in while mailreeved "
			      "is stopped",
			      w->list);
	if (!q.quick)
		mr_doctor_say(d, MR_ADVICE_NOTE, "timeout", w->file, question_text(d, q.relay),
			      "%s: without a timeout Postfix waits 100 seconds for an answer",
			      w->list);
	if (q.once)
		mr_doctor_say(d, MR_ADVICE_ADD, "try-limit", w->file, question_text(d, q.relay),
			      "%s: with try_limit=1 a session that stands while mailreeved is "
			      "restarted gets no more answers: who may relay is refused, who is "
			      "banned is not",
			      w->list);
	if (!q.relay) {
		w->access |= !w->ended;
	} else if (w->decided || w->ended) {
		w->relay_late = true;
	} else {
		w->relay = true;
		w->relay_after_sasl |= w->sasl;
	}
}

/* --- the walk --------------------------------------------------------------------------------- */

static bool decides_relay(const struct mr_doctor_word *w)
{
	return mr_doctor_is(w, "reject_unauth_destination") ||
	       mr_doctor_is(w, "defer_unauth_destination") || mr_doctor_is(w, "reject") ||
	       mr_doctor_is(w, "defer");
}

/* Words that let strangers relay where they stand before reject_unauth_destination. */
static void on_permit(struct walk *w, const struct mr_doctor_word *word)
{
	static const struct {
		const char *name, *what;
	} permits[] = {
		{ "permit", "makes an open relay" },
		{ "permit_mx_backup", "relays to every domain that names this host as MX" },
		{ "permit_dnswl_client", "relays for whoever stands in somebody else's list" },
		{ "permit_rhswl_client", "relays for whoever stands in somebody else's list" },
		{ "permit_tls_all_clientcerts",
		  "relays for every certificate of every authority that is trusted" },
		{ "permit_naked_ip_address", "relays for whoever says HELO with an address" },
	};

	for (size_t k = 0; w->decides && !w->decided && k < MR_ARRAY_SIZE(permits); k++)
		if (mr_doctor_is(word, permits[k].name))
			mr_doctor_say(w->d, MR_ADVICE_DANGER, "open-relay", w->file, NULL,
				      "%s: %s before reject_unauth_destination %s", w->list,
				      permits[k].name, permits[k].what);
}

/* Behind warn_if_reject nobody is refused, and the next word is asked. */
static void on_refusal(struct walk *w, const struct mr_doctor_word *word)
{
	bool decides = decides_relay(word);

	if (decides && w->warned && w->decides && !w->decided)
		mr_doctor_say(w->d, MR_ADVICE_DANGER, "open-relay", w->file, NULL,
			      "%s: warn_if_reject in front of %.*s: who is refused there is only "
			      "logged",
			      w->list, (int)word->n, word->p);
	if (!w->warned) {
		w->decided |= decides;
		w->ended |= mr_doctor_is(word, "reject") || mr_doctor_is(word, "defer");
	}
	w->warned = mr_doctor_is(word, "warn_if_reject");
}

/* What a client says of himself, or has others say; NULL: the table asks for something else. */
static const char *forged(const struct mr_doctor_word *check)
{
	static const struct {
		const char *name, *who;
	} checks[] = {
		{ "check_sender_", "writes that sender's address" },
		{ "check_helo_", "says that name" },
		{ "check_reverse_client_hostname_", "gives his address that name" },
	};

	for (size_t k = 0; k < MR_ARRAY_SIZE(checks); k++)
		if (strncasecmp(check->p, checks[k].name, strlen(checks[k].name)) == 0)
			return checks[k].who;
	return NULL;
}

static void on_table(struct walk *w, const struct mr_doctor_word *check,
		     const struct mr_doctor_word *table)
{
	const char *who = forged(check), *name;

	name = socketmap_name(w->d, w->file, mr_doctor_text(w->d, "%.*s", (int)table->n, table->p));
	w->access |= name && strcmp(name, "access") == 0;
	if (w->decides && !w->decided && who)
		mr_doctor_say(w->d, MR_ADVICE_DANGER, "forged-relay", w->file, NULL,
			      "%s: an OK of %.*s before reject_unauth_destination relays for "
			      "everybody who %s; put it behind, or answer DUNNO",
			      w->list, (int)check->n, check->p, who);
}

static void walk_words(struct walk *w, const char *at, unsigned int depth);

static void on_word(struct walk *w, const struct mr_doctor_word *word, const char **at,
		    unsigned int depth)
{
	const char *classes = mr_doctor_value(&w->d->main, "smtpd_restriction_classes", "");
	struct mr_doctor_word next;

	if (mr_doctor_is(word, "check_policy_service")) {
		if (mr_doctor_next(at, &next))
			on_question(w, &next);
		return;
	}
	if (word->n > 13 && strncasecmp(word->p, "check_", 6) == 0 &&
	    strncasecmp(word->p + word->n - 7, "_access", 7) == 0) {
		if (mr_doctor_next(at, &next))
			on_table(w, word, &next);
		w->warned = false;
		return;
	}
	on_permit(w, word);
	w->ended |= mr_doctor_is(word, "permit");
	w->sasl |= mr_doctor_is(word, "permit_sasl_authenticated");
	on_refusal(w, word);
	while (depth && mr_doctor_next(&classes, &next))
		if (next.n == word->n && memcmp(next.p, word->p, word->n) == 0) {
			const char *name = mr_doctor_text(w->d, "%.*s", (int)word->n, word->p);

			walk_words(w, mr_doctor_smtpd_value(w->d, w->s, name, ""), depth - 1);
			return;
		}
}

static void walk_words(struct walk *w, const char *at, unsigned int depth)
{
	struct mr_doctor_word word;

	while (mr_doctor_next(&at, &word))
		on_word(w, &word, &at, depth);
}

static void walk_list(struct walk *w, const char *list, const char *value, bool decides)
{
	w->list = list;
	w->file = file_of(w->d, w->s, list);
	w->decides = decides;
	w->decided = w->sasl = w->ended = w->warned = false;
	walk_words(w, value, CLASS_DEPTH);
}

static bool value_decides(const char *value)
{
	struct mr_doctor_word word;
	bool warned = false;

	while (mr_doctor_next(&value, &word)) {
		if (!warned && (mr_doctor_is(&word, "reject_unauth_destination") ||
				mr_doctor_is(&word, "defer_unauth_destination")))
			return true;
		warned = mr_doctor_is(&word, "warn_if_reject");
	}
	return false;
}

/* --- what to paste ---------------------------------------------------------------------------- */

static const char *set_line(struct mr_doctor *d, const struct mr_doctor_smtpd *s, const char *list,
			    const char *value)
{
	return mr_doctor_overrides(s, list) ? mr_doctor_text(d, "  -o { %s = %s }", list, value)
					    : mr_doctor_text(d, "%s = %s", list, value);
}

/* The list as it is, with the question before the first word that would answer it. */
static const char *with_question(struct mr_doctor *d, const char *value)
{
	static const char *const before[] = { "permit_sasl_authenticated", "permit",
					      "permit_mx_backup" };
	const char *at = value, *text = "";
	struct mr_doctor_word word;
	bool asked = false;

	while (mr_doctor_next(&at, &word)) {
		bool here = decides_relay(&word);
		bool argument = strncmp(word.p, "check_", 6) == 0;
		const char *sep = argument ? " " : ", ";

		for (size_t k = 0; k < MR_ARRAY_SIZE(before); k++)
			here |= mr_doctor_is(&word, before[k]);
		if (here && !asked) {
			text = mr_doctor_text(d, "%s\n    %s,\n    ", text, question_text(d, true));
			asked = true;
		}
		text = mr_doctor_text(d, "%s%.*s%s", text, (int)word.n, word.p, sep);
	}
	if (!asked)
		text = mr_doctor_text(d, "%s\n    %s,\n    reject_unauth_destination, ", text,
				      question_text(d, true));
	return mr_doctor_text(d, "%.*s", (int)strlen(text) - 2, text);
}

static void say_relay(struct walk *w, const char *list, const char *value, bool socketmap)
{
	struct mr_doctor *d = w->d;
	const char *file = file_of(d, w->s, list);

	if (w->relay_late && !w->relay)
		mr_doctor_say(d, MR_ADVICE_ADD, "relay-late", file, NULL,
			      "mailreeve's relay question stands behind reject_unauth_destination, "
			      "where nothing is left to relay: put it in front");
	else if (!w->relay && !socketmap)
		mr_doctor_say(
			d, MR_ADVICE_ADD, "relay-question", file,
			mr_doctor_text(
				d,
				"%s\n"
				"# or, without policy delegation, as one of your networks:\n"
				"#mynetworks = %s, socketmap:%s:permit",
				set_line(d, w->s, list, with_question(d, value)),
				mr_doctor_value(&d->main, "mynetworks", "127.0.0.0/8 [::1]/128"),
				endpoint_of(d, MR_LISTEN_SOCKETMAP)),
			"mailreeve is not asked who may relay");
	else if (w->relay && w->relay_after_sasl)
		mr_doctor_say(d, MR_ADVICE_ADD, "relay-after-sasl", file, NULL,
			      "mailreeve's relay question stands behind permit_sasl_authenticated: "
			      "rules with users and limits of accounts are not asked of those who "
			      "log in; put it in front");
}

/* --- mynetworks ------------------------------------------------------------------------------- */

static bool walk_networks(struct mr_doctor *d, const struct mr_doctor_smtpd *s)
{
	const char *at = mr_doctor_smtpd_value(d, s, "mynetworks", "");
	const char *file = file_of(d, s, "mynetworks"), *map;
	struct mr_doctor_word word;
	bool permit = false;

	while (mr_doctor_next(&at, &word)) {
		const char *text = mr_doctor_text(d, "%.*s", (int)word.n, word.p);
		struct mr_prefix p;
		char plain[64];
		size_t n = 0;

		for (const char *c = text; *c && n + 1 < sizeof(plain); c++)
			if (*c != '[' && *c != ']')
				plain[n++] = *c;
		if (mr_prefix_parse(plain, n, &p) == 0 &&
		    (mr_addr_is4(&p.addr) && p.plen >= 96 ? p.plen < 96 + 8 : p.plen < 16))
			mr_doctor_say(d, MR_ADVICE_DANGER, "open-relay", file, NULL,
				      "mynetworks: %s makes an open relay", text);
		if (strncmp(text, "static:", 7) == 0)
			mr_doctor_say(d, MR_ADVICE_DANGER, "open-relay", file, NULL,
				      "mynetworks: %s holds every address: an open relay", text);
		map = socketmap_name(d, file, text);
		if (map && strcmp(map, "permit") == 0)
			permit = true;
		else if (map)
			mr_doctor_say(d, MR_ADVICE_DANGER, "open-relay", file,
				      mr_doctor_text(d, "socketmap:%s:permit",
						     endpoint_of(d, MR_LISTEN_SOCKETMAP)),
				      "mynetworks: whatever the table %s answers lets relay; the "
				      "table for mynetworks is permit",
				      map);
	}
	return permit;
}

/* A table that answers for every name makes every domain one of ours. */
static void walk_domains(struct mr_doctor *d, const struct mr_doctor_smtpd *s)
{
	static const char *const lists[] = { "relay_domains", "mydestination",
					     "virtual_mailbox_domains", "virtual_alias_domains" };
	struct mr_doctor_word word;

	for (size_t k = 0; k < MR_ARRAY_SIZE(lists); k++) {
		const char *at = mr_doctor_smtpd_value(d, s, lists[k], "");

		while (mr_doctor_next(&at, &word))
			if (word.n > 7 && strncmp(word.p, "static:", 7) == 0)
				mr_doctor_say(d, MR_ADVICE_DANGER, "open-relay",
					      file_of(d, s, lists[k]), NULL,
					      "%s: %.*s holds every domain: an open relay",
					      lists[k], (int)word.n, word.p);
	}
}

/* --- the checks ------------------------------------------------------------------------------- */

void mr_doctor_relay(struct mr_doctor *d, const struct mr_doctor_smtpd *s)
{
	static const char *const others[] = { "smtpd_client_restrictions",
					      "smtpd_helo_restrictions",
					      "smtpd_sender_restrictions" };
	const char *relay = mr_doctor_smtpd_value(d, s, "smtpd_relay_restrictions", RELAY_DEFAULT);
	const char *rcpt = mr_doctor_smtpd_value(d, s, "smtpd_recipient_restrictions", "");
	bool alone = !relay[strspn(relay, " \t,")]; /* the recipient list decides by itself */
	const char *list = alone ? "smtpd_recipient_restrictions" : "smtpd_relay_restrictions";
	struct walk w = { .d = d, .s = s };
	bool socketmap, access;

	if (s->loopback)
		return;
	socketmap = walk_networks(d, s);
	walk_domains(d, s);
	for (size_t k = 0; k < MR_ARRAY_SIZE(others); k++)
		walk_list(&w, others[k], mr_doctor_smtpd_value(d, s, others[k], ""), false);
	walk_list(&w, "smtpd_relay_restrictions", relay, !alone && !value_decides(rcpt));
	walk_list(&w, "smtpd_recipient_restrictions", rcpt, alone);
	access = w.access;
	say_relay(&w, list, alone ? rcpt : relay, socketmap);
	if (!alone && (w.relay || !socketmap) && value_decides(rcpt))
		mr_doctor_say(d, MR_ADVICE_ADD, "recipient-refuses",
			      file_of(d, s, "smtpd_recipient_restrictions"), NULL,
			      "smtpd_recipient_restrictions refuses relaying once more, whatever "
			      "mailreeve answers: leave reject_unauth_destination to "
			      "smtpd_relay_restrictions");
	if (!access)
		mr_doctor_say(d, MR_ADVICE_ADD, "access-question",
			      file_of(d, s, "smtpd_recipient_restrictions"),
			      set_line(d, s, "smtpd_recipient_restrictions",
				       mr_doctor_text(d, "\n    %s%s%s", question_text(d, false),
						      *rcpt ? ",\n    " : "", rcpt)),
			      "mailreeve is not asked who may send at all: names, users, kill file "
			      "and closed groups are not looked at");
}
