// SPDX-License-Identifier: BSD-2-Clause
/*
 * dovecot_auth.c - the authentication side of Dovecot: auth, its workers, and libpam in them.
 *
 *   auth: DRIVER(U,R[,<S>]): VERDICT                                    … 2.3
 *   auth-worker(P): [conn unix:auth-worker (pid=…,uid=…): auth-worker<N>: ]DRIVER(…): VERDICT
 *   auth(U,R,sasl:M)<S>: DRIVER: VERDICT                                2.4
 *   auth-worker(U,R)<P><S>: request [N]: DRIVER: VERDICT                2.4, and auth repeats it
 *   pam_unix(dovecot:auth): authentication failure; … ruser=U rhost=R[ user=U]
 *
 * All are failures.  U stands before the address, so lines are read from the right, where VERDICT
 * is a known one to its last byte.  A password that is logged behind it ("(given password: P)") is
 * the client's too: the words that part it must stand in the line only once.  What libpam and
 * workers tell has no session, or is told again, and of several databases each says no: it is
 * remembered by address and user, and taken off what comes later, so that one attempt counts once.
 * Never allocates; called by dovecot.c only.
 */
#include "dovecot.h"

static const char NAME[] = "dovecot";

/* Attempts told so far, by address and user. */
#define TOLD_WINDOW_S 300 /* seconds; a login process gives up on a client after three minutes */
/* Who asks several databases in turn does so within seconds, the next attempt begins with the first
 * of them again; two of a kind are told apart by time alone: Dovecot answers a wrong password after
 * two seconds.  libpam's modules say which they are: the same one again is another attempt, for who
 * makes many at once shall not have them counted as one. */
#define CHAIN_WINDOW_US 10000000u
#define ATTEMPT_US	1000000u
static const char BY_PAM[] = "dovecot-pam", BY_WORKER[] = "dovecot-wrk", BY_FIRST[] = "dovecot-1st";

static struct mr_str told_key(const struct mr_addr *a, struct mr_str user, char buf[MR_JOIN_KEY])
{
	size_t n = sizeof(a->b) + user.n;

	if (user.n == 0 || n > MR_JOIN_KEY)
		return (struct mr_str){ buf, 0 };
	memcpy(buf, a->b, sizeof(a->b));
	memcpy(buf + sizeof(a->b), user.p, user.n);
	return (struct mr_str){ buf, n };
}

/* Count in the low byte, time of the latest in seconds above it. */
static uint32_t told(struct mr_join *j, const char *who, const struct mr_event *e, uint64_t time_us)
{
	char buf[MR_JOIN_KEY];
	struct mr_joined v;

	if (!j || !mr_join_get(j, who, told_key(&e->addr, e->user, buf), &v) ||
	    time_us / 1000000 > (v.time_us >> 8) + TOLD_WINDOW_S)
		return 0;
	return (uint8_t)v.time_us;
}

static void tell(struct mr_join *j, const char *who, const struct mr_event *e, uint64_t time_us,
		 uint32_t n)
{
	struct mr_joined v = { .time_us = time_us / 1000000 << 8 | (n < 255 ? n : 255) };
	char buf[MR_JOIN_KEY];

	if (j && n)
		mr_join_put(j, who, told_key(&e->addr, e->user, buf), &v);
	else if (j)
		mr_join_drop(j, who, told_key(&e->addr, e->user, buf));
}

/* The session and the user, where a line names both */
static struct mr_str session_key(const struct mr_event *e, char buf[MR_JOIN_KEY])
{
	size_t n = e->session.n + 1 + e->user.n;

	if (e->session.n == 0 || n > MR_JOIN_KEY)
		return (struct mr_str){ buf, 0 };
	memcpy(buf, e->session.p, e->session.n);
	buf[e->session.n] = '>'; /* never part of a session id */
	memcpy(buf + e->session.n + 1, e->user.p, e->user.n);
	return (struct mr_str){ buf, n };
}

/*
 * Each database that is asked logs its "no" to one attempt: those behind the first tell nothing
 * new.  Lines of one attempt have one session, but libpam's, which names none.  Attempts that are
 * taken for one because they came fast are not lost: the server that asked tells how many it saw.
 */
static bool same_attempt(struct mr_join *j, const struct mr_event *e, struct mr_str driver,
			 uint64_t time_us)
{
	struct mr_joined v, first = { .user = driver, .time_us = time_us };
	char buf[MR_JOIN_KEY], session_buf[MR_JOIN_KEY];
	struct mr_str key = told_key(&e->addr, e->user, buf);
	struct mr_str session = session_key(e, session_buf);
	bool module = driver.n > 4 && memcmp(driver.p, "pam_", 4) == 0;

	if (!j || driver.n == 0)
		return false;
	if (mr_join_get(j, BY_FIRST, e->session.n ? session : key, &v)) {
		uint64_t apart = time_us > v.time_us ? time_us - v.time_us : v.time_us - time_us;
		bool same = v.user.n == driver.n && memcmp(v.user.p, driver.p, driver.n) == 0;

		same |= module && mr_str_is(v.user, "pam"); /* what the attempt before came to */
		/* without a time only the database tells them apart */
		if (!same ? apart <= CHAIN_WINDOW_US : !module && time_us && apart <= ATTEMPT_US)
			return true;
	}
	mr_join_put(j, BY_FIRST, key, &first);
	if (session.n)
		mr_join_put(j, BY_FIRST, session, &first);
	return false;
}

