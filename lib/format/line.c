// SPDX-License-Identifier: BSD-2-Clause
/*
 * line.c - cuts one log line into its frame: time, host, program, pid, message.
 *
 * Knows what syslog daemons and mail servers write: the stamps of stamp.c, RFC 5424, a <PRI> before
 * any of them, or no stamp at all; host and program, or none.
 * Never looks into the message, never allocates.  Called by the learner for every line, by the dry
 * run and by the fuzz harness.  -EINVAL for an empty line and for one above MR_LINE_MAX.
 *
 * Nothing here is proof of anything: the frame is what the file says.  Which program may be
 * believed is decided by where the line came from (source rules), not by its text.
 */
#include "line.h"

#define REPEATED_MAX 1000000 /* times: no daemon waits longer before it says so */

/* Up to the next blank; the blank is eaten. */
static bool cut_token(struct mr_str *s, struct mr_str *token)
{
	const char *q = memchr(s->p, ' ', s->n);

	if (!q || q == s->p)
		return false;
	*token = (struct mr_str){ s->p, (size_t)(q - s->p) };
	s->n -= token->n + 1;
	s->p = q + 1;
	return true;
}

bool mr_line_long_pid(const char **p, const char *end, uint32_t *pid)
{
	const char *q = *p + 1;
	uint64_t v = 0;

	for (; q < end && *q >= '0' && *q <= '9'; q++) {
		v = v * 10 + (uint64_t)(*q - '0');
		if (v > UINT32_MAX)
			return false;
	}
	if (q == *p + 1 || q == end || *q != ']')
		return false;
	*p = q + 1;
	*pid = (uint32_t)v;
	return true;
}

/*
 * "program[pid]:", "program:" or "program [pid]:" at the left, with the blank behind it.  Returns
 * where the message begins; NULL if something else stands there.
 *
 * Every line of a log comes through here: pointers stay in registers, where a struct mr_str that
 * others write to goes through memory.
 */
static const char *find_message(const char *start, const char *end, struct mr_line *l)
{
	const char *p = mr_line_word_end(start, end), *name_end = p;
	uint32_t pid = 0;

	if (p == start || p == end)
		return NULL;
	if (*p == ' ' && end - p > 1 && p[1] == '[')
		p++;
	if (*p == '[' && !mr_line_pid(&p, end, &pid))
		return NULL;
	if (p == end || *p != ':')
		return NULL;
	p++;
	if (p < end && *p == ' ')
		p++;
	l->program.p = start;
	l->program.n = (size_t)(name_end - start);
	l->pid = pid;
	return p;
}

static bool cut_program(struct mr_str *s, struct mr_line *l)
{
	const char *end = s->p + s->n, *p = find_message(s->p, end, l);

	if (!p)
		return false;
	*s = (struct mr_str){ p, (size_t)(end - p) };
	return true;
}

/* busybox writes "facility.level" between host and program */
static void cut_facility(struct mr_str *s)
{
	struct mr_str token, t = *s, facility;

	if (!cut_token(&t, &token) || !mr_cut_to(&token, '.', &facility) || facility.n > 8)
		return;
	if (mr_str_is(token, "info") || mr_str_is(token, "notice") || mr_str_is(token, "warn") ||
	    mr_str_is(token, "err") || mr_str_is(token, "debug") || mr_str_is(token, "crit") ||
	    mr_str_is(token, "alert") || mr_str_is(token, "emerg") || mr_str_is(token, "warning"))
		*s = t;
}

/* Solaris: "host program[pid]: [ID 702911 mail.info] message" */
static void cut_id(struct mr_str *s)
{
	struct mr_str t = *s, id;

	if (MR_CUT(&t, "[ID ") && mr_cut_to(&t, ']', &id) && MR_CUT(&t, " "))
		*s = t;
}

/* A host that is told by its IPv6 address, which is no program. */
static bool cut_address(struct mr_str *s)
{
	struct mr_str t = *s, host;
	struct mr_addr a;

	if (!cut_token(&t, &host) || host.n < 2 || !memchr(host.p, ':', host.n - 1) ||
	    mr_addr_parse(host.p, host.n, &a) < 0)
		return false;
	*s = t;
	return true;
}

