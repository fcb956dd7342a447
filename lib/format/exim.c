// SPDX-License-Identifier: BSD-2-Clause
/*
 * exim.c - Exim's main log, its own file or syslog.
 *
 *   ID <= SENDER H=HOST P=esmtpsa … A=NAME:U …                      login: a message came in
 *   no MAIL in SMTP connection from HOST D=0.2s A=NAME:U …          login without a message
 *   NAME authenticator failed for HOST: 535 Incorrect authentication data[ (set_id=U)]   failure
 *   SMTP call from HOST dropped: too many …                         abuse
 *   SMTP syntax error in "GET …" H=HOST unrecognized command        abuse; also POST, CONNECT
 *   SMTP protocol synchronization error (WHY): rejected connection from H=HOST input="TEXT"
 *   SMTP protocol synchronization error (WHY): rejected "COMMAND" H=HOST next input="TEXT"
 *   HOST is [RDNS ][(HELO) ][ADDR][:port][ I=[A]:port][ U=IDENT][ Ci=N]
 *
 * SENDER, HELO, IDENT, SNI, subject and U are the client's; HELO may hold blanks and brackets where
 * helo_accept_junk_hosts says so.  So the words behind HOST must stand in the line only once, and
 * HOST is read from the right: its address is the last thing that the server wrote there, and only
 * an IDENT can stand behind it, in which case the whole is read strictly from the left.  What fits
 * neither is no event.  " <= " without P=…a is a stranger's mail.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "exim";

/* "]:58040" or "]": what stands behind the last address; eats ":port". */
static void trim_port(struct mr_str *s)
{
	struct mr_str t = *s, port;
	uint64_t n;

	if (mr_trim_from(&t, ':', &port) && mr_cut_number(&port, &n) && port.n == 0 && n <= 65535 &&
	    t.n && t.p[t.n - 1] == ']')
		*s = t;
}

static void trim_interface(struct mr_str *s)
{
	struct mr_str before, x;
	struct mr_addr a;

	if (!mr_find_last(*s, " I=[", &before, &x) || memchr(x.p, ' ', x.n))
		return;
	trim_port(&x);
	if (MR_TRIM(&x, "]") && mr_str_addr(x, &a))
		*s = before;
}

static void trim_connection(struct mr_str *s)
{
	struct mr_str before, x;
	uint64_t n;

	if (mr_find_last(*s, " Ci=", &before, &x) && mr_cut_number(&x, &n) && x.n == 0)
		*s = before;
}

/* Nothing but "RDNS (HELO) [ADDR]:port I=… U=IDENT", without blanks or brackets in HELO and IDENT
 */
static bool host_strict(struct mr_str s, struct mr_addr *a)
{
	struct mr_str word, addr;
	uint64_t port;

	if (mr_cut_class(&s, MR_CLASS_WORD, &word) && !MR_CUT(&s, " "))
		return false;
	if (MR_CUT(&s, "(") && (!mr_cut_to(&s, ')', &word) || memchr(word.p, ' ', word.n) ||
				memchr(word.p, '(', word.n) || !MR_CUT(&s, " ")))
		return false;
	if (!MR_CUT(&s, "[") || !mr_cut_to(&s, ']', &addr) || !mr_str_addr(addr, a))
		return false;
	if (MR_CUT(&s, ":") && !mr_cut_number(&s, &port))
		return false;
	if (MR_CUT(&s, " I=[")) {
		struct mr_addr i;

		if (!mr_cut_to(&s, ']', &addr) || !mr_str_addr(addr, &i))
			return false;
		if (MR_CUT(&s, ":") && !mr_cut_number(&s, &port))
			return false;
	}
	return MR_CUT(&s, " U=") && !memchr(s.p, ' ', s.n);
}

static bool read_host(struct mr_str s, struct mr_addr *a)
{
	struct mr_str addr, x;

	if (s.n > 2 * MR_CLIENT_TEXT_MAX)
		return false;
	trim_connection(&s);
	if (!MR_TRIM(&s, " TFO*")) /* TCP fast open */
		MR_TRIM(&s, " TFO");
	if (mr_find(s, " U=", &x, &x))
		return host_strict(s, a);
	trim_interface(&s);
	trim_port(&s);
	if (!MR_TRIM(&s, "]") || !mr_trim_from(&s, '[', &addr) || !mr_str_addr(addr, a))
		return false;
	if (s.n == 0)
		return true;
	if (!MR_TRIM(&s, " "))
		return false;
	if (MR_TRIM(&s, ")")) /* HELO: the client's, whatever it is; RDNS before it needs no look */
		return memchr(s.p, '(', s.n) != NULL;
	return mr_cut_class(&s, MR_CLASS_WORD, &x) && s.n == 0;
}

