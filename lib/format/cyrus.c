// SPDX-License-Identifier: BSD-2-Clause
/*
 * cyrus.c - Cyrus IMAP: the classic lines, and logfmt of 3.13.1 and later.
 *
 *   login: [NAME ][A] U MECH[+TLS] User logged in[ SESSIONID=<S>]          login
 *   login: [NAME ][A] U MECH[+TLS]                                         login (before 2.2)
 *   badlogin: [NAME ][A] MECH (U) [SASL(-13): …]                           failure
 *   badlogin: [NAME ][A] plaintext U SASL(-13): …                          failure (2.x)
 *   event=login.good r.sessionid=S r.clienthost="NAME [A]" u.username=U …  login
 *   event=login.bad r.clienthost=[A] u.username=U … error="…"              failure
 *
 * In the classic lines the address stands before the client's text, in logfmt every value that
 * could be mistaken is quoted: all is read from the left, and a key that comes twice, or a byte
 * that fits no field, means no event.  Anonymous logins earn nothing; faults of our own SASL
 * (generic failure, -1) hurt nobody.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "cyrus";

/* "cyrus/imaps", "imap", "imapd", "pop3", "sieve", "timsieved", … */
static bool service_of(struct mr_str program, enum mr_family *family)
{
	static const struct {
		const char *program;
		enum mr_family family;
	} known[] = {
		{ "imap", MR_FAMILY_IMAP },	    { "imaps", MR_FAMILY_IMAP },
		{ "imapd", MR_FAMILY_IMAP },	    { "pop3", MR_FAMILY_POP3 },
		{ "pop3s", MR_FAMILY_POP3 },	    { "pop3d", MR_FAMILY_POP3 },
		{ "sieve", MR_FAMILY_SIEVE },	    { "timsieved", MR_FAMILY_SIEVE },
		{ "managesieve", MR_FAMILY_SIEVE },
	};
	bool cyrus = MR_CUT(&program, "cyrus/");

	*family = MR_FAMILY_NONE;
	for (size_t i = 0; i < MR_ARRAY_SIZE(known); i++)
		if (mr_str_is(program, known[i].program)) {
			*family = known[i].family;
			return true;
		}
	/* http, nntp, lmtp: logins too, of no mail service that we guard */
	return cyrus;
}

/* Of the first versions, which end with it; a password of "anonymous" may look like it */
static bool is_mech(struct mr_str s)
{
	static const char *const words[] = { "plaintext",  "PLAIN",	 "LOGIN", "CRAM-MD5",
					     "DIGEST-MD5", "GSSAPI",	 "NTLM",  "EXTERNAL",
					     "APOP",	   "KERBEROS_V4" };

	MR_TRIM(&s, "+TLS");
	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (mr_str_is(s, words[i]))
			return true;
	return false;
}

/* behind "login: " */
static enum mr_parse parse_login(struct mr_str s, enum mr_family family, struct mr_event *out)
{
	struct mr_str mech, tail, session = { 0 }, id;
	struct mr_addr a;
	bool short_one;

	if (!mr_cut_host(&s, &a) || !MR_CUT(&s, " "))
		return MR_PARSE_LOST;
	if (s.n > 2 * MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	if (mr_find_last(s, " SESSIONID=<", &tail, &id)) {
		if (!mr_cut_class(&id, MR_CLASS_WORD, &session) || !mr_str_is(id, ">"))
			return MR_PARSE_NOTHING;
		s = tail;
	}
	short_one = !MR_TRIM(&s, " User logged in");
	if (!mr_trim_from(&s, ' ', &mech) || s.n == 0)
		return short_one ? MR_PARSE_NOTHING : MR_PARSE_LOST;
	if (short_one && !is_mech(mech))
		return MR_PARSE_NOTHING; /* "anonymous PASSWORD" */
	MR_TRIM(&mech, "+TLS");
	/* "anonymous PASSWORD" may end with these words: a name that has logged in has no blank */
	if (mr_str_is(s, "anonymous") || memchr(s.p, ' ', s.n) || mr_str_is(mech, "ANONYMOUS") ||
	    mr_str_is(mech, "anonymous"))
		return MR_PARSE_NOTHING;
	mr_take(out, NAME, MR_EV_LOGIN, family, &a, s, "login");
	out->session = session;
	return MR_PARSE_EVENT;
}

/* The server's words for a fault that is not the client's; U may stand before them */
static bool own_fault(struct mr_str s)
{
	struct mr_str x, code;

	return mr_find_last(s, "SASL(", &x, &code) &&
	       (MR_CUT(&code, "-1): ") || MR_CUT(&code, "-2): "));
}

/* behind "badlogin: " */
static enum mr_parse parse_badlogin(struct mr_str s, enum mr_family family, struct mr_event *out)
{
	struct mr_str mech, user = { 0 }, x;
	struct mr_addr a;

