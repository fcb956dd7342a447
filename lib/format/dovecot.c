// SPDX-License-Identifier: BSD-2-Clause
/*
 * dovecot.c - Dovecot 2.0 to 2.4: login processes, auth, and the end of a mail session.
 *
 * Lines come from syslog (program "dovecot", message "imap-login: …") or from Dovecot's own log
 * (program "imap-login", message "Info: …").  What each looks like, and who writes which part:
 *
 *   imap-login: Login: user=<U>, method=M, rip=R, lip=L, mpid=P, TLS, session=<S>      2.0 … 2.3
 *   imap-login: Logged in: user=<U>, …                                               2.4
 *   imap-login: Disconnected: WHY (auth failed, N attempts in S secs): user=<U>, …
 *                                                    also "Aborted login …"
 *   imap-login: Disconnected: Too many invalid commands (no auth attempts in S secs): user=<U>, …
 *                                                    also "bad commands", "Input buffer full"
 *   imap-login: [proxy(U,H:P): ]Started proxying to …: user=<U>, …
 *   auth: DRIVER(U,R,<S>): Password mismatch
 *   imap(U)<P><S>: Disconnected: Logged out …
 *
 * U is the client's: any bytes but control characters, so `>, rip=9.9.9.9` may stand in it.  The
 * verdict is therefore read from the left, up to the first `user=<`, and the address from the
 * right, where every field behind the last `, rip=` must be one that the server wrote, in order,
 * and nothing may be left over. A session id that a trusted proxy asserted may be any text: unless
 * it is base64 there is no event. Never allocates; the join keeps sessions so that a logout, which
 * has no address, finds its login.
 */
#include "dovecot.h"

static const char NAME[] = "dovecot";

struct tail { /* what the server wrote behind user=<…> */
	struct mr_str user, method, session;
	struct mr_addr rip;
};

static enum mr_family family_of(struct mr_str program)
{
	if (mr_str_is(program, "imap-login") || mr_str_is(program, "imap") ||
	    mr_str_is(program, "imap-hibernate")) /* where an idle session may end */
		return MR_FAMILY_IMAP;
	if (mr_str_is(program, "pop3-login") || mr_str_is(program, "pop3"))
		return MR_FAMILY_POP3;
	if (mr_str_is(program, "submission-login") || mr_str_is(program, "submission"))
		return MR_FAMILY_SMTP;
	if (mr_str_is(program, "managesieve-login") || mr_str_is(program, "managesieve"))
		return MR_FAMILY_SIEVE;
	return MR_FAMILY_NONE;
}

/* Sites write the separator with or without a blank. */
static bool cut_separator(struct mr_str *s)
{
	return MR_CUT(s, ", ") || MR_CUT(s, ",");
}

bool mr_dovecot_session(struct mr_str id)
{
	struct mr_str s = id, run;
	bool zero = true;

	if (!mr_cut_class(&s, MR_CLASS_WORD | MR_CLASS_BASE64 | MR_CLASS_COLON, &run) || s.n)
		return false;
	for (size_t i = 0; i < id.n && zero; i++)
		zero = id.p[i] == 'A';
	return !zero;
}

/* ", key=value", a field that the site has asked for: neither key nor value can be mistaken for
 * another field. */
static bool cut_field(struct mr_str *s)
{
	struct mr_str t = *s, key, value;
	struct mr_addr a;

	if (!cut_separator(&t) || !mr_cut_class(&t, MR_CLASS_WORD, &key) || !MR_CUT(&t, "=") ||
	    !mr_cut_class(&t, MR_CLASS_WORD | MR_CLASS_COLON, &value) || (t.n && *t.p != ','))
		return false;
	if (mr_str_is(key, "user") || mr_str_is(key, "method") || mr_str_is(key, "rip"))
		return false;
	if (mr_str_is(key, "lip") && !mr_str_addr(value, &a))
		return false;
	*s = t;
	return true;
}

/* The fields behind "rip=": R[, lip=L][, mpid=P][, key=word]…[, TLS…|secured][, cipher words][,
 * session=<S>], in this order. */
