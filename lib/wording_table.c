// SPDX-License-Identifier: BSD-2-Clause
/*
 * wording_table.c - the wordings of all built-in formats (wording.h): data, no code.
 *
 * Each line that a parser takes is taken by a wording of its format, too, with the same user and
 * address: tests/unit/explain.c holds the golden logs against this table.  A wording with a reason
 * tells nothing, and is there because an administrator may ask about such a line.  Where several
 * fit, those with a reason are asked first, then in this order.
 */
#include <mailreeve/wording.h>

static const char REMEMBERED[] = "it says who has come: its address is kept for the lines of this "
				 "session that follow";
static const char OUR_FAULT[] = "a fault of our own side: nobody is blamed for it";
static const char NO_LOGIN[] = "nobody has logged in, and no password was refused";
static const char ASIDE[] =
	"the server tells of itself or of a limit: nobody has logged in, and no "
	"password was refused";
static const char REFUSED_MAIL[] = "a mail or a command was refused, which is no guessing of "
				   "passwords";
static const char NO_ADDRESS[] = "it names no address: there is nobody to permit or to ban";
static const char HAD_LOGGED_IN[] = "the session ends, and nobody had logged in";
static const char FORWARDED[] =
	"the address is a web proxy's, and the other one is a text that the client chose";

#define HOST "{?{host}{? }}[{address}]"

/* --- Dovecot: behind "dovecot: ", or with the program in its own log */
#define D_LOGIN	 "{imap|pop3|submission|managesieve}-login{?[{pid}]}: {?Info: }"
#define D_METHOD "{?,{? }method={?{method}}}"
#define D_FIELD	 "{?,{? }{word}={value}}"
#define D_FIELDS \
	"rip={address}" D_FIELD "{?,{? }lip={local}}" D_FIELD "{?,{? }mpid={pid}}" D_FIELD D_FIELD \
	"{?,{? }{TLS|secured}{tls}}{?,{? }session=<{?{session}}>}"
#define D_TAIL D_METHOD ",{? }" D_FIELDS
#define D_END \
	"{Disconnected|Aborted login|Login aborted|Client has quit the connection|" \
	"Remote closed connection|Connection closed|Inactivity|Logged out|Too many }"
#define D_OVER \
	"Disconnected|Logged out|Connection closed|Connection reset|Too many |" \
	"Server shutting down|Inactivity"
#define D_FAILED \
	D_LOGIN D_END "{text} ({auth failed, {number} attempts{? in {number} secs}|proxy dest " \
		      "auth failed})" \
		      "{? (auth_failed)| (proxy_dest_auth_failed)}: "
#define D_ABUSE \
	D_LOGIN "{?Disconnected: |Login aborted: }{?Disconnected: }{Too many invalid commands|" \
		"Too many bad commands|Input buffer full}{?.} (no auth attempts in {number} secs)" \
		"{? (no_auth_attempts)}: "
#define D_AUTH "{?dovecot-}{auth|auth-worker}"
#define D_DRIVER \
	D_AUTH "{?({pid})|(default)}: {?Info: }" \
	       "{?conn unix:auth-worker (pid={number},uid={number}): auth-worker<{number}>: " \
	       "}{word}"
#define D_REFUSED \
	"{{Password|password} mismatch{? (for LDAP bind)}|Unknown user|unknown user|" \
	"Invalid credentials|invalid credentials|" \
	"Login failed (status=1)|pam_authenticate() failed: {Permission denied|" \
	"Authentication failure{? ({Password|password} mismatch?)}|" \
	"User not known to the underlying authentication module}}" \
	"{? ({?SHA1 of }given password: {given}){? - trying the next {passdb|userdb}}}"

/* --- Postfix */
#define P_CLIENT "{host}[{address}]{?:{port}}"

/* --- Exim: its own stamp and pid may stand in syslog messages, too */
#define E_HEAD \
	"{?{number}-{number}-{number} {number}:{number}:{number}{?.{number}} " \
	"{?{+|-}{number} }}{?[{pid}] }"
#define E_HOST \
	"{?{host} }{?({text}) }[{address}]{?:{port}}{? I=[{local}]{?:{port}}}{? TFO{?*}}" \
	"{? U={text}}{? Ci={number}}"

/* --- Cyrus */
#define C_HOST "r.clienthost={\"" HOST "\"|" HOST "}"
#define C_USER "u.username={\"{user}\"|{user}}"

