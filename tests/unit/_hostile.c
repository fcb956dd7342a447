// SPDX-License-Identifier: BSD-2-Clause
/*
 * _hostile.c - the lines of every server, with holes where a client can write (hostile.c).
 *
 * One line or more for each wording that a format takes, and for those that look like one.  Data
 * only.
 */
#include "_hostile.h"

#include <mailreeve/event.h>

#define B "Nov 21 20:43:50 mail "
#define F "2026-11-21 20:43:50 "
const struct hostile_template hostile_templates[] = {
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
	  B "dovecot: imap-login: Disconnected: Too many invalid commands (no auth attempts in 2 "
	    "secs): user=<{U}>, rip={A}, lip=192.0.2.1, session=<abcd>",
	  MR_EV_ABUSE },
	{ NULL,
	  F "pop3-login: Info: Login aborted: Input buffer full (no auth attempts in 0 secs) "
	    "(no_auth_attempts): user=<{U}>, rip={A}, lip=192.0.2.1",
	  MR_EV_ABUSE },
	{ NULL,
	  B "dovecot: imap-login: Disconnected (no auth attempts in 3 secs): user=<{U}>, rip={A}, "
	    "lip=192.0.2.1",
	  HOSTILE_NONE },
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
	{ NULL,
	  B "dovecot: auth-worker(7): sql({U},{A},<abcd>): Password mismatch (given password: {T})",
	  MR_EV_FAILURE },
	{ NULL,
	  B "dovecot: auth({U},{A},sasl:plain)<abcd>: sql: unknown user (given password: {T})",
	  MR_EV_FAILURE },
	{ NULL,
	  F "auth-worker({U},{A})<77><abcd>: request [3]: Info: sql: Password mismatch (SHA1 of "
	    "given password: {T})",
	  MR_EV_FAILURE },
	{ NULL,
	  B "dovecot: pop3-login: Disconnected (auth failed, 1 attempts): method=PLAIN, rip={A}, "
	    "lip=192.0.2.1, TLS: Disconnected",
	  MR_EV_FAILURE },
	{ NULL,
	  B "dovecot: imap-login: Login: user=<{U}>, method=PLAIN, rip={A}, rport=4711, "
	    "lip=192.0.2.1, lport=993, mpid=4, TLS, session=<abcd>",
	  MR_EV_LOGIN },
	{ NULL, B "dovecot: imap({U}): Error: {T}", HOSTILE_NONE },
	{ NULL,
	  B "postfix/smtpd[5]: 84945A98328: client=unknown[{A}], sasl_method=PLAIN, "
	    "sasl_username={U}",
	  MR_EV_LOGIN },
	{ NULL, B "postfix/smtpd[5]: 84945A98328: client=unknown[{A}], sasl_sender={U}",
	  HOSTILE_NONE },
	{ NULL,
	  B "postfix/smtpd[5]: warning: unknown[{A}]: SASL PLAIN authentication failed: "
	    "UGFzc3dvcmQ6, sasl_username={U}",
	  MR_EV_FAILURE },
	{ NULL,
	  B "postfix/smtpd[5]: warning: unknown[{A}]: SASL PLAIN authentication failed: Connection "
	    "lost to authentication server, sasl_username={U}",
	  HOSTILE_NONE },
	{ NULL, B "postfix/smtpd[5]: warning: non-SMTP command from unknown[{A}]: {T}",
	  MR_EV_ABUSE },
	{ NULL, B "postfix/smtpd[5]: improper command pipelining after EHLO from unknown[{A}]: {T}",
	  MR_EV_ABUSE },
	{ NULL,
	  B "postfix/smtpd[5]: NOQUEUE: reject: RCPT from unknown[{A}]: 554 5.7.1 <{T}>: Relay "
	    "access denied; from={S} to=<{T}> proto=ESMTP helo=<{H}>",
	  HOSTILE_NONE },
	{ NULL, B "postfix/cleanup[5]: 84945A98328: message-id=<{T}>", HOSTILE_NONE },
	{ NULL,
	  B "postfix/smtp[5]: warning: SASL authentication failed; server mx.example.net[{A}] "
	    "said: {T}",
	  HOSTILE_NONE },
	{ NULL, B "postfix/postscreen[5]: PREGREET 14 after 0.1 from [{A}]:4711: {T}",
	  MR_EV_ABUSE },
	{ NULL,
	  B "postfix/postscreen[5]: NOQUEUE: reject: RCPT from [{A}]:4711: 450 4.3.2 Service "
	    "currently unavailable; from={S}, to=<{T}>, proto=ESMTP, helo=<{H}>",
	  HOSTILE_NONE },
	{ NULL, F "1xUsCn-00008O-2c <= {S} H=({H}) [{A}] P=esmtpa A=plain:{U} S=214", MR_EV_LOGIN },
	{ NULL,
	  F "1xUsCn-00008O-2c <= {S} H=host.example.net ({H}) [{A}]:4711 I=[192.0.2.1]:25 U={T} "
	    "P=esmtpsa X=TLS1.3:x:256 CV=no A=plain:alice S=214 id={T} T=\"{T}\"",
	  MR_EV_LOGIN },
	{ NULL,
	  F "1xUsCn-00008O-2c <= {S} H=({H}) [{A}] P=esmtps X=TLS1.3:x:256 CV=no SNI={T} S=214 "
	    "id={T} T=\"{T}\" from {S} for {T}",
	  HOSTILE_NONE },
	{ NULL, F "1xUsCn-00008O-2c <= {S} H=({H}) [{A}] U={T} P=esmtp S=214", HOSTILE_NONE },
	{ NULL,
	  F "[9] no MAIL in SMTP connection from ({H}) [{A}]:4711 I=[192.0.2.1]:25 D=0.200s "
	    "A=plain:{U} C=EHLO,AUTH,QUIT",
	  MR_EV_LOGIN },
	{ NULL,
	  F "[9] no MAIL in SMTP connection from ({H}) [{A}]:4711 I=[192.0.2.1]:25 D=0.200s "
	    "C=EHLO,QUIT",
	  HOSTILE_NONE },
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
	  HOSTILE_NONE },
	{ NULL,
	  F "1xUsCn-00008O-2c plain authenticator failed H=smart.example.net [{A}] 535 5.7.8 {T}",
	  HOSTILE_NONE },
	{ NULL, F "H=({H}) [{A}] F={S} rejected RCPT <{T}>: relay not permitted", HOSTILE_NONE },
	{ NULL, F "rejected EHLO from [{A}]: syntactically invalid argument(s): {H}",
	  HOSTILE_NONE },
	{ NULL, F "SMTP syntax error in \"GET {T}\" H=({H}) [{A}]:4711 unrecognized command",
	  MR_EV_ABUSE },
	{ NULL,
	  F "SMTP protocol synchronization error (next input sent too soon: pipelining was not "
	    "advertised): rejected \"{T}\" H=({H}) [{A}] next input=\"{T}\"",
	  MR_EV_ABUSE },
	{ NULL,
	  F
	  "SMTP protocol synchronization error (input sent without waiting for greeting): rejected "
	  "connection from H=[{A}]:4711 I=[192.0.2.1]:25 U={H} input=\"{T}\"",
	  MR_EV_ABUSE },
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
	  HOSTILE_NONE },
	{ NULL,
	  B "courieresmtpd: error,relay={A},port=4711,msg=\"502 ESMTP command error\",cmd: GET {T}",
	  MR_EV_ABUSE },
	{ NULL,
	  B "courieresmtpd: error,relay={A},port=4711,from=<{T}>,to=<{T}>: 513 Relaying denied.",
	  HOSTILE_NONE },
	{ NULL,
	  B "courierd: newmsg,id=00000000000005A1.000000006B0208A2.000002FD, auth={U}: dns; {H} "
	    "([{A}])",
	  MR_EV_LOGIN },
	{ NULL,
	  B "courierd: newmsg,id=00000000000005A1.000000006B0208A2.000002FD: dns; {H} ([{A}])",
	  HOSTILE_NONE },
	{ NULL,
	  B "cyrus/imap[7]: login: [{A}] {U} plaintext User logged in SESSIONID=<cyrus-1-7-1>",
	  MR_EV_LOGIN },
	{ NULL, B "cyrus/imap[7]: login: [{A}] anonymous {T}", HOSTILE_NONE },
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
	  HOSTILE_NONE },
	{ NULL,
	  B "sendmail[7]: 6ALLQiid000995: from={S}, size=14, class=0, nrcpts=1, proto=ESMTPA, "
	    "daemon=MTA-v4, relay=[{A}]",
	  HOSTILE_NONE },
	{ NULL,
	  B "sendmail[7]: 6ALLQiid000995: host.example.net [{A}]: probable open proxy: "
	    "command=GET {T}",
	  MR_EV_ABUSE },
	{ NULL, B "sendmail[7]: 6ALLQiid000995: invalid domain name {H} from [{A}]", HOSTILE_NONE },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp authentication user={U} result=ok", MR_EV_LOGIN },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp authentication user={U} result=permfail",
	  MR_EV_FAILURE },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp authentication user={U} result=tempfail",
	  HOSTILE_NONE },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp failed-command command=\"{T}\" result=\"500 5.5.1 "
	    "Invalid command: {T}\"",
	  HOSTILE_NONE },
	{ B "smtpd[7]: 96b8319d4c6e19ef smtp connected address={A} host=<unknown>",
	  B "smtpd[7]: 96b8319d4c6e19ef smtp failed-command command=\"GET {T}\" result=\"500 5.5.1 "
	    "Invalid command: Command unrecognized\"",
	  MR_EV_ABUSE },
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
	  HOSTILE_NONE },
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
	{ NULL, B "imapd[7]: Connection reset by peer, while reading line user={U} host=x [{A}]",
	  MR_EV_LOGOUT },
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
	{ NULL,
	  B "dovecot: imap-login: Started proxying to remote host <10.0.0.2> (0.1 secs): "
	    "user=<{U}>, method=PLAIN, rip={A}, lip=192.0.2.1",
	  MR_EV_LOGIN },
	{ NULL, B "dovecot: auth: passwd-file({U},{A},master,<abcd>): Password mismatch",
	  MR_EV_FAILURE },
	{ NULL, B "imapd[7]: login: host.example.net [{A}] {U} plaintext", MR_EV_LOGIN },
	{ NULL, B "imapd[7]: login: host.example.net [{A}] anonymous {T}", HOSTILE_NONE },
	{ NULL, B "cyrus/imap[7]: badlogin: [{A}] plaintext {U} invalid user", MR_EV_FAILURE },
	{ NULL, B "imapd[7]: Login failure user={U} host=host.example.net [{A}]", MR_EV_FAILURE },
	{ NULL, B "imapd[7]: Failed x override of user={U} host=host.example.net [{A}]",
	  MR_EV_FAILURE },
	{ NULL,
	  B "qpopper[7]: [AUTH] Failed attempted login to {U} from host (host.example.net) {A}",
	  MR_EV_FAILURE },
	{ NULL,
	  B "qpopper[7]: [AUTH] Failed attempted login to {U} from host (host.example.net) {A} "
	    "[pop_pass.c:1]",
	  MR_EV_FAILURE },
	{ NULL, B "imapd[7]: Login SYSTEM BREAK-IN ATTEMPT user={U} auth={U} host=x [{A}]",
	  MR_EV_ABUSE },
	{ NULL, B "imapd: LOGIN FAILED, method={U}, ip=[{A}]", MR_EV_FAILURE },
	{ NULL, B "imapd: Disconnected, user={U}, ip=[{A}], headers=0, body=0", MR_EV_LOGOUT },
	{ NULL,
	  F
	  "1xUsCn-00008O-2c <= {S} DS H=host.example.net ({H}) [{A}]:4711 TFO P=esmtpa A=plain:{U} "
	  "S=2",
	  MR_EV_LOGIN },
	{ NULL, B "dovecot: auth: ldap({U},{A},): invalid credentials", MR_EV_FAILURE },
	{ NULL, B "dovecot: auth: ldap({U},{A},<abcd>): Password mismatch (for LDAP bind)",
	  MR_EV_FAILURE },
	{ NULL, B "solid-pop3d[7]: can't find APOP secret for user {U} - {A}", MR_EV_FAILURE },
};
const size_t hostile_count = MR_ARRAY_SIZE(hostile_templates);
