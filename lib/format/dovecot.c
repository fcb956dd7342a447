// SPDX-License-Identifier: BSD-2-Clause
/*
 * dovecot.c - Dovecot 2.0 to 2.4: login processes, auth, and the end of a mail session.
 *
 * Lines come from syslog (program "dovecot", message "imap-login: …") or from Dovecot's own log
 * (program "imap-login", message "Info: …").  What each looks like, and who writes which part:
 *
 *   imap-login: Login: user=<U>, method=M, rip=R, lip=L, mpid=P, TLS, session=<S>      2.0 … 2.3
 *   imap-login: Logged in: user=<U>, …                                               2.4
 *   imap-login: Disconnected: WHY (auth failed, N attempts in S secs): user=<U>, …    also "Aborted
 * login …" imap-login: proxy(U,H:P): Started proxying to …: user=<U>, … auth: DRIVER(U,R,<S>):
 * Password mismatch imap(U)<P><S>: Disconnected: Logged out …
 *
 * U is the client's: any bytes but control characters, so `>, rip=9.9.9.9` may stand in it.  The
 * verdict is therefore read from the left, up to the first `user=<`, and the address from the
 * right, where every field behind the last `, rip=` must be one that the server wrote, in order,
 * and nothing may be left over. A session id that a trusted proxy asserted may be any text: unless
 * it is base64 there is no event. Never allocates; the join keeps sessions so that a logout, which
 * has no address, finds its login.
 */
#include <mailreeve/format.h>

static const char NAME[] = "dovecot";

#define SESSION_MIN \
	8 /* characters; Dovecot's own ids have 16 or 32, proxies' are no shorter than a time */

struct tail { /* what the server wrote behind user=<…> */
	struct mr_str user, method, session;
	struct mr_addr rip;
};

static enum mr_family family_of(struct mr_str program)
{
	if (mr_str_is(program, "imap-login") || mr_str_is(program, "imap"))
		return MR_FAMILY_IMAP;
	if (mr_str_is(program, "pop3-login") || mr_str_is(program, "pop3"))
		return MR_FAMILY_POP3;
	if (mr_str_is(program, "submission-login") || mr_str_is(program, "submission"))
		return MR_FAMILY_SMTP;
	if (mr_str_is(program, "managesieve-login") || mr_str_is(program, "managesieve"))
		return MR_FAMILY_SIEVE;
	return MR_FAMILY_NONE;
}

/* The fields behind "rip=": R[, lip=L][, mpid=P][, TLS…|secured][, cipher words][, session=<S>].
 * Each at most once, in this order; sites write the separator with or without a blank. */
static bool cut_separator(struct mr_str *s)
{
	return MR_CUT(s, ", ") || MR_CUT(s, ",");
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/*
 * Dovecot makes its session ids of 6 bytes time, 2 bytes port and the remote address, in base64
 * (login-common/client-common.c).  An id of that shape that names another address belongs to a line
 * that Dovecot did not write.  Ids of other shapes (asserted by a proxy) say nothing.
 */
static bool session_fits(struct mr_str id, const struct mr_addr *rip)
{
	uint8_t raw[24];
	struct mr_addr a;

	if (id.n && id.n < SESSION_MIN)
		return false;
	if (id.n != 16 && id.n != 32)
		return true;
	for (size_t i = 0; i < id.n; i += 4) {
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++) {
			int x = base64_value(id.p[i + k]);

			if (x < 0)
				return true;
			v = v << 6 | (uint32_t)x;
		}
		raw[i / 4 * 3] = (uint8_t)(v >> 16);
		raw[i / 4 * 3 + 1] = (uint8_t)(v >> 8);
		raw[i / 4 * 3 + 2] = (uint8_t)v;
	}
	if (id.n == 16)
		a = mr_addr_from4((uint32_t)raw[8] << 24 | (uint32_t)raw[9] << 16 |
				  (uint32_t)raw[10] << 8 | raw[11]);
	else
		memcpy(a.b, raw + 8, 16);
	return memcmp(a.b, rip->b, 16) == 0;
}

