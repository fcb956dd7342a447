// SPDX-License-Identifier: BSD-2-Clause
/*
 * authpolicy.c - Dovecot's authentication policy protocol, without the HTTP (authpolicy.h).
 *
 * Bytes that are no UTF-8 are replaced before the JSON is read, so that a client that chose its
 * login with care gets an answer and no error: errors let logins pass.  An answer's status is
 * always a JSON integer, for the same reason.  Never blocks, keeps nothing.  Called by the daemon's
 * HTTP side, the tests and the fuzzer.
 */
#include <mailreeve/authpolicy.h>

#include <mailreeve/report.h>
#include <string.h>
#include <strings.h>

#define PROOF_MAX 1024 /* bytes of a header value that is worth looking at */

/* --- requests --------------------------------------------------------------------------------- */

static char *clean_copy(const char *body, size_t len)
{
	char *out = malloc(len + 1);

	if (!out)
		return NULL;
	for (size_t i = 0; i < len;) {
		size_t n = mr_report_utf8((const unsigned char *)body + i, len - i);

		memcpy(out + i, n ? body + i : "?", n ? n : 1);
		i += n ? n : 1;
	}
	out[len] = '\0';
	return out;
}

static bool take_bytes(const char *text, size_t n, char *out, size_t max)
{
	out[0] = '\0';
	if (n > max || memchr(text, '\0', n))
		return false;
	memcpy(out, text, n);
	out[n] = '\0';
	return true;
}

/* A text attribute; false: it does not fit, or holds a NUL.  "": it is not there. */
static bool take_text(const json_t *o, const char *name, char *out, size_t max)
{
	const json_t *v = json_object_get(o, name);

	return take_bytes(json_string_value(v) ?: "", json_string_length(v), out, max);
}

/* A database takes "fred   " for fred: blanks behind a name are no way around its limits. */
static bool take_login(const json_t *o, char *out, size_t max)
{
	const json_t *v = json_object_get(o, "login");
	const char *text = json_string_value(v) ?: "";
	size_t n = json_string_length(v);

	while (n > 0 && text[n - 1] == ' ')
		n--;
	return take_bytes(text, n, out, max);
}

static uint16_t take_port(const json_t *o)
{
	char text[8];
	unsigned long v;
	char *end;

	if (!take_text(o, "lport", text, sizeof(text) - 1) || text[0] < '0' || text[0] > '9')
		return 0;
	v = strtoul(text, &end, 10);
	return *end || v > UINT16_MAX ? 0 : (uint16_t)v;
}

static enum mr_family family_of(const char *protocol)
{
	static const struct {
		const char *name;
		enum mr_family family;
	} names[] = {
		{ "imap", MR_FAMILY_IMAP },	    { "pop3", MR_FAMILY_POP3 },
		{ "smtp", MR_FAMILY_SMTP },	    { "submission", MR_FAMILY_SMTP },
		{ "submissions", MR_FAMILY_SMTP },  { "sieve", MR_FAMILY_SIEVE },
		{ "managesieve", MR_FAMILY_SIEVE },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++)
		if (strcasecmp(names[i].name, protocol) == 0)
			return names[i].family;
	return MR_FAMILY_NONE;
}

static int take_address(const json_t *o, struct mr_authpolicy *q, struct mr_error *e)
{
	const json_t *v = json_object_get(o, "remote");
	size_t n = json_string_length(v);

	if (!json_is_string(v))
		return mr_error(e, -EBADMSG,
				"no `remote`: auth_policy_request_attributes must "
				"hold remote=%%{rip}");
	if (n == 0)
		return 0;
	if (mr_addr_parse(json_string_value(v), n, &q->address) < 0)
		return mr_error(e, -EBADMSG, "`remote` is no address");
	q->has_address = true;
	return 0;
}

