// SPDX-License-Identifier: BSD-2-Clause
/*
 * sendmail.c - Sendmail 8.
 *
 *   AUTH=server, relay=HOST, authid=U, mech=M, bits=N                      login
 *   QID: AUTH failure (M): WHY, user=U, relay=HOST                         failure (8.16)
 *   QID: HOST: possible SMTP attack: command=C, count=N                    abuse
 *   QID: HOST: probable open proxy: command=TEXT                           abuse (HTTP)
 *   QID: HOST: SMTP violation, input too long: N                           abuse
 *   QID: rejecting commands from HOST due to pre-greeting traffic …        abuse
 *   HOST is [IDENT@][NAME ][A][ (may be forged)]
 *
 * U, IDENT and the commands that Sendmail echoes are the client's.  The verdict stands at the left,
 * U before the address in a failure and behind it in a login: the last `relay=` before the last
 * `authid=` is the server's, and HOST has to be a whole one.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "sendmail";

static bool read_relay(struct mr_str s, struct mr_addr *a)
{
	struct mr_str t, ident;

	MR_TRIM(&s, " (may be forged)");
	t = s;
	if (mr_cut_class(&t, MR_CLASS_WORD, &ident) && MR_CUT(&t, "@"))
		s = t;
	return mr_str_host(s, a);
}

/* behind "AUTH=server, relay=" */
static enum mr_parse parse_login(struct mr_str s, struct mr_event *out)
{
	struct mr_str tail, mech, user, relay;
	struct mr_addr a;
	uint64_t bits;

	if (s.n > 3 * MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	if (!mr_find_last(s, ", bits=", &s, &tail) || !mr_cut_number(&tail, &bits) || tail.n ||
	    !mr_find_last(s, ", mech=", &s, &tail) || !mr_cut_class(&tail, MR_CLASS_WORD, &mech) ||
	    tail.n || !mr_find_last(s, ", authid=", &relay, &user))
		return MR_PARSE_LOST;
	if (mr_str_is(mech, "ANONYMOUS") || user.n == 0 || !read_relay(relay, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_SMTP, &a, user, "login");
}

/* behind "AUTH failure (" */
static enum mr_parse parse_failure(struct mr_str s, struct mr_event *out)
{
	struct mr_str mech, why, user, relay;
	struct mr_addr a;

	if (!mr_cut_class(&s, MR_CLASS_WORD, &mech) || !MR_CUT(&s, "): "))
		return MR_PARSE_LOST;
	if (MR_CUT(&s, "generic failure") || MR_CUT(&s, "temporary failure") ||
	    MR_CUT(&s, "out of memory"))
		return MR_PARSE_NOTHING; /* our own fault */
	if (!mr_find_last(s, ", relay=", &s, &relay))
		return MR_PARSE_LOST;
	if (!mr_find(s, ", user=", &why, &user))
		user = (struct mr_str){ 0 };
	if (user.n > MR_CLIENT_TEXT_MAX || !read_relay(relay, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_SMTP, &a, user,
		       "SMTP authentication failed");
}

static enum mr_parse parse_abuse(struct mr_str s, struct mr_event *out)
{
	const struct mr_str nobody = { 0 };
	struct mr_str word, t;
	struct mr_addr a, b;
	uint64_t n;

	if (MR_CUT(&s, "rejecting commands from ")) {
		MR_CUT(&s, " "); /* the client has no name, */
		if (!mr_cut_host(&s, &a))
			return MR_PARSE_NOTHING;
		t = s;
		if (MR_CUT(&t, " ") && mr_cut_host(&t, &b)) { /* or "[A] [A]" for want of one */
			if (memcmp(a.b, b.b, sizeof(a.b)) != 0)
				return MR_PARSE_NOTHING;
			s = t;
		}
		MR_CUT(&s, " (may be forged)");
		return MR_CUT(&s, " due to pre-greeting traffic")
			       ? mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, nobody,
					 "spoke before the greeting")
			       : MR_PARSE_NOTHING;
	}
	if (!mr_cut_host(&s, &a))
		return MR_PARSE_NOTHING;
	MR_CUT(&s, " (may be forged)");
	if (MR_CUT(&s, ": possible SMTP attack: command=") && mr_cut_to(&s, ',', &word) &&
	    MR_CUT(&s, " count=") && mr_cut_number(&s, &n) && s.n == 0)
		return mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, nobody,
			       "possible SMTP attack");
	if (MR_CUT(&s, ": probable open proxy: command="))
		return mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, nobody,
			       "non-SMTP command");
	if (MR_CUT(&s, ": SMTP violation, input too long: ") && mr_cut_number(&s, &n) && s.n == 0)
		return mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, nobody,
			       "over-long command");
	return MR_PARSE_NOTHING;
}

static bool is_sendmail(struct mr_str p)
{
	return mr_str_is(p, "sendmail") || mr_str_is(p, "sm-mta") || mr_str_is(p, "sm-msp") ||
	       mr_str_is(p, "sm-acceptingconnections");
}

static enum mr_parse sendmail_parse(const struct mr_line *l, struct mr_join *j,
				    struct mr_event *out)
{
	struct mr_str s = l->message, t = s, qid;

	(void)j;
	if (!is_sendmail(l->program))
		return MR_PARSE_NOT_MINE;
	if (mr_cut_class(&t, MR_CLASS_WORD, &qid) && MR_CUT(&t, ": "))
		s = t;
	if (MR_CUT(&s, "AUTH=server, relay="))
		return parse_login(s, out);
	if (MR_CUT(&s, "AUTH=server,") || MR_CUT(&s, "AUTH failed"))
		return MR_PARSE_LOST;
	if (MR_CUT(&s, "AUTH failure ("))
		return parse_failure(s, out);
	return parse_abuse(s, out);
}

static const char *const programs[] = { "sendmail", "sm-mta", "sm-msp", "sm-acceptingconnections",
					NULL };
const struct mr_format mr_format_sendmail = {
	.name = NAME,
	.programs = programs,
	.unit = "sendmail",
	.parse = sendmail_parse,
};
