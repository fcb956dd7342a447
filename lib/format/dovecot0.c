// SPDX-License-Identifier: BSD-2-Clause
/*
 * dovecot0.c - Dovecot before 1.0.
 *
 *   imap-login: Login: U [A]                           login
 *
 * U is an account and one word, the address ends the line.  dovecot.c leaves these lines to this
 * format, which is asked only where it is named.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "dovecot0";

static enum mr_parse dovecot0_parse(const struct mr_line *l, struct mr_join *j,
				    struct mr_event *out)
{
	struct mr_str s = l->message, program = l->program, user;
	enum mr_family family;
	struct mr_addr a;

	(void)j;
	if (mr_str_is(program, "dovecot") && !mr_find(s, ": ", &program, &s))
		return MR_PARSE_NOT_MINE;
	if (mr_str_is(program, "imap-login"))
		family = MR_FAMILY_IMAP;
	else if (mr_str_is(program, "pop3-login"))
		family = MR_FAMILY_POP3;
	else
		return MR_PARSE_NOT_MINE;
	MR_CUT(&s, "Info: ");
	if (!MR_CUT(&s, "Login: ") || !mr_cut_to(&s, ' ', &user) || user.n == 0 ||
	    user.n > MR_CLIENT_TEXT_MAX || s.n == 0 || *s.p != '[' || !mr_str_host(s, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, family, &a, user, "login");
}

static const char *const programs[] = { "imap-login", "pop3-login", "dovecot", NULL };
const struct mr_format mr_format_dovecot0 = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "dovecot",
	.parse = dovecot0_parse,
};
