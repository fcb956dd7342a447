// SPDX-License-Identifier: BSD-2-Clause
/*
 * opensmtpd.c - OpenSMTPD 5.4 to 7.
 *
 *   smtp-in: New session ID from host H [A]                                        … 5.9
 *   smtp-in: Accepted authentication for user U on session ID
 *   smtp-in: Authentication failed for user U on session ID
 *   ID smtp event=connected address=A host=H                                       6.0
 *   ID smtp event=authentication user=U address=A host=H result=ok|permfail|tempfail
 *   ID smtp connected address=A host=H                                             6.4 …
 *   ID smtp authentication user=U [address=A host=H ]result=…    6.6 and later: without address
 *   ID smtp failed-command command="GET …" result="500 … Command unrecognized"    abuse
 *   ID smtp bad-input result="500 … Pipelining not supported"                      abuse
 *   ID smtp bad-input result="500 … Line too long"                                 abuse
 *
 * The address of the connect line is remembered under ID, and what an authentication line says of
 * an address must agree with it.  U is vis-escaped and holds no blank; H is a PTR name.  A session
 * whose connect line was not seen earns nothing.  `tempfail` is our own fault.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "opensmtpd";

#define ID_DIGITS 16

static bool is_id(struct mr_str s)
{
	struct mr_str run;

	return s.n == ID_DIGITS && mr_cut_class(&s, MR_CLASS_HEX, &run) && s.n == 0;
}

/* "192.0.2.1", "[192.0.2.1]", "[IPv6:2001:db8::1]"; "local" is none */
static bool read_addr(struct mr_str s, struct mr_addr *a)
{
	if (MR_CUT(&s, "[") && !MR_TRIM(&s, "]"))
		return false;
	return mr_str_addr(s, a);
}

static enum mr_parse remember(struct mr_join *j, struct mr_str id, const struct mr_addr *a)
{
	struct mr_joined v = { .addr = *a, .family = MR_FAMILY_SMTP };

	if (j)
		mr_join_put(j, NAME, id, &v);
	return MR_PARSE_NOTHING;
}

static enum mr_parse verdict(struct mr_join *j, struct mr_str id, struct mr_str user,
			     const struct mr_addr *said, bool ok, struct mr_event *out)
{
	struct mr_joined v;
	bool known = j && mr_join_get(j, NAME, id, &v);

	if ((!known && !said) || user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	if (known && said && memcmp(v.addr.b, said->b, sizeof(said->b)) != 0)
		return MR_PARSE_NOTHING;
	if (ok && user.n == 0)
		return MR_PARSE_NOTHING;
	mr_take(out, NAME, ok ? MR_EV_LOGIN : MR_EV_FAILURE, MR_FAMILY_SMTP, said ? said : &v.addr,
		user, ok ? "login" : "SMTP authentication failed");
	out->session = id;
	return MR_PARSE_EVENT;
}

/* behind "ID smtp connected " / "event=connected ": address=A host=H */
static enum mr_parse parse_connected(struct mr_str s, struct mr_str id, struct mr_join *j)
{
	struct mr_str addr;
	struct mr_addr a;

	if (!MR_CUT(&s, "address=") || !mr_cut_to(&s, ' ', &addr) || !read_addr(addr, &a) ||
	    !MR_CUT(&s, "host=")) {
		if (j)
			mr_join_drop(j, NAME, id);
		return MR_PARSE_NOTHING;
	}
	return remember(j, id, &a);
}

/* behind "authentication ": user=U [address=A host=H ]result=R */
static enum mr_parse parse_auth(struct mr_str s, struct mr_str id, struct mr_join *j,
				struct mr_event *out)
{
	struct mr_str user, addr, host;
	struct mr_addr a;
	bool said = false;

	if (!MR_CUT(&s, "user=") || !mr_cut_to(&s, ' ', &user))
		return MR_PARSE_LOST;
	if (MR_CUT(&s, "address=")) {
		if (!mr_cut_to(&s, ' ', &addr) || !read_addr(addr, &a) || !MR_CUT(&s, "host=") ||
		    !mr_cut_to(&s, ' ', &host))
			return MR_PARSE_NOTHING;
		said = true;
	}
	if (mr_str_is(s, "result=ok"))
		return verdict(j, id, user, said ? &a : NULL, true, out);
	if (mr_str_is(s, "result=permfail"))
		return verdict(j, id, user, said ? &a : NULL, false, out);
	return mr_str_is(s, "result=tempfail") ? MR_PARSE_NOTHING : MR_PARSE_LOST;
}

/* behind "ID smtp ": what no mail client sends.  The command is the client's, the result is not. */
static enum mr_parse parse_abuse(struct mr_str s, struct mr_str id, struct mr_join *j,
				 struct mr_event *out)
{
	const struct mr_str nobody = { 0 };
	const char *what = NULL;
	struct mr_joined v;

	if (MR_CUT(&s, "failed-command command=\"")) {
		if (mr_cut_http(&s) && MR_TRIM(&s, "Invalid command: Command unrecognized\""))
			what = "non-SMTP command";
	} else if (MR_CUT(&s, "bad-input result=\"500 ")) {
		if (MR_TRIM(&s, " Pipelining not supported\""))
			what = "improper pipelining";
		else if (MR_TRIM(&s, " Line too long\""))
			what = "over-long command";
	}
	if (!what || !j || !mr_join_get(j, NAME, id, &v))
		return MR_PARSE_NOTHING;
	mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &v.addr, nobody, what);
	out->session = id;
	return MR_PARSE_EVENT;
}

