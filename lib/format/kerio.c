// SPDX-License-Identifier: BSD-2-Clause
/*
 * kerio.c - Kerio Connect's (MailServer's) security log: failures and abuse.
 *
 *   [21/Nov/2026 20:43:50] Failed SMTP login from A with SASL method M.
 *   [21/Nov/2026 20:43:50] SMTP: User U doesn't exist. Attempt from IP address A.
 *   [21/Nov/2026 20:43:50] IMAP: Invalid password for user U. Attempt from IP address A.
 *   [21/Nov/2026 20:43:50] SMTP Spam attack detected from A, …
 *
 * The words between U and the address stand only once, and the address ends the line.  Its own file
 * only.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "kerio";

static bool cut_service(struct mr_str *s, enum mr_family *family)
{
	*family = MR_FAMILY_NONE;
	if (MR_CUT(s, "SMTP: "))
		*family = MR_FAMILY_SMTP;
	else if (MR_CUT(s, "IMAP: "))
		*family = MR_FAMILY_IMAP;
	else if (MR_CUT(s, "POP3: "))
		*family = MR_FAMILY_POP3;
	else
		return false;
	return true;
}

static enum mr_parse kerio_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	const struct mr_str nobody = { 0 };
	struct mr_str s = l->body, addr, user, method;
	enum mr_family family;
	struct mr_addr a;

	(void)j;
	if (l->program.n || !l->time_us || l->text.n < 22 || l->text.p[0] != '[' ||
	    l->text.p[3] != '/')
		return MR_PARSE_NOT_MINE;
	if (MR_CUT(&s, "Failed SMTP login from "))
		return mr_cut_to(&s, ' ', &addr) && mr_str_addr(addr, &a) &&
				       MR_CUT(&s, "with SASL method ") &&
				       mr_cut_class(&s, MR_CLASS_WORD, &method) && s.n == 0
			       ? mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_SMTP, &a, nobody,
					 "SMTP authentication failed")
			       : MR_PARSE_NOTHING;
	if (MR_CUT(&s, "SMTP Spam attack detected from "))
		return mr_cut_to(&s, ',', &addr) && mr_str_addr(addr, &a)
			       ? mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, nobody,
					 "spoke before the greeting")
			       : MR_PARSE_NOTHING;
	if (!cut_service(&s, &family))
		return MR_PARSE_NOTHING;
	if (!mr_find_only(s, ". Attempt from IP address ", &user, &addr))
		return MR_PARSE_NOTHING;
	MR_TRIM(&addr, ".");
	if (!mr_str_addr(addr, &a) || user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	if (!MR_CUT(&user, "Invalid password for user ") &&
	    (!MR_CUT(&user, "User ") || !MR_TRIM(&user, " doesn't exist")))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_FAILURE, family, &a, user, "auth failed");
}

static const char *const programs[] = { "", NULL };
const struct mr_format mr_format_kerio = {
	.name = NAME,
	.legacy = true,
	.programs = programs,
	.unit = "kerio",
	.parse = kerio_parse,
};
