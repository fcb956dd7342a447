// SPDX-License-Identifier: BSD-2-Clause
/*
 * check.c - risks and notes: what loads, but is hardly meant.
 *
 * Looks at the policy as it is written; never changes it, never fails.  The cheap half of "can
 * never match" is here (an earlier rule alone covers it); mr_config_check_image() adds the exact
 * half from what the compiler saw.  Called at the end of a load, and by `check`.
 */
#include "parser.h"

#include <mailreeve/image.h>
#include <string.h>

#define SSH_PORT	22
#define COVER_ITEMS_MAX 4096 /* prefixes of a set that are looked up one by one */
#define COVER_RULES_MAX 1024 /* rules of a service that are compared pair by pair */

/* Decides for every address its source holds, at every layer. */
static bool decides(const struct mr_rule *r)
{
	return r->source.kind != MR_SOURCE_NAME && (r->action == MR_ALLOW || !r->n_users);
}

static bool set_covers(const struct mr_set *outer, const struct mr_set *inner)
{
	if (inner->n4 + inner->n6 > COVER_ITEMS_MAX)
		return false;
	for (size_t i = 0; i < inner->n4; i++) {
		struct mr_addr a = mr_addr_from4(inner->v4[i].addr);
		struct mr_prefix p;

		if (!mr_set_find(outer, &a, &p, NULL, NULL) || p.plen > inner->v4[i].plen + 96)
			return false;
	}
	for (size_t i = 0; i < inner->n6; i++) {
		struct mr_addr a = mr_addr_from6(inner->v6[i].hi, inner->v6[i].lo);
		struct mr_prefix p;

		if (!mr_set_find(outer, &a, &p, NULL, NULL) || p.plen > inner->v6[i].plen)
			return false;
	}
	return inner->n4 + inner->n6 > 0;
}

bool mr_check_covers(const struct mr_policy *p, const struct mr_rule *outer,
		     const struct mr_rule *inner)
{
	const struct mr_source *o = &outer->source, *i = &inner->source;

	if (!decides(outer))
		return false;
	if (o->kind == MR_SOURCE_ANY)
		return true;
	if (i->kind == MR_SOURCE_SET && o->kind == MR_SOURCE_SET)
		return i->set == o->set || set_covers(&p->sets[o->set].set, &p->sets[i->set].set);
	if (o->kind == MR_SOURCE_LOCAL_PUBLIC && i->kind == MR_SOURCE_LOCAL)
		return true;
	return o->kind == i->kind && i->kind != MR_SOURCE_SET && i->kind != MR_SOURCE_NAME;
}

static bool set_is_whole(const struct mr_set *s)
{
	return (s->n4 == 1 && s->v4[0].plen == 0) || (s->n6 == 1 && s->v6[0].plen == 0);
}

static bool is_whole(const struct mr_policy *p, const struct mr_source *s)
{
	return s->kind == MR_SOURCE_ANY ||
	       (s->kind == MR_SOURCE_SET && set_is_whole(&p->sets[s->set].set));
}

static bool is_empty(const struct mr_policy *p, const struct mr_source *s)
{
	return s->kind == MR_SOURCE_SET && p->sets[s->set].set.n4 + p->sets[s->set].set.n6 == 0;
}

static void check_order(struct mr_parser *p, const struct mr_rule *r, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < i; j++) {
			if (n > COVER_RULES_MAX && r[j].source.kind == MR_SOURCE_SET &&
			    r[j].source.set != r[i].source.set)
				continue; /* the compiler will tell */
			if (r[j].implied || !mr_check_covers(p->policy, &r[j], &r[i]))
				continue;
			p->lexer.file = r[i].place.file;
			mr_parse_find(p, MR_RISK, r[i].place,
				      mr_parse_hint(p, "move it in front of \"%s\", or remove it",
						    r[j].text),
				      "the rule \"%s\" can never match: \"%s\" in %s covers it",
				      r[i].text, r[j].text, mr_parse_where(p, r[j].place));
			break;
		}
}

