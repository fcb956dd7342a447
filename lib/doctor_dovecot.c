// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor_dovecot.c - does Dovecot ask before it lets somebody log in, and can its log be believed?
 *
 * Knows the names of 2.3 and of 2.4.  Called by doctor.c.
 */
#include "doctor_private.h"

#include <string.h>

#define FILE_ "dovecot.conf"
#define ATTRIBUTES23 \
	"auth_policy_request_attributes = login=%{requested_username} " \
	"pwhash=%{hashed_password} remote=%{rip} device_id=%{client_id} protocol=%s " \
	"session_id=%{session} lport=%{lport}"

static const char *value(const struct mr_doctor *d, const char *name, const char *otherwise)
{
	return mr_doctor_value(&d->dove, name, otherwise);
}

/* --- the question ----------------------------------------------------------------------------- */

static void first_url(const struct mr_doctor *d, char *buf, size_t size)
{
	const struct mr_policy *p = d->policy;
	const struct mr_dovecot_listen *l = p && p->dovecot.n_listen ? &p->dovecot.listen[0] : NULL;
	char addr[MR_ADDR_TEXT] = "127.0.0.1";

	if (l)
		mr_addr_text(&l->address, addr);
	snprintf(buf, size, strchr(addr, ':') ? "http://[%s]:%u/" : "http://%s:%u/", addr,
		 l ? l->port : MR_DOVECOT_PORT);
}

/* Loopback with one of our ports. */
static bool is_ours(const struct mr_doctor *d, const char *url)
{
	static const char *const hosts[] = { "http://127.0.0.1:", "http://localhost:",
					     "http://[::1]:" };
	const struct mr_policy *p = d->policy;
	size_t n = p ? p->dovecot.n_listen : 0;

	for (size_t k = 0; k < MR_ARRAY_SIZE(hosts); k++) {
		unsigned long port;

		if (strncmp(url, hosts[k], strlen(hosts[k])) != 0)
			continue;
		port = strtoul(url + strlen(hosts[k]), NULL, 10);
		if (n == 0)
			return port == MR_DOVECOT_PORT;
		for (size_t j = 0; j < n; j++)
			if (p->dovecot.listen[j].port == port)
				return true;
	}
	return false;
}

static const char *lines(struct mr_doctor *d)
{
	static const char attributes24[] = "auth_policy_request_attributes {\n"
					   "  login = %{requested_username}\n"
					   "  pwhash = %{hashed_password}\n"
					   "  remote = %{remote_ip}\n"
					   "  device_id = %{client_id}\n"
					   "  protocol = %{protocol}\n"
					   "  session_id = %{session}\n"
					   "  fail_type = %{fail_type}\n"
					   "  lport = %{local_port}\n"
					   "}";
	const struct mr_policy *p = d->policy;
	const char *secret = p && p->dovecot.secret_file ? p->dovecot.secret_file
							 : "/var/lib/mailreeve/" MR_DOVECOT_SECRET;
	char url[80];

	first_url(d, url, sizeof(url));
	return mr_doctor_text(d,
			      "auth_policy_server_url = %s\n"
			      "auth_policy_hash_nonce = a-word-of-your-own\n"
			      "auth_policy_server_api_header = <%s\n"
			      "%s",
			      url, secret, d->dovecot24 ? attributes24 : ATTRIBUTES23);
}

static void question(struct mr_doctor *d)
{
	const char *url = value(d, "auth_policy_server_url", "");

	if (d->policy && !d->policy->dovecot.given)
		mr_doctor_say(d, MR_ADVICE_ADD, "dovecot-listen", "mailreeve.conf", "dovecot { }",
			      "without the statement nobody answers Dovecot");
	if (!*url) {
		mr_doctor_say(d, MR_ADVICE_ADD, "login-question", FILE_, lines(d),
			      "mailreeve is not asked who may log in: bans, rules with users and "
			      "limits of accounts are not looked at");
		return;
	}
	if (!is_ours(d, url)) {
		mr_doctor_say(d, MR_ADVICE_ADD, "login-question", FILE_, lines(d),
			      "auth_policy_server_url is %s, and not mailreeve", url);
		return;
	}
	if (!*value(d, "auth_policy_hash_nonce", ""))
		mr_doctor_say(d, MR_ADVICE_ADD, "hash-nonce", FILE_,
			      "auth_policy_hash_nonce = a-word-of-your-own",
			      "without auth_policy_hash_nonce Dovecot does not ask");
	if (!*value(d, "auth_policy_server_api_header", ""))
		mr_doctor_say(
			d, MR_ADVICE_ADD, "api-header", FILE_,
			"auth_policy_server_api_header = </var/lib/mailreeve/" MR_DOVECOT_SECRET,
			"reports without the secret are ignored: any local user could send "
			"them");
}