static bool server_fields(struct mr_str s, struct tail *t)
{
	struct mr_str addr, rest = s;

	if (s.n > MR_SERVER_TEXT_MAX)
		return false;
	if (!mr_cut_to(&rest, ',', &addr))
		return false; /* a line that was cut: 192.0.2.1 of 192.0.2.10 */
	rest.p--; /* keep the separator */
	rest.n++;
	if (!mr_str_addr(addr, &t->rip))
		return false;
	s = rest;
	while (cut_field(&s))
		;
	/* the session from the right, and what is left between is TLS or cipher text, or nothing */
	t->session = (struct mr_str){ NULL, 0 };
	rest = s;
	if (MR_TRIM(&rest, ">")) {
		struct mr_str id;

		if (!mr_trim_from(&rest, '<', &id) || !MR_TRIM(&rest, "session="))
			return false;
		t->session = id;
		if (id.n && !mr_dovecot_session(id))
			return false;
		if (!MR_TRIM(&rest, ", ") && !MR_TRIM(&rest, ","))
			return false;
		s = rest;
	}
	if (s.n == 0)
		return true;
	if (!cut_separator(&s) || (!MR_CUT(&s, "TLS") && !MR_CUT(&s, "secured")))
		return false;
	/* "TLS: read() failed: …", "TLSv1.3 with cipher …": the library's words; no field may hide
	 * in them */
	return !memchr(s.p, '<', s.n) && !memchr(s.p, '>', s.n) && !memchr(s.p, '=', s.n);
}

/* `s` begins behind "user=<"; without a name, behind the verdict's colon. */
static bool read_tail(struct mr_str s, bool named, struct tail *t)
{
	struct mr_str whole = s, fields, method;

	/* the last ", rip=" or ",rip=": find "rip=" from the right */
	for (;;) {
		struct mr_str after;

		if (!mr_trim_from(&s, '=', &after))
			return false;
		if (s.n >= 4 && memcmp(s.p + s.n - 3, "rip", 3) == 0 &&
		    (s.p[s.n - 4] == ',' || s.p[s.n - 4] == ' ')) {
			fields.p = after.p;
			fields.n = whole.n - (size_t)(after.p - whole.p);
			s.n -= 3;
			break;
		}
	}
	if (!server_fields(fields, t))
		return false;
	t->method = (struct mr_str){ NULL, 0 };
	t->user = (struct mr_str){ NULL, 0 };
	if (!named && mr_str_is(s, " "))
		return true;
	if (!MR_TRIM(&s, ", ") && !MR_TRIM(&s, ","))
		return false;
	if (!named)
		return MR_CUT(&s, " method=") && mr_cut_class(&s, MR_CLASS_WORD, &t->method) &&
		       s.n == 0;
	/* "U>[, method=M]" */
	if (!MR_TRIM(&s, ">")) {
		if (!mr_trim_from(&s, '=', &method) || !MR_TRIM(&s, "method"))
			return false;
		t->method = method;
		if (method.n && (!mr_cut_class(&method, MR_CLASS_WORD, &t->method) || method.n))
			return false;
		if ((!MR_TRIM(&s, ", ") && !MR_TRIM(&s, ",")) || !MR_TRIM(&s, ">"))
			return false;
	}
	t->user = s;
	return s.n <= MR_CLIENT_TEXT_MAX; /* Dovecot cuts it to 80 */
}

static void fill(struct mr_event *e, enum mr_event_kind kind, enum mr_family family,
		 const struct tail *t, const char *what)
{
	*e = (struct mr_event){
		.kind = kind,
		.family = family,
		.addr = t->rip,
		.user = t->user,
		.session = t->session,
		.format = NAME,
		.what = what,
		.count = 1,
	};
}

/*
 * "(auth failed, N attempts in S secs)" at the right of the head; "in S secs" came with 2.0.  A
 * proxy that leaves the password to the server behind it says "(proxy dest auth failed)".  2.4 ends
 * with a reason code of its own.
 */
