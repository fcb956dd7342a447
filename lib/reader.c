// SPDX-License-Identifier: BSD-2-Clause
/*
 * reader.c - runs the lines of one source through its formats (reader.h).
 *
 * Each line is framed once and offered to the formats in turn; a format that does not know the
 * program says so after one comparison.  The first that takes the line decides.  Never reads a file
 * or a clock, never logs; allocates only when it is made.  Called by the daemon's sources, the dry
 * run and the fuzz harness.
 */
#include <mailreeve/reader.h>

#include <ctype.h>

#define FORMATS_MAX 64 /* formats of one reader; there are fewer in all */

struct mr_reader {
	struct mr_clock clock;
	struct mr_join *join;
	const struct mr_format *format[FORMATS_MAX];
	size_t formats;
	struct mr_reader_stats stats;
};

static int select_formats(struct mr_reader *r, const struct mr_reader_options *o,
			  struct mr_error *e)
{
	for (size_t i = 0; mr_formats[i] && !o->formats; i++)
		if (!mr_formats[i]->legacy || o->legacy)
			r->format[r->formats++] = mr_formats[i];
	for (size_t i = 0; i < o->n_formats && o->formats; i++) {
		const struct mr_format *f = mr_format_find(o->formats[i]);

		if (!f)
			return mr_error(e, -ENOENT, "no log format is called \"%s\"",
					o->formats[i]);
		if (r->formats == FORMATS_MAX)
			return mr_error(e, -E2BIG, "more than %d formats for one source",
					FORMATS_MAX);
		r->format[r->formats++] = f;
	}
	return 0;
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
	err = select_formats(r, o, e);
	if (err < 0)
		return err;
	*out = MR_TAKE_PTR(r);
	return 0;
}

void mr_reader_free(struct mr_reader *r)
{
	if (!r)
		return;
	mr_join_free(r->join);
	free(r);
}

void mr_reader_clock(struct mr_reader *r, uint64_t now_us, long gmtoff)
{
	r->clock.now_us = now_us;
	r->clock.gmtoff = gmtoff;
	r->clock.last[0] = '\0';
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

	copy_printable(name, sizeof(name), program);
	for (size_t i = 0; i < r->stats.programs; i++)
		if (strcmp(r->stats.program[i].program, name) == 0)
			return &r->stats.program[i];
	if (r->stats.programs == MR_READER_PROGRAMS)
		return NULL;
	l = &r->stats.program[r->stats.programs++];
	strcpy(l->program, name);
	return l;
}

/* Programs whose lines ought to be known: said at the end of a dry run, if none is. */
static bool is_mail_program(struct mr_str p)
{
	static const char *const words[] = { "imap", "pop3",  "pop",	"smtp",
					     "mail", "sieve", "dovecot" };

	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (p.n && memmem(p.p, p.n, words[i], strlen(words[i])))
			return true;
	return false;
}

enum mr_parse mr_reader_record(struct mr_reader *r, const struct mr_line *l, struct mr_event *out)
{
	enum mr_parse result = MR_PARSE_NOT_MINE;
	struct mr_reader_lost *lost;

	r->stats.lines++;
	for (size_t i = 0; i < r->formats && result == MR_PARSE_NOT_MINE; i++)
		result = r->format[i]->parse(l, r->join, out);
	if (result == MR_PARSE_EVENT) {
		r->stats.events[out->kind]++;
		if (!out->time_us)
			out->time_us = l->time_us;
	} else if (result == MR_PARSE_LOST) {
		lost = lost_of(r, l->program);
		if (lost && lost->lost++ == 0)
			copy_printable(lost->example, sizeof(lost->example), l->message);
	} else if (result == MR_PARSE_NOT_MINE && is_mail_program(l->program)) {
		lost = lost_of(r, l->program);
		if (lost)
			lost->unknown++;
	}
	return result;
}

enum mr_parse mr_reader_line(struct mr_reader *r, const char *p, size_t n, struct mr_event *out)
{
	struct mr_line l;

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
