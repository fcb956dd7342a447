// SPDX-License-Identifier: BSD-2-Clause
/*
 * appleimap.c - Apple's IMAP mail server (before Mac OS X 10.3), its own log.
 *
 *   Nov 21 2026 20:43:50 … IMAP User "U" log on successful from A         login
 *
 * The words on both sides of U stand only once, no quote stands before them, and the address ends
 * the line.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "apple-imap";

static enum mr_parse appleimap_parse(const struct mr_line *l, struct mr_join *j,
				     struct mr_event *out)
{
	struct mr_str s = l->body, head, user;
	struct mr_addr a;

	(void)j;
	/* only its own log has the year between day and time */
	if (!l->time_us || l->text.n < 20 || l->text.p[6] != ' ' || l->text.p[11] != ' ')
		return MR_PARSE_NOT_MINE;
	if (!mr_find_only(s, "IMAP User \"", &head, &s) || memchr(head.p, '"', head.n) ||
	    !mr_find_only(s, "\" log on successful from ", &user, &s))
		return MR_PARSE_NOT_MINE;
	MR_TRIM(&s, ".");
	if (user.n == 0 || user.n > MR_CLIENT_TEXT_MAX || memchr(user.p, '"', user.n) ||
	    !mr_str_addr(s, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_IMAP, &a, user, "login");
}

static const char *const programs[] = { "*", NULL };
const struct mr_format mr_format_appleimap = {
	.name = NAME,
	.legacy = true,
	.own_stamp = true,
	.programs = programs,
	.parse = appleimap_parse,
};