static bool auth_failed(struct mr_str s, uint32_t *attempts)
{
	uint64_t n, secs;
	struct mr_str code;

	if (!MR_TRIM(&s, " (auth_failed)"))
		MR_TRIM(&s, " (proxy_dest_auth_failed)");
	if (!MR_TRIM(&s, ")") || !mr_trim_from(&s, '(', &code))
		return false;
	if (mr_str_is(code, "proxy dest auth failed")) {
		*attempts = 1;
		return true;
	}
	if (!MR_CUT(&code, "auth failed, ") || !mr_cut_number(&code, &n) || n == 0 ||
	    !MR_CUT(&code, " attempts"))
		return false;
	if (code.n &&
	    (!MR_CUT(&code, " in ") || !mr_cut_number(&code, &secs) || !mr_str_is(code, " secs")))
		return false;
	*attempts = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	return true;
}

/* proxy(U,HOST:PORT): Started proxying to …: user=<U>, …  U must be plain, and stand at both ends.
 */
static enum mr_parse parse_proxy(struct mr_str head, struct mr_str rest, enum mr_family family,
				 struct mr_event *out)
{
	struct tail t;
	struct mr_str host;

	if (!read_tail(rest, true, &t) || MR_FIND_AT(rest, ": user=<"))
		return MR_PARSE_NOTHING;
	if (!mr_cut(&head, t.user.p, t.user.n))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&head, ",")) {
		if (!mr_cut_to(&head, ')', &host) || memchr(host.p, ' ', host.n))
			return MR_PARSE_NOTHING;
		if (!mr_trim_from(&host, ':', &(struct mr_str){ 0 }))
			return MR_PARSE_NOTHING;
	} else if (!MR_CUT(&head, ")")) {
		return MR_PARSE_NOTHING;
	}
	if (MR_CUT(&head, ": started proxying to ") || MR_CUT(&head, ": Started proxying to ")) {
		fill(out, MR_EV_LOGIN, family, &t, "login (proxied)");
		return MR_PARSE_EVENT;
	}
	if (MR_CUT(&head, ": disconnecting ") || MR_CUT(&head, ": Disconnected by ")) {
		fill(out, MR_EV_LOGOUT, family, &t, "logout (proxied)");
		return MR_PARSE_EVENT;
	}
	return MR_PARSE_NOTHING;
}

static void remember(struct mr_join *j, const struct mr_event *e)
{
	struct mr_joined v = { .addr = e->addr, .family = e->family, .user = e->user };

	if (j && e->session.n)
		mr_join_put(j, NAME, e->session, &v);
}

/* How a line begins that tells of a login that came to nothing */
static bool cut_end(struct mr_str *s)
{
	static const char *const words[] = { "Disconnected",
					     "Aborted login",
					     "Login aborted",
					     "Client has quit the connection",
					     "Remote closed connection",
					     "Connection closed",
					     "Inactivity",
					     "Logged out",
					     "Too many " };

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (mr_cut(s, words[i], strlen(words[i])))
			return true;
	return false;
}

/* What a login process says of a client besides how its login went */
static bool is_aside(struct mr_str s)
{
	static const char *const words[] = { "Maximum number of connections",
					     "Error: ",
					     "Warning: ",
					     "Fatal: ",
					     "Panic: ",
					     "Debug: ",
					     "Internal login failure",
					     "Auth process " };

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (mr_cut(&s, words[i], strlen(words[i])))
			return true;
	return false;
}

/* "VERDICT: user=<REST", or, where the client had given no name, "VERDICT: method=M, REST" */
static bool cut_verdict(struct mr_str s, struct mr_str *verdict, struct mr_str *rest, bool *named)
{
	const char *p = MR_FIND_AT(s, "user=<");

	*named = p;
	if (p) {
		*verdict = (struct mr_str){ s.p, (size_t)(p - s.p) };
		*rest = (struct mr_str){ p + 6, s.n - verdict->n - 6 };
		return MR_TRIM(verdict, ": ");
	}
	p = MR_FIND_AT(s, "): ");
	if (!p)
		return false;
	*verdict = (struct mr_str){ s.p, (size_t)(p - s.p) + 1 };
	*rest = (struct mr_str){ p + 2, s.n - verdict->n - 1 };
	return true;
}

