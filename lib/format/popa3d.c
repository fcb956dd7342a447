// SPDX-License-Identifier: BSD-2-Clause
/*
 * popa3d.c - popa3d, plain and with the pop-before-smtp patch.
 *
 *   Session from A                                     remembered by pid
 *   Authentication passed for U[ -- [A]]               login
 *   Authentication failed for U                        failure
 *
 * Two lines of one pid make an event.  The patch's address behind U is believed only for a login,
 * where U is an account, and only if no session line says otherwise.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "popa3d";

static enum mr_parse verdict(struct mr_str s, const struct mr_joined *known, bool ok,
			     struct mr_event *out)
{
	struct mr_str user = s, addr;
	struct mr_addr a;
	bool said = ok && MR_TRIM(&user, "]") && mr_find_last(user, " -- [", &user, &addr) &&
		    mr_str_addr(addr, &a);

	if (!said)
		user = s;
	if (!said && !known)
		return MR_PARSE_NOTHING;
	if (said && known && memcmp(a.b, known->addr.b, sizeof(a.b)) != 0)
		return MR_PARSE_NOTHING;
	if (said && !known && (user.n > MR_CLIENT_TEXT_MAX || memchr(user.p, ' ', user.n)))
		return MR_PARSE_NOTHING;
	if (mr_str_is(user, "UNKNOWN USER"))
		user.n = 0;
	if (ok && user.n == 0)
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, ok ? MR_EV_LOGIN : MR_EV_FAILURE, MR_FAMILY_POP3,
		       known ? &known->addr : &a, user, ok ? "login" : "auth failed");
}

static enum mr_parse popa3d_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message;
	struct mr_joined v = { .family = MR_FAMILY_POP3, .time_us = l->time_us };
	struct mr_joined *known;

	if (!mr_str_is(l->program, "popa3d"))
		return MR_PARSE_NOT_MINE;
	if (MR_CUT(&s, "Session from ")) {
		if (mr_str_addr(s, &v.addr))
			mr_join_put_pid(j, NAME, l->pid, &v);
		else
			mr_join_drop_pid(j, NAME, l->pid);
		return MR_PARSE_NOTHING;
	}
	known = mr_join_get_pid(j, NAME, l->pid, &v) ? &v : NULL;
	if (MR_CUT(&s, "Authentication passed for "))
		return verdict(s, known, true, out);
	if (MR_CUT(&s, "Authentication failed for "))
		return verdict(s, known, false, out);
	return MR_CUT(&s, "Authentication ") ? MR_PARSE_LOST : MR_PARSE_NOTHING;
}

static const char *const programs[] = { "popa3d", NULL };
const struct mr_format mr_format_popa3d = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "popa3d",
	.parse = popa3d_parse,
};
