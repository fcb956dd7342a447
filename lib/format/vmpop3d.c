// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmpop3d.c - vm-pop3d, new and old.
 *
 *   User U logged in from A                            login
 *   Connect from A  +  User U logged in                login, joined by pid
 *
 * U is an account and one word (with its domain, `U of D`, three).  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "vm-pop3d";

static enum mr_parse vmpop3d_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, user, rest, name;
	struct mr_joined v = { .family = MR_FAMILY_POP3, .time_us = l->time_us };
	struct mr_addr a;
	bool known;

	if (!mr_str_is(l->program, "vm-pop3d"))
		return MR_PARSE_NOT_MINE;
	if (MR_CUT(&s, "Connect from ")) {
		if (mr_str_addr(s, &v.addr))
			mr_join_put_pid(j, NAME, l->pid, &v);
		else
			mr_join_drop_pid(j, NAME, l->pid);
		return MR_PARSE_NOTHING;
	}
	known = mr_join_get_pid(j, NAME, l->pid, &v);
	if (!MR_CUT(&s, "User ") || !mr_find_only(s, " logged in", &user, &rest))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&rest, " from ")) {
		if (!mr_str_addr(rest, &a))
			return MR_PARSE_LOST;
		if (known && memcmp(a.b, v.addr.b, sizeof(a.b)) != 0)
			return MR_PARSE_NOTHING;
	} else if (rest.n == 0 && known) {
		a = v.addr;
	} else {
		return MR_PARSE_NOTHING;
	}
	name = user;
	if (mr_find(user, " of ", &name, &rest) && memchr(rest.p, ' ', rest.n))
		return MR_PARSE_NOTHING;
	if (name.n == 0 || user.n > MR_CLIENT_TEXT_MAX || memchr(name.p, ' ', name.n))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_POP3, &a, user, "login");
}

static const char *const programs[] = { "vm-pop3d", NULL };
const struct mr_format mr_format_vmpop3d = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "vm-pop3d",
	.parse = vmpop3d_parse,
};