/*
 * Why a login process hung up on who never tried to log in: NULL if not for what it sent.  Who has
 * tried is judged by that alone, and who was hung up on before auth was ready by nothing: that is
 * our own fault.
 */
static const char *abuse(struct mr_str s)
{
	const char *what;
	struct mr_str code;
	uint64_t secs;

	while (MR_CUT(&s, "Disconnected: ") || MR_CUT(&s, "Login aborted: "))
		;
	if (MR_CUT(&s, "Too many invalid commands") || MR_CUT(&s, "Too many bad commands"))
		what = "too many invalid commands";
	else if (MR_CUT(&s, "Input buffer full"))
		what = "over-long command";
	else
		return NULL;
	MR_CUT(&s, ".");
	code = s;
	if (!MR_CUT(&code, " (no auth attempts in ") || !mr_cut_number(&code, &secs) ||
	    !MR_CUT(&code, " secs)"))
		return NULL;
	MR_CUT(&code, " (no_auth_attempts)");
	return code.n == 0 ? what : NULL;
}

static enum mr_parse parse_login(struct mr_str s, enum mr_family family, struct mr_join *j,
				 uint64_t time_us, struct mr_event *out)
{
	struct mr_str head, rest;
	struct tail t;
	uint32_t attempts, told;
	const char *what;
	bool named;

	if (!cut_verdict(s, &head, &rest, &named)) {
		if (!MR_CUT(&s, "Login: "))
			return MR_CUT(&s, "Logged in") ? MR_PARSE_LOST : MR_PARSE_NOTHING;
		/* "Login: U [A]" is dovecot0.c's */
		return MR_TRIM(&s, "]") ? MR_PARSE_NOT_MINE : MR_PARSE_LOST;
	}
	if (mr_str_is(head, "Login") || mr_str_is(head, "Logged in")) {
		if (!read_tail(rest, true, &t))
			return MR_PARSE_LOST;
		if (mr_str_is(t.method, "ANONYMOUS") || t.user.n == 0)
			return MR_PARSE_NOTHING;
		fill(out, MR_EV_LOGIN, family, &t, "login");
		remember(j, out);
		return MR_PARSE_EVENT;
	}
	if (MR_CUT(&head, "proxy("))
		return named ? parse_proxy(head, rest, family, out) : MR_PARSE_NOTHING;
	if (MR_CUT(&head, "Started proxying to ")) {
		if (!read_tail(rest, named, &t))
			return MR_PARSE_LOST;
		if (t.user.n == 0)
			return MR_PARSE_NOTHING;
		fill(out, MR_EV_LOGIN, family, &t, "login (proxied)");
		return MR_PARSE_EVENT;
	}
	if ((what = abuse(head))) {
		if (!read_tail(rest, named, &t))
			return MR_PARSE_LOST;
		fill(out, MR_EV_ABUSE, family, &t, what);
		return MR_PARSE_EVENT;
	}
	if (!cut_end(&head))
		return !is_aside(head) && read_tail(rest, named, &t) && t.user.n ? MR_PARSE_LOST
										 : MR_PARSE_NOTHING;
	if (!auth_failed(head, &attempts))
		return mr_find(head, "auth failed", &head, &rest) ? MR_PARSE_LOST
								  : MR_PARSE_NOTHING;
	if (!read_tail(rest, named, &t))
		return MR_PARSE_LOST;
	fill(out, MR_EV_FAILURE, family, &t, "auth failed");
	told = mr_dovecot_auth_told(j, out, time_us, attempts);
	if (t.session.n == 0) /* the learner pairs lines that have no session */
		told = 0;
	out->count = told < attempts ? attempts - told : 0;
	return MR_PARSE_EVENT;
}

/* What a mail process says as it ends; "Disconnected: Logged out in=9 out=470" is 2.3's wording */
static bool ends_session(struct mr_str s)
{
	static const char *const words[] = { "Disconnected",	  "Logged out",
					     "Connection closed", "Connection reset",
					     "Too many ",	  "Server shutting down",
					     "Inactivity" };

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (mr_cut(&s, words[i], strlen(words[i])))
			return true;
	return false;
}

