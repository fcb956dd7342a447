// SPDX-License-Identifier: BSD-2-Clause
/*
 * hostile.c - every hostile text in every field that a client controls, for every format.
 *
 * A template is a line of a server with holes: {A} the client's real address, {U} a name, {H} a
 * HELO, {S} a sender (its local part is quoted as the servers do), {T} any other text.  Into the
 * holes go complete fake lines of every other template, their parts, brackets and separators, line
 * ends, escapes, NUL, look-alike addresses, 64 KB, and random mixtures of all these.  Whatever is
 * in them: an event names the real address and has the template's kind, or there is no event.  With
 * a plain text the event must come.  The seed is printed; MR_SEED repeats a run.
 */
#include <mailreeve/reader.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define NONE (-1) /* no event, whatever stands in the holes */

struct template
{
	const char *before; /* a line that is read first, with {A} */
	const char *line;
	int kind;
};

#define B "Nov 21 20:43:50 mail "
#define F "2026-11-21 20:43:50 "
static const struct template templates[] = {
	{ NULL,
	  B "dovecot: imap-login: Login: user=<{U}>, method=PLAIN, rip={A}, lip=192.0.2.1, mpid=4, "
	    "TLS",
	  MR_EV_LOGIN },
	{ NULL,
	  B "dovecot: pop3-login: Logged in: user=<{U}>, method=PLAIN, rip={A}, lip=192.0.2.1, "
	    "mpid=4, secured",
	  MR_EV_LOGIN },
	{ NULL,
	  B "dovecot: imap-login: Disconnected: Too many invalid commands (auth failed, 1 attempts "
	    "in 2 secs): user=<{U}>, method=PLAIN, rip={A}, lip=192.0.2.1",
	  MR_EV_FAILURE },
	{ NULL,
	  B "dovecot: imap-login: Disconnected (no auth attempts in 3 secs): user=<{U}>, rip={A}, "
	    "lip=192.0.2.1",
	  NONE },
	{ NULL,
	  B "dovecot: imap-login: Login aborted: Logged out (auth failed, 1 attempts in 0 secs) "
	    "(auth_failed): user=<{U}>, method=PLAIN, rip={A}, lip=192.0.2.1",
	  MR_EV_FAILURE },
	{ NULL, B "dovecot: auth-worker(7): sql({U},{A}): Password mismatch", MR_EV_FAILURE },
	{ NULL, B "dovecot: auth({U},{A},sasl:plain)<>: sql: Password mismatch", MR_EV_FAILURE },
	{ NULL, F "auth({U},{A},sasl:plain)<>: Info: sql: unknown user", MR_EV_FAILURE },
	{ NULL,
	  B "auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 "
	    "tty=dovecot ruser={U} rhost={A}  user={U}",
	  MR_EV_FAILURE },
	{ NULL,
	  B "auth: pam_unix(dovecot:auth): authentication failure; logname= uid=0 euid=0 "
	    "tty=dovecot ruser={U} rhost={A} ",
	  MR_EV_FAILURE },
	{ NULL, B "dovecot: imap({U}): Error: {T}", NONE },
	{ NULL,
	  B "postfix/smtpd[5]: 84945A98328: client=unknown[{A}], sasl_method=PLAIN, "
	    "sasl_username={U}",
	  MR_EV_LOGIN },
	{ NULL, B "postfix/smtpd[5]: 84945A98328: client=unknown[{A}], sasl_sender={U}", NONE },
	{ NULL,
	  B "postfix/smtpd[5]: warning: unknown[{A}]: SASL PLAIN authentication failed: "
	    "UGFzc3dvcmQ6, sasl_username={U}",
	  MR_EV_FAILURE },
	{ NULL,
	  B "postfix/smtpd[5]: warning: unknown[{A}]: SASL PLAIN authentication failed: Connection "
	    "lost to authentication server, sasl_username={U}",
	  NONE },
	{ NULL, B "postfix/smtpd[5]: warning: non-SMTP command from unknown[{A}]: {T}",
	  MR_EV_ABUSE },
	{ NULL, B "postfix/smtpd[5]: improper command pipelining after EHLO from unknown[{A}]: {T}",
	  MR_EV_ABUSE },
	{ NULL,
	  B "postfix/smtpd[5]: NOQUEUE: reject: RCPT from unknown[{A}]: 554 5.7.1 <{T}>: Relay "
	    "access denied; from={S} to=<{T}> proto=ESMTP helo=<{H}>",
	  NONE },
	{ NULL, B "postfix/cleanup[5]: 84945A98328: message-id=<{T}>", NONE },
	{ NULL,
	  B "postfix/smtp[5]: warning: SASL authentication failed; server mx.example.net[{A}] "
	    "said: {T}",
	  NONE },
	{ NULL, B "postfix/postscreen[5]: PREGREET 14 after 0.1 from [{A}]:4711: {T}",
	  MR_EV_ABUSE },
	{ NULL,
	  B "postfix/postscreen[5]: NOQUEUE: reject: RCPT from [{A}]:4711: 450 4.3.2 Service "
	    "currently unavailable; from={S}, to=<{T}>, proto=ESMTP, helo=<{H}>",
	  NONE },
	{ NULL, F "1xUsCn-00008O-2c <= {S} H=({H}) [{A}] P=esmtpa A=plain:{U} S=214", MR_EV_LOGIN },
	{ NULL,
	  F "1xUsCn-00008O-2c <= {S} H=host.example.net ({H}) [{A}]:4711 I=[192.0.2.1]:25 U={T} "
	    "P=esmtpsa X=TLS1.3:x:256 CV=no A=plain:alice S=214 id={T} T=\"{T}\"",
	  MR_EV_LOGIN },
	{ NULL,
	  F "1xUsCn-00008O-2c <= {S} H=({H}) [{A}] P=esmtps X=TLS1.3:x:256 CV=no SNI={T} S=214 "
	    "id={T} T=\"{T}\" from {S} for {T}",
	  NONE },
	{ NULL, F "1xUsCn-00008O-2c <= {S} H=({H}) [{A}] U={T} P=esmtp S=214", NONE },
	{ NULL,
	  F "[9] no MAIL in SMTP connection from ({H}) [{A}]:4711 I=[192.0.2.1]:25 D=0.200s "
	    "A=plain:{U} C=EHLO,AUTH,QUIT",
	  MR_EV_LOGIN },
	{ NULL,
	  F "[9] no MAIL in SMTP connection from ({H}) [{A}]:4711 I=[192.0.2.1]:25 D=0.200s "
	    "C=EHLO,QUIT",
	  NONE },
	{ NULL,
	  F "plain authenticator failed for ({H}) [{A}]:4711 I=[192.0.2.1]:25: 535 Incorrect "
	    "authentication data (set_id={U})",
	  MR_EV_FAILURE },
	{ NULL,
	  F "plain authenticator failed for host.example.net ({H}) [{A}] U={T}: 535 Incorrect "
	    "authentication data",
	  MR_EV_FAILURE },
	{ NULL,
	  F "plain authenticator failed for ({H}) [{A}]: 435 Unable to authenticate at present "
	    "(set_id={U}): {T}",
	  NONE },
	{ NULL,
	  F "1xUsCn-00008O-2c plain authenticator failed H=smart.example.net [{A}] 535 5.7.8 {T}",
	  NONE },
	{ NULL, F "H=({H}) [{A}] F={S} rejected RCPT <{T}>: relay not permitted", NONE },
	{ NULL, F "rejected EHLO from [{A}]: syntactically invalid argument(s): {H}", NONE },
	{ NULL,
	  F "SMTP call from ({H}) [{A}] dropped: too many unrecognized commands (last was \"{T}\")",
	  MR_EV_ABUSE },
	{ NULL, B "imapd: LOGIN, user={U}, ip=[::ffff:{A}], port=[4711], protocol=IMAP",
	  MR_EV_LOGIN },
	{ NULL, B "pop3d-ssl: LOGIN FAILED, user={U}, ip=[{A}], port=[4711]", MR_EV_FAILURE },
	{ NULL,
	  B "imapd: LOGOUT, user={U}, ip=[{A}], port=[4711], headers=0, body=0, rcvd=1, sent=2, "
	    "time=0, starttls=1",
	  MR_EV_LOGOUT },
	{ NULL,
	  B "courieresmtpd: error,relay={A},port=4711,msg=\"535 Authentication failed.\",cmd: AUTH "
	    "PLAIN eA== {U}",
	  MR_EV_FAILURE },
	{ NULL,
	  B "courieresmtpd: error,relay={A},port=4711,msg=\"502 ESMTP command error\",cmd: {T}",
	  NONE },
	{ NULL,
	  B "courieresmtpd: error,relay={A},port=4711,from=<{T}>,to=<{T}>: 513 Relaying denied.",
	  NONE },
	{ NULL,
	  B "courierd: newmsg,id=00000000000005A1.000000006B0208A2.000002FD, auth={U}: dns; {H} "
	    "([{A}])",
	  MR_EV_LOGIN },
	{ NULL,
	  B "courierd: newmsg,id=00000000000005A1.000000006B0208A2.000002FD: dns; {H} ([{A}])",
	  NONE },
	{ NULL,
	  B "cyrus/imap[7]: login: [{A}] {U} plaintext User logged in SESSIONID=<cyrus-1-7-1>",
	  MR_EV_LOGIN },
	{ NULL, B "cyrus/imap[7]: login: [{A}] anonymous {T}", NONE },
	{ NULL,
	  B "cyrus/imap[7]: badlogin: [{A}] plaintext ({U}) [SASL(-13): authentication failure: "
	    "checkpass failed]",
	  MR_EV_FAILURE },
	{ NULL,
	  B "cyrus/imap[7]: badlogin: host.example.net [{A}] plaintext {U} SASL(-13): "
	    "authentication failure: checkpass failed",
	  MR_EV_FAILURE },
	{ NULL, B "sendmail[7]: AUTH=server, relay=[{A}], authid={U}, mech=PLAIN, bits=0",
	  MR_EV_LOGIN },
	{ NULL,
	  B "sendmail[7]: 6ALLQiid000995: AUTH failure (PLAIN): user not found (-20) SASL(-13): "
	    "user not found: x, user={U}, relay=host.example.net [{A}] (may be forged)",
	  MR_EV_FAILURE },
	{ NULL,
	  B "sendmail[7]: 6ALLQiid000995: ruleset=check_rcpt, arg1={T}, relay=[{A}], reject=550 "
	    "5.7.1 {T}... Relaying denied",
	  NONE },
	{ NULL,
	  B "sendmail[7]: 6ALLQiid000995: from={S}, size=14, class=0, nrcpts=1, proto=ESMTPA, "
	    "daemon=MTA-v4, relay=[{A}]",
	  NONE },
	{ NULL, B "sendmail[7]: 6ALLQiid000995: invalid domain name {H} from [{A}]", NONE },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp authentication user={U} result=ok", MR_EV_LOGIN },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp authentication user={U} result=permfail",
	  MR_EV_FAILURE },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp authentication user={U} result=tempfail", NONE },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp failed-command command=\"{T}\" result=\"500 5.5.1 "
	    "Invalid command: {T}\"",
	  NONE },
	{ B "smtpd[7]: smtp-in: New session 96b8319d4c6e19ef from host x [{A}]",
	  B "smtpd[7]: smtp-in: Accepted authentication for user {U} on session 96b8319d4c6e19ef",
	  MR_EV_LOGIN },
	{ NULL,
	  B "smtpd[7]: 96b8319d4c6e19ef smtp event=authentication user={U} address={A} host=x "
	    "result=ok",
	  MR_EV_LOGIN },
	{ NULL,
	  "2026/11/21 21:29:12 [info] 7#7: *1 client logged in, client: {A}, server: 0.0.0.0:110, "
	  "login: \"{U}\", upstream: 127.0.0.1:110",
	  MR_EV_LOGIN },
	{ NULL,
	  "2026/11/21 21:29:12 [info] 7#7: *1 client logged in, client: {A}, server: 0.0.0.0:25, "
	  "upstream: 127.0.0.1:25",
	  NONE },
	{ NULL,
	  "2026/11/21 21:29:12 [info] 7#7: *1 client login failed: \"Invalid login or password: "
	  "{U}\" while in http auth state, client: {A}, server: 0.0.0.0:110, login: \"{U}\"",
	  MR_EV_FAILURE },
	{ NULL,
	  B "nginx: 2026/11/21 21:29:12 [info] 7#7: *1 client login failed: \"x\" while in http "
	    "auth state, client: {A}, server: 0.0.0.0:110, login: \"{U}\"",
	  MR_EV_FAILURE },
	{ NULL,
	  B "perdition.pop3[7]: Auth: {A}:4711->192.0.2.1:110 client-secure=plaintext "
	    "authorisation_id=NONE authentication_id=\"{U}\" server=\"127.0.0.1:110\" "
	    "protocol=POP3 server-secure=plaintext status=\"ok\"",
	  MR_EV_LOGIN },
	{ NULL,
	  B "perdition.pop3[7]: Auth: {A}:4711->192.0.2.1:110 client-secure=plaintext "
	    "authorisation_id=NONE authentication_id=\"{U}\" server=\"127.0.0.1:110\" "
	    "protocol=POP3 server-secure=plaintext status=\"failed: Re-Authentication Failure\"",
	  MR_EV_FAILURE },
	{ NULL, B "imapd[7]: Login user={U} host=host.example.net [{A}]", MR_EV_LOGIN },
	{ NULL, B "ipop3d[7]: Login failed user={U} auth={U} host=[{A}]", MR_EV_FAILURE },
	{ NULL, B "ipop3d[7]: Logout user={U} host=[{A}] nmsgs=3/3 ndele=0", MR_EV_LOGOUT },
	{ NULL, B "vpopmail[7]: vchkpw-pop3: (PLAIN) login success {U}:{A}", MR_EV_LOGIN },
	{ NULL, B "vpopmail[7]: vchkpw-smtp: password fail (pass: '{T}') {U}:{A}", MR_EV_FAILURE },
	{ NULL, B "vpopmail[7]: vchkpw-smtp: vpopmail user not found {U}:{A}", MR_EV_FAILURE },
	{ NULL, B "vpopmail[7]: vchkpw: login [{U}] from {A}", MR_EV_LOGIN },
	{ NULL,
	  B "sogod [7]: SOGoRootPage Login from '{A}' for user '{U}' might not have worked - "
	    "password policy: 65535  grace: -1  expire: -1  bound: 0",
	  MR_EV_FAILURE },
	{ NULL,
	  B "roundcube: <s1> IMAP Error: Login failed for {U} against h from {A}. AUTHENTICATE "
	    "PLAIN: {T} in /x.php on line 1 (POST /)",
	  MR_EV_FAILURE },
	{ NULL,
	  "[21-Nov-2026 22:28:21 +0200]: <s1> Failed login for {U} from {A} in session s1 (error: "
	  "0)",
	  MR_EV_FAILURE },
	{ NULL,
	  B "HORDE[7]: [imp] FAILED LOGIN for {U} [{A}] to {localhost:143 [imap]} [pid 7 on line 1 "
	    "of \"/x\"]",
	  MR_EV_FAILURE },
	{ NULL, B "qpopper[7]: (v4.0.5) POP login by user \"{U}\" at (host.example.net) {A}",
	  MR_EV_LOGIN },
	{ NULL,
	  B "qpopper[7]: {U} at host.example.net ({A}): -ERR [AUTH] Password supplied for \"{U}\" "
	    "is incorrect.",
	  MR_EV_FAILURE },
	{ NULL, B "qpopper[7]: Stats: {U} 0 0 0 0 host.example.net {A}", MR_EV_LOGIN },
	{ B "popa3d[7]: Session from {A}", B "popa3d[7]: Authentication passed for {U}",
	  MR_EV_LOGIN },
	{ B "popa3d[7]: Session from {A}", B "popa3d[7]: Authentication failed for {U}",
	  MR_EV_FAILURE },
	{ NULL, B "solid-pop3d[7]: authentication failed: no such user: {U} - {A}", MR_EV_FAILURE },
	{ NULL, B "solid-pop3d[7]: authentication failed for user {U} - {A}", MR_EV_FAILURE },
	{ NULL, B "solid-pop3d[7]: user {U} authenticated - {A}", MR_EV_LOGIN },
	{ NULL, B "teapop[7]: Successful login for {U} from host.example.net [{A}]", MR_EV_LOGIN },
	{ NULL, B "vm-pop3d[7]: User {U} logged in from {A}", MR_EV_LOGIN },
	{ B "vm-pop3d[7]: Connect from {A}", B "vm-pop3d[7]: User {U} logged in", MR_EV_LOGIN },
	{ NULL, B "cucipop[7]: {U} {A} 0, 0 (0), 0 (0)", MR_EV_LOGIN },
	{ NULL, B "gnu-pop3d[7]: User {U} logged in with mailbox /var/mail/x from {A}",
	  MR_EV_LOGIN },
	{ NULL, "[21/Nov/2026 20:43:50] SMTP: User {U} doesn't exist. Attempt from IP address {A}.",
	  MR_EV_FAILURE },
	{ NULL, "Nov 21 2026 20:43:50 IMAP User \"{U}\" log on successful from {A}", MR_EV_LOGIN },
	{ NULL, B "imap-login: Login: {U} [{A}]", MR_EV_LOGIN },
};
#define TEMPLATES MR_ARRAY_SIZE(templates)