uint32_t mr_dovecot_auth_told(struct mr_join *j, const struct mr_event *e, uint64_t time_us,
			      uint32_t attempts)
{
	uint32_t n = told(j, BY_PAM, e, time_us);

	if (n)
		tell(j, BY_PAM, e, time_us, n > attempts ? n - attempts : 0);
	return n;
}

static bool is_verdict(struct mr_str s)
{
	static const char *const words[] = { "Password mismatch",
					     "Password mismatch (for LDAP bind)",
					     "unknown user",
					     "invalid credentials",
					     "Login failed (status=1)",
					     "pam_authenticate() failed: Permission denied",
					     "pam_authenticate() failed: Authentication failure",
					     "pam_authenticate() failed: Authentication failure "
					     "(password mismatch?)",
					     "pam_authenticate() failed: User not known to the "
					     "underlying authentication module" };

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (strlen(words[i]) == s.n && strncasecmp(s.p, words[i], s.n) == 0)
			return true;
	return false;
}

/* What none of these words is in is no verdict on a password; in the others a new version of
 * Dovecot may tell one in words of its own. */
static enum mr_parse no_verdict(struct mr_str s)
{
	static const char *const words[] = { "assword", "redential", "ismatch" };
	struct mr_str x;

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (mr_find(s, words[i], &x, &x))
			return MR_PARSE_LOST;
	return MR_PARSE_NOTHING;
}

/*
 * Takes the password off the right.  false: two readings.  U may hold these words as well: then the
 * server's own end of the prefix stands behind them.
 */
static bool trim_password(struct mr_str *s)
{
	static const char *const words[] = { " (given password: ", " (SHA1 of given password: " };
	struct mr_str before, password, x;

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++) {
		if (!mr_find(*s, words[i], &before, &password))
			continue;
		if (s->n > 3 * MR_CLIENT_TEXT_MAX || mr_find(password, words[i], &x, &x) ||
		    mr_find(password, "): ", &x, &x) || mr_find(password, ">: ", &x, &x))
			return false;
		*s = before;
	}
	return true;
}

/* "U,R" with, behind R, ",master", and ",<S>" (2.3) or ",sasl:M" (2.4); a session that was none
 * leaves its comma; U may hold commas */
static bool read_client(struct mr_str s, struct mr_event *e)
{
	struct mr_str item, x;

	if (!mr_trim_from(&s, ',', &item))
		return false;
	if (MR_CUT(&item, "<")) {
		if (!MR_TRIM(&item, ">") || !mr_dovecot_session(item))
			return false;
		e->session = item;
		if (!mr_trim_from(&s, ',', &item))
			return false;
	} else if (MR_CUT(&item, "sasl:")) {
		if (!mr_cut_class(&item, MR_CLASS_WORD, &x) || item.n ||
		    !mr_trim_from(&s, ',', &item))
			return false;
	} else if (item.n == 0 && !mr_trim_from(&s, ',', &item)) {
		return false;
	}
	if (mr_str_is(item, "master") && !mr_trim_from(&s, ',', &item))
		return false;
	e->user = s;
	return mr_str_addr(item, &e->addr) && s.n <= MR_CLIENT_TEXT_MAX;
}

/* `again`: another line told of this attempt */
static enum mr_parse failure(const struct mr_event *e, bool again, struct mr_event *out)
{
	mr_take(out, NAME, MR_EV_FAILURE, MR_FAMILY_NONE, &e->addr, e->user, "auth failed");
	out->session = e->session;
	if (again)
		out->count = 0;
	return MR_PARSE_EVENT;
}

/* DRIVER(U,R[,<S>]): VERDICT */
static enum mr_parse parse_driver(struct mr_str s, struct mr_join *j, uint64_t time_us,
				  struct mr_event *out)
{
	struct mr_str verdict, driver;
	struct mr_event e = { 0 };
	bool again;

	if (!trim_password(&s) || !mr_find_last(s, "): ", &s, &verdict) ||
	    !mr_cut_class(&s, MR_CLASS_WORD, &driver) || !MR_CUT(&s, "(") || !read_client(s, &e))
		return MR_PARSE_NOTHING;
	if (!is_verdict(verdict))
		return no_verdict(verdict);
	again = same_attempt(j, &e, driver, time_us) ||
		(mr_str_is(driver, "pam") && told(j, BY_PAM, &e, time_us)); /* libpam's own line */
	return failure(&e, again, out);
}

