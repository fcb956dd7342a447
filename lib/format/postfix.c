// SPDX-License-Identifier: BSD-2-Clause
/*
 * postfix.c - Postfix smtpd (of any service name) and postscreen.
 *
 *   QID: client=N[A], sasl_method=M, sasl_username=U[, sasl_sender=S]…        login
 *   warning: N[A]: SASL M authentication failed: WHY[, sasl_username=U]       failure (U: 3.9 and
 * later) improper command pipelining after C from N[A]: TEXT                       abuse, and so on
 *   PREGREET n after t from [A]:port: TEXT                                    abuse (postscreen)
 *
 * N is a host name as Postfix filters it ([A-Za-z0-9._-]), A stands before every byte that a client
 * chose, so all is read from the left; what follows the address is not looked at for addresses.
 * `client=` earns a login only if sasl_method follows the address directly: sasl_sender, which
 * anybody may send, can hold a forged copy behind it.  XCLIENT's "logins" are asserted by another
 * host and earn nothing; faults of our own authentication server hurt nobody. A line is read once,
 * nothing is allocated.
 */
#include <mailreeve/format.h>

static const char NAME[] = "postfix";

/* "name[address]" or "name[address]:port" */
static bool cut_client(struct mr_str *s, struct mr_addr *a)
{
	struct mr_str t = *s, name, addr;
	uint64_t port;

	if (!mr_cut_class(&t, MR_CLASS_WORD, &name) || !MR_CUT(&t, "[") ||
	    !mr_cut_to(&t, ']', &addr) || !mr_str_addr(addr, a))
		return false;
	if (t.n > 1 && t.p[0] == ':' && t.p[1] >= '0' && t.p[1] <= '9') {
		MR_CUT(&t, ":");
		if (!mr_cut_number(&t, &port) || port > 65535)
			return false;
	}
	*s = t;
	return true;
}

static enum mr_parse event(struct mr_event *out, enum mr_event_kind kind, const struct mr_addr *a,
			   struct mr_str user, const char *what)
{
	*out = (struct mr_event){
		.kind = kind,
		.family = MR_FAMILY_SMTP,
		.addr = *a,
		.user = user,
		.format = NAME,
		.what = what,
		.count = 1,
	};
	return MR_PARSE_EVENT;
}

/* behind "QID: client=" */
static enum mr_parse parse_client(struct mr_str s, struct mr_event *out)
{
	struct mr_str method, user;
	struct mr_addr a;
	const char *comma;

	if (!cut_client(&s, &a))
		return MR_PARSE_NOTHING;
	if (!MR_CUT(&s, ", sasl_method="))
		return s.n == 0 || MR_CUT(&s, ", orig_") || MR_CUT(&s, ", sasl_sender=")
			       ? MR_PARSE_NOTHING
			       : MR_PARSE_LOST;
	if (!mr_cut_class(&s, MR_CLASS_WORD, &method) || !MR_CUT(&s, ", sasl_username="))
		return MR_PARSE_LOST;
	if (mr_str_is(method, "XCLIENT") || mr_str_is(method, "ANONYMOUS"))
		return MR_PARSE_NOTHING;
	/* U has logged in, so it is a name that the server knows; what follows ", " is not it */
	user = s;
	comma = MR_FIND_AT(s, ", ");
	if (comma)
		user.n = (size_t)(comma - s.p);
	if (user.n == 0)
		return MR_PARSE_NOTHING;
	return event(out, MR_EV_LOGIN, &a, user, "login");
}