/* --- texts ------------------------------------------------------------------------------------ */

struct buf {
	char p[256 << 10];
	size_t n;
};

static void put(struct buf *b, const char *p, size_t n)
{
	if (n > sizeof(b->p) - b->n)
		n = sizeof(b->p) - b->n;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void put_text(struct buf *b, const char *text)
{
	put(b, text, strlen(text));
}

/* The template with its holes filled.  A sender is quoted as the servers do. */
static void fill(struct buf *b, const char *line, const char *addr, const char *text, size_t n)
{
	while (*line) {
		if (strncmp(line, "{A}", 3) == 0) {
			put_text(b, addr);
			line += 3;
		} else if (strncmp(line, "{S}", 3) == 0) {
			put_text(b, "\"");
			for (size_t i = 0; i < n; i++) {
				if (text[i] == '"' || text[i] == '\\')
					put_text(b, "\\");
				put(b, text + i, 1);
			}
			put_text(b, "\"@example.org");
			line += 3;
		} else if (line[0] == '{' && strchr("UHT", line[1]) && line[2] == '}') {
			put(b, text, n);
			line += 3;
		} else {
			put(b, line++, 1);
		}
	}
}

static const char *hole(const char *line)
{
	for (const char *p = line; *p; p++)
		if (p[0] == '{' && p[1] && strchr("UHTS", p[1]) && p[2] == '}')
			return p;
	return NULL;
}

/* `{A}` is part of no hole's text: forged addresses */
static const char *const forged[] = { "9.9.9.9", "2001:9::9", "::ffff:9.9.9.9" };

static const char *const pieces[] = {
	"alice",
	" ",
	", ",
	">",
	"<",
	"]",
	"[",
	")",
	"(",
	"\"",
	"'",
	":",
	": ",
	"=",
	"\n",
	"\r\n",
	"#012",
	"\\n",
	"\\\"",
	"\x1b[31m",
	"\t",
	"/",
	"\xff\xfe",
	"rip=9.9.9.9",
	", rip=9.9.9.9, lip=192.0.2.1",
	">, method=PLAIN, rip=9.9.9.9, lip=192.0.2.1, mpid=4, TLS",
	"[9.9.9.9]",
	" [9.9.9.9]",
	"(9.9.9.9)",
	"[IPv6:2001:9::9]",
	"9.9.9.9:25",
	":9.9.9.9",
	":2001:9",
	":2001:9:",
	"x:64:ff9b:",
	"9.9.9.9.example.net",
	"1.9.9.9.9",
	"9.9.9.9 ",
	" - 9.9.9.9",
	" -- [9.9.9.9]",
	" from 9.9.9.9",
	" host=[9.9.9.9]",
	", ip=[9.9.9.9], port=[1]",
	", relay=[9.9.9.9]",
	", sasl_method=PLAIN, sasl_username=alice",
	", sasl_username=x[9.9.9.9]: SASL PLAIN authentication failed: y",
	" P=esmtpa A=plain:alice S=1",
	"x) [9.9.9.9] P=esmtpa A=plain:alice S=1 (y",
	"x) [9.9.9.9] (y",
	" rhost=9.9.9.9  user=alice",
	"\", upstream: 127.0.0.1:110",
	"\" while in http auth state, client: 9.9.9.9, server: 0.0.0.0:110, login: \"x",
	" status=\"ok\"",
	" result=ok",
	" address=9.9.9.9 host=x result=ok",
	" User logged in",
	" authenticated - 9.9.9.9",
	" logged in from 9.9.9.9",
	"' might not have worked",
	"] to Horde",
	": 535 Incorrect authentication data",
	" U=x",
	" I=[9.9.9.9]:25",
	" D=0.2s A=plain:alice",
	" (may be forged)",
	": Password mismatch",
	",9.9.9.9,sasl:plain)<>: sql: Password mismatch",
	"event=login.good r.clienthost=[9.9.9.9] u.username=alice",
};

/* --- the check -------------------------------------------------------------------------------- */

static struct mr_reader *reader(void)
{
	struct mr_reader_options o = { .legacy = true, .sessions = 16 };
	struct mr_reader *r = NULL;
	struct mr_error e;

	assert_int_equal(mr_reader_new(&o, &r, &e), 0);
	mr_reader_clock(r, 1795298400000000u, 0);
	return r;
}

static uint64_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % n);
}

