// SPDX-License-Identifier: BSD-2-Clause
/*
 * qpopper.c - Qpopper 2 to 4: syslog, its own log, and the statistics line.
 *
 *   (vX) POP login by user "U" at (NAME) A[ [FILE:LINE]]                   login
 *   [popper] (vX) POP login by user …                                      login, own log
 *   Stats: U n n n n [NAME ]A                                              login, told at its end
 *   U at NAME (A): -ERR [AUTH] Password supplied for "U" is incorrect.     failure
 *   [AUTH] Failed attempted login to U from host (NAME) A[ [FILE:LINE]]    failure (4)
 *
 * In a failure U stands on both sides of the address: both must be the same text, and the words
 * between stand only once.  In the others U is an account.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "qpopper";

static bool is_qpopper(struct mr_str p)
{
	return mr_str_is(p, "qpopper") || mr_str_is(p, "in.qpopper") || mr_str_is(p, "popper") ||
	       mr_str_is(p, "in.popper");
}

/* behind "(vX) POP login by user \"" */
static enum mr_parse parse_login(struct mr_str s, struct mr_event *out)
{
	struct mr_str user, name, where;
	struct mr_addr a;

	if (MR_TRIM(&s, "]") && !mr_find_last(s, " [", &s, &where))
		return MR_PARSE_LOST;
	if (!mr_find_only(s, "\" at (", &user, &s) || !mr_cut_to(&s, ')', &name) ||
	    !MR_CUT(&s, " ") || !mr_str_addr(s, &a))
		return MR_PARSE_LOST;
	if (user.n == 0 || user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_POP3, &a, user, "login");
}

/* behind "Stats:" */
static enum mr_parse parse_stats(struct mr_str s, struct mr_event *out)
{
	struct mr_str user, name, where;
	struct mr_addr a;
	uint64_t n;

	while (MR_CUT(&s, " ") || MR_CUT(&s, "\t"))
		;
	if (MR_TRIM(&s, "]") && !mr_find_last(s, " [", &s, &where))
		return MR_PARSE_NOTHING;
	if (!mr_cut_to(&s, ' ', &user) || user.n == 0 || user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	for (int i = 0; i < 4; i++)
		if (!mr_cut_number(&s, &n) || !MR_CUT(&s, " "))
			return MR_PARSE_NOTHING;
	if (!mr_str_addr(s, &a) &&
	    (!mr_cut_class(&s, MR_CLASS_WORD, &name) || !MR_CUT(&s, " ") || !mr_str_addr(s, &a)))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_POP3, &a, user, "login");
}

static enum mr_parse parse_failure(struct mr_str s, struct mr_event *out)
{
	struct mr_str head, rest, addr, name, user;
	struct mr_addr a;

	if (!mr_find_only(s, "): -ERR [AUTH] Password supplied for \"", &head, &rest) ||
	    !mr_trim_from(&head, '(', &addr) || !mr_str_addr(addr, &a) || !MR_TRIM(&head, " ") ||
	    !mr_trim_from(&head, ' ', &name) || !MR_TRIM(&head, " at"))
		return MR_PARSE_NOTHING;
	user = rest;
	if (!mr_cut(&rest, head.p, head.n) || !MR_CUT(&rest, "\" is incorrect."))
		return MR_PARSE_NOTHING;
	user.n = head.n;
	if (user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_POP3, &a, user, "auth failed");
}

/* behind "[AUTH] Failed attempted login to " */
static enum mr_parse parse_refused(struct mr_str s, struct mr_event *out)
{
	struct mr_str user, name, where;
	struct mr_addr a;
	size_t whole = s.n;

	if (MR_TRIM(&s, "]") && !mr_find_last(s, " [", &s, &where))
		return MR_PARSE_NOTHING;
	if (!mr_find_only(s, " from host (", &user, &s) || !mr_cut_to(&s, ')', &name) ||
	    !MR_CUT(&s, " ") || !mr_str_addr(s, &a) || user.n > MR_CLIENT_TEXT_MAX ||
	    whole - user.n > MR_SERVER_TEXT_MAX)
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_POP3, &a, user, "auth failed");
}

static enum mr_parse qpopper_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, version;
	uint64_t pid;

	(void)j;
	if (l->program.n == 0) {
		s = l->body;
		if (!l->time_us)
			return MR_PARSE_NOT_MINE;
		if (MR_CUT(&s, "[") && mr_cut_number(&s, &pid) && MR_CUT(&s, "] ")) {
			while (MR_CUT(&s, " "))
				;
			return MR_CUT(&s, "Stats:") ? parse_stats(s, out) : MR_PARSE_NOT_MINE;
		}
		s = l->body;
		if (!MR_CUT(&s, "[popper] "))
			return MR_PARSE_NOT_MINE;
	} else if (!is_qpopper(l->program)) {
		return MR_PARSE_NOT_MINE;
	}
	if (MR_CUT(&s, "POP login by user \"") ||
	    (MR_CUT(&s, "(v") && mr_cut_to(&s, ')', &version) &&
	     MR_CUT(&s, " POP login by user \"")))
		return parse_login(s, out);
	s = l->program.n ? l->message : s;
	if (MR_CUT(&s, "Stats:"))
		return parse_stats(s, out);
	if (MR_CUT(&s, "[AUTH] Failed attempted login to "))
		return parse_refused(s, out);
	return parse_failure(s, out);
}

static const char *const programs[] = { "qpopper", "in.qpopper", "popper", "in.popper", "", NULL };
const struct mr_format mr_format_qpopper = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "qpopper",
	.parse = qpopper_parse,
};