/* Our own authentication server's faults, which Postfix logs as failures too. */
static bool own_fault(struct mr_str why)
{
	static const char *const words[] = {
		"Connection lost to authentication server",
		"Temporary authentication failure",
		"Internal authentication error",
		"generic failure", /* Cyrus SASL without its saslauthd */
		"no mechanism available",
		"internal error",
		"Service unavailable",
		"temporary failure",
		"Authentication server",
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (why.n >= strlen(words[i]) &&
		    strncasecmp(why.p, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* behind "warning: N[A]: SASL " */
static enum mr_parse parse_sasl(struct mr_str s, const struct mr_addr *a, struct mr_event *out)
{
	struct mr_str method, user = { 0 };
	const char *u;

	if (!mr_cut_class(&s, MR_CLASS_WORD, &method))
		return MR_PARSE_LOST;
	if (MR_CUT(&s, " authentication aborted"))
		return MR_PARSE_NOTHING;
	if (!MR_CUT(&s, " authentication failed"))
		return MR_PARSE_LOST;
	if (s.n && !MR_CUT(&s, ": ") && !mr_str_is(s, ":"))
		return MR_PARSE_LOST;
	if (own_fault(s))
		return MR_PARSE_NOTHING;
	u = MR_FIND_AT(s, ", sasl_username=");
	if (u)
		user = (struct mr_str){ u + 16, s.n - (size_t)(u - s.p) - 16 };
	if (mr_str_is(user, "(unavailable)"))
		user.n = 0;
	return event(out, MR_EV_FAILURE, a, user, "SASL authentication failed");
}

/* "Connection rate limit exceeded: N from N[A] for service S" */
static bool cut_limit(struct mr_str *s)
{
	static const char *const kinds[] = {
		"Connection rate",	  "Connection concurrency",
		"AUTH command rate",	  "Message delivery request rate",
		"Recipient address rate", "New TLS session rate"
	};
	uint64_t n;

	for (size_t i = 0; i < MR_ARRAY_SIZE(kinds); i++) {
		struct mr_str t = *s;

		if (mr_cut(&t, kinds[i], strlen(kinds[i])) && MR_CUT(&t, " limit exceeded: ") &&
		    mr_cut_number(&t, &n) && MR_CUT(&t, " from ")) {
			*s = t;
			return true;
		}
	}
	return false;
}

static enum mr_parse parse_warning(struct mr_str s, struct mr_event *out)
{
	const struct mr_str nobody = { 0 };
	struct mr_addr a;
	uint64_t n;

	if (cut_limit(&s))
		return cut_client(&s, &a) && MR_CUT(&s, " for service ")
			       ? event(out, MR_EV_ABUSE, &a, nobody, "rate limit exceeded")
			       : MR_PARSE_NOTHING;
	if (MR_CUT(&s, "non-SMTP command from "))
		return cut_client(&s, &a) && MR_CUT(&s, ": ")
			       ? event(out, MR_EV_ABUSE, &a, nobody, "non-SMTP command")
			       : MR_PARSE_NOTHING;
	if (!cut_client(&s, &a) || !MR_CUT(&s, ": "))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&s, "SASL "))
		return parse_sasl(s, &a, out);
	if (MR_CUT(&s, "request longer than ") && mr_cut_number(&s, &n) && MR_CUT(&s, ": "))
		return event(out, MR_EV_ABUSE, &a, nobody, "over-long command line");
	return MR_PARSE_NOTHING;
}

/* "C[ (N bytes)] from N[A]": C is a state of smtpd, one word */
static bool cut_after(struct mr_str *s, struct mr_addr *a)
{
	struct mr_str command, bytes;

	if (!mr_cut_class(s, MR_CLASS_WORD, &command))
		return false;
	if (MR_CUT(s, " (") && (!mr_cut_to(s, ')', &bytes)))
		return false;
	return MR_CUT(s, " from ") && cut_client(s, a);
}

static enum mr_parse parse_smtpd(struct mr_str s, struct mr_event *out)
{
	const struct mr_str nobody = { 0 };
	struct mr_str qid, t;
	struct mr_addr a;

	if (MR_CUT(&s, "connect from ") || MR_CUT(&s, "disconnect from "))
		return MR_PARSE_NOTHING;
	if (MR_CUT(&s, "warning: "))
		return parse_warning(s, out);
	if (MR_CUT(&s, "improper command pipelining after "))
		return cut_after(&s, &a) && (s.n == 0 || *s.p == ':')
			       ? event(out, MR_EV_ABUSE, &a, nobody, "improper pipelining")
			       : MR_PARSE_NOTHING;
	if (MR_CUT(&s, "too many errors after "))
		return cut_after(&s, &a) && s.n == 0
			       ? event(out, MR_EV_ABUSE, &a, nobody, "too many errors")
			       : MR_PARSE_NOTHING;
	if (MR_CUT(&s, "bare <LF> received after "))
		return cut_after(&s, &a) && s.n == 0
			       ? event(out, MR_EV_ABUSE, &a, nobody, "bare newline")
			       : MR_PARSE_NOTHING;
	t = s;
	if (mr_cut_class(&t, MR_CLASS_WORD, &qid) && MR_CUT(&t, ": client="))
		return parse_client(t, out);
	/* "N[A]: SASL …", should it ever come without "warning: " */
	return cut_client(&s, &a) && MR_CUT(&s, ": SASL ") ? MR_PARSE_LOST : MR_PARSE_NOTHING;
}

/* "[A]:port" */
static bool cut_endpoint(struct mr_str *s, struct mr_addr *a)
{
	struct mr_str addr;
	uint64_t port;

	return MR_CUT(s, "[") && mr_cut_to(s, ']', &addr) && mr_str_addr(addr, a) &&
	       MR_CUT(s, ":") && mr_cut_number(s, &port) && port <= 65535;
}

static enum mr_parse parse_postscreen(struct mr_str s, struct mr_event *out)
{
	static const struct {
		const char *head, *what;
	} kinds[] = {
		{ "COMMAND PIPELINING from ", "improper pipelining" },
		{ "NON-SMTP COMMAND from ", "non-SMTP command" },
		{ "BARE NEWLINE from ", "bare newline" },
		{ "COMMAND LENGTH LIMIT from ", "over-long command line" },
		{ "COMMAND COUNT LIMIT from ", "too many errors" },
	};
	const struct mr_str nobody = { 0 };
	struct mr_str after;
	struct mr_addr a;
	uint64_t n;

	for (size_t i = 0; i < MR_ARRAY_SIZE(kinds); i++)
		if (mr_cut(&s, kinds[i].head, strlen(kinds[i].head)))
			return cut_endpoint(&s, &a) && MR_CUT(&s, " after ")
				       ? event(out, MR_EV_ABUSE, &a, nobody, kinds[i].what)
				       : MR_PARSE_NOTHING;
	if (MR_CUT(&s, "PREGREET ") && mr_cut_number(&s, &n) && MR_CUT(&s, " after ") &&
	    mr_cut_class(&s, MR_CLASS_WORD, &after) && MR_CUT(&s, " from ") && cut_endpoint(&s, &a))
		return event(out, MR_EV_ABUSE, &a, nobody, "spoke before the greeting");
	return MR_PARSE_NOTHING;
}

static enum mr_parse postfix_parse(const struct mr_line *l, struct mr_join *j, struct mr_event *out)
{
	struct mr_str s = l->message, program = l->program;

	(void)j;
	/* "info: ", "warning: " come from the message itself; smtpd of another brand has no slash
	 */
	if (MR_TRIM(&program, "/smtpd"))
		return program.n ? parse_smtpd(s, out) : MR_PARSE_NOT_MINE;
	if (MR_TRIM(&program, "/postscreen"))
		return program.n ? parse_postscreen(s, out) : MR_PARSE_NOT_MINE;
	return MR_PARSE_NOT_MINE;
}

static const char *const programs[] = { "*/smtpd", "*/postscreen", NULL };
/* a third of a log */
static const struct mr_str dull[] = { { "connect from ", 13 },
				      { "disconnect from ", 16 },
				      { NULL, 0 } };
const struct mr_format mr_format_postfix = {
	.name = NAME,
	.programs = programs,
	.dull = dull,
	.unit = "postfix",
	.parse = postfix_parse,
};
