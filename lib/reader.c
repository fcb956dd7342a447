// SPDX-License-Identifier: BSD-2-Clause
/*
 * reader.c - runs the lines of one source through its formats (reader.h).
 *
 * Each line is framed once and offered to the formats in turn, the administrator's own first; the
 * first that takes the line decides.  Nine lines of ten are of programs that no format takes
 * anything from, so which formats may take lines of a program is looked up once and remembered.
 * Never reads a file or a clock, never logs; allocates only when it is made.  Called by the
 * daemon's sources, the dry run and the fuzz harness.
 */
#include "format/line.h"

#include <mailreeve/reader.h>

#include <ctype.h>

#define FORMATS_MAX 64 /* built-in formats of one reader, a bit each; there are fewer in all */

#define BSD_DATE 7 /* bytes of "Nov 21 " */
#define ISO_DATE 11 /* bytes of "2026-11-21T" */

/* A wording of an own format. */
struct own {
	const char *format, *program, *text; /* the policy's */
	struct mr_template *template;
};

/* What is known of a program by its name alone.  A log repeats a few names; those that hold a user
 * (Dovecot's "imap(alice)") may be longer than a memo or push each other out, which costs time
 * only. Two names whose hashes meet stand side by side. */
#define MEMOS	   128 /* even */
#define MEMO_BYTES 30
struct memo {
	uint64_t formats; /* bit i: r->format[i] may take its lines */
	uint64_t of_syslog; /* those that may, where the line's stamp is syslog's */
	uint64_t first, last; /* eight bytes of the name */
	const struct mr_str *dull; /* of the one format that may take its lines; NULL: none */
	bool mail; /* sounds like a mail server's */
	uint8_t n; /* length of the name; 0: free */
	char name[MEMO_BYTES];
};

struct mr_reader {
	struct mr_clock clock;
	struct mr_join *join;
	const struct mr_format *format[FORMATS_MAX];
	size_t formats;
	struct own *own;
	size_t owns, allocated;
	struct memo memo[MEMOS], nameless, unkept;
	bool thorough;
	struct mr_reader_stats stats;
};

static int add_wordings(struct mr_reader *r, const struct mr_format_option *f,
			enum mr_event_kind kind, const char *const *text, size_t n)
{
	struct mr_template_error bad;

	for (size_t i = 0; i < n; i++) {
		struct own o = { .format = f->name, .program = f->program, .text = text[i] };
		int err = mr_grow(&r->own, &r->allocated, r->owns, sizeof(*r->own));

		if (err == 0)
			err = mr_template_new(text[i], strlen(text[i]), kind, &o.template, &bad);
		if (err < 0)
			return err;
		r->own[r->owns++] = o;
	}
	return 0;
}

static int add_own(struct mr_reader *r, const struct mr_format_option *f, struct mr_error *e)
{
	int err = add_wordings(r, f, MR_EV_LOGIN, f->login, f->n_login);

	if (err == 0)
		err = add_wordings(r, f, MR_EV_FAILURE, f->failure, f->n_failure);
	if (err == 0)
		err = add_wordings(r, f, MR_EV_LOGOUT, f->logout, f->n_logout);
	return err < 0 ? mr_error(e, err, "format \"%s\": %s", f->name, strerror(-err)) : 0;
}

static int add_format(struct mr_reader *r, const struct mr_reader_options *o, const char *name,
		      struct mr_error *e)
{
	const struct mr_format *f = mr_format_find(name);

	for (size_t i = 0; !f && o->policy && i < o->policy->n_formats; i++)
		if (strcmp(o->policy->formats[i].name, name) == 0)
			return add_own(r, &o->policy->formats[i], e);
	if (!f)
		return mr_error(e, -ENOENT, "no log format is called \"%s\"", name);
	if (r->formats == FORMATS_MAX)
		return mr_error(e, -E2BIG, "more than %d formats for one source", FORMATS_MAX);
	r->format[r->formats++] = f;
	return 0;
}

static int select_formats(struct mr_reader *r, const struct mr_reader_options *o,
			  struct mr_error *e)
{
	int err = 0;

	for (size_t i = 0; o->formats && i < o->n_formats && err == 0; i++)
		err = add_format(r, o, o->formats[i], e);
	if (o->formats)
		return err;
	for (size_t i = 0; mr_formats[i] && err == 0; i++)
		if (!mr_formats[i]->legacy || o->legacy)
			err = add_format(r, o, mr_formats[i]->name, e);
	for (size_t i = 0; o->policy && i < o->policy->n_formats && err == 0; i++)
		err = add_own(r, &o->policy->formats[i], e);
	return err;
}

