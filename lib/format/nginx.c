// SPDX-License-Identifier: BSD-2-Clause
/*
 * nginx.c - nginx as a mail proxy: its error log (level info), own file or syslog.
 *
 *   [info] P#T: *N client logged in, client: A, server: H:P, login: "U", upstream: …       login
 *   [info] P#T: *N client login failed: "WHY" while in http auth state, client: A, server: …,
 *       login: "U"                                                                        failure
 *
 * Without `login:` it is a session of port 25 that nobody authenticated: no event.  The address
 * stands before U; WHY comes from the auth server and may quote U, so the words between WHY and the
 * address must stand only once.  nginx writes U raw: in its own file a line feed in U begins a new
 * line, that no reader can tell from a real one.  A line whose quote stays open is followed by the
 * rest of U, and what follows is skipped up to the closing quote; through syslog or the journal
 * there is no such trouble.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "nginx";

#define OPEN_LINES \
	16 /* lines skipped in search of a closing quote; U is no longer than a command */

static const char OPEN_SCOPE[] = "nginx-open";
static const struct mr_str OPEN_KEY = { "U", 1 };

static enum mr_family family_of_port(uint64_t port)
{
	switch (port) {
	case 110:
	case 995:
		return MR_FAMILY_POP3;
	case 143:
	case 993:
		return MR_FAMILY_IMAP;
	case 25:
	case 465:
	case 587:
		return MR_FAMILY_SMTP;
	default:
		return MR_FAMILY_NONE;
	}
}

/* "A[ using starttls], server: H:P, login: " */
static bool cut_client(struct mr_str *s, struct mr_addr *a, enum mr_family *family)
{
	struct mr_str addr, server, port, t;
	uint64_t n;

	if (!mr_cut_to(s, ',', &addr))
		return false;
	if (!MR_TRIM(&addr, " using starttls"))
		MR_TRIM(&addr, " using SSL");
	if (!mr_str_addr(addr, a) || !MR_CUT(s, " server: "))
		return false;
	t = *s;
	if (!mr_cut_to(&t, ',', &server) || memchr(server.p, ' ', server.n) ||
	    !mr_trim_from(&server, ':', &port) || !mr_cut_number(&port, &n) || port.n)
		return false;
	if (!MR_CUT(&t, " login: \""))
		return false;
	*family = family_of_port(n);
	*s = t;
	return true;
}

/* U", upstream: ADDR:PORT */
static bool cut_login(struct mr_str *s, struct mr_str *user)
{
	struct mr_str upstream;

	if (!mr_find_last(*s, "\", upstream: ", user, &upstream) || upstream.n == 0)
		return false;
	return !memchr(upstream.p, ' ', upstream.n) && !memchr(upstream.p, '"', upstream.n);
}

static void open_quote(struct mr_join *j, uint64_t lines)
{
	/* the service says that this is no note, which would go before others */
	struct mr_joined v = { .family = MR_FAMILY_IMAP, .time_us = lines };

	if (j && lines)
		mr_join_put(j, OPEN_SCOPE, OPEN_KEY, &v);
	else if (j)
		mr_join_drop(j, OPEN_SCOPE, OPEN_KEY);
}

static enum mr_parse parse_failure(struct mr_str s, struct mr_join *j, bool own_file,
				   struct mr_event *out)
{
	struct mr_str why, rest, user;
	enum mr_family family;
	struct mr_addr a;

	if (!mr_find_only(s, "\" while in http auth state, client: ", &why, &rest))
		return MR_PARSE_NOTHING;
	if (why.n > MR_CLIENT_TEXT_MAX || !cut_client(&rest, &a, &family))
		return MR_PARSE_NOTHING;
	user = rest;
	if (!cut_login(&rest, &user) && !MR_TRIM(&user, "\"")) {
		if (own_file)
			open_quote(j, OPEN_LINES);
		/* the address stands before U: it is good, whatever U is */
	}
	return mr_take(out, NAME, MR_EV_FAILURE, family, &a, user, "auth failed");
}

static enum mr_parse parse_login(struct mr_str s, struct mr_event *out)
{
	struct mr_str user;
	enum mr_family family;
	struct mr_addr a;

	if (!cut_client(&s, &a, &family) || !cut_login(&s, &user) || user.n == 0)
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, family, &a, user, "login");
}

/* "[info] 218#218: *1 " */
static bool cut_head(struct mr_str *s)
{
	struct mr_str level, t = *s;
	uint64_t n;

	if (!MR_CUT(&t, "[") || !mr_cut_to(&t, ']', &level) || !MR_CUT(&t, " ") ||
	    !mr_cut_number(&t, &n) || !MR_CUT(&t, "#") || !mr_cut_number(&t, &n) ||
	    !MR_CUT(&t, ": *") || !mr_cut_number(&t, &n) || !MR_CUT(&t, " "))
		return false;
	*s = t;
	return true;
}

/* True while U of an earlier line goes on. */
static bool inside_quote(struct mr_join *j, const struct mr_line *l)
{
	struct mr_joined v;

	if (!j || !mr_join_get(j, OPEN_SCOPE, OPEN_KEY, &v))
		return false;
	open_quote(j, l->text.p[l->text.n - 1] == '"' ? 0 : v.time_us - 1);
	return true;
}

static enum mr_parse nginx_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	bool own_file = l->program.n == 0;
	struct mr_str s = l->message, date;

	if (own_file) {
		if (l->text.n == 0)
			return MR_PARSE_NOT_MINE;
		if (inside_quote(j, l))
			return MR_PARSE_NOTHING;
		if (l->text.n < 20 || l->text.p[4] != '/' || !l->time_us)
			return MR_PARSE_NOT_MINE;
		s = l->body;
	} else {
		if (!mr_str_is(l->program, "nginx"))
			return MR_PARSE_NOT_MINE;
		if (s.n > 20 && s.p[4] == '/' && s.p[7] == '/') { /* its own stamp */
			mr_cut_to(&s, ' ', &date);
			mr_cut_to(&s, ' ', &date);
		}
	}
	if (!cut_head(&s))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&s, "client logged in, client: "))
		return parse_login(s, out);
	if (MR_CUT(&s, "client login failed: \""))
		return parse_failure(s, j, own_file, out);
	if ((MR_CUT(&s, "client log") || MR_CUT(&s, "client auth")) &&
	    mr_find(s, ", login: \"", &s, &date))
		return MR_PARSE_LOST;
	return MR_PARSE_NOTHING;
}

static const char *const programs[] = { "nginx", "", NULL };
const struct mr_format mr_format_nginx = {
	.name = NAME,
	.programs = programs,
	.unit = "nginx",
	.parse = nginx_parse,
};