/* deny any behind allow permitted: a permit that runs out would cut the session. */
static void check_cut(struct mr_parser *p, const struct mr_rule *r, size_t n)
{
	bool permitted = false;

	for (size_t i = 0; i < n; i++) {
		if (r[i].action == MR_ALLOW && r[i].source.kind == MR_SOURCE_PERMITTED)
			permitted = true;
		if (r[i].action == MR_ALLOW && r[i].source.kind == MR_SOURCE_ANY)
			return; /* nothing below is reached */
		if (permitted && r[i].action != MR_ALLOW && !r[i].n_users &&
		    is_whole(p->policy, &r[i].source)) {
			mr_parse_find(
				p, MR_RISK, r[i].place,
				"leave it out: who matches nothing is refused anyway, and open "
				"sessions go on",
				"\"%s\" behind \"allow permitted\" cuts open sessions when a "
				"permit "
				"runs out",
				r[i].text);
			return;
		}
	}
}

static bool host_is_public(const struct mr_host *h, char buf[static MR_PREFIX_TEXT])
{
	for (size_t i = 0; i < h->n_networks; i++)
		if (h->networks[i].is_public) {
			mr_prefix_text(&h->networks[i].prefix, buf);
			return true;
		}
	return false;
}

/* `s` is NULL for a rule of global.  A service of one's own may be a mail server's. */
static void check_noauth(struct mr_parser *p, const struct mr_service *s, const struct mr_rule *r)
{
	bool own = s && s->family == MR_FAMILY_NONE, mail = s && s->family == MR_FAMILY_SMTP;

	if (!r->noauth)
		return;
	if (!s)
		mr_parse_find(p, MR_RISK, r->place, "say it in the rules of smtp and submission",
			      "\"noauth\" means nothing in global: who may relay is decided by the "
			      "service's own rule");
	else if ((mail || own) && is_whole(p->policy, &r->source))
		mr_parse_find(p, MR_RISK, r->place,
			      "leave \"noauth\" to networks whose senders you know",
			      "an open relay%s: \"%s\" lets strangers send mail to anywhere",
			      own ? ", if Postfix answers there" : "", r->text);
	else if (!mail && !own)
		mr_parse_find(p, MR_NOTE, r->place, NULL,
			      "\"noauth\" means nothing in service \"%s\": it relays no mail",
			      s->name);
	else if (p->policy->relay.mode == MR_RELAY_NONE)
		mr_parse_find(p, MR_RISK, r->place, "leave \"noauth\" out, or: mode addresses;",
			      "\"noauth\" means nothing: relay { mode none } lets only those relay "
			      "who log in");
	if ((mail || own) && r->n_users)
		mr_parse_find(
			p, MR_RISK, r->place, "two rules: one with users, and one with noauth",
			"\"%s\" lets everybody of this source relay who does not log in: users "
			"limits only those who do",
			r->text);
}

/* `s` is NULL for a rule of global. */
static void check_rule(struct mr_parser *p, const struct mr_service *s, const struct mr_rule *r)
{
	const struct mr_source *src = &r->source;
	char net[MR_PREFIX_TEXT];

	check_noauth(p, s, r);
	if (src->kind == MR_SOURCE_LOCAL_PUBLIC && p->host && host_is_public(p->host, net))
		mr_parse_find(
			p, MR_RISK, r->place, "write \"local\", or the addresses that are meant",
			"\"local public\" takes in the public network %s: are its hosts yours?",
			net);
	if (src->kind == MR_SOURCE_NAME && s && s->family != MR_FAMILY_SMTP)
		mr_parse_find(p, MR_RISK, r->place,
			      "host names are known at smtp, submission and submissions only",
			      s->family == MR_FAMILY_NONE
				      ? "\"%s\" is asked only if Postfix answers at the ports of "
					"service \"%s\""
				      : "\"%s\" is never asked: service \"%s\" does not tell a "
					"client's name",
			      r->text, s->name);
	if (r->n_users && s && s->family == MR_FAMILY_NONE)
		mr_parse_find(
			p, MR_RISK, r->place, "leave the users out, or name a mail service",
			"\"users\" is asked only if Postfix answers at the ports of service \"%s\"",
			s->name);
	else if (r->n_users && r->action == MR_ALLOW && src->kind != MR_SOURCE_PERMITTED)
		mr_parse_find(
			p, MR_NOTE, r->place, NULL,
			"the port is open to all of \"%s\": who may log in is asked at the login",
			r->text);
	if (src->kind == MR_SOURCE_NAME && r->action == MR_ALLOW &&
	    (!s || s->family == MR_FAMILY_SMTP))
		mr_parse_find(
			p, MR_NOTE, r->place, NULL,
			"\"%s\" opens the port to everybody: names are asked by the mail server",
			r->text);
}

