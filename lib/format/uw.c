// SPDX-License-Identifier: BSD-2-Clause
/*
 * uw.c - the University of Washington's imapd and ipop3d, and Panda IMAP.
 *
 *   Login|Authenticated|Auth|APOP user=U host=[NAME ][A]                   login
 *   Login failed user=U auth=X host=[NAME ][A]                             failure
 *   AUTHENTICATE MECH failure host=[NAME ][A]                              failure
 *   Login failure user=U host=…; Failed X override of user=U host=…        failure (old)
 *   Login excessive login failures user=U auth=X host=…                    abuse
 *   Login SYSTEM BREAK-IN ATTEMPT user=U auth=X host=…                     abuse (over-long)
 *   Logout|Autologout|Killed…|Hangup|ERROR, while reading line user=U host=…  logout; U may be ???
 *
 * The verdict stands at the left, the address at the right: the last ` host=` of the line, and it
 * must run to the end.  U lies between and is not looked into.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "uw";

static enum mr_family family_of(struct mr_str p)
{
	if (mr_str_is(p, "imapd") || mr_str_is(p, "imapsd") || mr_str_is(p, "imaps") ||
	    mr_str_is(p, "imap"))
		return MR_FAMILY_IMAP;
	if (mr_str_is(p, "ipop3d") || mr_str_is(p, "ipop3sd") || mr_str_is(p, "ipop2d") ||
	    mr_str_is(p, "ipop3") || mr_str_is(p, "ipop3s"))
		return MR_FAMILY_POP3;
	return MR_FAMILY_NONE;
}

static bool read_host(struct mr_str s, struct mr_str *before, struct mr_addr *a)
{
	struct mr_str head, host, counts, nmsgs;
	size_t whole = s.n;

	/* pop: " nmsgs=3/3", logout of pop: " ndele=0" and the like */
	while (!(s.n && s.p[s.n - 1] == ']')) {
		uint64_t n;

		if (!mr_trim_from(&s, ' ', &counts))
			return false;
		if (counts.n == 0)
			continue;
		if (!mr_cut_class(&counts, MR_CLASS_WORD, &nmsgs) || !MR_CUT(&counts, "=") ||
		    !mr_cut_number(&counts, &n) ||
		    (MR_CUT(&counts, "/") && !mr_cut_number(&counts, &n)) || counts.n)
			return false;
	}
	if (!mr_find_last(s, " host=", &head, &host) || head.n > MR_CLIENT_TEXT_MAX ||
	    whole - head.n > MR_SERVER_TEXT_MAX || !mr_str_host(host, a))
		return false;
	*before = head;
	return true;
}

static enum mr_parse parse(struct mr_str s, enum mr_event_kind kind, enum mr_family family,
			   const char *what, struct mr_event *out)
{
	struct mr_str user, x;
	struct mr_addr a;

	if (!read_host(s, &user, &a))
		return MR_PARSE_LOST;
	if (kind != MR_EV_LOGIN)
		mr_find_last(user, " auth=", &user, &x);
	if ((user.n == 0 && kind == MR_EV_LOGIN) || mr_str_is(user, "???"))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, kind, family, &a, user, what);
}

/* The end of a session; before "while reading" stands the system's word for what went wrong. */
static bool cut_end(struct mr_str *s)
{
	static const char *const ends[] = {
		"Logout",    "Autologout", "Killed", "Hangup", "Killed (lost mailbox lock)",
		"Terminated"
	};
	struct mr_str before, behind;

	if (!mr_find(*s, " user=", &before, &behind))
		return false;
	for (size_t i = 0; i < MR_ARRAY_SIZE(ends); i++)
		if (mr_str_is(before, ends[i])) {
			*s = behind;
			return true;
		}
	if ((!MR_TRIM(&before, " line") && !MR_TRIM(&before, " char") &&
	     !MR_TRIM(&before, " literal")) ||
	    !MR_TRIM(&before, " while reading") || before.n == 0)
		return false;
	*s = behind;
	return true;
}

static enum mr_parse uw_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	static const char *const logins[] = { "Login user=", "Authenticated user=", "Auth user=",
					      "APOP user=" };
	struct mr_str s = l->message, mech, before;
	enum mr_family family = family_of(l->program);
	const struct mr_str nobody = { 0 };
	struct mr_addr a;

	(void)j;
	if (family == MR_FAMILY_NONE)
		return MR_PARSE_NOT_MINE;
	for (size_t i = 0; i < MR_ARRAY_SIZE(logins); i++)
		if (mr_cut(&s, logins[i], strlen(logins[i])))
			return parse(s, MR_EV_LOGIN, family, "login", out);
	if (cut_end(&s))
		return parse(s, MR_EV_LOGOUT, family, "logout", out);
	if (MR_CUT(&s, "Login failed user=") || MR_CUT(&s, "Login failure user="))
		return parse(s, MR_EV_FAILURE, family, "auth failed", out);
	if (MR_CUT(&s, "Login SYSTEM BREAK-IN ATTEMPT user="))
		return parse(s, MR_EV_ABUSE, family, "over-long user name", out);
	if (MR_CUT(&s, "Login excessive login failures user="))
		return parse(s, MR_EV_ABUSE, family, "too many failures", out);
	if (MR_CUT(&s, "Failed ") && mr_cut_class(&s, MR_CLASS_WORD, &mech) &&
	    MR_CUT(&s, " override of user="))
		return parse(s, MR_EV_FAILURE, family, "auth failed", out);
	if (MR_CUT(&s, "AUTHENTICATE ") && mr_cut_class(&s, MR_CLASS_WORD, &mech) &&
	    MR_CUT(&s, " failure")) {
		if (!read_host(s, &before, &a) || before.n)
			return MR_PARSE_LOST;
		return mr_take(out, NAME, MR_EV_FAILURE, family, &a, nobody, "auth failed");
	}
	if ((MR_CUT(&s, "Login ") && !MR_CUT(&s, "disabled ")) || MR_CUT(&s, "Auth"))
		return mr_find(s, " host=", &s, &before) ? MR_PARSE_LOST : MR_PARSE_NOT_MINE;
	return MR_PARSE_NOT_MINE;
}

static const char *const programs[] = { "imapd",   "imapsd", "imaps", "imap",	"ipop3d",
					"ipop3sd", "ipop2d", "ipop3", "ipop3s", NULL };
const struct mr_format mr_format_uw = {
	.name = NAME,
	.programs = programs,
	.unit = "uw-",
	.parse = uw_parse,
};
