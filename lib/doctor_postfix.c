// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor_postfix.c - settings of Postfix that give strangers something: VRFY, passwords in the
 * clear, addresses that a proxy asserts; and whether anybody reads the logs of the mail servers.
 *
 * Called by doctor.c.
 */
#include "doctor_private.h"

#include <string.h>

static const char *file_of(struct mr_doctor *d, const struct mr_doctor_smtpd *s, const char *name)
{
	return mr_doctor_overrides(s, name) ? mr_doctor_text(d, "master.cf, service %s", s->name)
					    : "main.cf";
}

/* --- each smtpd ------------------------------------------------------------------------------- */

static void vrfy(struct mr_doctor *d, const struct mr_doctor_smtpd *s)
{
	if (!mr_doctor_yes(mr_doctor_smtpd_value(d, s, "disable_vrfy_command", "no")))
		mr_doctor_say(d, MR_ADVICE_DANGER, "vrfy", file_of(d, s, "disable_vrfy_command"),
			      "disable_vrfy_command = yes",
			      "VRFY is on: strangers can ask which users exist (EXPN Postfix does "
			      "not have)");
}

static void plain_login(struct mr_doctor *d, const struct mr_doctor_smtpd *s)
{
	const char *level = mr_doctor_smtpd_value(d, s, "smtpd_tls_security_level", "");
	const char *sasl = mr_doctor_smtpd_value(d, s, "smtpd_sasl_security_options", "");

	if (!mr_doctor_yes(mr_doctor_smtpd_value(d, s, "smtpd_sasl_auth_enable", "no")) ||
	    mr_doctor_yes(mr_doctor_smtpd_value(d, s, "smtpd_tls_auth_only", "no")) ||
	    mr_doctor_yes(mr_doctor_smtpd_value(d, s, "smtpd_tls_wrappermode", "no")) ||
	    mr_doctor_yes(mr_doctor_smtpd_value(d, s, "smtpd_enforce_tls", "no")) ||
	    strcmp(level, "encrypt") == 0 || strstr(sasl, "noplaintext"))
		return;
	mr_doctor_say(d, MR_ADVICE_DANGER, "plain-login", file_of(d, s, "smtpd_sasl_auth_enable"),
		      "smtpd_tls_auth_only = yes",
		      "service %s takes passwords without TLS: who listens has a login that "
		      "mailreeve believes",
		      s->name);
}

static void proxied(struct mr_doctor *d, const struct mr_doctor_smtpd *s)
{
	const char *haproxy = mr_doctor_smtpd_value(d, s, "smtpd_upstream_proxy_protocol", "");
	const char *at = mr_doctor_smtpd_value(d, s, "smtpd_authorized_xclient_hosts", "");
	const char *screen = mr_doctor_value(&d->main, "postscreen_upstream_proxy_protocol", "");
	struct mr_doctor_word w;

	if ((*haproxy || *screen) && !(d->policy && d->policy->proxies))
		mr_doctor_say(d, MR_ADVICE_DANGER, "proxies", "mailreeve.conf",
			      "proxies { 192.0.2.10; }\t# the addresses of your proxies",
			      "%s: clients come through a proxy that mailreeve.conf does not list: "
			      "a ban would shut out everybody, a permit let in everybody",
			      *haproxy ? "smtpd_upstream_proxy_protocol"
				       : "postscreen_upstream_proxy_protocol");
	while (mr_doctor_next(&at, &w))
		if (!mr_doctor_known_proxy(d, &w))
			mr_doctor_say(
				d, MR_ADVICE_DANGER, "proxies", "mailreeve.conf",
				mr_doctor_proxies(d, &w),
				"smtpd_authorized_xclient_hosts: %.*s tells Postfix addresses "
				"and logins, and proxies does not list it",
				(int)w.n, w.p);
}

/* The port of a line of master.cf: [HOST:]PORT, by number or name; 0: no port that we know. */
static uint16_t port_of(const char *name)
{
	const char *colon = strrchr(name, ':'), *port = colon ? colon + 1 : name;
	char *end;
	unsigned long n = strtoul(port, &end, 10);

	if (end > port && !*end)
		return n <= UINT16_MAX ? (uint16_t)n : 0;
	if (strcmp(port, "smtps") == 0)
		port = "submissions";
	for (const struct mr_builtin_service *b = mr_builtin_services; b->name; b++)
		if (strcmp(b->name, port) == 0)
			return b->port;
	return 0;
}

/* Does the packet filter let strangers at this service? */
static bool takes_strangers(const struct mr_service *s)
{
	bool rules = false;

	if (s->mode != MR_MODE_ENFORCE)
		return true;
	for (size_t k = 0; k < s->n_rules; k++) {
		const struct mr_rule *r = &s->rules[k];

		if (r->source.kind == MR_SOURCE_ANY && (r->action == MR_ALLOW || !r->users))
			return r->action == MR_ALLOW;
		rules |= !r->implied;
	}
	return s->has_default ? s->default_allow : !rules;
}

/* Dovecot has a list of those whose header it believes, Postfix has none. */
static void header(struct mr_doctor *d, const char *name, const char *setting, uint16_t port)
{
	const struct mr_service *by = d->policy && port ? mr_policy_port(d->policy, port) : NULL;

	if (!d->policy || !port || (by && !takes_strangers(by)))
		return;
	mr_doctor_say(d, MR_ADVICE_DANGER, "proxy-port", "mailreeve.conf",
		      by ? NULL
			 : mr_doctor_text(d,
					  "service behind-proxy-%u { ports %u; allow 192.0.2.10; }"
					  "\t# the addresses of your proxies",
					  port, port),
		      "%s, service %s: whoever reaches port %u says which address he comes from, "
		      "and %s%s; let the proxy come to a port that only it may reach",
		      setting, name, port,
		      by ? "strangers may reach service " : "no service has that port",
		      by ? by->name : "");
}