static bool in_text(struct mr_str s, const struct buf *b)
{
	return s.n == 0 || memmem(b->p, b->n, s.p, s.n);
}

static void check(const struct template *t, const char *addr, const char *text, size_t n,
		  size_t cut, bool must)
{
	static struct buf b, before;
	struct mr_reader *r = reader();
	struct mr_event e;
	struct mr_addr real;

	assert_int_equal(mr_addr_parse(addr, strlen(addr), &real), 0);
	if (t->before) {
		before.n = 0;
		fill(&before, t->before, addr, "", 0);
		mr_reader_line(r, before.p, before.n, &e);
	}
	b.n = 0;
	fill(&b, t->line, addr, text, n);
	if (cut && cut < b.n)
		b.n = cut;
	if (mr_reader_line(r, b.p, b.n, &e) == MR_PARSE_EVENT) {
		char got[MR_ADDR_TEXT];

		if (memcmp(e.addr.b, real.b, 16) != 0 || (int)e.kind != t->kind ||
		    !in_text(e.user, &b) || !in_text(e.session, &b))
			fail_msg("kind %d, %s of %s, from a client at %s:\n%.*s", (int)e.kind,
				 e.format, mr_addr_text(&e.addr, got), addr, (int)b.n, b.p);
	} else if (must) {
		fail_msg("no event: %.*s", (int)b.n, b.p);
	}
	mr_reader_free(r);
}

