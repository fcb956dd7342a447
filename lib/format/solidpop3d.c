// SPDX-License-Identifier: BSD-2-Clause
/*
 * solidpop3d.c - solid-pop3d, with and without logextend.
 *
 *   connect from A                                     remembered by pid
 *   user U[ (mapped to X)] authenticated[ - A]         login
 *   [APOP ]authentication failed for [mapped ][virtual ]user U[ - A]       failure
 *   authentication failed: no such user: U[ - A]       failure; also "can't map user name"
 *   can't find APOP secret for user U[ - A]            failure
 *
 * The address is the last word of the line, behind U, and must agree with the connect line of the
 * same pid where that was seen; U may hold " - 9.9.9.9".  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "solid-pop3d";

static enum mr_parse verdict(struct mr_str s, const struct mr_joined *known, bool ok,
			     struct mr_event *out)
{
	struct mr_str user, addr, x;
	struct mr_addr a;
	bool said = mr_find_last(s, " - ", &user, &addr) && mr_str_addr(addr, &a);

	if (!said)
		user = s;
	if (!said && !known)
		return MR_PARSE_NOTHING;
	if (said && known && memcmp(a.b, known->addr.b, sizeof(a.b)) != 0)
		return MR_PARSE_NOTHING;
	if (user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	if (ok) {
		if (!MR_TRIM(&user, " authenticated"))
			return MR_PARSE_NOTHING;
		mr_find(user, " (mapped to ", &user, &x);
		MR_TRIM(&user, " mapped");
		if (user.n == 0 || memchr(user.p, ' ', user.n))
			return MR_PARSE_NOTHING;
	}
	return mr_take(out, NAME, ok ? MR_EV_LOGIN : MR_EV_FAILURE, MR_FAMILY_POP3,
		       known ? &known->addr : &a, user, ok ? "login" : "auth failed");
}

static enum mr_parse solidpop3d_parse(const struct mr_line *l, struct mr_join *j,
				      struct mr_event *out)
{
	struct mr_str s = l->message;
	struct mr_joined v = { .family = MR_FAMILY_POP3, .time_us = l->time_us };
	struct mr_joined *known;

	if (!mr_str_is(l->program, "solid-pop3d") && !mr_str_is(l->program, "spop3d"))
		return MR_PARSE_NOT_MINE;
	if (MR_CUT(&s, "connect from ")) {
		if (mr_str_addr(s, &v.addr))
			mr_join_put_pid(j, NAME, l->pid, &v);
		else
			mr_join_drop_pid(j, NAME, l->pid);
		return MR_PARSE_NOTHING;
	}
	known = mr_join_get_pid(j, NAME, l->pid, &v) ? &v : NULL;
	if (MR_CUT(&s, "user "))
		return verdict(s, known, true, out);
	if (MR_CUT(&s, "can't find APOP secret for user "))
		return verdict(s, known, false, out);
	MR_CUT(&s, "APOP ");
	if (MR_CUT(&s, "authentication failed: no such user: ") ||
	    MR_CUT(&s, "authentication failed: can't map user name: "))
		return verdict(s, known, false, out);
	if (MR_CUT(&s, "authentication failed for ")) {
		MR_CUT(&s, "mapped ");
		MR_CUT(&s, "virtual ");
		return MR_CUT(&s, "user ") ? verdict(s, known, false, out) : MR_PARSE_NOTHING;
	}
	return MR_PARSE_NOTHING;
}

static const char *const programs[] = { "solid-pop3d", "spop3d", NULL };
const struct mr_format mr_format_solidpop3d = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "solid-pop3d",
	.parse = solidpop3d_parse,
};