/* Programs whose lines ought to be known: said at the end of a dry run, if none is. */
static bool is_mail_program(struct mr_str p)
{
	static const char *const words[] = { "imap", "pop3",  "pop",	"smtp",
					     "mail", "sieve", "dovecot" };

	if (MR_TRIM(&p, "/smtp")) /* Postfix as a client: nobody logs in there */
		return false;
	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (p.n && memmem(p.p, p.n, words[i], strlen(words[i])))
			return true;
	return false;
}

static void fill_memo(const struct mr_reader *r, struct mr_str program, struct memo *m)
{
	m->mail = is_mail_program(program);
	m->formats = m->of_syslog = 0;
	for (size_t i = 0; i < r->formats; i++) {
		if (!r->thorough && !mr_format_knows(r->format[i], program))
			continue;
		m->formats |= 1ull << i;
		if (r->thorough || !r->format[i]->own_stamp)
			m->of_syslog |= 1ull << i;
	}
	m->dull = NULL;
	if (m->formats && !(m->formats & (m->formats - 1)) && !r->owns && !r->thorough)
		m->dull = r->format[__builtin_ctzll(m->formats)]->dull;
}

int mr_reader_new(const struct mr_reader_options *o, struct mr_reader **out, struct mr_error *e)
{
	_cleanup_(mr_reader_freep) struct mr_reader *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return mr_error(e, -ENOMEM, "out of memory");
	err = mr_join_new(o->sessions ? o->sessions : MR_READER_SESSIONS, &r->join);
	if (err < 0)
		return mr_error(e, err, "out of memory");
	r->thorough = o->thorough;
	err = select_formats(r, o, e);
	if (err < 0)
		return err;
	fill_memo(r, (struct mr_str){ 0 }, &r->nameless);
	*out = MR_TAKE_PTR(r);
	return 0;
}

void mr_reader_free(struct mr_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->owns; i++)
		mr_template_free(r->own[i].template);
	free(r->own);
	mr_join_free(r->join);
	free(r);
}

void mr_reader_clock(struct mr_reader *r, uint64_t now_us, const struct mr_zone *zone)
{
	r->clock = (struct mr_clock){ .now_us = now_us };
	if (zone)
		r->clock.zone = *zone;
}

static void copy_printable(char *to, size_t room, struct mr_str s)
{
	size_t n = s.n < room - 1 ? s.n : room - 1;

	for (size_t i = 0; i < n; i++)
		to[i] = isprint((unsigned char)s.p[i]) ? s.p[i] : '?';
	to[n] = '\0';
}

static struct mr_reader_lost *lost_of(struct mr_reader *r, struct mr_str program)
{
	struct mr_reader_lost *l;
	char name[sizeof(l->program)];

	/* what has none comes from a server's own log file */
	if (program.n)
		copy_printable(name, sizeof(name), program);
	else
		strcpy(name, "(no program)");
	for (size_t i = 0; i < r->stats.programs; i++)
		if (strcmp(r->stats.program[i].program, name) == 0)
			return &r->stats.program[i];
	if (r->stats.programs == MR_READER_PROGRAMS)
		return NULL;
	l = &r->stats.program[r->stats.programs++];
	strcpy(l->program, name);
	return l;
}

/* The first eight of n bytes, or all and some of them twice; names of the same length differ in
 * this if they do in their first eight. */
static uint64_t eight_bytes(const char *p, size_t n)
{
	uint32_t half[2] = { 0 };
	uint64_t v = 0;

	if (n >= 8) {
		memcpy(&v, p, 8);
	} else if (n >= 4) {
		memcpy(&half[0], p, 4);
		memcpy(&half[1], p + n - 4, 4);
		v = (uint64_t)half[1] << 32 | half[0];
	} else {
		for (size_t i = 0; i < n; i++)
			v = v << 8 | (uint8_t)p[i];
	}
	return v;
}

static inline bool is_memo_of(const struct memo *m, struct mr_str p, uint64_t first, uint64_t last)
{
	return m->n == p.n && m->first == first && m->last == last &&
	       (p.n <= 16 || memcmp(m->name, p.p, p.n) == 0);
}

static const struct memo *make_memo(struct mr_reader *r, struct mr_str p, uint64_t first,
				    uint64_t last, struct memo *m)
{
	m[1] = *m;
	fill_memo(r, p, m);
	m->first = first;
	m->last = last;
	m->n = (uint8_t)p.n;
	memcpy(m->name, p.p, p.n);
	return m;
}