/* "A=NAME:U[:sender]" -> U */
static bool cut_auth(struct mr_str *s, struct mr_str *user)
{
	struct mr_str name, u = { 0 };

	if (!mr_cut_class(s, MR_CLASS_WORD, &name))
		return false;
	if (MR_CUT(s, ":")) {
		u = *s;
		for (u.n = 0; u.n < s->n && u.p[u.n] != ' ' && u.p[u.n] != ':';)
			u.n++;
		s->p += u.n;
		s->n -= u.n;
	}
	*user = u;
	return true;
}

/* SENDER: a mailbox whose local part may be quoted and then holds anything; eats it and the blank
 */
static bool cut_sender(struct mr_str *s)
{
	struct mr_str domain;

	if (MR_CUT(s, "\"")) {
		while (s->n && *s->p != '"') {
			size_t step = *s->p == '\\' && s->n > 1 ? 2 : 1;

			s->p += step;
			s->n -= step;
		}
		if (!MR_CUT(s, "\"@"))
			return false;
	}
	return mr_cut_to(s, ' ', &domain) && !memchr(domain.p, '\\', domain.n);
}

/* behind "ID <= " */
static enum mr_parse parse_arrival(struct mr_str s, struct mr_event *out)
{
	struct mr_str host, rest, proto, x, user;
	struct mr_addr a;

	if (!cut_sender(&s))
		return MR_PARSE_NOTHING;
	MR_CUT(&s, "DS "); /* the name was found by DNSSEC */
	if (!MR_CUT(&s, "H=") || !mr_find_only(s, " P=", &host, &rest))
		return MR_PARSE_NOTHING;
	if (!mr_cut_class(&rest, MR_CLASS_WORD, &proto) || !MR_TRIM(&proto, "a"))
		return MR_PARSE_NOTHING;
	if (!mr_find(rest, " A=", &x, &x))
		return MR_PARSE_LOST;
	if (!mr_find_only(rest, " A=", &x, &rest) || !cut_auth(&rest, &user) || user.n == 0)
		return MR_PARSE_NOTHING;
	if (!read_host(host, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_SMTP, &a, user, "login");
}

/* behind "no MAIL in SMTP connection from " */
static enum mr_parse parse_no_mail(struct mr_str s, struct mr_event *out)
{
	struct mr_str host, rest, user;
	struct mr_addr a;
	uint64_t n;

	if (!mr_find_only(s, " D=", &host, &rest) || !mr_cut_number(&rest, &n))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&rest, ".") && !mr_cut_number(&rest, &n))
		return MR_PARSE_NOTHING;
	if (!MR_CUT(&rest, "s A=") || !cut_auth(&rest, &user) || user.n == 0 ||
	    !read_host(host, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_SMTP, &a, user, "login");
}

/* behind "NAME authenticator failed for " */
static enum mr_parse parse_failure(struct mr_str s, struct mr_event *out)
{
	static const char *const others[] = { ": 435 ", ": 501 ", ": 553 " };
	struct mr_str host, rest, user = { 0 }, x;
	struct mr_addr a;

	MR_CUT(&s, "H=");
	if (!mr_find(s, ": 535 Incorrect authentication data", &x, &x))
		return mr_find(s, "]: 535 ", &x, &x) ? MR_PARSE_LOST : MR_PARSE_NOTHING;
	if (!mr_find_only(s, ": 535 Incorrect authentication data", &host, &rest))
		return MR_PARSE_NOTHING;
	/* the line of another verdict, whose HELO or name holds this one */
	for (size_t i = 0; i < MR_ARRAY_SIZE(others); i++)
		if (mr_find(s, others[i], &x, &x))
			return MR_PARSE_NOTHING;
	if (MR_CUT(&rest, " (set_id=")) {
		user = rest;
		MR_TRIM(&user, ")"); /* a very long one is cut */
	} else if (rest.n) {
		return MR_PARSE_LOST;
	}
	if (!read_host(host, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_SMTP, &a, user,
		       "SMTP authentication failed");
}

/* behind "SMTP call from " */
static enum mr_parse parse_dropped(struct mr_str s, struct mr_event *out)
{
	const struct mr_str nobody = { 0 };
	struct mr_str host, rest;
	struct mr_addr a;