/* "imap(U)<P><S>: [Info: ]Disconnected…": the right end of the process's own prefix; sites leave
 * <P> out. */
static enum mr_parse parse_mail_process(struct mr_str s, enum mr_family family, struct mr_join *j,
					struct mr_event *out)
{
	const char *end = MR_FIND_AT(s, ">: ");
	struct mr_str prefix, session, pid, rest;
	struct mr_joined v;

	if (!end || !j)
		return MR_PARSE_NOTHING;
	prefix = (struct mr_str){ s.p, (size_t)(end - s.p) };
	rest = (struct mr_str){ end + 3, s.n - prefix.n - 3 };
	MR_CUT(&rest, "Info: ");
	if (!ends_session(rest) || !mr_trim_from(&prefix, '<', &session) ||
	    !mr_dovecot_session(session))
		return MR_PARSE_NOTHING;
	if (!MR_TRIM(&prefix, ")") &&
	    (!MR_TRIM(&prefix, ">") || !mr_trim_from(&prefix, '<', &pid) || !MR_TRIM(&prefix, ")")))
		return MR_PARSE_NOTHING;
	if (!mr_join_get(j, NAME, session, &v) || v.family != family)
		return MR_PARSE_NOTHING;
	*out = (struct mr_event){ .kind = MR_EV_LOGOUT,
				  .family = family,
				  .addr = v.addr,
				  .user = v.user,
				  .session = session,
				  .format = NAME,
				  .what = "logout",
				  .count = 1 };
	mr_join_drop(j, NAME, session);
	return MR_PARSE_EVENT;
}

/* From where the program's name begins up to the line's end.  A record (of the journal) has them in
 * two places: then it is the name alone, and what lies between is nobody's. */
static struct mr_str whole_of(struct mr_str program, const struct mr_line *l)
{
	uintptr_t from = (uintptr_t)l->text.p, p = (uintptr_t)program.p;

	if (p >= from && p - from < l->text.n)
		program.n = (size_t)(l->message.p + l->message.n - program.p);
	return program;
}

static enum mr_parse dovecot_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str program = l->program, s = l->message, kind;
	enum mr_family family;
	const char *q;

	if (mr_str_is(program, "dovecot")) {
		if (!(q = MR_FIND_AT(s, ": ")))
			return MR_PARSE_NOTHING;
		program = (struct mr_str){ s.p, (size_t)(q - s.p) };
		s = (struct mr_str){ q + 2, s.n - program.n - 2 };
	}
	kind = (struct mr_str){ program.p, program.n ? 1 : 0 };
	if (!mr_cut_class(&kind, MR_CLASS_WORD, &kind))
		return MR_PARSE_NOT_MINE;
	kind = program;
	for (kind.n = 0;
	     kind.n < program.n && program.p[kind.n] != '(' && program.p[kind.n] != '<';)
		kind.n++;
	if (mr_str_is(kind, "auth") || mr_str_is(kind, "auth-worker") ||
	    mr_str_is(kind, "dovecot-auth"))
		return mr_dovecot_auth(l, whole_of(program, l), j, out);
	family = family_of(kind);
	if (family == MR_FAMILY_NONE)
		return MR_PARSE_NOT_MINE;
	if (kind.n == program.n && kind.n > 6 && memcmp(kind.p + kind.n - 6, "-login", 6) == 0) {
		MR_CUT(&s, "Info: ");
		return parse_login(s, family, j, l->time_us, out);
	}
	if (kind.n < program.n) /* the prefix holds the user */
		return parse_mail_process(whole_of(program, l), family, j, out);
	return MR_PARSE_NOT_MINE; /* "imap[pid]: …" is Cyrus */
}

static const char *const programs[] = { "dovecot*",    "auth*",	       "imap*", "pop3*",
					"submission*", "managesieve*", NULL };
const struct mr_format mr_format_dovecot = {
	.name = NAME,
	.programs = programs,
	.unit = "dovecot",
	.parse = dovecot_parse,
};