static int take(const json_t *o, struct mr_authpolicy *q, struct mr_error *e)
{
	char protocol[MR_AUTHPOLICY_WORD + 1];
	const json_t *success = json_object_get(o, "success");

	if (!json_is_object(o))
		return mr_error(e, -EBADMSG, "the body is not an object");
	if (take_text(o, "protocol", protocol, sizeof(protocol) - 1))
		q->family = family_of(protocol);
	q->login_odd = !take_login(o, q->login, sizeof(q->login) - 1);
	if (!take_text(o, "session_id", q->session, sizeof(q->session) - 1) || !*q->session)
		(void)take_text(o, "session", q->session, sizeof(q->session) - 1);
	(void)take_text(o, "fail_type", q->fail_type, sizeof(q->fail_type) - 1);
	q->port = take_port(o);
	q->report = json_is_boolean(success);
	q->success = json_is_true(success);
	q->policy_reject = json_is_true(json_object_get(o, "policy_reject"));
	return take_address(o, q, e);
}

int mr_authpolicy_parse(const char *body, size_t len, struct mr_authpolicy *out, struct mr_error *e)
{
	struct mr_authpolicy q = { .family = MR_FAMILY_NONE };
	_free_ char *copy = NULL;
	json_error_t error;
	json_t *o;
	int r;

	if (len > MR_AUTHPOLICY_BODY)
		return mr_error(e, -EBADMSG, "the body is too long");
	copy = clean_copy(body, len);
	if (!copy)
		return -ENOMEM;
	o = json_loadb(copy, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!o)
		return mr_error(e, -EBADMSG, "no JSON at byte %d", error.position);
	r = take(o, &q, e);
	json_decref(o);
	if (r == 0)
		*out = q;
	return r;
}

/* --- reports ---------------------------------------------------------------------------------- */

bool mr_authpolicy_event(const struct mr_authpolicy *q, struct mr_event *out)
{
	if (!q->report || !q->has_address || q->policy_reject)
		return false;
	/* `internal` is Dovecot's own trouble; with `expired` and `disabled` nobody guessed; a
	 * refusal by policy was ours */
	if (!q->success && *q->fail_type && strcmp(q->fail_type, "credentials") != 0 &&
	    strcmp(q->fail_type, "account") != 0)
		return false;
	if (q->success && !*q->login)
		return false;
	*out = (struct mr_event){
		.kind = q->success ? MR_EV_LOGIN : MR_EV_FAILURE,
		.family = q->family,
		.addr = q->address,
		.user = { q->login, strlen(q->login) },
		.session = { q->session, strlen(q->session) },
		.format = MR_FORMAT_REPORT,
		.what = q->success ? "login" : "auth failed",
		.count = 1,
	};
	return true;
}

/* --- questions -------------------------------------------------------------------------------- */

struct judgement {
	const struct mr_authpolicy_query *q;
	struct mr_authpolicy_answer *out;
	bool open; /* a service would let this login in */
	bool personal; /* a service refuses by a ban or for the login, not for the address alone */
};

static bool is_personal(const struct mr_login_answer *a)
{
	const struct mr_rule *by = mr_login_by(a);

	return by && (by->users || by->source.kind == MR_SOURCE_BANNED);
}

static void judge_service(struct judgement *j, const struct mr_service *s)
{
	const struct mr_authpolicy_query *q = j->q;
	size_t i = (size_t)(s - q->policy->services);
	struct mr_login_query l = {
		.policy = q->policy,
		.host = q->host,
		.service = s,
		.address = q->request->address,
		/* Who logs in without a name is not the one that a rule lists. */
		.user = *q->request->login ? q->request->login : "\x01",
		.permitted = q->permitted >> i & 1,
		.banned = q->banned >> i & 1,
	};
	struct mr_login_answer a = { .action = MR_ALLOW };

	if (q->request->has_address)
		mr_login(&l, &a);
	if (a.action == MR_ALLOW && !q->account_refuses) {
		j->open = true;
		return;
	}
	if (!j->out->service) {
		j->out->service = s;
		j->out->login = a;
		j->out->account = a.action == MR_ALLOW;
	}
	if (s->mode == MR_MODE_SHADOW)
		j->out->shadow = true;
	j->personal |= is_personal(&a);
}

/*
 * A port of the family that the policy does not filter.  Whose address the packet layer keeps from
 * the other ports has come through this one.
 */
