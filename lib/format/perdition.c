// SPDX-License-Identifier: BSD-2-Clause
/*
 * perdition.c - Perdition, the POP3 and IMAP proxy.
 *
 *   Auth: A:port->B:port client-secure=… authorisation_id=… authentication_id="U" server="H:P"
 *       protocol=POP3 server-secure=… status="ok"                          login
 *   … status="failed: Re-Authentication Failure"                           failure
 *   Auth: A->B user="U" server="H" port="P" status="ok"                    login (old)
 *
 * A stands before U, the verdict behind it: the fields between U and the end are the server's and
 * are accounted for, so that U cannot bring a status of its own.  U is logged raw: where a syslog
 * daemon keeps line feeds, whole lines can be forged through it, which no text can show.
 * "failed: Could not connect" and the like are our own faults.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "perdition";

static enum mr_family family_of(struct mr_str program)
{
	if (mr_str_is(program, "perdition.imap4") || mr_str_is(program, "perdition.imap4s") ||
	    mr_str_is(program, "perdition.imaps") || mr_str_is(program, "perdition.imap"))
		return MR_FAMILY_IMAP;
	if (mr_str_is(program, "perdition.pop3") || mr_str_is(program, "perdition.pop3s"))
		return MR_FAMILY_POP3;
	if (mr_str_is(program, "perdition.managesieve"))
		return MR_FAMILY_SIEVE;
	return MR_FAMILY_NONE;
}

/* "A:port" or "A"; IPv6 in brackets or, with a port, bare */
static bool read_endpoint(struct mr_str s, struct mr_addr *a)
{
	struct mr_str t = s, addr, port;
	uint64_t n;

	if (MR_CUT(&t, "["))
		return mr_cut_to(&t, ']', &addr) && mr_str_addr(addr, a) &&
		       (t.n == 0 || (MR_CUT(&t, ":") && mr_cut_number(&t, &n) && t.n == 0));
	if (memchr(s.p, '.', s.n) && mr_trim_from(&t, ':', &port))
		return mr_cut_number(&port, &n) && port.n == 0 && mr_str_addr(t, a);
	return mr_str_addr(s, a);
}

/* ` key="value"` or ` key=word` at the right; value holds no quote */
static bool trim_field(struct mr_str *s, const char *key, struct mr_str *value)
{
	struct mr_str t = *s;

	if (MR_TRIM(&t, "\"")) {
		if (!mr_trim_from(&t, '"', value) || !MR_TRIM(&t, "="))
			return false;
	} else if (!mr_trim_from(&t, '=', value) || memchr(value->p, ' ', value->n)) {
		return false;
	}
	if (!mr_trim(&t, key, strlen(key)) || !MR_TRIM(&t, " "))
		return false;
	*s = t;
	return true;
}

/* What stands behind the two addresses, its status already taken: gives U. */
static bool read_user(struct mr_str s, struct mr_str *user)
{
	struct mr_str x, before;

	if (trim_field(&s, "server-secure", &x)) {
		if (!trim_field(&s, "protocol", &x))
			return false;
	} else {
		trim_field(&s, "port", &x);
	}
	if (!trim_field(&s, "server", &x) || !MR_TRIM(&s, "\""))
		return false;
	if (!mr_find_only(s, "authentication_id=\"", &before, user) &&
	    !mr_find_only(s, "user=\"", &before, user))
		return false;
	return user->n <= MR_CLIENT_TEXT_MAX;
}

static enum mr_parse perdition_parse(const struct mr_line *l, struct mr_join *j,
				     struct mr_event *out)
{
	struct mr_str s = l->message, t = l->program, from, to, status, user;
	struct mr_addr a, b;
	bool ok;

	(void)j;
	if (!MR_CUT(&t, "perdition") || (t.n && *t.p != '.'))
		return MR_PARSE_NOT_MINE;
	if (!MR_CUT(&s, "Auth: "))
		return MR_CUT(&s, "Auth") ? MR_PARSE_LOST : MR_PARSE_NOTHING;
	MR_CUT(&s, " ");
	if (!mr_find(s, "->", &from, &s) || !read_endpoint(from, &a) || !mr_cut_to(&s, ' ', &to) ||
	    !read_endpoint(to, &b))
		return MR_PARSE_LOST;
	s.p--; /* the fields begin with a blank */
	s.n++;
	if (!trim_field(&s, "status", &status) || !read_user(s, &user))
		return MR_PARSE_NOTHING; /* a quote in U may do this: nobody is told about it */
	ok = mr_str_is(status, "ok");
	if (!ok &&
	    (!MR_CUT(&status, "failed: ") || (!mr_str_is(status, "Re-Authentication Failure") &&
					      !mr_str_is(status, "Local Authentication Failure") &&
					      !mr_str_is(status, "Local authentication failure") &&
					      !mr_str_is(status, "local authentication failure"))))
		return MR_PARSE_NOTHING;
	if (ok && user.n == 0)
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, ok ? MR_EV_LOGIN : MR_EV_FAILURE, family_of(l->program), &a, user,
		       ok ? "login" : "auth failed");
}

static const char *const programs[] = { "perdition*", NULL };
const struct mr_format mr_format_perdition = {
	.name = NAME,
	.programs = programs,
	.unit = "perdition",
	.parse = perdition_parse,
};