/* behind "smtp-in: " */
static enum mr_parse parse_old(struct mr_str s, struct mr_join *j, struct mr_event *out)
{
	struct mr_str id, user, addr;
	struct mr_addr a;
	bool ok;

	if (MR_CUT(&s, "New session ")) {
		if (!mr_cut_to(&s, ' ', &id) || !is_id(id) || !MR_CUT(&s, "from host ") ||
		    !MR_TRIM(&s, "]") || !mr_trim_from(&s, '[', &addr) || !read_addr(addr, &a))
			return MR_PARSE_NOTHING;
		return remember(j, id, &a);
	}
	if (MR_CUT(&s, "Accepted authentication for user "))
		ok = true;
	else if (MR_CUT(&s, "Authentication failed for user "))
		ok = false;
	else
		return MR_PARSE_NOTHING;
	if (!mr_find_last(s, " on session ", &user, &id) || !is_id(id))
		return MR_PARSE_LOST;
	if (memchr(user.p, ' ', user.n))
		return MR_PARSE_NOTHING;
	return verdict(j, id, user, NULL, ok, out);
}

static enum mr_parse opensmtpd_parse(const struct mr_line *l, struct mr_join *j,
				     struct mr_event *out)
{
	struct mr_str s = l->message, id;

	if (!mr_str_is(l->program, "smtpd") && !mr_str_is(l->program, "opensmtpd"))
		return MR_PARSE_NOT_MINE;
	if (MR_CUT(&s, "smtp-in: "))
		return parse_old(s, j, out);
	if (!mr_cut_class(&s, MR_CLASS_HEX, &id) || !is_id(id) || !MR_CUT(&s, " smtp "))
		return MR_PARSE_NOTHING;
	MR_CUT(&s, "event=");
	if (MR_CUT(&s, "connected "))
		return parse_connected(s, id, j);
	if (MR_CUT(&s, "authentication "))
		return parse_auth(s, id, j, out);
	if (MR_CUT(&s, "auth"))
		return MR_PARSE_LOST;
	if (j && (MR_CUT(&s, "disconnected") || MR_CUT(&s, "closed")))
		mr_join_drop(j, NAME, id);
	return parse_abuse(s, id, j, out);
}

static const char *const programs[] = { "smtpd", "opensmtpd", NULL };
const struct mr_format mr_format_opensmtpd = {
	.name = NAME,
	.programs = programs,
	.unit = "opensmtpd",
	.parse = opensmtpd_parse,
};
