// SPDX-License-Identifier: BSD-2-Clause
/*
 * teapop.c - teapop.
 *
 *   Successful login for U [from NAME ][A]             login
 *
 * U is an account and one word; the address is the last of the line, and only the words that the
 * server puts between them are accepted.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "teapop";

static enum mr_parse teapop_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, user;
	struct mr_addr a;

	(void)j;
	if (!mr_str_is(l->program, "teapop"))
		return MR_PARSE_NOT_MINE;
	if (!MR_CUT(&s, "Successful login for "))
		return MR_PARSE_NOTHING;
	if (!mr_cut_to(&s, ' ', &user) || user.n == 0)
		return MR_PARSE_LOST;
	if (user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	MR_CUT(&s, "from ");
	if (!mr_str_host(s, &a))
		return MR_PARSE_LOST;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_POP3, &a, user, "login");
}

static const char *const programs[] = { "teapop", NULL };
const struct mr_format mr_format_teapop = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "teapop",
	.parse = teapop_parse,
};