	if (!mr_cut_host(&s, &a) || !MR_CUT(&s, " "))
		return MR_PARSE_LOST;
	if (own_fault(s))
		return MR_PARSE_NOTHING;
	if (mr_cut_to(&s, ' ', &mech)) {
		if (MR_CUT(&s, "(")) {
			if (!mr_find_last(s, ") [", &user, &x) &&
			    !mr_find_last(s, ") SASL(", &user, &x) &&
			    !mr_find_last(s, ") invalid", &user, &x))
				user.n = 0;
		} else if (*mech.p != '[' && !mr_find_last(s, " SASL(", &user, &x)) {
			user = s;
			if (!MR_TRIM(&user, " invalid user"))
				user.n = 0;
		}
	}
	if (mr_str_is(user, "-notset-"))
		user.n = 0;
	return mr_take(out, NAME, MR_EV_FAILURE, family, &a, user, "auth failed");
}

/* key=value, key="value": eats it and the blank behind it; value without its quotes */
static bool cut_pair(struct mr_str *s, struct mr_str *key, struct mr_str *value)
{
	struct mr_str t = *s;

	if (!mr_cut_class(&t, MR_CLASS_WORD, key) || !MR_CUT(&t, "="))
		return false;
	*value = t;
	value->n = 0;
	if (MR_CUT(&t, "\"")) {
		value->p = t.p;
		while (t.n && *t.p != '"') {
			size_t step = *t.p == '\\' ? 2 : 1;

			if (t.n < step)
				return false;
			t.p += step;
			t.n -= step;
			value->n += step;
		}
		if (!MR_CUT(&t, "\""))
			return false;
	} else {
		while (t.n && *t.p != ' ' && *t.p != '"' && *t.p != '=') {
			t.p++;
			t.n--;
			value->n++;
		}
	}
	if (t.n && !MR_CUT(&t, " "))
		return false;
	*s = t;
	return true;
}

struct pairs {
	struct mr_str host, user, session, error, mech;
	bool anonymous;
};

static bool once(struct mr_str *slot, struct mr_str value)
{
	if (slot->p)
		return false;
	*slot = value;
	return true;
}

static bool read_pairs(struct mr_str s, struct pairs *p)
{
	struct mr_str key, value;

	while (s.n) {
		struct mr_str *slot = NULL;

		if (!cut_pair(&s, &key, &value))
			return false;
		if (mr_str_is(key, "r.clienthost"))
			slot = &p->host;
		else if (mr_str_is(key, "u.username"))
			slot = &p->user;
		else if (mr_str_is(key, "r.sessionid"))
			slot = &p->session;
		else if (mr_str_is(key, "error"))
			slot = &p->error;
		else if (mr_str_is(key, "login.mech"))
			slot = &p->mech;
		else if (mr_str_is(key, "event"))
			return false;
		else if (mr_str_is(key, "login.anonymous"))
			p->anonymous = !mr_str_is(value, "0");
		if (slot && !once(slot, value))
			return false;
	}
	return true;
}

static enum mr_parse parse_logfmt(struct mr_str s, bool good, enum mr_family family,
				  struct mr_event *out)
{
	struct pairs p = { 0 };
	struct mr_addr a;

	if (!read_pairs(s, &p) || !mr_str_host(p.host, &a))
		return MR_PARSE_LOST;
	if (mr_str_is(p.user, "~null~"))
		p.user.n = 0;
	if (mr_str_is(p.session, "~null~"))
		p.session.n = 0;
	if (!good && (own_fault(p.error) || mr_str_is(p.error, "generic failure")))
		return MR_PARSE_NOTHING;
	if (good && (p.anonymous || p.user.n == 0 || mr_str_is(p.user, "anonymous") ||
		     mr_str_is(p.mech, "ANONYMOUS")))
		return MR_PARSE_NOTHING;
	mr_take(out, NAME, good ? MR_EV_LOGIN : MR_EV_FAILURE, family, &a, p.user,
		good ? "login" : "auth failed");
	out->session = p.session;
	return MR_PARSE_EVENT;
}

static enum mr_parse cyrus_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, program = l->program;
	enum mr_family family;

	(void)j;
	if (!service_of(program, &family))
		return MR_PARSE_NOT_MINE;
	if (MR_CUT(&s, "login: "))
		return parse_login(s, family, out);
	if (MR_CUT(&s, "badlogin: "))
		return parse_badlogin(s, family, out);
	if (MR_CUT(&s, "event=login.good "))
		return parse_logfmt(s, true, family, out);
	if (MR_CUT(&s, "event=login.bad "))
		return parse_logfmt(s, false, family, out);
	if (MR_CUT(&s, "login") || MR_CUT(&s, "badlogin") || MR_CUT(&s, "event=login"))
		return MR_PARSE_LOST;
	return MR_CUT(&program, "cyrus/") ? MR_PARSE_NOTHING : MR_PARSE_NOT_MINE;
}

static const char *const programs[] = { "cyrus/*",   "imap",	    "imaps", "imapd",
					"pop3",	     "pop3s",	    "pop3d", "sieve",
					"timsieved", "managesieve", NULL };
const struct mr_format mr_format_cyrus = {
	.name = NAME,
	.programs = programs,
	.unit = "cyrus",
	.parse = cyrus_parse,
};
