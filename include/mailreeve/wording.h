/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wording.h - the lines that each built-in format knows, written down for people: what
 * `learn --explain` compares a line with.
 *
 * The parsers of lib/format/ decide what a line means, fast and one-eyed; a wording says what such
 * a line looks like, so that a reading can be shown part by part, and a line that nobody takes can
 * be held against the one it is nearest to.  Nothing here is asked while logs are read.
 *
 * A wording is literal text but for braces:
 *   {user} {address} {method} …   a part, with a name of the table in wording.c
 *   {a|b|c}                       one of them; {?a} {?a|b}: or nothing.  They nest.
 */
#ifndef MAILREEVE_WORDING_H
#define MAILREEVE_WORDING_H

#include <mailreeve/event.h>

struct mr_wording {
	const char *format;
	const char *program; /* fnmatch(3) pattern, or NULL: any that the format knows */
	const char *text;
	const char *why; /* NULL: an event.  Else: why such a line tells nothing */
	bool stated; /* an own format's: in the language of template.h */
};
extern const struct mr_wording mr_wordings[]; /* ends with .format NULL */

struct mr_wording_part {
	const char *what; /* the part's name, or "words" for what is literal */
	size_t at, n; /* bytes of the text */
};
#define MR_WORDING_PARTS 64
struct mr_wording_reading {
	struct mr_wording_part part[MR_WORDING_PARTS]; /* up to where the reading ended */
	size_t parts;
	bool whole; /* all of the text fits; else: */
	unsigned int cost; /* how far it is from the wording: to compare with others */
	bool near; /* near enough to be worth telling */
	size_t at, found; /* bytes: where it leaves the wording, and how much stands there */
	char expected[64]; /* what ought to stand there */
	char wording[384]; /* the whole, for people: user=<{user}>, rip={address} */
	bool literal; /* `expected` is text, not a description */
};

/* What a reading has to agree with; all may be NULL. */
struct mr_wording_wanted {
	const struct mr_str *user; /* the text of each {user} */
	const struct mr_addr *addr; /* {address} is this */
	const struct mr_addr *not_addr; /* and not this */
};
#define MR_WORDING_TEXT 2048 /* bytes: longer text is not compared (-E2BIG) */

/* Reads s as the whole of w.  0: out->whole; -ENOENT: it does not fit; -E2BIG, -ENOMEM. */
int mr_wording_read(const struct mr_wording *w, struct mr_str s,
		    const struct mr_wording_wanted *wanted, struct mr_wording_reading *out);
/* Where s leaves w, if as little as possible is thought to be wrong with it. */
int mr_wording_compare(const struct mr_wording *w, struct mr_str s, struct mr_wording_reading *out);

#endif
