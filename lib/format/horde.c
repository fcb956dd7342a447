// SPDX-License-Identifier: BSD-2-Clause
/*
 * horde.c - failed logins to Horde and IMP, their own log or syslog.
 *
 *   HORDE [error] [imp] FAILED LOGIN for U [A] to {H:143 [imap]} [pid N on line N of "…"]
 *
 * "] to " must stand only once; "[A] (forwarded for [B])" is a proxy's address and a text of the
 * client's: no event.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "horde";

static enum mr_parse horde_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, word, user, addr, rest;
	struct mr_addr a;

	(void)j;
	if (l->program.n == 0) {
		s = l->body;
		if (!l->time_us || (!MR_CUT(&s, "HORDE ") && !MR_CUT(&s, "HORDE: ")))
			return MR_PARSE_NOT_MINE;
	} else if (!mr_str_is(l->program, "HORDE") && !mr_str_is(l->program, "horde")) {
		return MR_PARSE_NOT_MINE;
	}
	while (MR_CUT(&s, "["))
		if (!mr_cut_class(&s, MR_CLASS_WORD, &word) || !MR_CUT(&s, "] "))
			return MR_PARSE_NOTHING;
	if (!MR_CUT(&s, "FAILED LOGIN for "))
		return MR_PARSE_NOTHING;
	if (!mr_find_only(s, "] to ", &user, &rest) || !mr_trim_from(&user, '[', &addr) ||
	    !MR_TRIM(&user, " ") || user.n > MR_CLIENT_TEXT_MAX || rest.n > MR_SERVER_TEXT_MAX ||
	    !mr_str_addr(addr, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_NONE, &a, user, "webmail login failed");
}

static const char *const programs[] = { "HORDE", "horde", "", NULL };
const struct mr_format mr_format_horde = {
	.name = NAME,
	.programs = programs,
	.parse = horde_parse,
};