/* --- Courier */
#define CO_FIELD "{?, {word}={word}}"
#define CO_CLIENT \
	"{?{user={user}|method={method}}, }ip=[{address}]{?, port=[{port}]}" CO_FIELD CO_FIELD \
		CO_FIELD CO_FIELD CO_FIELD CO_FIELD
#define CO_ENDS "{LOGOUT|TIMEOUT|DISCONNECTED|Disconnected}"

#define CO_ACCESS     "{?INFO: }{LOGIN|LOGIN FAILED|" CO_ENDS "}, " CO_CLIENT
#define CO_NOBODY     "{?INFO: }" CO_ENDS ", ip=[{address}]{text}"
#define CO_CONNECTION "{?INFO: }Connection, ip=[{address}]{text}"

/* --- Sendmail */
#define S_RELAY "{?{word}@}" HOST "{? (may be forged)}"

/* --- nginx: its own stamp stands in syslog messages, too */
#define N_HEAD \
	"{?{number}/{number}/{number} {number}:{number}:{number} }[{word}] " \
	"{number}#{number}: *{number} client "
#define N_CLIENT "client: {address}{? using {starttls|SSL}}, server: {text}:{port}"

/* --- the University of Washington's */
#define U_LOGIN "Login|Authenticated|Auth|APOP"
#define U_END \
	"Logout|Autologout|Killed|Hangup|Killed (lost mailbox lock)|Terminated|" \
	"{text} while reading {line|char|literal}"

/* --- Perdition */
#define PE_END	 "{{address}{?:{port}}|[{address}]{?:{port}}}"
#define PE_OTHER "{{local}{?:{port}}|[{local}]{?:{port}}}"
#define PE_FIELDS \
	"Auth: {? }" PE_END "->" PE_OTHER " {?{text} }" \
	"{authentication_id|user}=\"{user}\" server=\"{text}\" {?{text} }"