/* Every address meets a refusal, permitted or not. */
static bool shuts_out(const struct mr_policy *p, const struct mr_rule *r, size_t n, bool unmatched)
{
	for (size_t i = 0; i < n; i++) {
		if (r[i].action == MR_ALLOW && !is_empty(p, &r[i].source))
			return false;
		if (decides(&r[i]) && r[i].source.kind == MR_SOURCE_ANY)
			return true;
	}
	return unmatched;
}

/* Mail can be mended from a shell; a shell that was shut out cannot. */
static void check_ssh(struct mr_parser *p, const struct mr_service *s)
{
	for (size_t i = 0; i < s->n_ports; i++)
		if (s->ports[i] == SSH_PORT && s->mode == MR_MODE_ENFORCE)
			mr_parse_find(
				p, MR_NOTE, s->place,
				"mailreeve apply --confirm 60s takes it back by itself",
				"service \"%s\" filters port %d: make sure that you are among "
				"those who may log in",
				s->name, SSH_PORT);
}

static void check_service(struct mr_parser *p, const struct mr_service *s)
{
	const struct mr_policy *y = p->policy;

	if (s->mode == MR_MODE_OFF)
		return;
	check_ssh(p, s);
	for (size_t i = 0; i < s->n_rules; i++)
		if (!s->rules[i].implied)
			check_rule(p, s, &s->rules[i]);
	check_order(p, s->rules, s->n_rules);
	check_cut(p, s->rules, s->n_rules);
	if (shuts_out(y, s->rules, s->n_rules, !s->default_allow))
		mr_parse_find(p, MR_RISK, s->place,
			      "add \"allow …;\", or \"mode off;\" to leave it alone",
			      "service \"%s\" shuts out every address", s->name);
	else if (!s->noglobal && shuts_out(y, y->global, y->n_global, false))
		mr_parse_find(p, MR_RISK, s->place, "look at the rules of global { … }",
			      "service \"%s\" shuts out every address: global refuses all",
			      s->name);
	if (s->n_rules == 0 || (s->n_rules == 1 && s->rules[0].implied))
		if (s->default_allow && !s->has_default)
			mr_parse_find(p, MR_NOTE, s->place, NULL,
				      "service \"%s\" has no rules: everybody is allowed", s->name);
}

static void check_sets(struct mr_parser *p)
{
	const struct mr_policy *y = p->policy;

	for (size_t i = 0; i < y->n_sets; i++) {
		const struct mr_named_set *s = &y->sets[i];

		if (s->name && s->set.n4 + s->set.n6 == 0)
			mr_parse_find(p, MR_NOTE, s->place, NULL, "the set \"%s\" is empty",
				      s->name);
	}
}

/* nginx's own error log, by its name or because it is read as nothing else.  What syslog writes
 * into a log of many servers has no line feeds left. */
static bool is_nginx_log(const struct mr_learn_source *s)
{
	bool asked = !s->formats;

	for (size_t i = 0; s->formats && i < s->n_formats; i++)
		asked |= strcmp(s->formats[i], "nginx") == 0;
	return asked && (s->n_formats == 1 || strstr(s->path, "nginx"));
}

static void check_learn(struct mr_parser *p)
{
	const struct mr_policy *y = p->policy;

	for (size_t i = 0; i < y->n_learn; i++) {
		const struct mr_learn_source *s = &y->learn[i];

		if (s->kind != MR_LEARN_FILE)
			continue;
		if (is_nginx_log(s))
			mr_parse_find(p, MR_RISK, s->place,
				      "\"error_log syslog:server=unix:/dev/log info;\" in nginx, "
				      "and read the journal",
				      "every client can write login lines into %s: nginx keeps "
				      "the line feeds of a login name in its own log",
				      s->path);
		else
			mr_parse_find(
				p, MR_RISK, s->place,
				"read the journal, where units and users cannot be forged",
				"every local user can write login lines into %s, by way of syslog",
				s->path);
	}
}