static void judge_unfiltered(struct judgement *j, uint16_t port)
{
	if (!j->q->account_refuses && !j->personal && j->q->listening && j->q->listening[port])
		j->open = true;
}

static bool is_asked(const struct mr_authpolicy_query *q, const struct mr_service *s)
{
	if (q->request->port)
		return mr_policy_port(q->policy, q->request->port) == s;
	return q->request->family != MR_FAMILY_NONE && s->family == q->request->family;
}

void mr_authpolicy_judge(const struct mr_authpolicy_query *q, struct mr_authpolicy_answer *out)
{
	const struct mr_authpolicy *request = q->request;
	const struct mr_policy *p = q->policy;
	struct mr_authpolicy_answer a = { .refuse = false };
	struct judgement j = { .q = q, .out = &a };

	for (size_t i = 0; i < p->n_services; i++)
		if (p->services[i].mode != MR_MODE_OFF && is_asked(q, &p->services[i]))
			judge_service(&j, &p->services[i]);
	for (size_t i = 0; i < p->n_services; i++) {
		const struct mr_service *s = &p->services[i];

		for (size_t k = 0; k < s->n_ports; k++)
			if (s->mode == MR_MODE_OFF && is_asked(q, s))
				judge_unfiltered(&j, s->ports[k]);
	}
	for (const struct mr_builtin_service *b = mr_builtin_services; b->name; b++)
		if (!request->port && b->family == request->family && !mr_policy_port(p, b->port))
			judge_unfiltered(&j, b->port);
	if (!a.service)
		a.account = q->account_refuses;
	a.refuse = (a.service || q->account_refuses) && !j.open && !a.shadow;
	if (j.open)
		a.shadow = false;
	*out = a;
}

/* --- answers ---------------------------------------------------------------------------------- */

char *mr_authpolicy_body(int status, const char *msg)
{
	json_t *o = json_pack("{s:i,s:s}", "status", status, "msg", msg);
	char *text = o ? json_dumps(o, JSON_ENSURE_ASCII) : NULL;

	json_decref(o);
	return text;
}

/* --- the secret ------------------------------------------------------------------------------- */

static bool same(const char *a, size_t an, const char *b, size_t bn)
{
	unsigned char different = 0;

	if (an != bn) /* how long it is, is no secret */
		return false;
	for (size_t i = 0; i < an; i++)
		different |= (unsigned char)(a[i] ^ b[i]);
	return different == 0;
}

static int base64_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Into out, which holds PROOF_MAX bytes; the length, or -1. */
static int base64_decode(const char *text, size_t n, char *out)
{
	unsigned int bits = 0, have = 0;
	int len = 0;

	while (n > 0 && text[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		int v = base64_value(text[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (unsigned int)v;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[len++] = (char)(bits >> have & 0xff);
	}
	return len;
}

static bool proof_word(const char **text, const char *word)
{
	size_t n = strlen(word);

	if (strncasecmp(*text, word, n) != 0 || (*text)[n] != ' ')
		return false;
	*text += n;
	*text += strspn(*text, " ");
	return true;
}

static bool proof_authorization(const char *secret, const char *text)
{
	char plain[PROOF_MAX];
	const char *colon;
	int n;

	text += strspn(text, " "); /* Dovecot sends two blanks behind the colon */
	if (strlen(text) >= PROOF_MAX)
		return false;
	if (proof_word(&text, "Bearer"))
		return same(text, strlen(text), secret, strlen(secret));
	if (!proof_word(&text, "Basic"))
		return false;
	n = base64_decode(text, strlen(text), plain);
	colon = n > 0 ? memchr(plain, ':', (size_t)n) : NULL;
	return colon && same(colon + 1, (size_t)(plain + n - colon - 1), secret, strlen(secret));
}

bool mr_authpolicy_proof(const char *secret, const char *api_key, const char *authorization)
{
	if (!secret || !*secret)
		return false;
	if (api_key) {
		api_key += strspn(api_key, " ");
		if (same(api_key, strlen(api_key), secret, strlen(secret)))
			return true;
	}
	return authorization && proof_authorization(secret, authorization);
}