static const char *const real[] = { "192.0.2.10", "2001:db8:66::66" };

/* vpopmail puts U and an IPv6 address together with a colon: an account has none, others have no
 * reading */
static bool fits(const struct template *t, size_t a)
{
	return a == 0 || (!strstr(t->line, "{U}:{A}") && !strstr(t->line, "::ffff:{A}") &&
			  !strstr(t->line, "{A}:4711->"));
}

static void test_plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEMPLATES; i++)
		for (size_t a = 0; a < MR_ARRAY_SIZE(real); a++)
			if (fits(&templates[i], a))
				check(&templates[i], real[a], "alice", 5, 0,
				      templates[i].kind != NONE);
}

static void all_templates(const char *text, size_t n)
{
	for (size_t i = 0; i < TEMPLATES; i++)
		for (size_t a = 0; a < MR_ARRAY_SIZE(real); a++)
			if (fits(&templates[i], a))
				check(&templates[i], real[a], text, n, 0, false);
}

static void test_pieces(void **state)
{
	static struct buf b;

	(void)state;
	all_templates("", 0);
	all_templates("a\0b", 3);
	for (size_t k = 0; k < MR_ARRAY_SIZE(pieces); k++) {
		all_templates(pieces[k], strlen(pieces[k]));
		b.n = 0;
		put_text(&b, "alice");
		put_text(&b, pieces[k]);
		all_templates(b.p, b.n);
		put_text(&b, "alice");
		all_templates(b.p, b.n);
	}
	b.n = 0;
	while (b.n < 64u << 10)
		put_text(&b, ", rip=9.9.9.9, ip=[9.9.9.9], relay=[9.9.9.9] host=[9.9.9.9]");
	all_templates(b.p, b.n);
	all_templates(b.p, 2000);
}