static void check_relay(struct mr_parser *p)
{
	const struct mr_relay_options *r = &p->policy->relay;

	if (r->given && r->mode == MR_RELAY_ANYONE)
		mr_parse_find(
			p, MR_RISK, r->place, "mode addresses;",
			"an open relay: \"mode anyone\" lets strangers send mail to anywhere");
	if (r->given && (r->mode == MR_RELAY_LOCAL_USERS || r->mode == MR_RELAY_LOCAL_HOSTS))
		mr_parse_find(p, MR_RISK, r->place,
			      "mode addresses; and permits for those who log in",
			      "\"mode %s\" believes the sender's address, which anybody can forge",
			      r->mode == MR_RELAY_LOCAL_USERS ? "local-users" : "local-hosts");
	else if (r->given && r->accept_file)
		mr_parse_find(
			p, MR_NOTE, r->place, NULL,
			"the accept file is asked in the modes local-hosts and local-users only");
	if (r->given && !r->n_local_domains)
		mr_parse_find(p, MR_NOTE, r->place, "local-domains { example.com };",
			      "no local-domains: nobody is refused for relaying, the mail server "
			      "decides");
}

/* The first rule that asks for permits, where nobody is told of a login. */
static void check_permits(struct mr_parser *p)
{
	const struct mr_policy *y = p->policy;

	if (y->n_learn || y->dovecot.given)
		return;
	for (size_t i = 0; i < y->n_services; i++)
		for (size_t k = 0; k < y->services[i].n_rules; k++) {
			const struct mr_rule *r = &y->services[i].rules[k];

			if (r->source.kind != MR_SOURCE_PERMITTED ||
			    y->services[i].mode == MR_MODE_OFF)
				continue;
			mr_parse_find(p, MR_NOTE, r->place,
				      "learn { journal { dovecot.service postfix@-.service } }",
				      "no login earns a permit: there is neither learn { … } nor "
				      "dovecot { }, only mailreeve permit add");
			return;
		}
}

static void check_whole(struct mr_parser *p)
{
	const struct mr_policy *y = p->policy;
	bool enforced = false;
	char list[128] = "";
	size_t n = 0;

	for (size_t i = 0; i < y->n_services; i++)
		enforced |= y->services[i].mode == MR_MODE_ENFORCE;
	if (y->n_services && !enforced)
		mr_parse_find(p, MR_NOTE, (struct mr_place){ 0 }, NULL,
			      "nothing is refused: no service is in mode enforce");
	for (const struct mr_builtin_service *b = mr_builtin_services; b->name; b++)
		if (!mr_policy_service(y, b->name))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
					      b->name);
	if (n)
		mr_parse_find(p, MR_NOTE, (struct mr_place){ 0 }, NULL,
			      "not filtered, because no block names them: %s", list);
}

void mr_check_policy(struct mr_parser *p)
{
	const struct mr_policy *y = p->policy;

	for (size_t i = 0; i < y->n_global; i++)
		check_rule(p, NULL, &y->global[i]);
	check_order(p, y->global, y->n_global);
	for (size_t i = 0; i < y->n_services; i++)
		check_service(p, &y->services[i]);
	check_relay(p);
	check_learn(p);
	check_permits(p);
	check_sets(p);
	check_whole(p);
}

/* --- what only the compiler knows */

static bool reported(const struct mr_findings *f, const struct mr_spot *s)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i].grade == MR_RISK && f->list[i].line == s->line &&
		    f->list[i].column == s->column && strcmp(f->list[i].file, s->path) == 0 &&
		    strstr(f->list[i].message, "can never match"))
			return true;
	return false;
}

void mr_config_check_image(const struct mr_policy *p, const struct mr_image *image,
			   struct mr_findings *findings)
{
	for (unsigned int n = 1; n <= p->n_numbered && mr_findings_wants(findings, MR_RISK); n++) {
		const struct mr_service *service = NULL;
		const struct mr_rule *r = mr_policy_rule(p, n, &service);
		struct mr_spot s;

		if (!r || image->reachable[n] || !decides(r) || is_empty(p, &r->source) ||
		    (service && service->mode == MR_MODE_OFF))
			continue;
		s = (struct mr_spot){ .path = p->files[r->place.file],
				      .line = r->place.line,
				      .column = r->place.column };
		if (!reported(findings, &s))
			mr_findings_add(findings, MR_RISK, &s, "move it up, or remove it",
					"the rule \"%s\" can never match: earlier rules cover it",
					r->text);
	}
}
