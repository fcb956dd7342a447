/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader.h - one stream of log lines, read with the formats that it may hold.
 *
 * A source of the daemon, or a file of the dry run, has one reader: it keeps the clock of stamps
 * without a year, the sessions that take two lines, and the count of lines that look like verdicts
 * and that nobody knows (a server changed its wording).
 */
#ifndef MAILREEVE_READER_H
#define MAILREEVE_READER_H

#include <mailreeve/explain.h>
#include <mailreeve/format.h>
#include <mailreeve/template.h>

struct mr_reader;

struct mr_reader_options {
	const struct mr_policy *policy; /* own formats; NULL: none.  Borrowed */
	const char *const *formats; /* names; NULL: all that are on by default */
	size_t n_formats;
	bool legacy; /* with formats NULL: those of old servers too */
	bool thorough; /* asks every format about every line: slow, and the same; for tests */
	size_t sessions; /* joined sessions remembered; 0: MR_READER_SESSIONS */
};
#define MR_READER_SESSIONS 16384 /* 3 MB */

int mr_reader_new(const struct mr_reader_options *o, struct mr_reader **out, struct mr_error *e);
void mr_reader_free(struct mr_reader *r);
MR_DEFINE_CLEANUP(struct mr_reader *, mr_reader_free)

/* Realtime now, which gives stamps their year, and their zone (NULL: UTC).  A dry run leaves it at
 * the file's own time. */
void mr_reader_clock(struct mr_reader *r, uint64_t now_us, const struct mr_zone *zone);
/* One line of text; EVENT: *out is filled.  NOT_MINE: no format knows the program. */
enum mr_parse mr_reader_line(struct mr_reader *r, const char *p, size_t n, struct mr_event *out);
/* One record whose frame is known (the journal). */
enum mr_parse mr_reader_record(struct mr_reader *r, const struct mr_line *l, struct mr_event *out);

#define MR_READER_PROGRAMS 32 /* programs with lost or unknown lines that are told apart */
#define MR_READER_EXAMPLE  200 /* bytes of the first example */
struct mr_reader_lost {
	char program[48];
	uint64_t lost; /* look like verdicts, and no format takes them */
	uint64_t unknown; /* of a mail program that no format knows at all */
	char example[MR_READER_EXAMPLE]; /* printable */
};
struct mr_reader_stats {
	uint64_t lines, skipped; /* skipped: too long, empty */
	uint64_t events[4]; /* by enum mr_event_kind */
	struct mr_reader_lost program[MR_READER_PROGRAMS];
	size_t programs;
};
const struct mr_reader_stats *mr_reader_stats(const struct mr_reader *r);

/* The sessions of which only a first line has come: another process goes on with them. */
int mr_reader_save(const struct mr_reader *r, FILE *f);
int mr_reader_restore(struct mr_reader *r, struct mr_str saved);

/* For `learn --explain`: what each format that knows the line's program says to it, those that the
 * reader does not ask too. */
struct mr_reader_opinion {
	const char *format, *template; /* template: of an own format, as it is written */
	enum mr_parse result;
	bool off; /* not asked here: of a server no longer shipped, or not named */
	bool late; /* not asked any more: one before it has decided */
	const struct mr_event *event; /* of MR_PARSE_EVENT */
	const struct mr_explanation *why;
};
void mr_reader_explain(struct mr_reader *r, const struct mr_line *l,
		       void (*say)(const struct mr_reader_opinion *o, void *userdata),
		       void *userdata);
/* Frames a line with the reader's clock; -EINVAL as mr_line_parse(). */
int mr_reader_frame(struct mr_reader *r, const char *p, size_t n, struct mr_line *out);

#endif