static void answers(struct mr_doctor *d)
{
	if (!is_ours(d, value(d, "auth_policy_server_url", "")))
		return;
	if (mr_doctor_yes(value(d, "auth_policy_log_only", "no")))
		mr_doctor_say(
			d, MR_ADVICE_ADD, "log-only", FILE_, "auth_policy_log_only = no",
			"auth_policy_log_only: what mailreeve refuses is let in all the same");
	if (strcmp(value(d, "auth_policy_check_before_auth", "yes"), "no") == 0 &&
	    strcmp(value(d, "auth_policy_check_after_auth", "yes"), "no") == 0)
		mr_doctor_say(d, MR_ADVICE_ADD, "never-asked", FILE_,
			      "auth_policy_check_before_auth = yes\n"
			      "auth_policy_check_after_auth = yes",
			      "Dovecot asks neither before nor after the password");
	if (strcmp(value(d, "auth_policy_report_after_auth", "yes"), "no") == 0)
		mr_doctor_say(d, MR_ADVICE_NOTE, "no-report", FILE_,
			      "auth_policy_report_after_auth = yes",
			      "logins are learned from the log only");
	if (mr_doctor_yes(value(d, "auth_policy_reject_on_fail", "no")))
		mr_doctor_say(d, MR_ADVICE_NOTE, "reject-on-fail", FILE_, NULL,
			      "auth_policy_reject_on_fail: nobody can log in while mailreeved is "
			      "stopped");
}

/* A list of one's own (2.3; that of 2.4 only adds to the default). */
static void attributes(struct mr_doctor *d)
{
	static const struct {
		const char *is, *without;
	} needed[] = {
		{ "remote=", "no question can be answered, and every login passes" },
		{ "login=", "rules with users refuse everybody, and limits of accounts are not "
			    "looked at" },
		{ "protocol=", "no rule is asked: which service it is about is not known" },
	};
	const char *list = value(d, "auth_policy_request_attributes", NULL);

	if (!list || d->dovecot24 || !is_ours(d, value(d, "auth_policy_server_url", "")))
		return;
	for (size_t k = 0; k < MR_ARRAY_SIZE(needed); k++) {
		size_t n = strlen(needed[k].is);
		struct mr_doctor_word w;
		const char *at = list;
		bool found = false;

		while (mr_doctor_next(&at, &w))
			found |= w.n > n && memcmp(w.p, needed[k].is, n) == 0;
		if (!found)
			mr_doctor_say(d, MR_ADVICE_ADD, "attributes", FILE_, ATTRIBUTES23,
				      "auth_policy_request_attributes has no %s: %s", needed[k].is,
				      needed[k].without);
	}
}

/* --- dangers ---------------------------------------------------------------------------------- */

static void plain(struct mr_doctor *d)
{
	bool clear = d->dovecot24 ? mr_doctor_yes(value(d, "auth_allow_cleartext", "no"))
				  : strcmp(value(d, "disable_plaintext_auth", "yes"), "no") == 0;

	if (clear)
		mr_doctor_say(d, MR_ADVICE_DANGER, "plain-login", FILE_,
			      d->dovecot24 ? "auth_allow_cleartext = no"
					   : "disable_plaintext_auth = yes",
			      "passwords are taken without TLS: who listens has a login that "
			      "mailreeve believes");
	if (strcmp(value(d, "ssl", "yes"), "no") == 0)
		mr_doctor_say(d, MR_ADVICE_DANGER, "no-tls", FILE_, "ssl = required",
			      "ssl = no: every password goes in the clear");
}

