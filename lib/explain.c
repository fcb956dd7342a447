// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain.c - tells a person how a format reads a line, or where it gives up (explain.h).
 *
 * What a line means is the parser's word alone; this compares the line with the format's wordings
 * to say how that came about.  A line that fits a wording and that the parser refuses all the same
 * is one that could have been forged, or that lacks something: the reason is looked for in the
 * parts.  Slow, allocates, never logs; called by `learn --explain` through reader.c.  Where memory
 * runs out, or a line is too long, it says less.
 */
#include <mailreeve/explain.h>

#include <fnmatch.h>

/* The program is the format's by its name, not only by how that begins. */
static bool is_named(const struct mr_format *f, struct mr_str program)
{
	for (size_t i = 0; program.n && f->programs[i]; i++) {
		size_t n = strcspn(f->programs[i], "*");

		if (n == program.n && memcmp(f->programs[i], program.p, n) == 0)
			return true;
	}
	return false;
}

static const char *end_of(struct mr_str s)
{
	return s.p + s.n;
}

/* What the wordings of the format are about. */
static struct mr_str subject(const struct mr_format *f, const struct mr_line *l)
{
	bool dovecot = strncmp(f->name, "dovecot", 7) == 0;

	if (!l->program.n)
		return l->body;
	/* in Dovecot's own log the process stands where others have the program */
	if (dovecot && !mr_str_is(l->program, "dovecot") && l->program.p >= l->text.p &&
	    l->program.p < end_of(l->text))
		return (struct mr_str){ l->program.p, (size_t)(end_of(l->text) - l->program.p) };
	return l->message;
}

static const char TOO_LONG[] = "it is longer than 2048 bytes, and is not compared with wordings";

static void add_part(struct mr_explanation *x, const char *what, const char *from, const char *to)
{
	while (to > from && (to[-1] == ' ' || to[-1] == ':'))
		to--;
	if (to > from && x->parts < MR_EXPLAINED_PARTS)
		x->part[x->parts++] =
			(struct mr_explained_part){ what, { from, (size_t)(to - from) } };
}

static void add_frame(struct mr_explanation *x, const struct mr_line *l, struct mr_str s)
{
	const char *host = l->time_us ? l->body.p : l->text.p, *repeated;

	if (l->time_us)
		add_part(x, "time", l->text.p, l->body.p);
	if (l->program.n && l->program.p > host)
		add_part(x, "host", host, l->program.p);
	if (!l->program.n || l->program.p >= s.p)
		return;
	/* "message repeated 3 times: [ MESSAGE]" */
	repeated = l->repeated ? memmem(l->program.p, (size_t)(s.p - l->program.p), " message ", 9)
			       : NULL;
	add_part(x, "program", l->program.p, repeated ? repeated : s.p);
	if (repeated)
		add_part(x, "repeated", repeated + 1, s.p);
}

static void add_reading(struct mr_explanation *x, const struct mr_wording_reading *r,
			struct mr_str s)
{
	memcpy(x->wording, r->wording, sizeof(x->wording));
	for (size_t i = 0; i < r->parts && x->parts < MR_EXPLAINED_PARTS; i++)
		x->part[x->parts++] =
			(struct mr_explained_part){ r->part[i].what,
						    { s.p + r->part[i].at, r->part[i].n } };
	x->gave_up = !r->whole;
	x->place = (struct mr_str){ s.p + r->at, r->found };
	memcpy(x->expected, r->expected, sizeof(x->expected));
	x->literal = r->literal;
}

static struct mr_str part(const struct mr_wording_reading *r, struct mr_str s, const char *what)
{
	for (size_t i = 0; i < r->parts; i++)
		if (strcmp(r->part[i].what, what) == 0)
			return (struct mr_str){ s.p + r->part[i].at, r->part[i].n };
	return (struct mr_str){ 0 };
}

/* Two addresses, as the parts can be read. */
static bool ambiguous(const struct mr_wording *w, struct mr_str s,
		      const struct mr_wording_reading *r)
{
	struct mr_wording_reading other;
	struct mr_addr a;

	return mr_str_addr(part(r, s, "address"), &a) &&
	       mr_wording_read(w, s, &(struct mr_wording_wanted){ .not_addr = &a }, &other) == 0;
}

/* Zeroes in base64. */
static bool is_zero(struct mr_str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] == 'A')
		n++;
	return n == s.n;
}

/* Why the parser refuses what fits the wording. */
static const char *reason(const struct mr_wording *w, struct mr_str s,
			  const struct mr_wording_reading *r)
{
	struct mr_str user = part(r, s, "user"), method = part(r, s, "method");
	struct mr_str addr = part(r, s, "address"), session = part(r, s, "session");
	bool dovecot = strncmp(w->format, "dovecot", 7) == 0;

	if (w->why)
		return w->why;
	if (ambiguous(w, s, r))
		return "it can be read in two ways, with two addresses: one of them is a text "
		       "that a client chose";
	if (mr_str_is(method, "ANONYMOUS") || MR_CUT(&user, "anonymous"))
		return "an anonymous login says nothing of who has come";
	if (mr_str_is(method, "XCLIENT"))
		return "another host says so (XCLIENT): nobody has logged in here";
	if (user.n > MR_CLIENT_TEXT_MAX)
		return "more than 255 bytes of a client's text: such a line may have been cut "
		       "where the client wanted it to end";
	if (strstr(w->text, "{user}") && user.n == 0)
		return "it names no user";
	if (!addr.n)
		return "no line before it told the address of this session, or the session has "
		       "ended (lines that belong together are explained in one go, in their order)";
	if (dovecot && end_of(addr) == end_of(s))
		return "it ends with the address, which may have been cut: 192.0.2.1 of 192.0.2.10";
	if (dovecot && session.n && is_zero(session))
		return "its session id holds nothing: Dovecot makes no such one";
	if (strcmp(w->format, "nginx") == 0)
		return "it may be part of a login name with line feeds, that began in a line "
		       "before "
		       "it";
	return "a part of it is not as this server writes it: it could be a text that the client "
	       "chose; or an earlier line told of the same attempt";
}