/* 2.4, behind "auth(" or "auth-worker(": U,R…)[<P>]<S>: [request [N]: ][Info: ][DRIVER: ]VERDICT */
static enum mr_parse parse_prefixed(struct mr_str s, bool worker, struct mr_join *j,
				    uint64_t time_us, struct mr_event *out)
{
	struct mr_str rest, driver = { 0 }, x, session;
	struct mr_event e = { 0 };
	uint32_t n;
	bool again;

	if (!trim_password(&s) || !mr_find_last(s, ">: ", &s, &rest) ||
	    !mr_trim_from(&s, '<', &session) || (session.n && !mr_dovecot_session(session)))
		return MR_PARSE_NOTHING;
	if (worker && (!MR_TRIM(&s, ">") || !mr_trim_from(&s, '<', &x)))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&rest, "request [") && (!mr_cut_to(&rest, ']', &x) || !MR_CUT(&rest, ": ")))
		return MR_PARSE_NOTHING;
	MR_CUT(&rest, "Info: ");
	x = rest;
	if (mr_cut_class(&x, MR_CLASS_WORD, &driver) && MR_CUT(&x, ": "))
		rest = x;
	else
		driver.n = 0;
	if (!MR_TRIM(&s, ")") || !read_client(s, &e))
		return MR_PARSE_NOTHING;
	if (!is_verdict(rest))
		return no_verdict(rest);
	e.session = session;
	n = told(j, BY_WORKER, &e, time_us);
	again = !worker && n;
	if (!again)
		again = same_attempt(j, &e, driver, time_us) ||
			(mr_str_is(driver, "pam") && told(j, BY_PAM, &e, time_us));
	if (worker && !again)
		tell(j, BY_WORKER, &e, time_us, n + 1);
	else if (!worker && n)
		tell(j, BY_WORKER, &e, time_us, n - 1);
	return failure(&e, again, out);
}

/* "pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 tty=dovecot ruser=U
 * rhost=R [ user=U]", of any module.  U without blanks, or the fields cannot be told apart. */
static enum mr_parse parse_pam(struct mr_str s, struct mr_join *j, uint64_t time_us,
			       struct mr_event *out)
{
	struct mr_str module, head, addr;
	struct mr_event e = { 0 };
	bool again;

	if (!mr_cut_class(&s, MR_CLASS_WORD, &module) ||
	    !MR_CUT(&s, "(dovecot:auth): authentication failure;"))
		return MR_PARSE_NOTHING;
	if (!mr_find(s, " ruser=", &head, &s) || memchr(head.p, '<', head.n) ||
	    !mr_cut_to(&s, ' ', &e.user) || !MR_CUT(&s, "rhost="))
		return MR_PARSE_NOTHING;
	addr = s;
	if (mr_cut_to(&s, ' ', &addr)) {
		MR_CUT(&s, " ");
		if (s.n &&
		    (!MR_CUT(&s, "user=") || s.n != e.user.n || memcmp(s.p, e.user.p, s.n) != 0))
			return MR_PARSE_NOTHING;
	}
	if (!mr_str_addr(addr, &e.addr) || e.user.n > MR_CLIENT_TEXT_MAX)
		return MR_PARSE_NOTHING;
	again = same_attempt(j, &e, module, time_us);
	if (!again)
		tell(j, BY_PAM, &e, time_us, told(j, BY_PAM, &e, time_us) + 1);
	return failure(&e, again, out);
}

/* "(P)" or "(default)" behind "auth-worker", a process and not a client */
static bool cut_process(struct mr_str *s)
{
	struct mr_str t = *s;
	uint64_t pid;

	if (!MR_CUT(&t, "(") || (!mr_cut_number(&t, &pid) && !MR_CUT(&t, "default")) ||
	    !MR_CUT(&t, ")"))
		return false;
	*s = t;
	return true;
}

/* "conn unix:auth-worker (pid=…,uid=…): auth-worker<1>: " before the driver */
static void cut_worker(struct mr_str *s)
{
	struct mr_str t = *s, x;

	if (MR_CUT(&t, "conn unix:auth-worker (") && mr_cut_to(&t, ')', &x) && MR_CUT(&t, ": ") &&
	    MR_CUT(&t, "auth-worker<") && mr_cut_to(&t, '>', &x) && MR_CUT(&t, ": "))
		*s = t;
}

enum mr_parse mr_dovecot_auth(const struct mr_line *l, struct mr_str whole, struct mr_join *j,
			      struct mr_event *out)
{
	struct mr_str s = whole;
	bool own_log = whole.p == l->program.p, worker;

	MR_CUT(&s, "dovecot-");
	worker = MR_CUT(&s, "auth-worker");
	if (!worker && !MR_CUT(&s, "auth"))
		return MR_PARSE_NOTHING;
	if (own_log && l->program.n == (size_t)(s.p - whole.p) && l->message.n > 4 &&
	    memcmp(l->message.p, "pam_", 4) == 0)
		return parse_pam(l->message, j, l->time_us, out);
	if (!cut_process(&s) && MR_CUT(&s, "("))
		return parse_prefixed(s, worker, j, l->time_us, out);
	if (!MR_CUT(&s, ": "))
		return MR_PARSE_NOTHING;
	/* other programs are called "auth" as well */
	if (!MR_CUT(&s, "Info: ") && own_log && s.p == l->message.p && !worker)
		return MR_PARSE_NOTHING;
	cut_worker(&s);
	return parse_driver(s, j, l->time_us, out);
}
