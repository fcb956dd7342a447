// SPDX-License-Identifier: BSD-2-Clause
/*
 * vpopmail.c - vchkpw, the password checker of qmail with vpopmail.
 *
 *   vchkpw-SVC: [(MECH) ][system password ]login success U:A               login
 *   vchkpw-SVC: password fail [(pass: 'P') ]U:A                            failure
 *   vchkpw-SVC: vpopmail user not found U:A · null password given U:A      failure
 *   vchkpw: login [U] from A                                               login (old)
 *
 * U and A are parted by a colon, and an IPv6 address holds colons as well: with a U that ends in
 * ":2001:db8" a client could make another address.  So every colon is tried, and all readings must
 * give one address; only in a login, where U is an account and therefore plain, the first colon
 * counts.  SVC is a name or a port.  P is never shown.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "vpopmail";

static enum mr_family family_of(struct mr_str svc)
{
	static const struct {
		const char *svc;
		enum mr_family family;
	} known[] = {
		{ "pop3", MR_FAMILY_POP3 }, { "pop3s", MR_FAMILY_POP3 },
		{ "110", MR_FAMILY_POP3 },  { "995", MR_FAMILY_POP3 },
		{ "imap", MR_FAMILY_IMAP }, { "imaps", MR_FAMILY_IMAP },
		{ "143", MR_FAMILY_IMAP },  { "993", MR_FAMILY_IMAP },
		{ "smtp", MR_FAMILY_SMTP }, { "smtps", MR_FAMILY_SMTP },
		{ "25", MR_FAMILY_SMTP },   { "465", MR_FAMILY_SMTP },
		{ "587", MR_FAMILY_SMTP },  { "submission", MR_FAMILY_SMTP },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(known); i++)
		if (mr_str_is(svc, known[i].svc))
			return known[i].family;
	return MR_FAMILY_NONE;
}

/* "U:A": every colon near the end is tried */
static bool only_reading(struct mr_str s, struct mr_str *user, struct mr_addr *a)
{
	size_t from = s.n > MR_ADDR_TEXT + 8 ? s.n - MR_ADDR_TEXT - 8 : 0;
	bool found = false;

	for (size_t i = from; i < s.n; i++) {
		struct mr_str tail = { s.p + i + 1, s.n - i - 1 };
		struct mr_addr x;

		if (s.p[i] != ':' || mr_addr_parse(tail.p, tail.n, &x) < 0)
			continue;
		if (found && memcmp(x.b, a->b, sizeof(x.b)) != 0)
			return false;
		if (!found)
			*user = (struct mr_str){ s.p, i };
		*a = x;
		found = true;
	}
	return found && user->n <= MR_CLIENT_TEXT_MAX;
}

/* In a login U is an account, without a colon: so the first colon parts it from an IPv6 address. */
static bool login_reading(struct mr_str s, struct mr_str *user, struct mr_addr *a)
{
	if (memchr(s.p, '.', s.n) && only_reading(s, user, a))
		return user->n > 0;
	return mr_cut_to(&s, ':', user) && user->n && !memchr(user->p, ' ', user->n) &&
	       !memchr(s.p, '.', s.n) && mr_str_addr(s, a);
}

static enum mr_parse parse_old(struct mr_str s, struct mr_event *out)
{
	struct mr_str user, addr;
	struct mr_addr a;

	if (!MR_CUT(&s, "login [") || !mr_find_only(s, "] from ", &user, &addr) || user.n == 0 ||
	    user.n > MR_CLIENT_TEXT_MAX || !mr_str_addr(addr, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_POP3, &a, user, "login");
}

static bool cut_failure(struct mr_str *s)
{
	static const char *const heads[] = { "vpopmail user not found ",
					     "null password given ",
					     "null user name given ",
					     "invalid user/domain characters ",
					     "password fail ",
					     "pass fail ",
					     "system password fail ",
					     "system user not found ",
					     "system user shadow entry not found " };
	struct mr_str pass, rest;

	for (size_t i = 0; i < MR_ARRAY_SIZE(heads); i++)
		if (mr_cut(s, heads[i], strlen(heads[i]))) {
			rest = *s;
			if (MR_CUT(&rest, "(pass: '") && mr_find_last(rest, "') ", &pass, &rest))
				*s = rest;
			return true;
		}
	return false;
}

static enum mr_parse vpopmail_parse(const struct mr_line *l, struct mr_join *j,
				    struct mr_event *out)
{
	struct mr_str s = l->message, svc, mech, user;
	enum mr_family family;
	struct mr_addr a;

	(void)j;
	if (!mr_str_is(l->program, "vpopmail"))
		return MR_PARSE_NOT_MINE;
	if (s.n > 3 * MR_CLIENT_TEXT_MAX) /* U, P and the server's words */
		return MR_PARSE_NOTHING;
	if (MR_CUT(&s, "vchkpw: "))
		return parse_old(s, out);
	if (!MR_CUT(&s, "vchkpw-") || !mr_cut_class(&s, MR_CLASS_WORD, &svc) || !MR_CUT(&s, ": "))
		return MR_PARSE_NOTHING;
	family = family_of(svc);
	if (MR_CUT(&s, "(")) {
		if (!mr_cut_class(&s, MR_CLASS_WORD, &mech) || !MR_CUT(&s, ") "))
			return MR_PARSE_NOTHING;
	}
	if (MR_CUT(&s, "login success ") || MR_CUT(&s, "system password login success "))
		return login_reading(s, &user, &a)
			       ? mr_take(out, NAME, MR_EV_LOGIN, family, &a, user, "login")
			       : MR_PARSE_LOST;
	if (cut_failure(&s))
		return only_reading(s, &user, &a)
			       ? mr_take(out, NAME, MR_EV_FAILURE, family, &a, user, "auth failed")
			       : MR_PARSE_NOTHING;
	return MR_CUT(&s, "login") ? MR_PARSE_LOST : MR_PARSE_NOTHING;
}

static const char *const programs[] = { "vpopmail", NULL };
const struct mr_format mr_format_vpopmail = {
	.name = NAME,
	.programs = programs,
	.unit = "qmail",
	.parse = vpopmail_parse,
};
