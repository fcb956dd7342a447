// SPDX-License-Identifier: BSD-2-Clause
/*
 * roundcube.c - failed logins to Roundcube, its own log or syslog.
 *
 *   [<SESSION> ]FAILED login for U from A[ in session S (error: N)]        failure
 *   [<SESSION> ]IMAP Error: Login failed for U [against H ]from A[. TEXT]  failure
 *
 * U and TEXT may hold " from 9.9.9.9": " from " must stand only once.  "A(X-Forwarded-For: B)" is
 * the web proxy's address and a text of the client's: no event.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "roundcube";

/* `text`: at the end may stand what the client chose, of any length */
static enum mr_parse failure(struct mr_str s, bool text, struct mr_event *out)
{
	struct mr_str user, addr, x;
	struct mr_addr a;

	if (!mr_find_only(s, " from ", &user, &addr) || user.n > 2 * MR_CLIENT_TEXT_MAX ||
	    (!text && addr.n > MR_SERVER_TEXT_MAX))
		return MR_PARSE_NOTHING;
	mr_find(addr, " in session ", &addr, &x);
	mr_find(addr, ". ", &addr, &x);
	MR_TRIM(&addr, ".");
	mr_find(user, " against ", &user, &x);
	if (!mr_str_addr(addr, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_NONE, &a, user, "webmail login failed");
}

static enum mr_parse roundcube_parse(const struct mr_line *l, struct mr_join *j,
				     struct mr_event *out)
{
	struct mr_str s = l->message, session, t;

	(void)j;
	if (l->program.n == 0) {
		if (!l->time_us || l->text.n < 22 || l->text.p[0] != '[' || l->text.p[3] != '-')
			return MR_PARSE_NOT_MINE;
		s = l->body;
	} else if (!mr_str_is(l->program, "roundcube")) {
		return MR_PARSE_NOT_MINE;
	}
	t = s;
	if (MR_CUT(&t, "<") && mr_cut_class(&t, MR_CLASS_WORD, &session) && MR_CUT(&t, "> "))
		s = t;
	if (MR_CUT(&s, "FAILED login for ") || MR_CUT(&s, "Failed login for "))
		return failure(s, false, out);
	if (MR_CUT(&s, "IMAP Error: Login failed for "))
		return failure(s, true, out);
	return MR_CUT(&s, "Login fail") || MR_CUT(&s, "IMAP Error: Login") ? MR_PARSE_LOST
									   : MR_PARSE_NOTHING;
}

static const char *const programs[] = { "roundcube", "", NULL };
const struct mr_format mr_format_roundcube = {
	.name = NAME,
	.programs = programs,
	.parse = roundcube_parse,
};
