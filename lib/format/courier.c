// SPDX-License-Identifier: BSD-2-Clause
/*
 * courier.c - Courier IMAP, POP3 and ESMTP.
 *
 *   LOGIN, user=U, ip=[A], port=[N], protocol=IMAP[, starttls=1]           login
 *   LOGIN FAILED, user=U, ip=[A][, port=[N]]    (or method=M, or nothing)  failure
 *   LOGOUT|TIMEOUT|DISCONNECTED, user=U, ip=[A], port=[N], headers=0, …    logout
 *   error,relay=A,port=N,msg="535 Authentication failed.",cmd: AUTH …      failure (courieresmtpd)
 *   error,relay=A,port=N,msg="502 ESMTP command error",cmd: GET …         abuse; also POST, CONNECT
 *   newmsg,id=…, auth=U: dns; HELO (NAME [A])                              login (courierd)
 *
 * The verdict stands at the left, U follows, and may hold ", ip=[9.9.9.9]": the address is the last
 * `ip=`, and all behind it must be fields that the server writes.  courieresmtpd's address stands
 * before the client's text, courierd's behind it.  A session is address and port, as both lines
 * spell them.  Never allocates.
 */
#include <mailreeve/format.h>

static const char NAME[] = "courier";

/* ", word=digits" and ", protocol=WORD" at the right, as many as there are */
static void trim_fields(struct mr_str *s)
{
	for (;;) {
		struct mr_str t = *s, field, key, value;

		if (!mr_trim_from(&t, ',', &field) || !MR_CUT(&field, " ") ||
		    !mr_cut_class(&field, MR_CLASS_WORD, &key) || !MR_CUT(&field, "=") ||
		    mr_str_is(key, "user") || !mr_cut_class(&field, MR_CLASS_WORD, &value) ||
		    field.n)
			return;
		*s = t;
	}
}

/* "user=U, ip=[A][, port=[N]]"; instead of user=U also "method=M", and old versions say neither */
static bool read_client(struct mr_str s, struct mr_event *e)
{
	struct mr_str before, tail, addr, port;
	size_t whole = s.n;
	uint64_t n;

	trim_fields(&s);
	tail = s;
	before = (struct mr_str){ s.p, 0 };
	if (!MR_CUT(&tail, "ip=[") && !mr_find_last(s, ", ip=[", &before, &tail))
		return false;
	if (!mr_cut_to(&tail, ']', &addr) || !mr_str_addr(addr, &e->addr) ||
	    before.n > MR_CLIENT_TEXT_MAX || whole - before.n > MR_SERVER_TEXT_MAX)
		return false;
	e->session = (struct mr_str){ 0 };
	if (MR_CUT(&tail, ", port=[")) {
		port = tail;
		if (!mr_cut_number(&tail, &n) || n > 65535)
			return false;
		e->session = (struct mr_str){ addr.p, (size_t)(tail.p - addr.p) };
		if (!MR_CUT(&tail, "]") || port.n == 0)
			return false;
	}
	if (tail.n)
		return false;
	e->user = (struct mr_str){ 0 };
	if (MR_CUT(&before, "user="))
		e->user = before;
	else if (!MR_CUT(&before, "method=") && before.n)
		return false;
	return true;
}

static enum mr_parse parse_access(struct mr_str s, enum mr_family family, struct mr_event *out)
{
	static const char *const ends[] = { "LOGOUT, ", "TIMEOUT, ", "DISCONNECTED, ",
					    "Disconnected, " };
	struct mr_event e = { .family = family, .format = NAME, .count = 1 };
	struct mr_str protocol, x;
	bool end = false;

	MR_CUT(&s, "INFO: ");
	if (MR_CUT(&s, "LOGIN, ")) {
		e.kind = MR_EV_LOGIN;
		e.what = "login";
	} else if (MR_CUT(&s, "LOGIN FAILED, ")) {
		e.kind = MR_EV_FAILURE;
		e.what = "auth failed";
	} else {
		for (size_t i = 0; i < MR_ARRAY_SIZE(ends) && !end; i++)
			end = mr_cut(&s, ends[i], strlen(ends[i]));
		if (!end && MR_CUT(&s, "LOGIN") &&
		    (s.n == 0 || *s.p != ':')) /* "LOGIN: DEBUG: …" */
			return MR_PARSE_LOST;
		if (!end)
			return MR_CUT(&s, "Connection, ") ? MR_PARSE_NOTHING : MR_PARSE_NOT_MINE;
		if (s.n < 5 || memcmp(s.p, "user=", 5) != 0)
			return MR_PARSE_NOTHING; /* nobody had logged in */
		e.kind = MR_EV_LOGOUT;
		e.what = "logout";
	}
	if (!read_client(s, &e))
		return MR_PARSE_LOST;
	if (family == MR_FAMILY_NONE && mr_find_last(s, ", protocol=", &x, &protocol))
		e.family = MR_CUT(&protocol, "IMAP")   ? MR_FAMILY_IMAP
			   : MR_CUT(&protocol, "POP3") ? MR_FAMILY_POP3
						       : MR_FAMILY_NONE;
	if (e.kind == MR_EV_LOGIN && e.user.n == 0)
		return MR_PARSE_NOTHING;
	*out = e;
	return MR_PARSE_EVENT;
}