static bool is_own_host(const char *block)
{
	return strncmp(block, "remote 127.", 11) == 0 || strncmp(block, "remote ::1/", 11) == 0 ||
	       strncmp(block, "remote localhost/", 17) == 0;
}

/* protocol imap { … }, local 192.0.2.1 { … }, remote 192.0.2.0/24 { … } */
static void plain_block(struct mr_doctor *d)
{
	const char *name = d->dovecot24 ? "/auth_allow_cleartext" : "/disable_plaintext_auth";
	const char *clear = d->dovecot24 ? "yes" : "no";

	for (size_t k = 0; k < d->dove.n; k++) {
		const char *path = d->dove.v[k].name;
		size_t n = strlen(path), tail = strlen(name);

		if (n > tail && strcmp(path + n - tail, name) == 0 && !is_own_host(path) &&
		    strcmp(d->dove.v[k].value, clear) == 0)
			mr_doctor_say(d, MR_ADVICE_DANGER, "plain-login", FILE_, NULL,
				      "%.*s: passwords are taken without TLS: who listens has a "
				      "login that mailreeve believes",
				      (int)(n - tail), path);
	}
}

static void username_chars(struct mr_doctor *d)
{
	const char *chars = value(d, "auth_username_chars", NULL);

	if (chars && !*chars)
		mr_doctor_say(d, MR_ADVICE_DANGER, "username-chars", FILE_,
			      "auth_username_chars = abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890.-_@",
			      "auth_username_chars is empty: a login name may hold anything, and "
			      "whole lines of log can be forged with it");
}

static void log_format(struct mr_doctor *d)
{
	const char *elements = value(d, "login_log_format_elements", NULL);

	if (elements && !strstr(elements, d->dovecot24 ? "remote_ip" : "rip=%r"))
		mr_doctor_say(d, MR_ADVICE_ADD, "log-format", FILE_, NULL,
			      "login_log_format_elements was changed and does not tell the address "
			      "as rip=: no login is learned from the log");
	else if (elements || value(d, "login_log_format", NULL))
		mr_doctor_say(d, MR_ADVICE_NOTE, "log-format", FILE_, NULL,
			      "the format of login lines was changed: see with mailreeve learn "
			      "--dry-run that they are understood");
}

static void trusted(struct mr_doctor *d, const char *name)
{
	const char *at = value(d, name, "");
	struct mr_doctor_word w;

	while (mr_doctor_next(&at, &w))
		if (!mr_doctor_known_proxy(d, &w))
			mr_doctor_say(
				d, MR_ADVICE_DANGER, "proxies", "mailreeve.conf",
				mr_doctor_proxies(d, &w),
				"%s: %.*s tells Dovecot the addresses of clients, and proxies "
				"does not list it",
				name, (int)w.n, w.p);
}

static void proxied(struct mr_doctor *d)
{
	trusted(d, "login_trusted_networks");
	trusted(d, "haproxy_trusted_networks");
	for (size_t k = 0; k < d->dove.n; k++) {
		const char *name = d->dove.v[k].name;
		size_t n = strlen(name);

		if (n > 8 && strcmp(name + n - 8, "/haproxy") == 0 &&
		    mr_doctor_yes(d->dove.v[k].value) && !(d->policy && d->policy->proxies))
			mr_doctor_say(d, MR_ADVICE_DANGER, "proxies", "mailreeve.conf",
				      "proxies { 192.0.2.10; }\t# the addresses of your proxies",
				      "%.*s: clients come through a proxy that mailreeve.conf does "
				      "not list: a ban would shut out everybody, a permit let in "
				      "everybody",
				      (int)n - 8, name);
	}
}

static void (*const checks[])(struct mr_doctor *d) = {
	question, answers, attributes, plain, plain_block, username_chars, log_format, proxied,
};

void mr_doctor_dovecot(struct mr_doctor *d)
{
	for (size_t k = 0; d->dovecot && k < MR_ARRAY_SIZE(checks); k++)
		checks[k](d);
}