	if (!mr_find_only(s, " dropped: too many ", &host, &rest) || !read_host(host, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, nobody, "too many errors");
}

/* behind "SMTP protocol synchronization error (": COMMAND and TEXT are the client's */
static enum mr_parse parse_pipelining(struct mr_str s, struct mr_event *out)
{
	const struct mr_str nobody = { 0 };
	struct mr_str why, host, x;
	struct mr_addr a;
	bool ok;

	if (!mr_cut_to(&s, ')', &why) || s.n > 3 * MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	if (MR_CUT(&s, ": rejected connection from H="))
		ok = mr_find_only(s, " input=\"", &host, &x);
	else
		ok = MR_CUT(&s, ": rejected \"") && mr_find_only(s, "\" H=", &x, &s) &&
		     mr_find_only(s, " next input=\"", &host, &x);
	if (!ok || !read_host(host, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, nobody, "improper pipelining");
}

/* behind "SMTP syntax error in \"": words of HTTP, as Postfix has them; others may be mistakes */
static enum mr_parse parse_syntax(struct mr_str s, struct mr_event *out)
{
	const struct mr_str nobody = { 0 };
	struct mr_str host, x;
	struct mr_addr a;

	if (!mr_cut_http(&s))
		return MR_PARSE_NOTHING;
	if (s.n > 3 * MR_CLIENT_TEXT_MAX || !mr_find_only(s, "\" H=", &x, &host) ||
	    !MR_TRIM(&host, " unrecognized command") || !read_host(host, &a))
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, nobody, "non-SMTP command");
}

/* Exim puts its own stamp into syslog messages too, and its pid where asked to. */
static void cut_own_stamp(struct mr_str *s)
{
	struct mr_str t = *s, date, time, zone;
	uint64_t n;

	if (t.n > 19 && t.p[4] == '-' && t.p[7] == '-' && t.p[10] == ' ' && t.p[13] == ':' &&
	    mr_cut_to(&t, ' ', &date) && mr_cut_to(&t, ' ', &time)) {
		*s = t;
		if (t.n > 6 && (*t.p == '+' || *t.p == '-') && mr_cut_to(&t, ' ', &zone) &&
		    zone.n == 5)
			*s = t;
	}
	t = *s;
	if (MR_CUT(&t, "[") && mr_cut_number(&t, &n) && MR_CUT(&t, "] "))
		*s = t;
}

/* Lines of the main log that the reject log has too, or that syslog gets a second time. */
static enum mr_parse parse_rejected(const struct mr_line *l, struct mr_str s, struct mr_event *out)
{
	enum mr_parse result = MR_PARSE_NOTHING;
	struct mr_str word = { 0 };

	if (MR_CUT(&s, "SMTP call from "))
		result = parse_dropped(s, out);
	else if (MR_CUT(&s, "SMTP protocol synchronization error ("))
		result = parse_pipelining(s, out);
	else if (mr_cut_class(&s, MR_CLASS_WORD, &word) && MR_CUT(&s, " authenticator failed for "))
		result = parse_failure(s, out);
	else if (word.n && MR_CUT(&s, " authenti"))
		return mr_find(s, "]: 535 ", &word, &word) ? MR_PARSE_LOST : MR_PARSE_NOTHING;
	if (result == MR_PARSE_EVENT)
		out->twice = l->program.n ? MR_TWICE_HERE : MR_TWICE_ELSEWHERE;
	return result;
}

static enum mr_parse exim_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, t, word;
	enum mr_parse result;

	(void)j;
	if (l->program.n == 0) {
		/* its own file begins with 2026-11-21; a text without a stamp is nobody's */
		if (!l->time_us || l->text.n < 10 || l->text.p[4] != '-')
			return MR_PARSE_NOT_MINE;
		s = l->body;
	} else if (!mr_str_is(l->program, "exim") && !mr_str_is(l->program, "exim4")) {
		return MR_PARSE_NOT_MINE;
	}
	cut_own_stamp(&s);
	if (MR_CUT(&s, "no MAIL in SMTP connection from "))
		return parse_no_mail(s, out);
	if (MR_CUT(&s, "SMTP syntax error in \""))
		return parse_syntax(s, out);
	t = s;
	if (mr_cut_class(&t, MR_CLASS_WORD, &word) && MR_CUT(&t, " <= "))
		return parse_arrival(t, out);
	result = parse_rejected(l, s, out);
	if (result != MR_PARSE_NOTHING)
		return result;
	return l->program.n ? MR_PARSE_NOTHING : MR_PARSE_NOT_MINE;
}

static const char *const programs[] = { "exim", "exim4", "", NULL };
const struct mr_format mr_format_exim = {
	.name = NAME,
	.programs = programs,
	.unit = "exim",
	.parse = exim_parse,
};
