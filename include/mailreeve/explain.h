/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * explain.h - what one format makes of one line, for a person: how each part was read, or where the
 * line leaves what the format knows.
 */
#ifndef MAILREEVE_EXPLAIN_H
#define MAILREEVE_EXPLAIN_H

#include <mailreeve/format.h>
#include <mailreeve/wording.h>

struct mr_explained_part {
	const char *what;
	struct mr_str text; /* of the line */
};
#define MR_EXPLAINED_PARTS (MR_WORDING_PARTS + 3) /* the frame's: stamp, host, program */
struct mr_explanation {
	struct mr_explained_part part[MR_EXPLAINED_PARTS]; /* read, up to `place` */
	size_t parts;
	char wording[sizeof(((struct mr_wording_reading *)0)->wording)]; /* "": none is near */
	bool gave_up; /* the line leaves the wording at `place`; else all of it fits, and: */
	struct mr_str place; /* of the line, what was found there; n = 0: its end */
	char expected[64];
	bool literal; /* `expected` is text, not a description */
	const char *why; /* why a line that fits is refused; NULL: it is not */
};

/* `result` is what the format's parser answered, `e` what it read (for MR_PARSE_EVENT only). False:
 * the format has nothing to say of such a line. */
bool mr_explain(const struct mr_format *f, const struct mr_line *l, enum mr_parse result,
		const struct mr_event *e, struct mr_explanation *out);
/* The same for a wording of an own format. */
void mr_explain_stated(const char *template, const struct mr_line *l, const struct mr_event *e,
		       struct mr_explanation *out);

#endif
