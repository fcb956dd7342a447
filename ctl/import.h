/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import.h - what the importers share: files read with suspicion, words, addresses, and the two
 * ways to speak of a line: an error ends the import, what could not be carried over is a comment.
 */
#ifndef MAILREEVE_CTL_IMPORT_H
#define MAILREEVE_CTL_IMPORT_H

#include "ctl.h"

#include <mailreeve/addr.h>

#define MR_IMPORT_FILE_MAX (256u << 20) /* bytes: a dump of some million rows */
#define MR_IMPORT_LINE_MAX 65536 /* bytes of a line of text; SQL dumps have their own reader */

struct mr_text {
	const char *p;
	size_t n;
};

struct mr_import {
	FILE *out; /* where comments and statements go now */
	const char *path; /* being read */
	unsigned int line; /* being read, from 1 */
	size_t errors, left; /* left: told as comments */
	bool lines; /* ispconfig: for `mailreeve account import` */
	char **args; /* [KIND:]FILE */
	int n_args;
};

/* A file ("-": standard input) as text: control characters, NUL and UTF-16 are errors, told with
 * their line.  Sets i->path.  False: told. */
bool mr_import_read(struct mr_import *i, const char *path, bool sql, char **data, size_t *len);
/* The next line without blanks around it; false at the end.  Sets i->line. */
bool mr_import_line(struct mr_import *i, const char **at, const char *end, struct mr_text *line);
/* The next word, cut off the head of *rest; false: none.  Blanks are in `blanks`. */
bool mr_import_word(struct mr_text *rest, const char *blanks, struct mr_text *word);
bool mr_text_is(const struct mr_text *t, const char *word); /* ASCII case does not count */
struct mr_text mr_text_of(const char *s);

void mr_import_error(struct mr_import *i, const char *fmt, ...) _printf_(2, 3);
/* "# FILE:LINE: not carried over: WHY" and the text, into i->out. */
void mr_import_left(struct mr_import *i, const struct mr_text *what, const char *fmt, ...)
	_printf_(3, 4);
/* Text within a comment or a message: one line, printable, valid UTF-8. */
void mr_import_print(FILE *out, const char *p, size_t n);
/* A word of the configuration, quoted where it must be. */
void mr_import_quote(FILE *out, const char *p, size_t n);
/* Can it be a word at all?  False: told as an error. */
bool mr_import_sayable(struct mr_import *i, const struct mr_text *t);

/* ADDR, ADDR/LEN, ADDR/MASK, or ADDR and a mask (n 0: none).  Bits behind the prefix are cut off
 * and *cut says so.  -EINVAL: no address; -EDOM: a mask with holes. */
int mr_import_prefix(const struct mr_text *addr, const struct mr_text *mask, struct mr_prefix *out,
		     bool *cut);
/* Letters that no address has: a name, or a remark. */
bool mr_import_named(const struct mr_text *t);
/* "any" for 0.0.0.0/0: those who wrote it had no other word for everybody. */
const char *mr_import_source(const struct mr_prefix *p, char buf[static MR_PREFIX_TEXT]);
/* Splits "KIND:FILE" if the kind is one of the list (NULL at its end); -1: none, FILE is all. */
int mr_import_kind(const char *arg, const char *const *kinds, const char **path);
bool mr_import_domain(const char *p, size_t n); /* fits behind `name` */

/* Each reads i->args and writes a configuration to i->out; 0 or -errno, mistakes are told. */
int mr_import_vpop3(struct mr_import *i);
int mr_import_imail(struct mr_import *i);
int mr_import_postfix(struct mr_import *i);
int mr_import_ispconfig(struct mr_import *i);

#endif