/* error,relay=A[,port=N],msg="535 Authentication failed.",cmd: AUTH PLAIN base64 U */
static enum mr_parse parse_esmtpd(struct mr_str s, struct mr_event *out)
{
	struct mr_str addr, word, user = { 0 };
	struct mr_addr a;
	uint64_t port;

	if (!MR_CUT(&s, "error,relay=") || !mr_cut_to(&s, ',', &addr) || !mr_str_addr(addr, &a))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&s, "port=") && (!mr_cut_number(&s, &port) || !MR_CUT(&s, ",")))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&s, "msg=\"502 ESMTP command error\",cmd: "))
		return mr_cut_http(&s) ? mr_take(out, NAME, MR_EV_ABUSE, MR_FAMILY_SMTP, &a, user,
						 "non-SMTP command")
				       : MR_PARSE_NOTHING;
	if (!MR_CUT(&s, "msg=\"535 Authentication failed.\",cmd: "))
		return MR_PARSE_NOTHING;
	/* the word behind the method is the password in base64: never shown */
	if (MR_CUT(&s, "AUTH ") && mr_cut_to(&s, ' ', &word) && mr_cut_to(&s, ' ', &word))
		user = s;
	return mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_SMTP, &a, user,
		       "SMTP authentication failed");
}

/* newmsg,id=HEX.HEX.HEX, auth=U: dns; HELO (NAME [A]) */
static enum mr_parse parse_newmsg(struct mr_str s, struct mr_event *out)
{
	struct mr_str id, user, rest, client;
	struct mr_addr a;

	if (!MR_CUT(&s, "newmsg,id=") || !mr_cut_class(&s, MR_CLASS_WORD, &id) ||
	    !MR_CUT(&s, ", auth="))
		return MR_PARSE_NOTHING;
	if (!mr_find(s, ": dns; ", &user, &rest) || s.n > 2 * MR_CLIENT_TEXT_MAX ||
	    !MR_TRIM(&rest, ")") || !mr_trim_from(&rest, '(', &client) || !mr_str_host(client, &a))
		return MR_PARSE_LOST;
	if (user.n == 0)
		return MR_PARSE_NOTHING;
	return mr_take(out, NAME, MR_EV_LOGIN, MR_FAMILY_SMTP, &a, user, "login");
}

static enum mr_parse courier_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	static const struct {
		const char *program;
		enum mr_family family;
	} access[] = {
		{ "imapd", MR_FAMILY_IMAP },
		{ "imapd-ssl", MR_FAMILY_IMAP },
		{ "imaplogin", MR_FAMILY_IMAP },
		{ "courierimaplogin", MR_FAMILY_IMAP },
		{ "courierimapd", MR_FAMILY_IMAP },
		{ "pop3d", MR_FAMILY_POP3 },
		{ "pop3d-ssl", MR_FAMILY_POP3 },
		{ "pop3login", MR_FAMILY_POP3 },
		{ "courierpop3login", MR_FAMILY_POP3 },
		{ "courierpop3d", MR_FAMILY_POP3 },
		{ "couriertcpd", MR_FAMILY_NONE }, /* a syslogd that goes by the parent */
	};

	struct mr_str smtpd = l->program;

	(void)j;
	if (mr_str_is(l->program, "courierd"))
		return parse_newmsg(l->message, out);
	if (!MR_TRIM(&smtpd, "-ssl")) /* of port 465 */
		MR_TRIM(&smtpd, "-msa"); /* of port 587 */
	if (mr_str_is(smtpd, "courieresmtpd") || mr_str_is(smtpd, "esmtpd"))
		return parse_esmtpd(l->message, out);
	for (size_t i = 0; i < MR_ARRAY_SIZE(access); i++)
		if (mr_str_is(l->program, access[i].program))
			return parse_access(l->message, access[i].family, out);
	return MR_PARSE_NOT_MINE;
}

static const char *const programs[] = { "imapd",     "imapd-ssl", "imaplogin", "pop3d", "pop3d-ssl",
					"pop3login", "courier*",  "esmtpd*",   NULL };
const struct mr_format mr_format_courier = {
	.name = NAME,
	.programs = programs,
	.unit = "courier",
	.parse = courier_parse,
};