/* Behind a syslog stamp: "host program[pid]: message", "program: message" or just a message. */
static void cut_syslog_head(struct mr_str *s, struct mr_line *l)
{
	struct mr_str t = *s, host;

	if (t.n && *t.p == '<') /* "<mail.info>" of BSD's syslogd -v */
		cut_token(&t, &host);
	*s = t;
	if (!cut_address(&t) && (cut_program(s, l) || !cut_token(&t, &host)))
		return;
	cut_facility(&t);
	if (!cut_program(&t, l))
		return;
	cut_id(&t);
	*s = t;
}

static void remember_host(struct mr_clock *c, const char *p, size_t n)
{
	if (n > MR_HOST_MAX)
		return;
	c->last[MR_STAMP_BSD] = ' ';
	memcpy(c->last + MR_STAMP_BSD + 1, p, n);
	c->host_n = n;
}

static bool host_repeats(const struct mr_clock *c, const char *p, const char *end)
{
	return c->host_n && (size_t)(end - p) >= c->host_n &&
	       mr_line_same(p, c->last + MR_STAMP_BSD + 1, c->host_n);
}

/*
 * The same for nearly all lines: a host, and "program[pid]: " directly behind it, which is no
 * facility because it ends in a colon and a blank.  Returns where the message begins; NULL: look
 * closer.
 */
static const char *common_head(const char *p, const char *end, struct mr_clock *c,
			       struct mr_line *l)
{
	const char *q;

	if (host_repeats(c, p, end)) {
		q = p + c->host_n;
	} else {
		q = mr_line_word_end(p, end);
		if (q == p || q == end || *q != ' ')
			return NULL; /* "program:", or no host */
		q++;
		remember_host(c, p, (size_t)(q - p));
	}
	return mr_line_message(q, end, l);
}

/* RFC 5424 behind "<PRI>1 ": TIMESTAMP HOST APP PROCID MSGID SD MSG.  SD-PARAM values escape ] as
 * \]. */
static bool cut_rfc5424(struct mr_str *s, struct mr_clock *c, struct mr_line *l)
{
	struct mr_str t = *s, token, procid;
	uint64_t pid = 0;

	if (!MR_CUT(&t, "- ") && !(mr_stamp_iso(&t, c, &l->time_us) && MR_CUT(&t, " ")))
		return false;
	if (!cut_token(&t, &token) || !cut_token(&t, &l->program) || !cut_token(&t, &procid) ||
	    !cut_token(&t, &token))
		return false;
	if (mr_str_is(l->program, "-"))
		l->program.n = 0;
	if (mr_cut_number(&procid, &pid) && procid.n == 0 && pid <= UINT32_MAX)
		l->pid = (uint32_t)pid;
	if (!MR_CUT(&t, "-")) {
		bool quoted = false;

		while (t.n && (quoted || *t.p == '[' || t.p[-1] != ']')) {
			if (quoted && *t.p == '\\' && t.n > 1) {
				t.p++;
				t.n--;
			} else if (*t.p == '"') {
				quoted = !quoted;
			}
			t.p++;
			t.n--;
		}
		if (t.p[-1] != ']')
			return false;
	}
	MR_CUT(&t, " ");
	MR_CUT(&t, "\xef\xbb\xbf");
	*s = t;
	return true;
}

static void cut_pri(struct mr_str *s, bool *v1)
{
	struct mr_str t = *s;
	uint64_t pri;

	*v1 = false;
	if (t.n > 12 && *t.p == '1' && t.p[12] == 'T') { /* a site that leaves <PRI> out */
		*v1 = MR_CUT(s, "1 ");
		return;
	}
	if (!MR_CUT(&t, "<") || !mr_cut_number(&t, &pri) || pri > 191 || !MR_CUT(&t, ">"))
		return;
	*v1 = MR_CUT(&t, "1 ");
	*s = t;
}