/* Fake lines of every template, whole, without their frame, and what stands behind their hole: the
 * text that ends a line as if the client's field had ended before. */
static void test_fakes(void **state)
{
	static struct buf b;

	(void)state;
	for (size_t k = 0; k < TEMPLATES; k++) {
		const char *line = templates[k].line, *h = hole(line);
		const char *message = strstr(line, ": ");

		for (size_t f = 0; f < MR_ARRAY_SIZE(forged); f++) {
			b.n = 0;
			fill(&b, line, forged[f], "alice", 5);
			all_templates(b.p, b.n);
			b.n = 0;
			put_text(&b, "alice\n");
			fill(&b, line, forged[f], "alice", 5);
			all_templates(b.p, b.n);
			b.n = 0;
			fill(&b, message ? message + 2 : line, forged[f], "alice", 5);
			all_templates(b.p, b.n);
			if (!h)
				continue;
			b.n = 0;
			put_text(&b, "alice");
			fill(&b, h + 3, forged[f], "alice", 5);
			all_templates(b.p, b.n);
			fill(&b, message ? message + 2 : line, forged[f], "alice", 5);
			all_templates(b.p, b.n);
		}
	}
}

/* A line that syslog cut where the client wanted it to end. */
static void test_cut_lines(void **state)
{
	static const size_t lengths[] = { 900, 980, 1024, 2048, 4096, 8192 };
	static struct buf b, line;

	(void)state;
	for (size_t k = 0; k < TEMPLATES; k++) {
		const struct template *t = &templates[k];
		const char *h = hole(t->line);

		for (size_t i = 0; h && i < MR_ARRAY_SIZE(lengths); i++) {
			size_t head, tail;

			line.n = 0;
			fill(&line, h + 3, "9.9.9.9", "x", 1);
			tail = line.n;
			head = (size_t)(h - t->line);
			if (memmem(t->line, head, "{A}", 3))
				head += strlen(real[0]) - 3;
			if (head + tail > lengths[i])
				continue;
			b.n = 0;
			while (b.n < lengths[i] - head - tail)
				put_text(&b, "x");
			put(&b, line.p, line.n);
			put_text(&b, "yyyyyyyy");
			check(t, real[0], b.p, b.n, lengths[i], false);
		}
		/* where the address is the line's last word, half of it cannot be told from a whole
		 */
		h = strstr(t->line, "{A}");
		/* words of the server may tell of a fault of its own, or may be missing */
		if (t->kind == NONE || strstr(t->line, "rhost={A}") || strstr(t->line, "from {A}"))
			continue;
		for (size_t n = 1; h && h[3] && n < strlen(t->line); n++)
			check(t, real[0], "alice", 5, n, false);
	}
}

static void test_random(void **state)
{
	static struct buf b;
	const char *env = getenv("MR_SEED");

	(void)state;
	seed = env ? strtoull(env, NULL, 0) : (uint64_t)time(NULL);
	print_message("MR_SEED=%llu\n", (unsigned long long)seed);
	for (int i = 0; i < 60000; i++) {
		const struct template *t = &templates[rnd(TEMPLATES)];
		size_t a = rnd(MR_ARRAY_SIZE(real)), parts = 1 + rnd(6);

		b.n = 0;
		while (parts--) {
			const char *line = templates[rnd(TEMPLATES)].line, *h = hole(line);

			if (rnd(3) == 0 && h)
				fill(&b, h + 3, forged[rnd(3)], "alice", 5);
			else
				put_text(&b, pieces[rnd(MR_ARRAY_SIZE(pieces))]);
		}
		if (fits(t, a))
			check(t, real[a], b.p, b.n, 0, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),  cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_fakes),  cmocka_unit_test(test_cut_lines),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
