// SPDX-License-Identifier: BSD-2-Clause
/*
 * sogo.c - failed logins to SOGo.
 *
 *   SOGoRootPage Login from 'A' for user 'U' might not have worked - …     failure
 *
 * A stands before U.  Behind a web proxy SOGo shows what the proxy forwarded: a list of addresses
 * holds one that the client chose, and is no event.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "sogo";

static enum mr_parse sogo_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, addr, user, rest;
	struct mr_addr a;

	(void)j;
	if (!mr_str_is(l->program, "sogod") && !mr_str_is(l->program, "sogo"))
		return MR_PARSE_NOT_MINE;
	if (!MR_CUT(&s, "SOGoRootPage Login from '") && !MR_CUT(&s, "Login from '"))
		return MR_PARSE_NOTHING;
	if (!mr_cut_to(&s, '\'', &addr) || !mr_str_addr(addr, &a) || !MR_CUT(&s, " for user '") ||
	    !mr_find_last(s, "' might not have worked", &user, &rest))
		return mr_find(s, "' might not", &user, &rest) ? MR_PARSE_NOTHING : MR_PARSE_LOST;
	return mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_NONE, &a, user, "webmail login failed");
}

static const char *const programs[] = { "sogod", "sogo", NULL };
const struct mr_format mr_format_sogo = {
	.name = NAME,
	.programs = programs,
	.unit = "sogo",
	.parse = sogo_parse,
};