/* "message repeated 3 times: [ MESSAGE]": rsyslog's word for the same message again */
static void cut_repeated(struct mr_str *s, struct mr_line *l)
{
	struct mr_str t = *s;
	uint64_t n;

	if (!MR_CUT(&t, "message repeated ") || !mr_cut_number(&t, &n) || n == 0 ||
	    n > REPEATED_MAX || !MR_CUT(&t, " times: [") || !MR_TRIM(&t, "]"))
		return;
	MR_CUT(&t, " ");
	l->repeated = (uint32_t)n;
	*s = t;
}

/* A line of any kind. */
static void parse_any(struct mr_str s, struct mr_clock *clock, struct mr_line *out)
{
	uint64_t time_us = 0;
	const char *p;
	bool v1;

	*out = (struct mr_line){ .text = s };
	cut_pri(&s, &v1);
	p = s.p;
	if (v1 && cut_rfc5424(&s, clock, out)) {
		out->body = s;
	} else if (mr_stamp_cut(&s, clock, &time_us)) {
		out->time_us = time_us;
		MR_CUT(&s, " ");
		out->body = s;
		/* 2026/11/21 is nginx's own log: "[info] 218#218: …", no host, no program */
		if (p[4] != '/')
			cut_syslog_head(&s, out);
	} else if (mr_stamp_bracket(&s, clock, &out->time_us)) {
		MR_CUT(&s, " ");
		out->body = s;
	} else {
		out->body = s;
		cut_program(&s, out);
	}
	out->message = s;
}

/* Behind a stamp that has a host; NULL: look closer. */
static const char *behind_stamp(const char *p, size_t n, struct mr_clock *clock, uint64_t *time_us)
{
	struct mr_str s = { p, n };

	if (mr_stamp_repeats(p, n, clock)) {
		*time_us = clock->last_us;
		return p + MR_STAMP_BSD + 1;
	}
	/* 2026/11/21 is nginx's own log: "[info] 218#218: …", no host, no program */
	if (*p == '<' || *p == '[' || !mr_stamp_cut(&s, clock, time_us) || p[4] == '/' ||
	    !MR_CUT(&s, " "))
		return NULL;
	return s.p;
}

/* Most lines, shortly; NULL: this is none of them. */
static const char *parse_common(const char *p, const char *end, struct mr_clock *clock,
				struct mr_line *out)
{
	const char *body, *message;
	size_t n = (size_t)(end - p);

	message = mr_line_head(p, n, clock, out);
	if (message) {
		mr_line_fill(p, n, clock, message, out);
		return message;
	}
	body = behind_stamp(p, n, clock, &out->time_us);
	message = body ? common_head(body, end, clock, out) : NULL;
	if (!message)
		return NULL;
	out->syslog = mr_stamp_repeats(p, n, clock);
	out->repeated = 0;
	out->text = (struct mr_str){ p, n };
	out->body = (struct mr_str){ body, (size_t)(end - body) };
	out->message = (struct mr_str){ message, (size_t)(end - message) };
	return message;
}

/* What may stand before the message. */
static void cut_marks(struct mr_line *out)
{
	if (out->message.n && *out->message.p == '[')
		cut_id(&out->message);
	if (out->message.n && *out->message.p == 'm')
		cut_repeated(&out->message, out);
}

void mr_line_complete(const char *p, size_t n, const struct mr_clock *clock, const char *message,
		      struct mr_line *out)
{
	mr_line_fill(p, n, clock, message, out);
	cut_marks(out);
}

int mr_line_parse(const char *p, size_t n, struct mr_clock *clock, struct mr_line *out)
{
	while (n && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	if (n == 0 || n > MR_LINE_MAX)
		return -EINVAL;
	if (parse_common(p, p + n, clock, out)) {
		cut_marks(out);
		return 0;
	}
	parse_any((struct mr_str){ p, n }, clock, out);
	if (out->message.n && *out->message.p == 'm')
		cut_repeated(&out->message, out);
	return 0;
}