static bool server_fields(struct mr_str s, struct tail *t)
{
	struct mr_str addr, lip, rest;
	struct mr_addr a;
	uint64_t mpid;

	rest = s;
	if (!mr_cut_to(&rest, ',', &addr))
		return false; /* a line that was cut: 192.0.2.1 of 192.0.2.10 */
	rest.p--; /* keep the separator */
	rest.n++;
	if (!mr_str_addr(addr, &t->rip))
		return false;
	s = rest;
	rest = s;
	if (cut_separator(&rest) && MR_CUT(&rest, "lip=")) {
		lip = (struct mr_str){ rest.p, 0 };
		while (lip.n < rest.n && rest.p[lip.n] != ',')
			lip.n++;
		if (!mr_str_addr(lip, &a))
			return false;
		s = (struct mr_str){ rest.p + lip.n, rest.n - lip.n };
	}
	rest = s;
	if (cut_separator(&rest) && MR_CUT(&rest, "mpid=")) {
		if (!mr_cut_number(&rest, &mpid))
			return false;
		s = rest;
	}
	/* the session from the right, and what is left between is TLS or cipher text, or nothing */
	t->session = (struct mr_str){ NULL, 0 };
	rest = s;
	if (MR_TRIM(&rest, ">")) {
		struct mr_str id;

		if (!mr_trim_from(&rest, '<', &id) || !MR_TRIM(&rest, "session="))
			return false;
		t->session = id;
		if (id.n && (!mr_cut_class(&id, MR_CLASS_BASE64, &t->session) || id.n))
			return false;
		if (!session_fits(t->session, &t->rip))
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

/* `s` begins behind "user=<". */
static bool read_tail(struct mr_str s, struct tail *t)
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
	if (!MR_TRIM(&s, ", ") && !MR_TRIM(&s, ","))
		return false;
	/* "U>[, method=M]" */
	t->method = (struct mr_str){ NULL, 0 };
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

/* "(auth failed, N attempts in S secs)" at the right of the head; "of S secs" is 2.0's wording. */
static bool auth_failed(struct mr_str head, uint32_t *attempts)
{
	struct mr_str s = head, code;
	uint64_t n, secs;

	if (MR_TRIM(&s, ")") && mr_trim_from(&s, '(', &code)) {
		/* 2.4 ends with a reason code of its own: "(auth_failed)" */
		if (mr_str_is(code, "auth_failed") &&
		    (!MR_TRIM(&s, " ") || !MR_TRIM(&s, ")") || !mr_trim_from(&s, '(', &code)))
			return false;
		if (MR_CUT(&code, "auth failed, ") && mr_cut_number(&code, &n) &&
		    (MR_CUT(&code, " attempts in ") || MR_CUT(&code, " attempts")) &&
		    (code.n == 0 || (mr_cut_number(&code, &secs) && MR_CUT(&code, " secs"))) &&
		    code.n == 0 && n > 0) {
			*attempts = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
			return true;
		}
	}
	return false;
}

/* proxy(U,HOST:PORT): Started proxying to …: user=<U>, …  U must be plain, and stand at both ends.
 */
static enum mr_parse parse_proxy(struct mr_str head, struct mr_str rest, enum mr_family family,
				 struct mr_event *out)
{
	struct tail t;
	struct mr_str host;

	if (!read_tail(rest, &t) || memmem(rest.p, rest.n, ": user=<", 8))
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

/*
 * What libpam logs of an attempt has no session; the login process tells it again when the client
 * goes.  The attempts told so far are kept under address and user, and taken off there.
 */
#define PAM_WINDOW_S 300 /* seconds; a login process gives up on a client after three minutes */
static const char PAM_SCOPE[] = "dovecot-pam";

static struct mr_str pam_key(const struct mr_addr *a, struct mr_str user, char buf[MR_JOIN_KEY])
{
	size_t n = sizeof(a->b) + user.n;

	if (user.n == 0 || n > MR_JOIN_KEY)
		return (struct mr_str){ buf, 0 };
	memcpy(buf, a->b, sizeof(a->b));
	memcpy(buf + sizeof(a->b), user.p, user.n);
	return (struct mr_str){ buf, n };
}

/* Count in the low byte, time of the latest in seconds above it. */
static uint32_t pam_told(struct mr_join *j, const struct mr_addr *a, struct mr_str user,
			 uint64_t time_us)
{
	char buf[MR_JOIN_KEY];
	struct mr_joined v;

	if (!j || !mr_join_get(j, PAM_SCOPE, pam_key(a, user, buf), &v) ||
	    time_us / 1000000 > (v.time_us >> 8) + PAM_WINDOW_S)
		return 0;
	return (uint8_t)v.time_us;
}

static void pam_tell(struct mr_join *j, const struct mr_addr *a, struct mr_str user,
		     uint64_t time_us, uint32_t n)
{
	struct mr_joined v = { .time_us = time_us / 1000000 << 8 | (n < 255 ? n : 255) };
	char buf[MR_JOIN_KEY];

	if (j && n)
		mr_join_put(j, PAM_SCOPE, pam_key(a, user, buf), &v);
	else if (j)
		mr_join_drop(j, PAM_SCOPE, pam_key(a, user, buf));
}

static enum mr_parse parse_login(struct mr_str s, enum mr_family family, struct mr_join *j,
				 uint64_t time_us, struct mr_event *out)
{
	const char *user = memmem(s.p, s.n, "user=<", 6);
	struct mr_str head, rest;
	struct tail t;
	uint32_t attempts, told;

	if (!user) /* "Login: U [A]" is dovecot0.c's */
		return MR_CUT(&s, "Login: ") ? MR_PARSE_NOT_MINE : MR_PARSE_NOTHING;
	head = (struct mr_str){ s.p, (size_t)(user - s.p) };
	rest = (struct mr_str){ user + 6, s.n - head.n - 6 };
	if (!MR_TRIM(&head, ": "))
		return MR_PARSE_NOTHING;
	if (mr_str_is(head, "Login") || mr_str_is(head, "Logged in")) {
		if (!read_tail(rest, &t))
			return MR_PARSE_LOST;
		if (mr_str_is(t.method, "ANONYMOUS") || t.user.n == 0)
			return MR_PARSE_NOTHING;
		fill(out, MR_EV_LOGIN, family, &t, "login");
		remember(j, out);
		return MR_PARSE_EVENT;
	}
	if (MR_CUT(&head, "proxy("))
		return parse_proxy(head, rest, family, out);
	if (!MR_CUT(&head, "Disconnected") && !MR_CUT(&head, "Aborted login") &&
	    !MR_CUT(&head, "Login aborted") && !MR_CUT(&head, "Client has quit the connection") &&
	    !MR_CUT(&head, "Remote closed connection"))
		return MR_PARSE_NOTHING;
	if (!auth_failed(head, &attempts))
		return MR_PARSE_NOTHING;
	if (!read_tail(rest, &t))
		return MR_PARSE_LOST;
	told = pam_told(j, &t.rip, t.user, time_us);
	if (told)
		pam_tell(j, &t.rip, t.user, time_us, told > attempts ? told - attempts : 0);
	if (t.session.n == 0) /* the learner pairs lines that have no session */
		told = 0;
	if (told >= attempts)
		return MR_PARSE_NOTHING;
	fill(out, MR_EV_FAILURE, family, &t, "auth failed");
	out->count = attempts - told;
	return MR_PARSE_EVENT;
}

/* "imap(U)<P><S>: [Info: ]Disconnected…": the right end of the process's own prefix. */
static enum mr_parse parse_mail_process(struct mr_str s, enum mr_family family, struct mr_join *j,
					struct mr_event *out)
{
	const char *end = memmem(s.p, s.n, ">: ", 3);
	struct mr_str prefix, id, session, pid, rest;
	struct mr_joined v;

	if (!end || !j)
		return MR_PARSE_NOTHING;
	prefix = (struct mr_str){ s.p, (size_t)(end - s.p) };
	rest = (struct mr_str){ end + 3, s.n - prefix.n - 3 };
	MR_CUT(&rest, "Info: ");
	if (!MR_CUT(&rest, "Disconnected") && !MR_CUT(&rest, "Logged out") &&
	    !MR_CUT(&rest, "Connection closed"))
		return MR_PARSE_NOTHING;
	if (!mr_trim_from(&prefix, '<', &id) || !mr_cut_class(&id, MR_CLASS_BASE64, &session) ||
	    id.n || !MR_TRIM(&prefix, ">") || !mr_trim_from(&prefix, '<', &pid) ||
	    !MR_TRIM(&prefix, ")"))
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

/* Verdicts that the auth process gives of a password, whole; "(given password: …)" behind one is
 * the client's text, so such a line has no certain end and is left to the login process's own line.
 */
static bool auth_verdict(struct mr_str s)
{
	static const char *const words[] = { "Password mismatch",
					     "unknown user",
					     "invalid credentials",
					     "pam_authenticate() failed: Authentication failure",
					     "pam_authenticate() failed: Authentication failure "
					     "(password mismatch?)",
					     "pam_authenticate() failed: User not known to the "
					     "underlying authentication module" };

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (mr_str_is(s, words[i]))
			return true;
	return false;
}

/* DRIVER(U,R[,<S>]): VERDICT */
static enum mr_parse parse_auth(struct mr_str s, struct mr_join *j, uint64_t time_us,
				struct mr_event *out)
{
	struct mr_str verdict = { 0 }, item, driver, id;
	struct tail t = { 0 };
	const char *p = NULL;

	for (size_t i = s.n; i >= 3 && !p; i--) /* the last "): " */
		if (memcmp(s.p + i - 3, "): ", 3) == 0)
			p = s.p + i - 3;
	if (!p)
		return MR_PARSE_NOTHING;
	verdict = (struct mr_str){ p + 3, s.n - (size_t)(p - s.p) - 3 };
	if (!auth_verdict(verdict))
		return MR_PARSE_NOTHING;
	s.n = (size_t)(p - s.p);
	if (!mr_trim_from(&s, ',', &item))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&item, "<")) {
		id = item;
		if (!mr_cut_class(&id, MR_CLASS_BASE64, &t.session) || !mr_str_is(id, ">") ||
		    !mr_trim_from(&s, ',', &item))
			return MR_PARSE_NOTHING;
	}
	if (!mr_str_addr(item, &t.rip) || !session_fits(t.session, &t.rip) ||
	    !mr_cut_class(&s, MR_CLASS_WORD, &driver) || !MR_CUT(&s, "("))
		return MR_PARSE_NOTHING;
	if (s.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	t.user = s;
	if (mr_str_is(driver, "pam") && pam_told(j, &t.rip, t.user, time_us))
		return MR_PARSE_NOTHING; /* libpam's own line told it */
	fill(out, MR_EV_FAILURE, MR_FAMILY_NONE, &t, "auth failed");
	return MR_PARSE_EVENT;
}

/* pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=U rhost=R
 * [ user=U].  U without blanks, or the fields cannot be told apart. */
static enum mr_parse parse_pam(struct mr_str s, struct mr_join *j, uint64_t time_us,
			       struct mr_event *out)
{
	struct mr_str head, user, addr, again;
	struct tail t = { 0 };

	if (!mr_find(s, " ruser=", &head, &s) || memchr(head.p, '<', head.n) ||
	    !mr_cut_to(&s, ' ', &user) || !MR_CUT(&s, "rhost="))
		return MR_PARSE_NOTHING;
	addr = s;
	if (mr_cut_to(&s, ' ', &addr)) {
		MR_CUT(&s, " ");
		again = s;
		if (again.n && (!MR_CUT(&again, "user=") || again.n != user.n ||
				memcmp(again.p, user.p, user.n) != 0))
			return MR_PARSE_NOTHING;
	}
	if (!mr_str_addr(addr, &t.rip) || user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	t.user = user;
	fill(out, MR_EV_FAILURE, MR_FAMILY_NONE, &t, "auth failed");
	pam_tell(j, &t.rip, user, time_us, pam_told(j, &t.rip, user, time_us) + 1);
	return MR_PARSE_EVENT;
}

/* 2.4, behind "auth(": U,R,sasl:MECH)<S>: [Info: ]DRIVER: VERDICT, read from the right */
static enum mr_parse parse_auth24(struct mr_str s, struct mr_join *j, uint64_t time_us,
				  struct mr_event *out)
{
	struct mr_str verdict, driver, id, item, x;
	struct tail t = { 0 };
	bool pam = false;

	if (!mr_find_last(s, ": ", &s, &verdict) || s.n > 2 * MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	if (MR_TRIM(&s, ": pam_authenticate() failed")) {
		if (!MR_CUT(&verdict, "Authentication failure") &&
		    !MR_CUT(&verdict, "User not known to the underlying authentication module"))
			return MR_PARSE_NOTHING;
	} else if (!auth_verdict(verdict)) {
		return MR_PARSE_NOTHING;
	}
	if (mr_find_last(s, ": ", &x, &driver) && !mr_str_is(driver, "Info")) {
		s = x;
		pam = mr_str_is(driver, "pam");
		if (!mr_cut_class(&driver, MR_CLASS_WORD, &x) || driver.n)
			return MR_PARSE_NOTHING;
	}
	MR_TRIM(&s, ": Info");
	if (!mr_find_last(s, ")<", &s, &id) || !MR_TRIM(&id, ">"))
		return MR_PARSE_NOTHING;
	if (id.n && (!mr_cut_class(&id, MR_CLASS_BASE64, &t.session) || id.n))
		return MR_PARSE_NOTHING;
	if (!mr_trim_from(&s, ',', &item))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&item, "sasl:")) {
		if (!mr_cut_class(&item, MR_CLASS_WORD, &x) || item.n ||
		    !mr_trim_from(&s, ',', &item))
			return MR_PARSE_NOTHING;
	}
	if (!mr_str_addr(item, &t.rip) || !session_fits(t.session, &t.rip))
		return MR_PARSE_NOTHING;
	if (s.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	t.user = s;
	if (pam && pam_told(j, &t.rip, t.user, time_us))
		return MR_PARSE_NOTHING; /* libpam's own line told it */
	fill(out, MR_EV_FAILURE, MR_FAMILY_NONE, &t, "auth failed");
	return MR_PARSE_EVENT;
}

/* "auth-worker(77): conn unix:auth-worker (pid=…,uid=…): auth-worker<1>: " before the driver */
static void cut_worker(struct mr_str *s)
{
	struct mr_str t = *s, x;

	if (MR_CUT(&t, "conn unix:auth-worker (") && mr_cut_to(&t, ')', &x) && MR_CUT(&t, ": ") &&
	    MR_CUT(&t, "auth-worker<") && mr_cut_to(&t, '>', &x) && MR_CUT(&t, ": "))
		*s = t;
}

static enum mr_parse dovecot_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str program = l->program, s = l->message, kind;
	enum mr_family family;
	const char *q;

	if (mr_str_is(program, "dovecot")) {
		if (!(q = memmem(s.p, s.n, ": ", 2)))
			return MR_PARSE_NOTHING;
		program = (struct mr_str){ s.p, (size_t)(q - s.p) };
		s = (struct mr_str){ q + 2, s.n - program.n - 2 };
	}
	kind = program;
	if (!mr_cut_class(&kind, MR_CLASS_WORD, &kind))
		return MR_PARSE_NOT_MINE;
	kind = program;
	for (kind.n = 0;
	     kind.n < program.n && program.p[kind.n] != '(' && program.p[kind.n] != '<';)
		kind.n++;
	if (mr_str_is(kind, "auth") || mr_str_is(kind, "dovecot-auth")) {
		struct mr_str whole = { program.p,
					(size_t)(l->message.p + l->message.n - program.p) };
		struct mr_str m = l->message;

		if (kind.n == program.n &&
		    MR_CUT(&m, "pam_unix(dovecot:auth): authentication failure;"))
			return parse_pam(m, j, l->time_us, out);
		if (MR_CUT(&whole, "auth("))
			return parse_auth24(whole, j, l->time_us, out);
	}
	if (mr_str_is(kind, "auth") || mr_str_is(kind, "auth-worker")) {
		if (l->program.n == program.n && kind.n == program.n && !MR_CUT(&s, "Info: "))
			return MR_PARSE_NOTHING;
		MR_CUT(&s, "Info: ");
		cut_worker(&s);
		return parse_auth(s, j, l->time_us, out);
	}
	family = family_of(kind);
	if (family == MR_FAMILY_NONE)
		return MR_PARSE_NOT_MINE;
	if (kind.n == program.n && kind.n > 6 && memcmp(kind.p + kind.n - 6, "-login", 6) == 0) {
		MR_CUT(&s, "Info: ");
		return parse_login(s, family, j, l->time_us, out);
	}
	if (kind.n < program.n) {
		/* the prefix holds the user: take it from where it begins, up to the line's end */
		struct mr_str whole = { program.p,
					(size_t)(l->message.p + l->message.n - program.p) };

		return parse_mail_process(whole, family, j, out);
	}
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