static bool for_line(const struct mr_wording *w, const struct mr_format *f, const struct mr_line *l)
{
	char program[64];

	if (strcmp(w->format, f->name) != 0)
		return false;
	if (!w->program || l->program.n >= sizeof(program))
		return true;
	memcpy(program, l->program.p, l->program.n);
	program[l->program.n] = '\0';
	return fnmatch(w->program, program, 0) == 0;
}

/* The parser took it: the wording whose parts are what the parser read. */
static bool explain_event(const struct mr_format *f, const struct mr_line *l,
			  const struct mr_event *e, struct mr_str s,
			  struct mr_wording_reading *best)
{
	struct mr_wording_wanted wanted = { .addr = &e->addr };

	/* a name from an earlier line, or one without a text, need not stand in this one */
	if (e->user.n && e->user.p >= l->text.p && e->user.p < end_of(l->text))
		wanted.user = &e->user;
	for (const struct mr_wording *w = mr_wordings; w->format; w++)
		if (!w->why && for_line(w, f, l) && mr_wording_read(w, s, &wanted, best) == 0)
			return true;
	return false;
}

/* The parser refused it, and it fits a wording: why? */
static const char *explain_refused(const struct mr_format *f, const struct mr_line *l,
				   struct mr_str s, struct mr_wording_reading *best)
{
	for (int pass = 0; pass < 2; pass++)
		for (const struct mr_wording *w = mr_wordings; w->format; w++)
			if ((w->why == NULL) == (pass == 1) && for_line(w, f, l) &&
			    mr_wording_read(w, s, NULL, best) == 0)
				return reason(w, s, best);
	return NULL;
}

/* It fits none: the one that it is nearest to. */
static void explain_nearest(const struct mr_format *f, const struct mr_line *l, struct mr_str s,
			    struct mr_explanation *x)
{
	struct mr_wording_reading best = { .cost = UINT32_MAX }, r;

	for (const struct mr_wording *w = mr_wordings; w->format; w++)
		if (for_line(w, f, l) && mr_wording_compare(w, s, &r) == 0 && r.cost < best.cost)
			best = r;
	if (s.n > MR_WORDING_TEXT) {
		x->why = TOO_LONG;
		return;
	}
	if (best.near) {
		add_reading(x, &best, s);
		return;
	}
	x->gave_up = true;
	x->place = (struct mr_str){ s.p, 0 };
	while (x->place.n < s.n && x->place.n < 40 && s.p[x->place.n] != ':')
		x->place.n++;
	strcpy(x->expected, "a login, logout, failure or abuse");
}

bool mr_explain(const struct mr_format *f, const struct mr_line *l, enum mr_parse result,
		const struct mr_event *e, struct mr_explanation *out)
{
	struct mr_explanation x = { 0 };
	struct mr_str s = subject(f, l);
	struct mr_wording_reading r;

	if (result == MR_PARSE_NOT_MINE && !mr_format_knows(f, l->program))
		return false;
	add_frame(&x, l, s);
	if (result == MR_PARSE_EVENT) {
		if (explain_event(f, l, e, s, &r))
			add_reading(&x, &r, s);
	} else if ((x.why = explain_refused(f, l, s, &r))) {
		add_reading(&x, &r, s);
	} else {
		explain_nearest(f, l, s, &x);
	}
	if (result == MR_PARSE_NOT_MINE && !x.wording[0] && !is_named(f, l->program))
		return false;
	*out = x;
	return true;
}

void mr_explain_stated(const char *template, const struct mr_line *l, const struct mr_event *e,
		       struct mr_explanation *out)
{
	const struct mr_wording w = { .format = "", .text = template, .stated = true };
	struct mr_wording_wanted wanted = { 0 };
	struct mr_explanation x = { 0 };
	struct mr_wording_reading r;

	if (e)
		wanted = (struct mr_wording_wanted){ .addr = &e->addr,
						     .user = e->user.n ? &e->user : NULL };
	add_frame(&x, l, l->message);
	if (mr_wording_read(&w, l->message, &wanted, &r) == 0 ||
	    mr_wording_compare(&w, l->message, &r) == 0)
		add_reading(&x, &r, l->message);
	if (!e && !x.gave_up)
		x.why = l->message.n <= MR_WORDING_TEXT
				? "it can be read in two ways: one of them is a text that a client "
				  "chose"
				: TOO_LONG;
	*out = x;
}