/* The first and the last eight bytes tell "postfix/smtpd" from "postfix/qmgr". */
static inline const struct memo *memo_of(struct mr_reader *r, struct mr_str p)
{
	uint64_t first, last, hash;
	struct memo *m;

	if (p.n == 0)
		return &r->nameless;
	if (p.n > MEMO_BYTES) {
		fill_memo(r, p, &r->unkept);
		return &r->unkept;
	}
	first = eight_bytes(p.p, p.n);
	last = p.n > 8 ? eight_bytes(p.p + p.n - 8, 8) : 0;
	hash = (first ^ last * 3) * 0x9e3779b97f4a7c15u + p.n * 5;
	m = &r->memo[(hash >> 32) % (MEMOS / 2) * 2];
	if (is_memo_of(m, p, first, last))
		return m;
	if (is_memo_of(m + 1, p, first, last))
		return m + 1;
	return make_memo(r, p, first, last, m);
}

static bool match_own(const struct own *o, const struct mr_line *l, struct mr_event *out)
{
	struct mr_event e = { .format = o->format, .count = 1 };

	if (!mr_template_match(o->template, l->message, &e))
		return false;
	e.what = e.kind == MR_EV_LOGIN ? "login" : e.kind == MR_EV_FAILURE ? "failure" : "logout";
	*out = e;
	return true;
}

/* Own formats first: who states one knows better.  A program that one names is not unknown. */
static enum mr_parse ask_own(struct mr_reader *r, const struct mr_line *l, struct mr_event *out)
{
	enum mr_parse result = MR_PARSE_NOT_MINE;

	for (size_t i = 0; i < r->owns && result != MR_PARSE_EVENT; i++)
		if (mr_str_is(l->program, r->own[i].program))
			result = match_own(&r->own[i], l, out) ? MR_PARSE_EVENT : MR_PARSE_NOTHING;
	return result;
}

static enum mr_parse ask_all(struct mr_reader *r, const struct memo *m, const struct mr_line *l,
			     struct mr_event *out)
{
	enum mr_parse own = r->owns ? ask_own(r, l, out) : MR_PARSE_NOT_MINE;
	enum mr_parse result = MR_PARSE_NOT_MINE;

	if (own == MR_PARSE_EVENT)
		return own;
	for (uint64_t left = l->syslog ? m->of_syslog : m->formats;
	     left && result == MR_PARSE_NOT_MINE; left &= left - 1)
		result = r->format[__builtin_ctzll(left)]->parse(l, r->join, out);
	return result == MR_PARSE_NOT_MINE ? own : result;
}

/*
 * A line whose end was lost (a disk that was full, a crash) and the one behind it look like one:
 * the first's verdict with the second's address.  The second brings a stamp of the same day and
 * form.
 */
static bool is_glued(const struct mr_line *l)
{
	struct mr_str s = l->text, before;
	const char *stamp, *p = l->message.p, *end = p + l->message.n;
	size_t n;

	if (!l->time_us || s.p == l->message.p)
		return false;
	if (MR_CUT(&s, "<") && mr_cut_to(&s, '>', &before))
		MR_CUT(&s, "1 ");
	n = s.n && isdigit((unsigned char)*s.p) ? ISO_DATE : BSD_DATE;
	if (s.n < n || !isalnum((unsigned char)*s.p))
		return false;
	stamp = s.p;
	end -= n + 2; /* a stamp that begins here or later is cut */
	for (p++; p < end && (p = memchr(p, *stamp, (size_t)(end - p))); p++) /* not Exim's own */
		if (memcmp(p, stamp, n) == 0 && isdigit((unsigned char)p[n]) &&
		    isdigit((unsigned char)p[n + 1]) && p[n + 2] == ':')
			return true;
	return false;
}

/* What the frame has to say to a format's answer. */
static enum mr_parse settle(const struct mr_line *l, enum mr_parse result, struct mr_event *out)
{
	if (result != MR_PARSE_EVENT)
		return result;
	if (out->kind == MR_EV_LOGIN && is_glued(l))
		return MR_PARSE_LOST;
	if (l->repeated && (out->kind == MR_EV_FAILURE || out->kind == MR_EV_ABUSE))
		out->count = out->count > UINT32_MAX / l->repeated ? UINT32_MAX
								   : out->count * l->repeated;
	return result;
}

static enum mr_parse read_line(struct mr_reader *r, const struct memo *m, const struct mr_line *l,
			       struct mr_event *out)
{
	enum mr_parse result = settle(l, ask_all(r, m, l, out), out);
	struct mr_reader_lost *lost;

