// SPDX-License-Identifier: BSD-2-Clause
/*
 * gnupop3d.c - GNU pop3d.
 *
 *   User U logged in with mailbox M from A             login
 *
 * GNU mailutils, its successor, names no address at all ("user `U' logged in with mailbox `M' (0
 * messages)"): such lines tell nothing.  U is one word, and the words around it stand only once.
 * Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "gnu-pop3d";

static enum mr_parse gnupop3d_parse(const struct mr_line *l, struct mr_join *j,
				    struct mr_event *out)
{
	struct mr_str s = l->message, user, mailbox, addr;
	struct mr_addr a;

	(void)j;
	if (!mr_str_is(l->program, "gnu-pop3d") && !mr_str_is(l->program, "pop3d"))
		return MR_PARSE_NOT_MINE;
	if (!MR_CUT(&s, "User ") || !mr_find_only(s, " logged in with mailbox ", &user, &s))
		return MR_PARSE_NOTHING;
	if (!mr_find_only(s, " from ", &mailbox, &addr) || !mr_str_addr(addr, &a))
		return MR_PARSE_NOTHING;
	if (user.n == 0 || user.n > MR_CLIENT_TEXT_MAX || memchr(user.p, ' ', user.n))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_POP3, &a, user, "login");
}

static const char *const programs[] = { "gnu-pop3d", "pop3d", NULL };
const struct mr_format mr_format_gnupop3d = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "gnu-",
	.parse = gnupop3d_parse,
};
