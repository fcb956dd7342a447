// SPDX-License-Identifier: BSD-2-Clause
/*
 * cucipop.c - Cubic Circle's POP3 daemon.
 *
 *   U A n, n (n), n (n)                                login, told at the session's end
 *   authentication failure U A                         failure
 *
 * Six fields and nothing else; U is one word.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "cucipop";

/* "n (n)" */
static bool cut_count(struct mr_str *s)
{
	uint64_t n;

	return mr_cut_number(s, &n) && MR_CUT(s, " (") && mr_cut_number(s, &n) && MR_CUT(s, ")");
}

static enum mr_parse cucipop_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, user, addr;
	struct mr_addr a;
	uint64_t n;

	(void)j;
	if (!mr_str_is(l->program, "cucipop"))
		return MR_PARSE_NOT_MINE;
	if (MR_CUT(&s, "authentication failure "))
		return mr_cut_to(&s, ' ', &user) && user.n <= MR_CLIENT_TEXT_MAX &&
				       mr_str_addr(s, &a)
			       ? mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_POP3, &a, user,
					 "auth failed")
			       : MR_PARSE_NOTHING;
	if (!mr_cut_to(&s, ' ', &user) || user.n == 0 || user.n > MR_CLIENT_TEXT_MAX ||
	    !mr_cut_to(&s, ' ', &addr) || !mr_str_addr(addr, &a) || !mr_cut_number(&s, &n) ||
	    !MR_CUT(&s, ", ") || !cut_count(&s) || !MR_CUT(&s, ", ") || !cut_count(&s) || s.n)
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_POP3, &a, user, "login");
}

static const char *const programs[] = { "cucipop", NULL };
const struct mr_format mr_format_cucipop = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "cucipop",
	.parse = cucipop_parse,
};