	r->stats.lines++;
	if (result == MR_PARSE_EVENT) {
		r->stats.events[out->kind]++;
		if (!out->time_us)
			out->time_us = l->time_us;
	} else if (result == MR_PARSE_LOST) {
		lost = lost_of(r, l->program);
		if (lost && lost->lost++ == 0)
			copy_printable(lost->example, sizeof(lost->example), l->message);
	} else if (result == MR_PARSE_NOT_MINE && m->mail) {
		lost = lost_of(r, l->program);
		if (lost)
			lost->unknown++;
	}
	return result;
}

enum mr_parse mr_reader_record(struct mr_reader *r, const struct mr_line *l, struct mr_event *out)
{
	return read_line(r, memo_of(r, l->program), l, out);
}

/* Nothing that such a program writes is looked at. */
static bool is_mute(const struct mr_reader *r, const struct memo *m)
{
	return !m->of_syslog && !m->mail && !r->owns;
}

static bool is_dull(const struct memo *m, const char *message, const char *end)
{
	for (const struct mr_str *d = m->dull; d && d->n; d++)
		if ((size_t)(end - message) >= d->n && mr_line_same(message, d->p, d->n))
			return true;
	return false;
}

enum mr_parse mr_reader_line(struct mr_reader *r, const char *p, size_t n, struct mr_event *out)
{
	const char *message = NULL;
	const struct memo *m;
	struct mr_line l;

	l.program = (struct mr_str){ 0 };
	while (n && p[n - 1] == '\r')
		n--;
	if (n <= MR_LINE_MAX)
		message = mr_line_head(p, n, &r->clock, &l);
	if (message) {
		m = memo_of(r, l.program);
		if (is_mute(r, m)) {
			r->stats.lines++;
			return MR_PARSE_NOT_MINE;
		}
		if (is_dull(m, message, p + n)) {
			r->stats.lines++;
			return MR_PARSE_NOTHING;
		}
		mr_line_complete(p, n, &r->clock, message, &l);
		return read_line(r, m, &l, out);
	}
	if (mr_line_parse(p, n, &r->clock, &l) < 0) {
		r->stats.lines++;
		r->stats.skipped++;
		return MR_PARSE_NOTHING;
	}
	return mr_reader_record(r, &l, out);
}

const struct mr_reader_stats *mr_reader_stats(const struct mr_reader *r)
{
	return &r->stats;
}

int mr_reader_save(const struct mr_reader *r, FILE *f)
{
	return mr_join_save(r->join, f);
}

int mr_reader_restore(struct mr_reader *r, struct mr_str saved)
{
	return mr_join_restore(r->join, saved);
}

int mr_reader_frame(struct mr_reader *r, const char *p, size_t n, struct mr_line *out)
{
	return mr_line_parse(p, n, &r->clock, out);
}

static bool asks(const struct mr_reader *r, const struct mr_format *f)
{
	for (size_t i = 0; i < r->formats; i++)
		if (r->format[i] == f)
			return true;
	return false;
}

static void settle_opinion(const struct mr_line *l, struct mr_reader_opinion *o, struct mr_event *e,
			   struct mr_explanation *x)
{
	enum mr_parse result = settle(l, o->result, e);

	if (result != o->result)
		x->why = "two lines have run together: the address may be the other one's";
	o->result = result;
}

void mr_reader_explain(struct mr_reader *r, const struct mr_line *l,
		       void (*say)(const struct mr_reader_opinion *o, void *userdata),
		       void *userdata)
{
	bool decided = false;
	struct mr_event e;
	struct mr_explanation x;
	struct mr_reader_opinion o = { .event = &e, .why = &x };

	for (size_t i = 0; i < r->owns; i++) {
		const struct own *w = &r->own[i];
		bool fits;

		if (!mr_str_is(l->program, w->program))
			continue;
		fits = match_own(w, l, &e);
		mr_explain_stated(w->text, l, fits ? &e : NULL, &x);
		o.format = w->format;
		o.template = w->text;
		o.result = fits ? MR_PARSE_EVENT : MR_PARSE_NOTHING;
		o.late = decided;
		settle_opinion(l, &o, &e, &x);
		say(&o, userdata);
		decided |= fits;
	}
	o.template = NULL;
	for (size_t i = 0; mr_formats[i]; i++) {
		const struct mr_format *f = mr_formats[i];

		o.format = f->name;
		o.off = !asks(r, f);
		o.late = decided;
		o.result = f->parse(l, o.off || decided ? NULL : r->join, &e);
		if (!mr_explain(f, l, o.result, &e, &x))
			continue;
		settle_opinion(l, &o, &e, &x);
		say(&o, userdata);
		decided |= !o.off && o.result != MR_PARSE_NOT_MINE;
	}
}