/* clang-format off */
const struct mr_wording mr_wordings[] = {
	{ "dovecot", NULL, D_LOGIN "{Login|Logged in}: user=<{user}>" D_TAIL, NULL, false },
	{ "dovecot", NULL, D_FAILED "user=<{user}>" D_TAIL, NULL, false },
	{ "dovecot", NULL, D_FAILED "{?method={method},{? }}" D_FIELDS, NULL, false },
	{ "dovecot", NULL, D_ABUSE "user=<{?{user}}>" D_TAIL, NULL, false },
	{ "dovecot", NULL, D_ABUSE "{?method={method},{? }}" D_FIELDS, NULL, false },
	{ "dovecot", NULL, D_LOGIN D_END "{text} ({no auth attempts|client didn't finish SASL "
	  "auth|disconnected before|disconnected while|cert required|tried to use}{text}): "
	  "{text}", NO_LOGIN, false },
	{ "dovecot", NULL, D_LOGIN "proxy({user}{?,{text}:{port}}): {started|Started} "
	  "proxying to {text}: user=<{user}>" D_TAIL, NULL, false },
	{ "dovecot", NULL, D_LOGIN "Started proxying to {text}: user=<{user}>" D_TAIL, NULL, false },
	{ "dovecot", NULL, D_LOGIN "proxy({user}{?,{text}:{port}}): {disconnecting|"
	  "Disconnected by} {text}: user=<{user}>" D_TAIL, NULL, false },
	{ "dovecot", NULL, "{imap-hibernate|imap|pop3|submission|managesieve}({text}){?<{pid}>}<{session}>: "
	  "{?Info: }{" D_OVER "}{text}", NULL, false },
	{ "dovecot", NULL, D_DRIVER "({user},{address}{?,master}{?,<{session}>|,sasl:{method}|,}): "
	  D_REFUSED, NULL, false },
	{ "dovecot", NULL, D_LOGIN "{Maximum number of connections|Error: |Warning: |Fatal: |"
	  "Debug: }{text}", ASIDE, false },
	{ "dovecot", NULL, D_AUTH "{?({pid})|(default)}: {Error|Warning|Fatal|Debug}: {text}",
	  ASIDE, false },
	{ "dovecot", NULL, D_DRIVER "({word}{?,<{session}>}): " D_REFUSED, NO_ADDRESS, false },
	{ "dovecot", NULL, D_AUTH "({user},{address}{?,master}{?,<{session}>|,sasl:{method}}){?<{pid}>}"
	  "<{?{session}}>: {?request [{number}]: }{?Info: }{?{word}: }" D_REFUSED, NULL, false },
	{ "dovecot", NULL, D_AUTH "{?[{pid}]}: {word}(dovecot:auth): authentication "
	  "failure;{text} ruser={user} rhost={address}{? {? }{?user={user}}}", NULL, false },
	{ "postfix", "*/smtpd", "{word}: client=" P_CLIENT ", sasl_method={method}, "
	  "sasl_username={user}{?, {text}}", NULL, false },
	{ "postfix", "*/smtpd", "{word}: client=" P_CLIENT, NO_LOGIN, false },
	{ "postfix", "*/smtpd", "{word}: client=" P_CLIENT ", sasl_sender={text}", NO_LOGIN,
	  false },
	{ "postfix", "*/smtpd", "warning: " P_CLIENT ": SASL {method} authentication "
	  "failed{?:{? {text}}}{?, sasl_username={user}}", NULL, false },
	{ "postfix", "*/smtpd", "warning: " P_CLIENT ": SASL {method} authentication failed: "
	  "{Connection lost to authentication server|generic failure|no mechanism available|"
	  "Temporary authentication failure|Internal authentication error|internal error|"
	  "Service unavailable|temporary failure|Authentication server}{text}", OUR_FAULT,
	  false },
	{ "postfix", "*/smtpd", "warning: " P_CLIENT ": SASL {method} authentication "
	  "aborted{text}", "the client gave up by itself: no password was refused", false },
	{ "postfix", "*/smtpd", "warning: {Connection rate|Connection concurrency|AUTH "
	  "command rate|Message delivery request rate|Recipient address rate|New TLS session "
	  "rate} limit exceeded: {number} from " P_CLIENT " for service {text}", NULL, false },
	{ "postfix", "*/smtpd", "warning: non-SMTP command from " P_CLIENT ": {text}", NULL,
	  false },
	{ "postfix", "*/smtpd", "warning: " P_CLIENT ": request longer than {number}: "
	  "{text}", NULL, false },
	{ "postfix", "*/smtpd", "improper command pipelining after {word}{? ({text})} from "
	  P_CLIENT "{?:{text}}", NULL, false },
	{ "postfix", "*/smtpd", "too many errors after {word}{? ({text})} from " P_CLIENT,
	  NULL, false },
	{ "postfix", "*/smtpd", "bare <LF> received after {word}{? ({text})} from " P_CLIENT,
	  NULL, false },
	{ "postfix", "*/smtpd", "{connect|disconnect|{lost connection|timeout} after {text}} "
	  "from " P_CLIENT "{? {text}}", NO_LOGIN, false },
	{ "postfix", "*/smtpd", "{word}: {reject|milter-reject|reject_warning|milter-hold|"
	  "milter-discard|hold|discard|filter|redirect|warn|prepend|info}: {text}", REFUSED_MAIL,
	  false },
	{ "postfix", "*/postscreen", "{word}: reject: {text}", REFUSED_MAIL, false },
	{ "postfix", "*/postscreen", "{COMMAND PIPELINING|NON-SMTP COMMAND|BARE NEWLINE|"
	  "COMMAND LENGTH LIMIT|COMMAND COUNT LIMIT} from [{address}]:{port} after {text}",
	  NULL, false },
	{ "postfix", "*/postscreen", "PREGREET {number} after {word} from [{address}]:{port}"
	  "{text}", NULL, false },
	{ "postfix", "*/postscreen", "{CONNECT|DISCONNECT|HANGUP|PASS NEW|PASS OLD}{text} "
	  "[{address}]:{port}{text}", NO_LOGIN, false },
	{ "courier", "*imap*", CO_ACCESS, NULL, false },
	{ "courier", "*imap*", CO_NOBODY, HAD_LOGGED_IN, false },
	{ "courier", "*imap*", CO_CONNECTION, NO_LOGIN, false },
	{ "courier", "*pop3*", CO_ACCESS, NULL, false },
	{ "courier", "*pop3*", CO_NOBODY, HAD_LOGGED_IN, false },
	{ "courier", "*pop3*", CO_CONNECTION, NO_LOGIN, false },
	{ "courier", "couriertcpd", CO_ACCESS, NULL, false },
	{ "courier", "couriertcpd", CO_NOBODY, HAD_LOGGED_IN, false },
	{ "courier", "couriertcpd", CO_CONNECTION, NO_LOGIN, false },
	{ "courier", "*esmtpd*", "error,relay={address},{?port={port},}msg=\"535 "
	  "Authentication failed.\",cmd: {AUTH {method} {password} {user}|{text}}", NULL, false },
	{ "courier", "*esmtpd*", "error,relay={address},{?port={port},}{?ident={text},}from={text}",
	  REFUSED_MAIL, false },
	{ "courier", "*esmtpd*", "error,relay={address},{?port={port},}msg=\"502 ESMTP command "
	  "error\",cmd: {GET|POST|CONNECT} {text}", NULL, false },
	{ "courier", "courierd", "newmsg,id={word}, auth={user}: dns; {text} (" HOST ")",
	  NULL, false },
	{ "cyrus", NULL, "login: " HOST " {user} {method}{?+TLS}{? User logged in{? "
	  "SESSIONID=<{session}>}}", NULL, false },
	{ "cyrus", NULL, "badlogin: " HOST " {method} ({user}) {[|SASL(|invalid}{text}", NULL,
	  false },
	{ "cyrus", NULL, "badlogin: " HOST " {method} {user} {SASL({text}|invalid user}", NULL,
	  false },
	{ "cyrus", NULL, "badlogin: " HOST " {text}", NULL, false },
	{ "cyrus", NULL, "badlogin: " HOST " {text}SASL({-1|-2}): {text}", OUR_FAULT, false },
	{ "cyrus", NULL, "event=login.{good|bad} {?{text} }" C_HOST " {?{text} }" C_USER "{? "
	  "{text}}", NULL, false },
	{ "cyrus", NULL, "event=login.{good|bad} {?{text} }" C_USER " {?{text} }" C_HOST "{? "
	  "{text}}", NULL, false },
	{ "cyrus", NULL, "event=login.bad {text}error={\"SASL({-1|-2}): |generic failure|"
	  "\"generic failure}{text}", OUR_FAULT, false },
	{ "exim", NULL, E_HEAD "{word} <= {text} {?DS }H=" E_HOST " P={word}{text} A={method}:{user}"
	  "{?:{text}}{? {text}}", NULL, false },
	{ "exim", NULL, E_HEAD "no MAIL in SMTP connection from " E_HOST " D={number}"
	  "{?.{number}}s A={method}:{user}{?:{text}}{? {text}}", NULL, false },
	{ "exim", NULL, E_HEAD "{word} authenticator failed for {?H=}" E_HOST ": 535 "
	  "Incorrect authentication data{? (set_id={user}{?)}}", NULL, false },
	{ "exim", NULL, E_HEAD "SMTP protocol synchronization error ({text}): rejected "
	  "connection from H=" E_HOST " input=\"{text}", NULL, false },
	{ "exim", NULL, E_HEAD "SMTP protocol synchronization error ({text}): rejected "
	  "\"{text}\" H=" E_HOST " next input=\"{text}", NULL, false },
	{ "exim", NULL, E_HEAD "SMTP syntax error in \"{GET|POST|CONNECT} {text}\" H=" E_HOST
	  " unrecognized command", NULL, false },
	{ "exim", NULL, E_HEAD "SMTP call from " E_HOST " dropped: too many {text}", NULL,
	  false },
	{ "exim", NULL, E_HEAD "{word} authenticator failed for {?H=}" E_HOST ": {435|501|553} "
	  "{text}", "the attempt could not be judged: no password was refused", false },
	{ "exim", NULL, E_HEAD "{?{word} }H={text} {rejected|temporarily rejected|sender verify} "
	  "{text}", REFUSED_MAIL, false },
	{ "exim", NULL, E_HEAD "SMTP protocol error in \"{text}", REFUSED_MAIL, false },
	{ "exim", NULL, E_HEAD "no MAIL in SMTP connection from " E_HOST " D={text}", NO_LOGIN,
	  false },
	{ "exim", NULL, E_HEAD "{?{word} }SMTP connection from {text}", NO_LOGIN, false },
	{ "exim", NULL, E_HEAD "{word} <= {text}{ P=local| P=smtp| P=esmtp| P=esmtps}{? {text}"
	  "}", "mail of a program or of another server: nobody has logged in", false },
	{ "horde", NULL, "{?HORDE{?:} }{?[{word}] }{?[{word}] }{?[{word}] }FAILED LOGIN for "
	  "{user} [{address}] to {text}", NULL, false },
	{ "horde", NULL, "{?HORDE{?:} }{?[{word}] }{?[{word}] }{?[{word}] }FAILED LOGIN for "
	  "{user} [{address}] (forwarded for [{text}]) to {text}", FORWARDED, false },
	{ "nginx", NULL, N_HEAD "logged in, " N_CLIENT ", login: \"{user}\", "
	  "upstream: {text}", NULL, false },
	{ "nginx", NULL, N_HEAD "logged in, " N_CLIENT ", upstream: {text}", NO_LOGIN, false },
	{ "nginx", NULL, N_HEAD "login failed: \"{text}\" while in http auth state, "
	  N_CLIENT ", login: \"{user}{?\"{?, upstream: {text}}}", NULL, false },
	{ "opensmtpd", NULL, "{word} smtp {?event=}connected address={?[}{address}{?]} "
	  "host={text}", REMEMBERED, false },
	{ "opensmtpd", NULL, "{word} smtp {?event=}authentication user={user} {?address={?[}"
	  "{address}{?]} host={token} }result={ok|permfail}", NULL, false },
	{ "opensmtpd", NULL, "{word} smtp {?event=}authentication {text}result=tempfail",
	  OUR_FAULT, false },
	{ "opensmtpd", NULL, "{word} smtp failed-command command=\"{GET|POST|CONNECT} {text}\" "
	  "result=\"{text} Invalid command: Command unrecognized\"", NULL, false },
	{ "opensmtpd", NULL, "{word} smtp bad-input result=\"500 {text} {Pipelining not "
	  "supported|Line too long}\"", NULL, false },
	{ "opensmtpd", NULL, "smtp-in: New session {word} from host {text}[{address}]",
	  REMEMBERED, false },
	{ "opensmtpd", NULL, "smtp-in: {Accepted authentication|Authentication failed} for "
	  "user {user} on session {word}", NULL, false },
	{ "perdition", NULL, PE_FIELDS "status=\"{ok|failed: {Re-Authentication Failure|Local Authentication Failure|Local "
	  "authentication failure|local authentication failure}}\"", NULL, false },
	{ "perdition", NULL, PE_FIELDS "status=\"failed: {Could|could|Temporary|Internal}"
	  "{text}\"", OUR_FAULT, false },
	{ "roundcube", NULL, "{?<{word}> }{FAILED login|Failed login|IMAP Error: Login failed}"
	  " for {user}{? against {text}} from {address}{?.|. {text}| in session {text}}",
	  NULL, false },
	{ "roundcube", NULL, "{?<{word}> }{FAILED login|Failed login|IMAP Error: Login failed}"
	  " for {user}{? against {text}} from {address}({X-Forwarded-For|X-Real-IP}: {text}",
	  FORWARDED, false },
	{ "sendmail", NULL, "{?{word}: }AUTH=server, relay=" S_RELAY ", authid={user}, "
	  "mech={method}, bits={number}", NULL, false },
	{ "sendmail", NULL, "{?{word}: }AUTH failure ({method}): {text}{?, user={user}}, "
	  "relay=" S_RELAY, NULL, false },
	{ "sendmail", NULL, "{?{word}: }AUTH failure ({method}): {generic failure|temporary "
	  "failure|out of memory}{text}", OUR_FAULT, false },
	{ "sendmail", NULL, "{?{word}: }ruleset={word}, {text}reject={text}", REFUSED_MAIL, false },
	{ "sendmail", NULL, "{?{word}: }" HOST "{? (may be forged)}: {EXPN|expn|VRFY|vrfy} {text}",
	  REFUSED_MAIL, false },
	{ "sendmail", NULL, "{?{word}: }" HOST "{? (may be forged)} did not issue {text}", NO_LOGIN,
	  false },
	{ "sendmail", NULL, "{?{word}: }" HOST "{? (may be forged)}: possible SMTP attack: "
	  "command={token}, count={number}", NULL, false },
	{ "sendmail", NULL, "{?{word}: }" HOST "{? (may be forged)}: probable open proxy: "
	  "command={text}", NULL, false },
	{ "sendmail", NULL, "{?{word}: }" HOST "{? (may be forged)}: SMTP violation, input too "
	  "long: {number}", NULL, false },
	{ "sendmail", NULL, "{?{word}: }rejecting commands from {?[{local}] |{? }}" HOST "{? (may be forged)} "
	  "due to pre-greeting traffic{text}", NULL, false },
	{ "sogo", NULL, "{?SOGoRootPage }Login from '{address}' for user '{user}' might not "
	  "have worked{text}", NULL, false },
	{ "sogo", NULL, "{?SOGoRootPage }Login from '{text}, {address}' for user '{user}' "
	  "might not have worked{text}", FORWARDED, false },
	{ "uw", NULL, "{" U_LOGIN "|" U_END "|Login {failed|failure|excessive login "
	  "failures|SYSTEM BREAK-IN ATTEMPT}|Failed {word} override of} "
	  "user={user}{? auth={text}} host=" HOST "{? {text}}", NULL, false },
	{ "uw", NULL, "{" U_END "} user=??? host=" HOST "{? {text}}", HAD_LOGGED_IN, false },
	{ "uw", NULL, "Login disabled user={text} host=" HOST, "logins in clear text are switched "
	  "off: no password was looked at", false },
	{ "uw", NULL, "AUTHENTICATE {method} failure host=" HOST, NULL, false },
	{ "uw", NULL, "{" U_LOGIN "|" U_END "|Login failed} user={user} host={host}",
	  NO_ADDRESS, false },
	{ "vpopmail", NULL, "vchkpw-{word}: {?({method}) }{?system password }login success "
	  "{user}:{address}", NULL, false },
	{ "vpopmail", NULL, "vchkpw-{word}: {?({method}) }{vpopmail user not found|null "
	  "password given|null user name given|invalid user/domain characters|password fail|"
	  "pass fail|system password fail|system user not found|system user shadow entry not "
	  "found} {?(pass: '{text}') }{user}:{address}", NULL, false },
	{ "vpopmail", NULL, "vchkpw: login [{user}] from {address}", NULL, false },
	/* no longer shipped */
	{ "apple-imap", NULL, "{?{text} }IMAP User \"{user}\" log on successful from {address}"
	  "{?.}", NULL, false },
	{ "cucipop", NULL, "{user} {address} {number}, {number} ({number}), {number} ({number}"
	  ")", NULL, false },
	{ "cucipop", NULL, "authentication failure {user} {address}", NULL, false },
	{ "dovecot0", NULL, D_LOGIN "Login: {user} [{address}]", NULL, false },
	{ "gnu-pop3d", NULL, "User {user} logged in with mailbox {text} from {address}",
	  NULL, false },
	{ "gnu-pop3d", NULL, "user `{user}' logged in with mailbox `{text}' ({number} "
	  "messages)", NO_ADDRESS, false },
	{ "kerio", NULL, "Failed SMTP login from {address} with SASL method {method}", NULL,
	  false },
	{ "kerio", NULL, "SMTP Spam attack detected from {address},{text}", NULL, false },
	{ "kerio", NULL, "{SMTP|IMAP|POP3}: {Invalid password for user {user}|User {user} "
	  "doesn't exist}. Attempt from IP address {address}{?.}", NULL, false },
	{ "popa3d", NULL, "Session from {address}", REMEMBERED, false },
	{ "popa3d", NULL, "Authentication {passed|failed} for {user}{? -- [{address}]}",
	  NULL, false },
	{ "qpopper", NULL, "{?[popper] }{?(v{word}) }POP login by user \"{user}\" at ({token}"
	  ") {address}{? [{text}]}", NULL, false },
	{ "qpopper", NULL, "{?[{pid}] {? }}Stats:{text}{user} {number} {number} {number} "
	  "{number} {?{host} }{address}{? [{text}]}", NULL, false },
	{ "qpopper", NULL, "[AUTH] Failed attempted login to {user} from host ({token}) {address}"
	  "{? [{text}]}", NULL, false },
	{ "qpopper", NULL, "{user} at {token} ({address}): -ERR [AUTH] Password supplied for "
	  "\"{user}\" is incorrect.", NULL, false },
	{ "solid-pop3d", NULL, "connect from {address}", REMEMBERED, false },
	{ "solid-pop3d", NULL, "user {user}{? {?(mapped to {text}) }{?mapped }}{? }"
	  "authenticated{? - {address}}", NULL, false },
	{ "solid-pop3d", NULL, "can't find APOP secret for user {user}{? - {address}}", NULL, false },
	{ "solid-pop3d", NULL, "{?APOP }authentication failed{ for {?mapped }{?virtual }user |"
	  ": no such user: |: can't map user name: }{user}{? - {address}}", NULL, false },
	{ "teapop", NULL, "Successful login for {user} {?from }" HOST, NULL, false },
	{ "vm-pop3d", NULL, "Connect from {address}", REMEMBERED, false },
	{ "vm-pop3d", NULL, "User {user} logged in{? from {address}}", NULL, false },
	{ NULL, NULL, NULL, NULL, false },
};
/* clang-format on */