static void headers(struct mr_doctor *d, const struct mr_doctor_smtpd *s)
{
	if (*mr_doctor_smtpd_value(d, s, "smtpd_upstream_proxy_protocol", "") && !s->loopback)
		header(d, s->name, "smtpd_upstream_proxy_protocol", port_of(s->name));
}

static const struct {
	void (*check)(struct mr_doctor *d, const struct mr_doctor_smtpd *s);
	bool loopback; /* a filter's way back is asked too */
} each[] = {
	{ vrfy, false },
	{ plain_login, false },
	{ proxied, true },
	{ headers, false },
};

void mr_doctor_smtpd(struct mr_doctor *d, const struct mr_doctor_smtpd *s)
{
	for (size_t k = 0; k < MR_ARRAY_SIZE(each); k++)
		if (!s->loopback || each[k].loopback)
			each[k].check(d, s);
}

/* --- main.cf as a whole ----------------------------------------------------------------------- */

void mr_doctor_main(struct mr_doctor *d)
{
	const char *style = mr_doctor_value(&d->main, "mynetworks_style", "");
	const struct mr_policy *p = d->policy;

	if (!d->postfix)
		return;
	if (strcmp(style, "class") == 0 && !mr_doctor_value(&d->main, "mynetworks", NULL))
		mr_doctor_say(d, MR_ADVICE_DANGER, "open-relay", "main.cf",
			      "mynetworks_style = host",
			      "mynetworks_style = class lets the provider's whole network relay");
	if (*mr_doctor_value(&d->main, "postscreen_upstream_proxy_protocol", ""))
		header(d, "smtp", "postscreen_upstream_proxy_protocol", port_of("smtp"));
	if (p && p->listen_given[MR_LISTEN_POLICY]) {
		bool listens = false;

		for (size_t k = 0; k < p->n_listen; k++)
			listens |= p->listen[k].kind == MR_LISTEN_POLICY;
		if (!listens)
			mr_doctor_say(d, MR_ADVICE_ADD, "policy-off", "mailreeve.conf",
				      "listen { policy \"" MR_LISTEN_DIR "/policy\"; }",
				      "policy off: Postfix has nobody to ask");
	}
	if (p && p->relay.n_local_domains == 0)
		mr_doctor_say(d, MR_ADVICE_NOTE, "local-domains", "mailreeve.conf",
			      "relay { local-domains { example.com } }\t# your own",
			      "without local-domains mailreeve refuses nobody's relaying: that is "
			      "left to Postfix, with its own words");
}

/* --- logs ------------------------------------------------------------------------------------- */

static bool begins(const char *const *list, size_t n, const char *with)
{
	for (size_t k = 0; k < n; k++)
		if (strncmp(list[k], with, strlen(with)) == 0)
			return true;
	return false;
}

/* Does a source of the policy read what this server writes to `path` (NULL: to syslog)? */
static bool is_read(const struct mr_policy *p, const char *server, const char *path)
{
	for (size_t k = 0; p && k < p->n_learn; k++) {
		const struct mr_learn_source *l = &p->learn[k];

		if (l->n_formats && !begins(l->formats, l->n_formats, server))
			continue;
		switch (l->kind) {
		case MR_LEARN_STDIN:
			return true;
		case MR_LEARN_FILE:
			/* which of syslog's files a server's lines go to is not seen from here */
			if (!path || strcmp(path, l->path) == 0)
				return true;
			break;
		case MR_LEARN_JOURNAL:
			if (!path && (begins(l->units, l->n_units, server) ||
				      begins(l->identifiers, l->n_identifiers, server) ||
				      begins(l->facilities, l->n_facilities, "mail")))
				return true;
			break;
		}
	}
	return false;
}

static void unread(struct mr_doctor *d, const char *server, const char *path, const char *unit)
{
	if (is_read(d->policy, server, path))
		return;
	mr_doctor_say(d, MR_ADVICE_ADD, "log", "mailreeve.conf",
		      path ? mr_doctor_text(d,
					    "learn { file \"%s\"; }\t# or let %s log to syslog, "
					    "and read the journal",
					    path, server)
			   : mr_doctor_text(d, "learn { journal { %s } }", unit),
		      "nobody reads the log of %s (%s): no permit is learned from it, and no ban",
		      server, path ? path : "in the journal");
}

void mr_doctor_logs(struct mr_doctor *d)
{
	const char *path;

	if (d->postfix) {
		path = mr_doctor_value(&d->main, "maillog_file", "");
		unread(d, "postfix", *path && strcmp(path, "/dev/stdout") != 0 ? path : NULL,
		       "postfix@-.service");
	}
	if (d->dovecot) {
		path = mr_doctor_value(&d->dove, "info_log_path",
				       mr_doctor_value(&d->dove, "log_path", "syslog"));
		if (!*path)
			path = mr_doctor_value(&d->dove, "log_path", "syslog");
		unread(d, "dovecot", *path == '/' && strcmp(path, "/dev/stderr") != 0 ? path : NULL,
		       "dovecot.service");
	}
	/* a file that Dovecot itself opens is not syslog's */
	path = mr_doctor_value(&d->dove, "log_path", "");
	for (size_t k = 0; d->policy && k < d->policy->n_learn; k++)
		if (d->policy->learn[k].kind == MR_LEARN_FILE &&
		    strcmp(d->policy->learn[k].path, path) != 0)
			mr_doctor_say(d, MR_ADVICE_DANGER, "log-file", "mailreeve.conf",
				      "learn { journal { dovecot.service postfix@-.service } }",
				      "every local user can write login lines into %s, by way of "
				      "syslog: read the journal",
				      d->policy->learn[k].path);
}
